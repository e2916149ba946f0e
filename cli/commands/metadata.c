#include "commands/metadata.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/text.h"

enum { MOST_READ = 16 << 20, DEEPEST = 64 };

/* The bytes that are left. Whoever takes more than there is sets `bad`, and gets nothing from then on. */
struct cursor {
    const unsigned char *at, *end;
    bool bad;
};

static const unsigned char *take(struct cursor *c, uint64_t n) {
    const unsigned char *bytes = c->at;
    if (c->bad || n > (uint64_t)(c->end - c->at)) {
        c->bad = true;
        return NULL;
    }
    c->at += n;
    return bytes;
}

static uint64_t take_number(struct cursor *c, unsigned n) {
    const unsigned char *bytes = take(c, n);
    uint64_t number = 0;
    for (unsigned i = 0; bytes && i < n; i++) number |= (uint64_t)bytes[i] << (8 * i);
    return number;
}

static char *copy(const unsigned char *bytes, uint64_t len, size_t most) {
    const size_t n = len < most ? (size_t)len : most;
    const bool cut = n < len;
    char *text = text_realloc(NULL, n + sizeof "...");
    memcpy(text, bytes, n);
    memcpy(text + n, cut ? "..." : "", cut ? sizeof "..." : 1);
    for (size_t i = 0; i < n; i++)
        if (!text[i]) text[i] = ' ';
    return text;
}

/* Takes both strings. */
static void add(struct metadata *m, char *key, char *value) {
    if (m->n < METADATA_MOST) {
        m->entry[m->n].key = key;
        m->entry[m->n++].value = value;
        return;
    }
    m->n_more++;
    free(key);
    free(value);
}

/* ---- safetensors: {"__metadata__":{"key":"value"}, ...} ---------------------------------------------------------- */

static void skip_space(struct cursor *c) {
    while (c->at < c->end && (*c->at == ' ' || *c->at == '\n' || *c->at == '\t' || *c->at == '\r')) c->at++;
}

static bool take_mark(struct cursor *c, char mark) {
    skip_space(c);
    if (c->at == c->end || *c->at != (unsigned char)mark) return false;
    c->at++;
    return true;
}

static unsigned hex_of(struct cursor *c) {
    const unsigned char *digits = take(c, 4);
    char text[5] = "";
    if (digits) memcpy(text, digits, 4);
    return (unsigned)strtoul(text, NULL, 16);
}

static size_t put_utf8(unsigned code, unsigned char *to) {
    if (code < 0x80) {
        to[0] = (unsigned char)code;
        return 1;
    }
    if (code < 0x800) {
        to[0] = (unsigned char)(0xc0 | code >> 6);
        to[1] = (unsigned char)(0x80 | (code & 63));
        return 2;
    }
    to[0] = (unsigned char)(0xe0 | code >> 12);
    to[1] = (unsigned char)(0x80 | (code >> 6 & 63));
    to[2] = (unsigned char)(0x80 | (code & 63));
    return 3;
}

/* A string, without its escapes; characters beyond 16 bits that are escaped as two become what is shown for no character. */
static char *take_string(struct cursor *c, size_t most) {
    if (!take_mark(c, '"')) {
        c->bad = true;
        return NULL;
    }
    const unsigned char *end = c->at;
    while (end < c->end && *end != '"') end += *end == '\\' && c->end - end > 1 ? 2 : 1;
    unsigned char *text = text_realloc(NULL, (size_t)(end - c->at) + 4);
    size_t n = 0;
    while (c->at < end) {
        unsigned char byte = *c->at++;
        if (byte == '\\' && c->at < end) {
            byte = *c->at++;
            if (byte == 'u') {
                n += put_utf8(hex_of(c), text + n);
                continue;
            }
            const char *of = strchr("nrtbf", byte);
            if (of) byte = (unsigned char)"\n\r\t\b\f"[of - "nrtbf"];
        }
        text[n++] = byte;
    }
    if (c->at > end || !take_mark(c, '"')) c->bad = true; /* an escape that goes past the end of the string */
    char *result = copy(text, n, most);
    free(text);
    return result;
}

/* Passes a value of any kind. Brackets in strings do not count. */
static void skip_value(struct cursor *c) {
    size_t depth = 0;
    do {
        skip_space(c);
        if (c->at == c->end) break;
        const unsigned char byte = *c->at;
        if (byte == '"') {
            for (c->at++; c->at < c->end && *c->at != '"'; c->at++)
                if (*c->at == '\\' && c->end - c->at > 1) c->at++;
            (void)take(c, 1);
        } else {
            if (depth == 0 && (byte == ',' || byte == '}')) return;
            depth += byte == '{' || byte == '[';
            if (byte == '}' || byte == ']') depth--;
            c->at++;
        }
    } while (!c->bad && (depth > 0 || (c->at < c->end && *c->at != ',' && *c->at != '}')));
}

static void read_pairs(struct cursor *c, struct metadata *m) {
    if (!take_mark(c, '{')) return;
    while (!c->bad) {
        char *key = take_string(c, METADATA_LONGEST);
        char *value = key && take_mark(c, ':') ? take_string(c, METADATA_LONGEST) : NULL;
        if (!value || c->bad) {
            free(key);
            free(value);
            return;
        }
        add(m, key, value);
        if (!take_mark(c, ',')) return;
    }
}

