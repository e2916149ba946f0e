/* Makes PyTorch's files by hand: pickles, zips as PyTorch lays them out, and files from before 1.6. */
#ifndef ZN_TESTS_SUPPORT_CHECKPOINTS_H
#define ZN_TESTS_SUPPORT_CHECKPOINTS_H

#include <stdio.h>

#include "base/bytes.h"
#include "support/plans.h"
#include "support/unit.h"

/* ---- files by hand */

struct bytes {
    uint8_t *at;
    size_t len, cap;
};

static inline void put(struct bytes *b, const void *data, size_t len) {
    if (b->len + len > b->cap) {
        b->cap = 2 * (b->len + len);
        b->at = realloc(b->at, b->cap);
        assert_non_null(b->at);
    }
    if (len) memcpy(b->at + b->len, data, len);
    b->len += len;
}

static inline void put_number(struct bytes *b, uint64_t v, size_t len) {
    uint8_t le[8];
    zn_put_u64(le, v);
    put(b, le, len);
}

static inline void put_text(struct bytes *b, const char *text) {
    put(b, text, strlen(text));
}

static inline void put_zeros(struct bytes *b, size_t len) {
    while (len-- > 0) put_number(b, 0, 1);
}

/* ---- pickles */

static inline void pickle_string(struct bytes *b, const char *text) {
    put_text(b, "X");
    put_number(b, strlen(text), 4);
    put_text(b, text);
}

static inline void pickle_int(struct bytes *b, uint64_t i) {
    put_text(b, "J");
    put_number(b, i, 4);
}

/* Appends a persistent id: ("storage", torch.CLASS, KEY, "cpu", n). */
static inline void pickle_storage(struct bytes *b, const char *class, const char *key, uint64_t n) {
    put_text(b, "(");
    pickle_string(b, "storage");
    put_text(b, "ctorch\n");
    put_text(b, class);
    put_text(b, "\n");
    pickle_string(b, key);
    pickle_string(b, "cpu");
    pickle_int(b, n);
    put_text(b, "tQ");
}

struct tensor {
    const char *name, *class, *key;
    uint64_t n, first, rows, columns, row_stride, column_stride;
    const char *dtype; /* dtype of an untyped storage */
};

static inline void pickle_tensor(struct bytes *b, const struct tensor *t) {
    pickle_string(b, t->name);
    put_text(b, "ctorch._utils\n_rebuild_tensor_v");
    put_text(b, t->dtype ? "3\n(" : "2\n(");
    pickle_storage(b, t->class, t->key, t->n);
    pickle_int(b, t->first);
    pickle_int(b, t->rows);
    pickle_int(b, t->columns);
    put_text(b, "\x86");
    pickle_int(b, t->row_stride);
    pickle_int(b, t->column_stride);
    put_text(b, "\x86\x89");
    put_text(b, "ccollections\nOrderedDict\n)R");
    if (t->dtype) {
        put_text(b, "ctorch\n");
        put_text(b, t->dtype);
        put_text(b, "\n");
    }
    put_text(b, "tR");
}

/* Returns the pickle of a state dictionary. */
static inline struct bytes pickle_of(const struct tensor *t, size_t n) {
    struct bytes b = {NULL, 0, 0};
    put_text(&b,
             "\x80\x02"
             "ccollections\nOrderedDict\n)R(");
    for (size_t i = 0; i < n; i++) pickle_tensor(&b, &t[i]);
    put_text(&b, "u.");
    return b;
}

/* ---- zips as PyTorch writes them */

struct zip {
    struct bytes out, directory;
    size_t base; /* offset of the archive in the file */
    unsigned n;
};

enum { ALIGNED = 1, DESCRIBED = 2, DEFLATED = 4 }; /* kinds of members */

static inline void put_member(struct zip *z, const char *name, const void *data, size_t len, unsigned kind) {
    const size_t at = z->out.len - z->base, name_len = strlen(name), bare = at + 34 + name_len;
    const size_t padding = kind & ALIGNED ? (64 - bare % 64) % 64 : 0;
    put_text(&z->out, "PK\x03\x04");
    put_zeros(&z->out, 2);
    put_number(&z->out, kind & DESCRIBED ? 0x808 : 0, 2);
    put_number(&z->out, kind & DEFLATED ? 8 : 0, 2);
    put_zeros(&z->out, 8);
    put_number(&z->out, kind & DESCRIBED ? 0 : len, 4);
    put_number(&z->out, kind & DESCRIBED ? 0 : len, 4);
    put_number(&z->out, name_len, 2);
    put_number(&z->out, kind & ALIGNED ? 4 + padding : 0, 2);
    put_text(&z->out, name);
    if (kind & ALIGNED) {
        put_text(&z->out, "FB");
        put_number(&z->out, padding, 2);
        for (size_t i = 0; i < padding; i++) put_text(&z->out, "Z");
    }
    put(&z->out, data, len);
    if (kind & DESCRIBED) {
        put_text(&z->out, "PK\x07\x08");
        put_zeros(&z->out, 4);
        put_number(&z->out, len, 4);
        put_number(&z->out, len, 4);
    }
    put_text(&z->directory, "PK\x01\x02");
    put_zeros(&z->directory, 4);
    put_number(&z->directory, kind & DESCRIBED ? 0x808 : 0, 2);
    put_number(&z->directory, kind & DEFLATED ? 8 : 0, 2);
    put_zeros(&z->directory, 8);
    put_number(&z->directory, len, 4);
    put_number(&z->directory, len, 4);
    put_number(&z->directory, name_len, 2);
    put_zeros(&z->directory, 12);
    put_number(&z->directory, at, 4);
    put_text(&z->directory, name);
    z->n++;
}

