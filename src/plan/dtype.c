#include "plan/dtype.h"

#include <stdint.h>
#include <string.h>

static const struct zn_dtype_facts table[ZN_N_DTYPES] = {
    [ZIPNN_DTYPE_UNKNOWN] = {"", "?", ZN_KIND_BYTES, 0, 0, 1, 0, "|u1", "", "", ""},
#define DTYPE(id, name, kind, bits, exponent, word, elements, numpy, ml_dtypes, torch, aliases) \
    [ZIPNN_##id] = {#id, name, ZN_KIND_##kind, bits, exponent, word, elements, numpy, ml_dtypes, torch, aliases},
#include "plan/dtypes.def"
#undef DTYPE
};

const struct zn_dtype_facts *zn_dtype_facts(zipnn_dtype dtype) {
    return &table[(unsigned)dtype < ZN_N_DTYPES ? (unsigned)dtype : ZIPNN_DTYPE_UNKNOWN];
}

const char *zn_dtype_name(zipnn_dtype dtype) {
    return zn_dtype_facts(dtype)->name;
}

unsigned zn_dtype_bits(zipnn_dtype dtype) {
    return zn_dtype_facts(dtype)->bits;
}

unsigned zn_dtype_word(zipnn_dtype dtype) {
    return zn_dtype_facts(dtype)->word;
}

bool zn_dtype_is_fp8(zipnn_dtype dtype) {
    const struct zn_dtype_facts *f = zn_dtype_facts(dtype);
    return f->kind == ZN_KIND_FLOAT && f->bits == 8 && f->exponent < 7;
}

unsigned zn_dtype_elements(zipnn_dtype dtype) {
    return zn_dtype_facts(dtype)->elements;
}

zipnn_dtype zn_dtype_from_safetensors(const char *name, size_t len) {
    for (unsigned i = ZIPNN_DTYPE_UNKNOWN + 1; i <= ZIPNN_C64; i++) /* the types that safetensors has */
        if (strlen(table[i].name) == len && memcmp(table[i].name, name, len) == 0) return (zipnn_dtype)i;
    return ZIPNN_DTYPE_UNKNOWN;
}

unsigned zn_dtype_unit(zipnn_dtype dtype) {
    const struct zn_dtype_facts *f = zn_dtype_facts(dtype);
    return f->kind == ZN_KIND_COMPLEX ? f->bits / 16 : f->bits / 8;
}

/* Returns a letter in lower case. It knows ASCII only and ignores the locale. */
static char lower(char c) {
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static bool is_word(const char *text, const char *word, size_t len) {
    for (size_t i = 0; i < len; i++)
        if (text[i] == '\0' || lower(text[i]) != lower(word[i])) return false;
    return len > 0 && text[len] == '\0';
}

/* Returns whether text is one of the words, which are separated by spaces. */
static bool is_among(const char *text, const char *words) {
    while (*words) {
        const size_t len = strcspn(words, " ");
        if (is_word(text, words, len)) return true;
        words += len + (words[len] == ' ');
    }
    return false;
}

bool zn_dtype_from_text(const char *text, zipnn_dtype *dtype) {
    for (unsigned i = ZIPNN_DTYPE_UNKNOWN + 1; i < ZN_N_DTYPES; i++) {
        const struct zn_dtype_facts *f = &table[i];
        if (!is_among(text, f->id) && !is_among(text, f->name) && !is_among(text, f->ml_dtypes) &&
            !is_among(text, f->torch) && !is_among(text, f->aliases))
            continue;
        *dtype = (zipnn_dtype)i;
        return true;
    }
    return false;
}
