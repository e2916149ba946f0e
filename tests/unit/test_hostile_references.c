/* References that lie, under right checksums, and references to what is lost. */
#include <stdio.h>

#include "base/bytes.h"
#include "format/reference.h"
#include "support/restore.h"
#include "support/samples.h"
#include "support/seal.h"
#include "support/streams.h"
#include "support/unit.h"

enum { TENSOR = 600000, MAX_FILE = 2 << 20 };

struct fixture {
    uint8_t base[MAX_FILE], next[MAX_FILE], restored[MAX_FILE];
    size_t base_len, next_len;
    struct archive {
        uint8_t data[MAX_FILE];
        size_t len, index_at;
    } itself, delta, forged; /* with a tensor that is another's copy, and as a difference from the base */
    struct zt_input in;
    zipnn_source source; /* of the base */
};

/* Tensors of the same length, one for each letter of `names`; in the last one some words may be others than the seed's.
 */
static size_t write_model(uint8_t *out, const char *names, const uint64_t *seeds, unsigned changed) {
    const unsigned n = (unsigned)strlen(names);
    char *json = (char *)out + 8;
    size_t len = (size_t)sprintf(json, "{");
    for (unsigned i = 0; i < n; i++)
        len += (size_t)sprintf(json + len, "%s\"%c\":{\"dtype\":\"BF16\",\"shape\":[%d],\"data_offsets\":[%u,%u]}",
                               i ? "," : "", names[i], TENSOR / 2, i * TENSOR, (i + 1) * TENSOR);
    len += (size_t)sprintf(json + len, "}");
    zn_put_u64(out, len);
    for (unsigned i = 0; i < n; i++) zt_sample(ZT_BF16, seeds[i], out + 8 + len + i * TENSOR, TENSOR);
    for (size_t i = 0; changed && i < TENSOR; i += 200) out[8 + len + (n - 1) * TENSOR + i] ^= 1;
    return 8 + len + (size_t)n * TENSOR;
}

static void pack(struct archive *a, zipnn_options options, const uint8_t *data, size_t len) {
    zipnn_ctx *ctx;
    options.size = sizeof options;
    assert_int_equal(zipnn_create(&options, &ctx, NULL), ZIPNN_OK);
    assert_int_equal(zipnn_compress(ctx, data, len, a->data, MAX_FILE, &a->len, NULL), ZIPNN_OK);
    zipnn_destroy(ctx);
    a->index_at = zt_seal(a->data, a->len);
    assert_true(a->index_at < a->len);
}

static int set_up(void **state) {
    static struct fixture f;
    const uint64_t twice[] = {1, 2, 1}, seeds[] = {1, 5, 2}, next[] = {1, 2};
    f.next_len = write_model(f.next, "abc", twice, 0);
    pack(&f.itself, (zipnn_options){0}, f.next, f.next_len);
    f.base_len = write_model(f.base, "abc", seeds, 0);
    f.next_len = write_model(f.next, "ac", next, 1);
    f.in = (struct zt_input){.data = f.base, .len = f.base_len};
    f.source = zt_file(&f.in);
    pack(&f.delta, (zipnn_options){.bases = &f.source, .n_bases = 1}, f.next, f.next_len);
    *state = &f;
    return 0;
}

/* Body of the first chunk with a reference of that method. */
static uint8_t *find_reference(struct archive *a, enum zn_method method) {
    uint8_t *found = NULL;
    for (size_t at = ZN_HEADER_LEN; at < a->index_at; at += ZN_FRAME_LEN + zn_get_u32(a->data + at + 8)) {
        uint8_t *body = a->data + at + ZN_FRAME_LEN;
        if (!found && body[0] == ZN_KIND_REFERENCE && body[1] == method) found = body;
    }
    assert_non_null(found);
    return found;
}

enum { METHOD = 1, SOURCE = 2, RESERVED = 3, LEN = 4, OFF = 8, REF_CHECK = 16, ORIG_CHECK = 24 };