static inline void put_end(struct zip *z, const char *comment) {
    const size_t at = z->out.len - z->base;
    put(&z->out, z->directory.at, z->directory.len);
    put_text(&z->out, "PK\x05\x06");
    put_zeros(&z->out, 4);
    put_number(&z->out, z->n, 2);
    put_number(&z->out, z->n, 2);
    put_number(&z->out, z->directory.len, 4);
    put_number(&z->out, at, 4);
    put_number(&z->out, strlen(comment), 2);
    put_text(&z->out, comment);
    free(z->directory.at);
    z->directory = (struct bytes){NULL, 0, 0};
    z->base = z->out.len;
    z->n = 0;
}

/* Appends each storage once, in the given order. */
static inline void put_storages(struct zip *z, const char *const *keys, const size_t *lens, size_t n) {
    for (size_t i = 0; i < n; i++) {
        char name[64];
        void *data = calloc(1, lens[i] + 1);
        snprintf(name, sizeof name, "archive/data/%s", keys[i]);
        put_member(z, name, data, lens[i], ALIGNED | DESCRIBED);
        free(data);
    }
}

static const struct tensor mixed[] = {
    {"a.weight", "FloatStorage", "0", 6, 0, 2, 3, 3, 1, NULL},
    {"a.bias", "BFloat16Storage", "1", 8, 0, 2, 4, 4, 1, NULL},
    {"b.first", "HalfStorage", "2", 16, 0, 2, 3, 3, 1, NULL},
    {"b.second", "HalfStorage", "2", 16, 8, 2, 4, 4, 1, NULL},
    {"b.alias", "HalfStorage", "2", 16, 0, 2, 3, 3, 1, NULL},
    {"turned", "LongStorage", "3", 6, 0, 2, 3, 1, 2, NULL},
    {"e4m3", "UntypedStorage", "10", 10, 0, 2, 5, 5, 1, "float8_e4m3fn"},
    {"beyond", "FloatStorage", "4", 4, 2, 2, 3, 3, 1, NULL},
    {"empty", "FloatStorage", "4", 4, 0, 0, 3, 3, 1, NULL},
};
enum { N_MIXED = sizeof mixed / sizeof mixed[0] };
static const char *const mixed_keys[] = {"0", "1", "2", "3", "10", "4"};
static const char *const sorted_keys[] = {"0", "1", "10", "2", "3", "4"};
static const size_t mixed_lens[] = {24, 16, 32, 48, 10, 16}, sorted_lens[] = {24, 16, 10, 32, 48, 16};

enum style { NEW, OLD };

static inline struct bytes checkpoint(enum style style) {
    struct zip z = {.n = 0};
    struct bytes pickle = pickle_of(mixed, N_MIXED);
    put_member(&z, "archive/data.pkl", pickle.at, pickle.len, ALIGNED | DESCRIBED);
    if (style == NEW) put_member(&z, "archive/.format_version", "1", 1, ALIGNED | DESCRIBED);
    if (style == NEW) put_member(&z, "archive/byteorder", "little", 6, ALIGNED | DESCRIBED);
    put_storages(&z, style == NEW ? mixed_keys : sorted_keys, style == NEW ? mixed_lens : sorted_lens, 6);
    put_member(&z, "archive/version", "3\n", 2, ALIGNED | DESCRIBED);
    put_end(&z, "");
    free(pickle.at);
    return z.out;
}

static inline struct bytes old_file(void) {
    struct bytes b = pickle_of(mixed, 6), file = {NULL, 0, 0};
    put(&file, "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.\x80\x02M\xe9\x03.\x80\x02}.", 25);
    put(&file, b.at, b.len);
    put_text(&file, "\x80\x02]");
    for (int i = 0; i < 4; i++) { /* one at a time, which gives a list of several runs */
        pickle_string(&file, mixed_keys[i]);
        put_text(&file, "a");
    }
    put_text(&file, ".");
    for (int i = 0; i < 4; i++) {
        static const uint64_t counts[] = {6, 8, 16, 6};
        put_number(&file, counts[i], 8);
        put_zeros(&file, mixed_lens[i]);
    }
    free(b.at);
    return file;
}

static const char npy[] =
    "\x93NUMPY\x01\x00\x38\x00{'descr': '<f4', 'fortran_order': False, 'shape': (2,)}\n\1\2\3\4\5\6\7\10";

/* Returns the plan of an exact copy, so that a sanitizer sees reads beyond the end. */
static inline struct zn_plan plan_of(const struct bytes *b, size_t len, enum zn_view_end end) {
    uint8_t *copy = malloc(len ? len : 1);
    assert_non_null(copy);
    if (len) memcpy(copy, b->at, len);
    struct zn_plan plan = zt_plan_of(copy, len, end);
    free(copy);
    return plan;
}

#endif
