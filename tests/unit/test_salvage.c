/* Damaged archives: what is intact comes out at its place, and what is not is named exactly. */
#include <stdio.h>

#include "base/bytes.h"
#include "support/samples.h"
#include "support/streams.h"
#include "support/unit.h"
#include "zipnn/zipnn.h"

enum { N_TENSORS = 3, TENSOR = 700 << 10, MAX_LEN = 3 << 20, MAX_RANGES = 64 };

struct fixture {
    zipnn_ctx *ctx;
    uint8_t *original, *packed, *hurt, *out;
    size_t original_len, len;
    uint64_t index_at;
    zipnn_chunk_info chunk[32];
    uint64_t n_chunks;
};

/* What was reported of one archive. */
struct findings {
    zipnn_status opened, status;
    zipnn_verified v;
    struct {
        uint64_t off, end, first_tensor, n_tensors;
    } range[MAX_RANGES];
    unsigned n;
    uint64_t out_len;
};

static void write_model(struct fixture *f) {
    char *json = (char *)f->original + 8;
    int n = sprintf(json, "{");
    for (int i = 0; i < N_TENSORS; i++)
        n += sprintf(json + n, "%s\"t%d\":{\"dtype\":\"BF16\",\"shape\":[%d],\"data_offsets\":[%d,%d]}", i ? "," : "",
                     i, TENSOR / 2, i * TENSOR, (i + 1) * TENSOR);
    n += sprintf(json + n, "}");
    zn_put_u64(f->original, (uint64_t)n);
    for (int i = 0; i < N_TENSORS; i++) zt_sample(ZT_BF16, (uint64_t)i, f->original + 8 + n + i * TENSOR, TENSOR);
    f->original_len = (size_t)(8 + n + N_TENSORS * TENSOR);
}

static int note(void *user, const zipnn_damage *damage) {
    struct findings *x = user;
    assert_true(x->n < MAX_RANGES && damage->error->message[0]);
    x->range[x->n].off = damage->offset;
    x->range[x->n].end = damage->offset + damage->length;
    x->range[x->n].first_tensor = damage->first_tensor;
    x->range[x->n++].n_tensors = damage->n_tensors;
    return 0;
}

/* Salvages hurt[0, len), and verifies it, which must say the same. */
static struct findings salvage(struct fixture *f, size_t len) {
    struct findings x = {.n = 0}, again = {.n = 0};
    struct zt_input in = {.data = f->hurt, .len = len};
    struct zt_output to = {.data = f->out, .cap = MAX_LEN};
    const zipnn_source source = zt_file(&in);
    const zipnn_sink sink = zt_pipe_sink(&to);
    zipnn_archive *archive;
    x.opened = zipnn_archive_open_damaged(f->ctx, &source, &archive, NULL);
    if (x.opened != ZIPNN_OK) return x;
    x.status = zipnn_archive_salvage(archive, &sink, note, &x, &x.v, NULL);
    x.out_len = to.len;
    again.status = zipnn_archive_verify(archive, note, &again, &again.v, NULL);
    assert_false(in.overrun || to.overrun);
    assert_true(again.status == x.status && again.n == x.n);
    assert_memory_equal(&again.v, &x.v, sizeof x.v);
    zipnn_archive_close(archive);
    return x;
}

/* Outside the reported ranges the output is the original. */
static void check_intact(const struct fixture *f, const struct findings *x) {
    uint64_t at = 0, intact = 0;
    assert_true(x->out_len == x->v.original);
    for (unsigned i = 0; i <= x->n; i++) {
        const uint64_t end = i < x->n ? x->range[i].off : x->out_len;
        assert_true(end >= at && end <= x->out_len);
        if (end > at) assert_memory_equal(f->out + at, f->original + at, (size_t)(end - at));
        intact += end - at;
        for (at = end; i < x->n && at < x->range[i].end; at++) assert_int_equal(f->out[at], 0);
    }
    assert_true(intact == x->v.intact);
}

static void fresh(struct fixture *f) {
    memcpy(f->hurt, f->packed, f->len);
}

static void sound_archives_are_sound(void **state) {
    struct fixture *f = *state;
    fresh(f);
    const struct findings x = salvage(f, f->len);
    assert_int_equal(x.status, ZIPNN_OK);
    assert_true(x.n == 0 && x.out_len == f->original_len && x.v.intact == f->original_len && x.v.has_digests);
    assert_memory_equal(f->out, f->original, f->original_len);
}

