/* zn_fail without a C library: base/err.c with a small formatter. */
#include "base/err.h"

#undef zn_fail

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

struct text {
    char *at, *end; /* one byte stays for the NUL */
};

static void put(struct text *t, char c) {
    if (t->at < t->end) *t->at++ = c;
}

static void put_number(struct text *t, unsigned long long value, unsigned base, unsigned width) {
    char digits[24];
    unsigned n = 0;
    do {
        digits[n++] = "0123456789abcdef"[value % base];
        value /= base;
    } while (value || (n < width && n < sizeof digits));
    while (n) put(t, digits[--n]);
}

static void put_signed(struct text *t, long long value) {
    if (value < 0) put(t, '-');
    put_number(t, value < 0 ? 0 - (unsigned long long)value : (unsigned long long)value, 10, 0);
}

/* What stands between % and the letter. */
struct spec {
    unsigned number; /* least digits, or, after a point, most bytes of a string */
    char size;       /* 'l' for long long, 'z' for size_t */
};

static const char *read_spec(const char *f, struct spec *s) {
    *s = (struct spec){0, 0};
    for (; *f == '.' || (*f >= '0' && *f <= '9'); f++)
        if (*f != '.') s->number = s->number * 10 + (unsigned)(*f - '0');
    for (; *f == 'l' || *f == 'z'; f++) s->size = *f;
    return f;
}

static unsigned long long take_unsigned(const struct spec *s, va_list *args) {
    if (s->size == 'l') return va_arg(*args, unsigned long long);
    return s->size == 'z' ? va_arg(*args, size_t) : va_arg(*args, unsigned);
}

/* Writes one argument as the messages of the library ask for: %s %.100s %c %d %u %x %02x, with ll or z. */
static void put_argument(struct text *t, char letter, const struct spec *s, va_list *args) {
    if (letter == 's') {
        const char *p = va_arg(*args, const char *);
        for (unsigned i = 0; p[i] && (s->number == 0 || i < s->number); i++) put(t, p[i]);
    } else if (letter == 'd') {
        put_signed(t, s->size == 'l' ? va_arg(*args, long long) : va_arg(*args, int));
    } else if (letter == 'u' || letter == 'x') {
        put_number(t, take_unsigned(s, args), letter == 'x' ? 16 : 10, s->number);
    } else if (letter == 'c') {
        put(t, (char)va_arg(*args, int));
    } else {
        put(t, letter);
    }
}

zipnn_status zn_fail(zipnn_error *err, zipnn_status status, uint64_t offset, const char *format, ...) {
    if (!err) return status;
    err->status = status;
    err->offset = offset;
    struct text t = {err->message, err->message + sizeof err->message - 1};
    va_list args;
    va_start(args, format);
    for (const char *f = format; *f; f++) {
        struct spec spec;
        if (*f != '%') {
            put(&t, *f);
            continue;
        }
        f = read_spec(f + 1, &spec);
        if (!*f) break;
        put_argument(&t, *f, &spec, &args);
    }
    va_end(args);
    *t.at = '\0';
    return status;
}
