#include "commands/npz_file.h"

#include <stdlib.h>
#include <string.h>

#include "shared/cli_fail.h"
#include "shared/text.h"

enum {
    LOCAL = 30,
    CENTRAL = 46,
    END = 22,
    END64 = 56,
    LOCATOR64 = 20,
    WIDE = 20, /* the field of a local header with two sizes of 64 bits */
    WIDE_CENTRAL = 28,
    FIRST_DAY = 0x21, /* 1980-01-01 */
    MOST_SHORT = 0xffff
};
#define MOST_NARROW UINT64_C(0xffffffff)

uint32_t crc32_of(uint32_t crc, const void *bytes, size_t len) {
    static const uint32_t nibble[16] = {0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190, 0x6b6b51f4,
                                        0x4db26158, 0x5005713c, 0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c,
                                        0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c};
    const unsigned char *at = bytes;
    crc = ~crc;
    for (size_t i = 0; i < len; i++) {
        crc = nibble[(crc ^ at[i]) & 15] ^ crc >> 4;
        crc = nibble[(crc ^ (uint32_t)at[i] >> 4) & 15] ^ crc >> 4;
    }
    return ~crc;
}

char *npy_name(const char *before, const char *name) {
    static const char digits[] = "0123456789ABCDEF";
    const size_t len = strlen(name);
    char *file = text_realloc(NULL, 3 * len + 1), *to = file;
    for (size_t i = 0; i < len; i++) {
        const unsigned char c = (unsigned char)name[i];
        const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
                           c == '_' || (c == '.' && i > 0);
        if (plain) {
            *to++ = (char)c;
            continue;
        }
        *to++ = '%';
        *to++ = digits[c >> 4];
        *to++ = digits[c & 15];
    }
    *to = '\0';
    char *path = text_join(before, file, ".npy");
    free(file);
    return path;
}

/* Returns whether the name can be unpacked anywhere: no part of it is "", "." or "..", and nothing in it is special. */
static bool is_harmless(const char *name) {
    for (const char *c = name; *c; c++)
        if ((unsigned char)*c < ' ' || *c == 0x7f || strchr("\\:*?\"<>|%", *c)) return false;
    for (const char *part = name;; part++) {
        const size_t n = strcspn(part, "/");
        if (n == 0 || (n == 1 && part[0] == '.') || (n == 2 && part[0] == '.' && part[1] == '.')) return false;
        part += n;
        if (!*part) return true;
    }
}

static unsigned char *put(unsigned char *to, uint64_t number, unsigned n) {
    for (unsigned i = 0; i < n; i++) *to++ = (unsigned char)(number >> 8 * i);
    return to;
}

static zipnn_status append(struct npz *z, const void *bytes, size_t len, zipnn_error *err) {
    z->at += len;
    return output_put(z->out, bytes, len, err);
}

static uint64_t narrow(uint64_t number) {
    return number < MOST_NARROW ? number : MOST_NARROW;
}

/* The fields that both headers have: from the version that is needed to the length of the name. */
static unsigned char *put_common(unsigned char *to, const struct npz_entry *e, bool wide) {
    enum { UTF8 = 1 << 11, STORED = 0 };
    to = put(to, wide ? 45 : 20, 2);
    to = put(to, UTF8, 2);
    to = put(to, STORED, 2);
    to = put(to, 0, 2);
    to = put(to, FIRST_DAY, 2);
    to = put(to, e->crc, 4);
    to = put(to, wide ? MOST_NARROW : e->size, 4);
    to = put(to, wide ? MOST_NARROW : e->size, 4);
    return put(to, strlen(e->name), 2);
}

