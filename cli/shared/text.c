#include "shared/text.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "line/exits.h"

size_t text_character(const char *text, unsigned long *code) {
    const unsigned char *s = (const unsigned char *)text;
    static const unsigned long least[] = {0, 0, 0x80, 0x800, 0x10000};
    if (s[0] < 0x80) {
        *code = s[0];
        return 1;
    }
    size_t len = s[0] < 0xc2 ? 0 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : s[0] < 0xf5 ? 4 : 0;
    if (!len) return 0;
    *code = s[0] & (0x7fU >> len);
    for (size_t i = 1; i < len; i++) {
        if ((s[i] & 0xc0) != 0x80) return 0;
        *code = *code << 6 | (s[i] & 0x3fU);
    }
    bool surrogate = *code >= 0xd800 && *code <= 0xdfff;
    return *code < least[len] || *code > 0x10ffff || surrogate ? 0 : len;
}

bool text_is_control(unsigned long code) {
    return code < 0x20 || (code >= 0x7f && code < 0xa0) || code == 0x61c || (code >= 0x200e && code <= 0x200f) ||
           (code >= 0x2028 && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069);
}

void text_put(FILE *to, const char *text) {
    const char *s = text;
    while (*s) {
        unsigned long code;
        size_t len = text_character(s, &code);
        if (len && !text_is_control(code) && code != '\\') {
            fwrite(s, 1, len, to);
        } else if (*s == '\\' || *s == '\n' || *s == '\t') {
            fputs(*s == '\n' ? "\\n" : *s == '\t' ? "\\t" : "\\\\", to);
        } else {
            len = len ? len : 1;
            for (size_t i = 0; i < len; i++) fprintf(to, "\\x%02x", (unsigned char)s[i]);
        }
        s += len;
    }
}

/* Returns the columns that text_put needs for the first character of `text`, and the length of that. Characters of the
 * scripts that may be two columns wide count as two. */
static size_t columns_of(const char *text, size_t *len) {
    enum { FIRST_WIDE = 0x1100, ESCAPE = 4 };
    unsigned long code = 0;
    const size_t n = text_character(text, &code);
    *len = n ? n : 1;
    if (*text == '\\' || *text == '\n' || *text == '\t') return 2;
    if (!n || text_is_control(code)) return ESCAPE * *len;
    return code >= FIRST_WIDE ? 2 : 1;
}

const char *text_tail(const char *text, size_t columns) {
    size_t all = 0, len;
    for (const char *s = text; *s; s += len) all += columns_of(s, &len);
    while (all > columns) {
        all -= columns_of(text, &len);
        text += len;
    }
    return text;
}

void text_put_shape(FILE *to, uint32_t rank, const uint64_t *shape) {
    putc('[', to);
    for (uint32_t i = 0; i < rank; i++) fprintf(to, "%s%" PRIu64, i ? ", " : "", shape[i]);
    putc(']', to);
}

void text_put_hex(FILE *to, const uint8_t *bytes, size_t len) {
    for (size_t i = 0; i < len; i++) fprintf(to, "%02x", bytes[i]);
}

struct text_left_out text_left_out(uint64_t n) {
    struct text_left_out t;
    snprintf(t.text, sizeof t.text, "%" PRIu64 " %s of the original's directory %s not listed", n,
             n == 1 ? "entry" : "entries", n == 1 ? "is" : "are");
    return t;
}

struct text_size text_size(uint64_t bytes) {
    static const char *const units[] = {"kB", "MB", "GB", "TB", "PB", "EB"};
    struct text_size t;
    double value = (double)bytes / 1000;
    size_t unit = 0;
    for (; value >= 999.95 && unit < 5; unit++) value /= 1000;
    unsigned hundredths = (unsigned)(value * 100 + 0.5), tenths = (unsigned)(value * 10 + 0.5);
    if (bytes < 1000)
        snprintf(t.text, sizeof t.text, "%u B", (unsigned)bytes);
    else if (hundredths < 10000)
        snprintf(t.text, sizeof t.text, "%u.%02u %s", hundredths / 100, hundredths % 100, units[unit]);
    else
        snprintf(t.text, sizeof t.text, "%u.%u %s", tenths / 10, tenths % 10, units[unit]);
    return t;
}

double text_percent(uint64_t part, uint64_t whole) {
    return whole ? 100.0 * (double)part / (double)whole : 100.0;
}

char *text_join(const char *a, const char *b, const char *c) {
    size_t size = strlen(a) + strlen(b) + strlen(c) + 1;
    char *joined = text_realloc(NULL, size);
    snprintf(joined, size, "%s%s%s", a, b, c);
    return joined;
}

void *text_realloc(void *ptr, size_t size) {
    void *p = realloc(ptr, size);
    if (!p) {
        fputs("zipnn: out of memory\n", stderr);
        exit(EXIT_MEMORY);
    }
    return p;
}