static const struct forgery {
    enum { ITSELF, COPY, DELTA } which; /* a copy in the archive itself, one of the base, a difference from it */
    unsigned at;                        /* of a number in the reference */
    uint64_t value;                     /* added to it */
    zipnn_status status;
    const char *says;
} forgeries[] = {
    {ITSELF, METHOD, 4, ZIPNN_E_UNSUPPORTED, "method 4"},
    {ITSELF, METHOD, 2, ZIPNN_E_CORRUPT, "by parts begins at offset"},
    {ITSELF, RESERVED, 1, ZIPNN_E_UNSUPPORTED, "flags 1"},
    {ITSELF, LEN, 1, ZIPNN_E_UNSUPPORTED, "refers to"},
    {ITSELF, OFF, UINT64_MAX - 1000, ZIPNN_E_CORRUPT, "offset"},
    {ITSELF, OFF, 3 * TENSOR, ZIPNN_E_CORRUPT, "bytes up to"},
    {ITSELF, OFF, 2 * TENSOR, ZIPNN_E_CORRUPT, "to one that refers to this archive itself"},
    {ITSELF, OFF, 1, ZIPNN_E_CORRUPT, "another checksum"},
    {ITSELF, REF_CHECK, 1, ZIPNN_E_CORRUPT, "copy that is none"},
    {ITSELF, SOURCE, 1, ZIPNN_E_CORRUPT, "no references such"},
    {COPY, SOURCE, 1, ZIPNN_E_CORRUPT, "the table lists 1"},
    {COPY, OFF, 2, ZIPNN_E_CORRUPT, "another checksum"},
    {DELTA, SOURCE, 1, ZIPNN_E_CORRUPT, "the table lists 1"},
    {DELTA, SOURCE, 255, ZIPNN_E_CORRUPT, "no references such"},
    {DELTA, OFF, 2, ZIPNN_E_CORRUPT, "another checksum"},
    {DELTA, REF_CHECK, 1, ZIPNN_E_CORRUPT, "another checksum"},
    {DELTA, ORIG_CHECK, 1, ZIPNN_E_CORRUPT, "decoded by its reference has another checksum"},
};

static void forge(struct fixture *f, const struct forgery *x) {
    f->forged = x->which == ITSELF ? f->itself : f->delta;
    uint8_t *number = find_reference(&f->forged, x->which == DELTA ? ZN_METHOD_DELTA : ZN_METHOD_COPY) + x->at;
    if (x->at < LEN)
        *number = (uint8_t)(*number + x->value);
    else if (x->at == LEN)
        zn_put_u32(number, zn_get_u32(number) + (uint32_t)x->value);
    else
        zn_put_u64(number, zn_get_u64(number) + x->value);
    zt_seal(f->forged.data, f->forged.len);
}

static void references_that_lie_are_refused(void **state) {
    struct fixture *f = *state;
    const zipnn_options options = {.size = sizeof options, .bases = &f->source, .n_bases = 1};
    zipnn_ctx *ctx;
    assert_int_equal(zipnn_create(&options, &ctx, NULL), ZIPNN_OK);
    for (size_t i = 0; i < sizeof forgeries / sizeof *forgeries; i++) {
        const struct forgery *x = &forgeries[i];
        forge(f, x);
        for (const struct zt_way *way = zt_ways; way < zt_ways + ZT_N_WAYS; way++) {
            size_t got;
            zipnn_error err = {ZIPNN_OK, 0, ""};
            if (x->which == ITSELF && way->pipe) continue; /* refused at its header */
            const zipnn_status status =
                way->restore(ctx, f->forged.data, f->forged.len, f->restored, MAX_FILE, &got, &err);
            if (status != x->status || !strstr(err.message, x->says))
                fail_msg("forgery %zu, %s: %s, %s", i, way->name, zipnn_status_name(status), err.message);
        }
    }
    zipnn_destroy(ctx);
}

struct findings {
    unsigned n, lost;
};

static int note(void *user, const zipnn_damage *damage) {
    struct findings *x = user;
    x->n++;
    x->lost += strstr(damage->error->message, "which are lost") != NULL;
    return 0;
}

/* The second chunk, which has the end of the first tensor, was taken out: the tensor's copy is cut at the same places, and
 * its second chunk needs it. */
static void copies_of_what_is_lost_are_lost(void **state) {
    struct fixture *f = *state;
    struct archive *a = &f->forged;
    *a = f->itself;
    const size_t from = ZN_HEADER_LEN + ZN_FRAME_LEN + zn_get_u32(a->data + ZN_HEADER_LEN + 8);
    const size_t to = from + ZN_FRAME_LEN + zn_get_u32(a->data + from + 8);
    memmove(a->data + from, a->data + to, a->len - to);
    struct zt_input in = {.data = a->data, .len = a->len - (to - from)};
    struct zt_output out = {.data = f->restored, .cap = MAX_FILE};
    const zipnn_source source = zt_file(&in);
    const zipnn_sink sink = zt_pipe_sink(&out);
    struct findings x = {0, 0};
    zipnn_archive *archive;
    zipnn_ctx *ctx;
    assert_int_equal(zipnn_create(NULL, &ctx, NULL), ZIPNN_OK);
    assert_int_equal(zipnn_archive_open_damaged(ctx, &source, &archive, NULL), ZIPNN_OK);
    assert_int_equal(zipnn_archive_salvage(archive, &sink, note, &x, NULL, NULL), ZIPNN_E_CORRUPT);
    if (x.n != 2 || x.lost != 1) fail_msg("%u stretches, %u of what is lost", x.n, x.lost);
    zipnn_archive_close(archive);
    zipnn_destroy(ctx);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(references_that_lie_are_refused),
        cmocka_unit_test(copies_of_what_is_lost_are_lost),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