/* One byte anywhere in a frame costs its chunk and no other. */
static void damage_stays_local(void **state) {
    struct fixture *f = *state;
    for (uint64_t i = 0; i < f->n_chunks; i++) {
        const zipnn_chunk_info *c = &f->chunk[i];
        const uint64_t places[] = {0, 8, 12, 16, c->stored - 1};
        for (size_t k = 0; k < sizeof places / sizeof *places; k++) {
            fresh(f);
            f->hurt[c->archive_offset + places[k]] ^= 0x11;
            const struct findings x = salvage(f, f->len);
            assert_int_equal(x.status, ZIPNN_E_CORRUPT);
            assert_true(x.n == 1 && x.range[0].off == c->offset && x.range[0].end == c->offset + c->length);
            check_intact(f, &x);
            if (i == 0) continue; /* holds the names */
            assert_true(x.range[0].first_tensor + x.range[0].n_tensors <= N_TENSORS && x.range[0].n_tensors > 0);
        }
    }
}

/* Without header, index or trailer, everything is still there. */
static void lost_ends_cost_nothing(void **state) {
    struct fixture *f = *state;
    const struct {
        uint64_t at, len;
    } wiped[] = {{0, 1},
                 {0, 24},
                 {17, 1},
                 {f->index_at, 8},
                 {f->index_at, 24},
                 {f->len - 8, 8},
                 {f->len - 16, 16},
                 {f->index_at + 40, 16},
                 {f->index_at, f->len - f->index_at}};
    for (size_t k = 0; k < sizeof wiped / sizeof *wiped; k++) {
        fresh(f);
        memset(f->hurt + wiped[k].at, 0xa5, (size_t)wiped[k].len);
        const struct findings x = salvage(f, f->len);
        assert_int_equal(x.opened, ZIPNN_OK);
        assert_true(x.status != ZIPNN_OK && x.n == 0 && !x.v.length_unknown && x.v.unplaced == 0);
        assert_true(x.out_len == f->original_len);
        assert_memory_equal(f->out, f->original, f->original_len);
    }
    /* The header cut off, and bytes put before it. */
    memcpy(f->hurt, f->packed + 24, f->len - 24);
    struct findings x = salvage(f, f->len - 24);
    assert_true(x.n == 0 && x.v.intact == f->original_len);
    memset(f->hurt, 7, 999);
    memcpy(f->hurt + 999, f->packed, f->len);
    x = salvage(f, f->len + 999);
    assert_true(x.n == 0 && x.v.intact == f->original_len);
}

static void truncated(void **state) {
    struct fixture *f = *state;
    for (uint64_t i = 1; i < f->n_chunks; i++) {
        for (int extra = 0; extra < 40; extra += 13) {
            fresh(f);
            const struct findings x = salvage(f, (size_t)f->chunk[i].archive_offset + (size_t)extra);
            assert_true(x.opened == ZIPNN_OK && x.status != ZIPNN_OK && !x.v.length_unknown);
            assert_true(x.n == 1 && x.range[0].off == f->chunk[i].offset && x.range[0].end == f->original_len);
            check_intact(f, &x);
        }
    }
}

/* A chunk's frame is wiped, taken out or torn, and the index is gone too: the tensors tell where the rest belongs. */
static void lost_frames_without_an_index(void **state) {
    struct fixture *f = *state;
    for (uint64_t i = 1; i + 1 < f->n_chunks; i++) {
        const zipnn_chunk_info *c = &f->chunk[i];
        for (unsigned way = 0; way < 3; way++) {
            size_t len = f->len;
            fresh(f);
            memset(f->hurt + f->index_at, 0xee, (size_t)(f->len - 16 - f->index_at));
            if (way == 0) memset(f->hurt + c->archive_offset, 0, (size_t)c->stored);
            if (way == 1) f->hurt[c->archive_offset + 100] ^= 1;
            if (way == 2) {
                const size_t from = (size_t)(c->archive_offset + c->stored);
                memmove(f->hurt + c->archive_offset, f->hurt + from, len - from);
                len -= (size_t)c->stored;
            }
            const struct findings x = salvage(f, len);
            assert_true(x.opened == ZIPNN_OK && x.status != ZIPNN_OK);
            assert_true(x.v.length_unknown == (way == 2)); /* nothing shows where it was */
            if (way == 2) continue;
            assert_true(x.n == 1 && x.range[0].off == c->offset && x.range[0].end == c->offset + c->length);
            check_intact(f, &x);
        }
    }
}

/* With the index, a frame that was taken out is missed where it was. */
static void lost_frames_with_an_index(void **state) {
    struct fixture *f = *state;
    for (uint64_t i = 0; i < f->n_chunks; i++) {
        const zipnn_chunk_info *c = &f->chunk[i];
        const uint64_t end = c->archive_offset + c->stored;
        fresh(f);
        memmove(f->hurt + c->archive_offset, f->packed + end, f->len - (size_t)end);
        const struct findings x = salvage(f, f->len - (size_t)c->stored);
        assert_true(x.opened == ZIPNN_OK && x.v.has_digests);
        assert_true(x.n == 1 && x.range[0].off == c->offset && x.range[0].end == c->offset + c->length);
        check_intact(f, &x);
    }
}