static void read_safetensors(struct cursor *c, struct metadata *m) {
    const uint64_t length = take_number(c, 8);
    if (length < (uint64_t)(c->end - c->at)) c->end = c->at + length;
    if (!take_mark(c, '{')) return;
    while (!c->bad && c->at < c->end) {
        static const char wanted[] = "__metadata__";
        char *key = take_string(c, sizeof wanted + 1);
        const bool found = key && strcmp(key, wanted) == 0;
        free(key);
        if (!take_mark(c, ':')) return;
        if (found) {
            read_pairs(c, m);
            return;
        }
        skip_value(c);
        if (!take_mark(c, ',')) return;
    }
}

/* ---- GGUF -------------------------------------------------------------------------------------------------------- */

enum gguf { U8, I8, U16, I16, U32, I32, F32, BOOL, STRING, ARRAY, U64, I64, F64, N_GGUF };
static const unsigned char sizes[N_GGUF] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};

static char *number_text(enum gguf type, uint64_t bits) {
    char text[40] = "";
    const unsigned shift = 64 - 8u * sizes[type];
    const int64_t number = (int64_t)(bits << shift) >> shift;
    const uint32_t low = (uint32_t)bits;
    float single;
    double real;
    memcpy(&single, &low, sizeof single);
    memcpy(&real, &bits, sizeof real);
    if (type == F32) real = (double)single;
    if (type == F32 || type == F64)
        snprintf(text, sizeof text, "%.7g", real);
    else if (type == BOOL)
        snprintf(text, sizeof text, "%s", bits ? "true" : "false");
    else if (type == I8 || type == I16 || type == I32 || type == I64)
        snprintf(text, sizeof text, "%" PRId64, number);
    else
        snprintf(text, sizeof text, "%" PRIu64, bits);
    return text_join(text, "", "");
}

/* An array that is passed: what is left of it. */
struct level {
    uint64_t type, left;
};

static void pass(struct cursor *c, struct level *levels, size_t *depth) {
    struct level *l = &levels[*depth - 1];
    if (l->left == 0) {
        --*depth;
    } else if (l->type == STRING) {
        l->left--;
        (void)take(c, take_number(c, 8));
    } else if (l->type == ARRAY && *depth < DEEPEST) {
        l->left--;
        levels[*depth].type = take_number(c, 4);
        levels[(*depth)++].left = take_number(c, 8);
    } else if (l->type < N_GGUF && sizes[l->type] && l->left <= MOST_READ) {
        (void)take(c, l->left * sizes[l->type]);
        l->left = 0;
    } else {
        c->bad = true;
    }
}

/* An array is told by its length. Each step takes bytes or ends an array, so the work is bounded by the bytes. */
static char *take_array(struct cursor *c) {
    char text[48];
    struct level levels[DEEPEST];
    size_t depth = 1;
    levels[0].type = take_number(c, 4);
    levels[0].left = take_number(c, 8);
    snprintf(text, sizeof text, "%" PRIu64 " values", levels[0].left);
    while (depth > 0 && !c->bad) pass(c, levels, &depth);
    return text_join(text, "", "");
}

static void read_gguf(struct cursor *c, struct metadata *m) {
    const uint64_t version = (take_number(c, 4), take_number(c, 4));
    (void)take_number(c, 8);
    if (version < 2 || version > 3) return; /* 1 has shorter counts, and big-endian files another version */
    for (uint64_t n = take_number(c, 8); n > 0 && !c->bad; n--) {
        const uint64_t key_len = take_number(c, 8);
        const unsigned char *key = take(c, key_len);
        const uint64_t type = take_number(c, 4);
        if (!key || c->bad || type >= N_GGUF) return;
        char *value = NULL;
        if (type == STRING) {
            const uint64_t len = take_number(c, 8);
            const unsigned char *text = take(c, len);
            if (text) value = copy(text, len, METADATA_LONGEST);
        } else {
            value = type == ARRAY ? take_array(c) : number_text((enum gguf)type, take_number(c, sizes[type]));
        }
        if (value && !c->bad)
            add(m, copy(key, key_len, METADATA_LONGEST), value);
        else
            free(value);
    }
}

void metadata_read(zipnn_archive *archive, const char *container, uint64_t original, struct metadata *m) {
    *m = (struct metadata){.n = 0};
    const bool safetensors = strcmp(container, "safetensors") == 0;
    if (!safetensors && strcmp(container, "gguf") != 0) return;
    unsigned char head[8] = {0};
    uint64_t length = original < MOST_READ ? original : MOST_READ;
    if (original < sizeof head || zipnn_archive_read(archive, 0, sizeof head, head, NULL) != ZIPNN_OK) return;
    struct cursor first = {head, head + sizeof head, false};
    const uint64_t header = take_number(&first, 8);
    if (safetensors && header < length - sizeof head) length = header + sizeof head;
    unsigned char *bytes = malloc((size_t)length);
    if (!bytes) return;
    struct cursor c = {bytes, bytes + length, false};
    if (zipnn_archive_read(archive, 0, length, bytes, NULL) == ZIPNN_OK)
        (safetensors ? read_safetensors : read_gguf)(&c, m);
    free(bytes);
}

void metadata_free(struct metadata *m) {
    for (size_t i = 0; i < m->n; i++) {
        free(m->entry[i].key);
        free(m->entry[i].value);
    }
    m->n = 0;
}