zipnn_status npz_put_entry(struct npz *z, const char *tensor, uint32_t crc, uint64_t size, zipnn_error *err) {
    unsigned char head[LOCAL + WIDE], *to = head;
    if (z->n == z->cap) {
        z->cap = z->cap ? 2 * z->cap : 16;
        z->entry = text_realloc(z->entry, z->cap * sizeof z->entry[0]);
    }
    struct npz_entry *e = &z->entry[z->n++];
    *e = (struct npz_entry){is_harmless(tensor) ? text_join(tensor, ".npy", "") : npy_name("", tensor), crc, size,
                            z->at};
    if (strlen(e->name) > MOST_SHORT)
        return cli_fail(err, ZIPNN_E_ARGUMENT, "\"%.80s...\": a name in a .npz file has %d bytes at most", e->name,
                        MOST_SHORT);
    const bool wide = size >= MOST_NARROW;
    to = put_common(put(to, 0x04034b50, 4), e, wide);
    to = put(to, wide ? WIDE : 0, 2);
    zipnn_status st = append(z, head, (size_t)(to - head), err);
    if (st == ZIPNN_OK) st = append(z, e->name, strlen(e->name), err);
    to = put(put(put(put(head, 1, 2), WIDE - 4, 2), size, 8), size, 8);
    if (st == ZIPNN_OK && wide) st = append(z, head, (size_t)(to - head), err);
    z->at += size;
    return st;
}

static zipnn_status put_central(struct npz *z, const struct npz_entry *e, zipnn_error *err) {
    unsigned char head[CENTRAL + WIDE_CENTRAL], *to = head;
    const bool wide = e->size >= MOST_NARROW, far = e->at >= MOST_NARROW;
    to = put_common(put(put(to, 0x02014b50, 4), 3 << 8 | 45, 2), e, wide);
    to = put(to, wide || far ? 4u + (wide ? 16u : 0) + (far ? 8u : 0) : 0, 2);
    to = put(to, 0, 2);
    to = put(to, 0, 2);
    to = put(to, 0, 2);
    to = put(to, UINT64_C(0100644) << 16, 4);
    to = put(to, narrow(e->at), 4);
    zipnn_status st = append(z, head, (size_t)(to - head), err);
    if (st == ZIPNN_OK) st = append(z, e->name, strlen(e->name), err);
    if (st != ZIPNN_OK || (!wide && !far)) return st;
    to = put(put(head, 1, 2), (wide ? 16u : 0) + (far ? 8u : 0), 2);
    if (wide) to = put(put(to, e->size, 8), e->size, 8);
    if (far) to = put(to, e->at, 8);
    return append(z, head, (size_t)(to - head), err);
}

zipnn_status npz_end(struct npz *z, zipnn_error *err) {
    unsigned char end[END64 + LOCATOR64 + END], *to = end;
    const uint64_t first = z->at;
    zipnn_status st = ZIPNN_OK;
    for (size_t i = 0; i < z->n && st == ZIPNN_OK; i++) st = put_central(z, &z->entry[i], err);
    if (st != ZIPNN_OK) return st;
    const uint64_t length = z->at - first;
    if (z->n >= MOST_SHORT || first >= MOST_NARROW || length >= MOST_NARROW) {
        to = put(put(put(put(to, 0x06064b50, 4), END64 - 12, 8), 3 << 8 | 45, 2), 45, 2);
        to = put(put(put(put(put(to, 0, 8), z->n, 8), z->n, 8), length, 8), first, 8);
        to = put(put(put(put(to, 0x07064b50, 4), 0, 4), z->at, 8), 1, 4);
    }
    const uint64_t n = z->n < MOST_SHORT ? z->n : MOST_SHORT;
    to = put(put(put(put(put(to, 0x06054b50, 4), 0, 4), n, 2), n, 2), narrow(length), 4);
    to = put(put(to, narrow(first), 4), 0, 2);
    return append(z, end, (size_t)(to - end), err);
}

void npz_free(struct npz *z) {
    for (size_t i = 0; i < z->n; i++) free(z->entry[i].name);
    free(z->entry);
    *z = (struct npz){.n = 0};
}