static void random_damage(void **state) {
    struct fixture *f = *state;
    uint64_t random = 77;
    for (unsigned trial = 0; trial < 60; trial++) {
        size_t len = f->len;
        fresh(f);
        for (uint64_t n = 1 + zt_random(&random) % 4; n > 0; n--) {
            const size_t at = (size_t)(zt_random(&random) % len), most = ZN_MIN(len - at, (size_t)40000);
            const size_t size = (size_t)(zt_random(&random) % most + 1);
            switch (zt_random(&random) % 4) {
                case 0:
                    f->hurt[at] ^= 0x80;
                    break;
                case 1:
                    memset(f->hurt + at, 0, size);
                    break;
                case 2:
                    zt_sample(ZT_RANDOM, trial, f->hurt + at, size);
                    break;
                default:
                    f->hurt[len - 1 - at % 200] ^= 1;
            }
        }
        const struct findings x = salvage(f, len);
        if (x.opened == ZIPNN_OK && !x.v.length_unknown && x.v.unplaced == 0) check_intact(f, &x);
    }
}

/* What is no archive stays none, and soon. */
static void nothing_to_find(void **state) {
    struct fixture *f = *state;
    const enum zt_sample kinds[] = {ZT_ZERO, ZT_TEXT, ZT_RANDOM, ZT_BF16, ZT_NIBBLES};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        zt_sample(kinds[i], 3, f->hurt, 1 << 20);
        assert_int_equal(salvage(f, 1 << 20).opened, ZIPNN_E_FORMAT);
    }
    for (size_t len = 0; len < 60; len++) assert_int_not_equal(salvage(f, len).opened, ZIPNN_OK);
}

/* Heads of frames at every sixteenth byte, each of which asks for megabytes to be hashed: the budget ends it. */
static void false_starts_are_bounded(void **state) {
    struct fixture *f = *state;
    for (size_t at = 0; at + 32 <= MAX_LEN; at += 32) {
        memset(f->hurt + at, 1, 32);
        zn_put_u32(f->hurt + at + 8, 1 << 20);
        zn_put_u32(f->hurt + at + 12, 1 << 20);
    }
    assert_int_equal(salvage(f, MAX_LEN).opened, ZIPNN_E_FORMAT);
}

static int set_up(void **state) {
    static struct fixture f;
    const zipnn_options options = {.size = sizeof options, .threads = 2};
    f.original = malloc(MAX_LEN);
    f.packed = malloc(MAX_LEN);
    f.hurt = malloc(MAX_LEN);
    f.out = malloc(MAX_LEN);
    if (!f.original || !f.packed || !f.hurt || !f.out || zipnn_create(&options, &f.ctx, NULL) != ZIPNN_OK) return -1;
    write_model(&f);
    if (zipnn_compress(f.ctx, f.original, f.original_len, f.packed, MAX_LEN, &f.len, NULL) != ZIPNN_OK) return -1;
    struct zt_input in = {.data = f.packed, .len = f.len};
    const zipnn_source source = zt_file(&in);
    zipnn_archive *archive;
    zipnn_archive_info info;
    if (zipnn_archive_open(f.ctx, &source, &archive, NULL) != ZIPNN_OK) return -1;
    zipnn_archive_get_info(archive, &info);
    f.n_chunks = info.n_chunks;
    for (uint64_t i = 0; i < f.n_chunks; i++) zipnn_archive_chunk(archive, i, &f.chunk[i], NULL);
    zipnn_archive_close(archive);
    f.index_at = f.chunk[f.n_chunks - 1].archive_offset + f.chunk[f.n_chunks - 1].stored;
    *state = &f;
    return 0;
}

static int tear_down(void **state) {
    struct fixture *f = *state;
    zipnn_destroy(f->ctx);
    free(f->original);
    free(f->packed);
    free(f->hurt);
    free(f->out);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sound_archives_are_sound),
        cmocka_unit_test(damage_stays_local),
        cmocka_unit_test(lost_ends_cost_nothing),
        cmocka_unit_test(truncated),
        cmocka_unit_test(lost_frames_without_an_index),
        cmocka_unit_test(lost_frames_with_an_index),
        cmocka_unit_test(random_damage),
        cmocka_unit_test(nothing_to_find),
        cmocka_unit_test(false_starts_are_bounded),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
