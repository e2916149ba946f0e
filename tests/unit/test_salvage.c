/* Damaged archives: what is intact comes out at its place, and what is not is named exactly. */
#include <stdio.h>

#include "base/bytes.h"
#include "support/forge.h"
#include "support/heap.h"
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

/* ---- archives in archives */

enum { INNER = 20000, PART = 30000, N_PARTS = 3 };

/* An archive of three chunks, stored as they are. The first has a whole archive in it. */
static void forge_nest(struct zt_forge *outer, uint8_t *original) {
    static uint8_t bytes[INNER];
    struct zt_forge inner;
    uint8_t xxh3[16];
    zt_sample(ZT_RANDOM, 5, bytes, sizeof bytes);
    zt_digest_of(bytes, sizeof bytes, xxh3);
    zt_forge_begin(&inner, 0, ZN_MAX_CHUNK);
    zt_forge_raw(&inner, bytes, INNER / 2);
    zt_forge_raw(&inner, bytes + INNER / 2, INNER / 2);
    zt_forge_end(&inner, xxh3);
    zt_sample(ZT_RANDOM, 6, original, N_PARTS * PART);
    memcpy(original + 512, inner.data, inner.len);
    zt_forge_free(&inner);
    zt_digest_of(original, N_PARTS * PART, xxh3);
    zt_forge_begin(outer, 0, ZN_MAX_CHUNK);
    for (unsigned i = 0; i < N_PARTS; i++) zt_forge_raw(outer, original + i * PART, PART);
    zt_forge_end(outer, xxh3);
}

/* Whatever part of the outer archive is lost, the inner one is never taken for it. */
static void an_archive_inside_does_not_answer(void **state) {
    enum { FIRST = 1, HEADER = 2, TRAILER = 4, INDEX = 8, CUT = 16, BEFORE = 32, N_WAYS = 64 };
    struct fixture *f = *state;
    static uint8_t original[N_PARTS * PART];
    struct zt_forge outer;
    forge_nest(&outer, original);
    const size_t index_at = outer.len - ZN_TRAILER_LEN - ZN_FRAME_LEN - ZN_INDEX_LEN - N_PARTS * ZN_ENTRY_LEN;
    for (unsigned way = 1; way < N_WAYS; way++) {
        const size_t before = way & BEFORE ? 777 : 0;
        size_t len = outer.len + before;
        uint8_t *hurt = f->hurt + before;
        memset(f->hurt, 7, before);
        memcpy(hurt, outer.data, outer.len);
        if (way & FIRST) hurt[ZN_HEADER_LEN + ZN_FRAME_LEN + 20] ^= 1;
        if (way & HEADER) memset(hurt, 0, ZN_HEADER_LEN);
        if (way & TRAILER) memset(hurt + outer.len - ZN_TRAILER_LEN, 0, ZN_TRAILER_LEN);
        if (way & INDEX) hurt[index_at + ZN_FRAME_LEN + 20] ^= 1;
        if (way & CUT)
            len = before + ZN_HEADER_LEN + ZN_FRAME_LEN + 9 + 512 + ZN_HEADER_LEN + 2 * (ZN_FRAME_LEN + 9) + INNER +
                  ZN_FRAME_LEN + ZN_INDEX_LEN + 2 * ZN_ENTRY_LEN + ZN_TRAILER_LEN;
        const struct findings x = salvage(f, len);
        if (x.opened != ZIPNN_OK) continue;
        /* What is cut off behind the inner archive, and without a sound header before it, is that archive. */
        const bool alone = way & CUT && (way & (HEADER | BEFORE));
        if (!alone && x.v.has_digests && x.v.original != sizeof original)
            fail_msg("way %u: %llu bytes with a digest", way, (unsigned long long)x.v.original);
        if (x.v.has_digests && !alone)
            for (unsigned i = way & FIRST ? 1 : 0; i < N_PARTS; i++)
                assert_memory_equal(f->out + i * PART, original + i * PART, PART);
        const bool complete = x.n == 0 && x.v.unplaced == 0 && !x.v.length_unknown;
        if (!alone && way & FIRST && complete && x.v.original)
            fail_msg("way %u: complete with %llu bytes", way, (unsigned long long)x.v.original);
    }
    zt_forge_free(&outer);
}

/* Two archives one behind the other are not one of them, nor all of both. */
static void archives_in_a_row_are_not_one(void **state) {
    struct fixture *f = *state;
    static uint8_t original[N_PARTS * PART];
    struct zt_forge outer;
    forge_nest(&outer, original);
    memcpy(f->hurt, outer.data, outer.len);
    memcpy(f->hurt + outer.len, outer.data, outer.len);
    f->hurt[outer.len] ^= 1;
    const struct findings x = salvage(f, 2 * outer.len);
    assert_true(x.opened == ZIPNN_OK && x.status != ZIPNN_OK);
    zt_forge_free(&outer);
}

/* A header that claims more than its archive can be believed for: said with the numbers, and no zeros. */
static void claims_are_held_against_what_is_there(void **state) {
    struct fixture *f = *state;
    for (unsigned log = 20; log < 60; log += 3) {
        char *json = (char *)f->out + 8;
        const unsigned long long claim = 1ull << log;
        const int n =
            sprintf(json, "{\"w\":{\"dtype\":\"U8\",\"shape\":[%llu],\"data_offsets\":[0,%llu]}}", claim, claim);
        struct zt_forge x;
        zn_put_u64(f->out, (uint64_t)n);
        zt_forge_begin(&x, 0, ZN_MAX_CHUNK);
        zt_forge_raw(&x, f->out, (uint32_t)(8 + n));
        memcpy(f->hurt, x.data, x.len);
        zt_sample(ZT_RANDOM, 4, f->hurt + x.len, 300);
        struct zt_input in = {.data = f->hurt, .len = x.len + 300};
        const zipnn_source source = zt_file(&in);
        zipnn_archive *a;
        zipnn_verified v;
        zipnn_error err;
        struct zt_heap heap = {0};
        const zipnn_options options = {.size = sizeof options, .allocator = zt_heap_hooks(&heap)};
        zipnn_ctx *ctx;
        assert_int_equal(zipnn_create(&options, &ctx, NULL), ZIPNN_OK);
        assert_int_equal(zipnn_archive_open_damaged(ctx, &source, &a, &err), ZIPNN_OK);
        if (zipnn_archive_verify(a, NULL, NULL, &v, &err) != ZIPNN_E_CORRUPT)
            fail_msg("%u: %s, %llu of %llu", log, err.message, (unsigned long long)v.intact,
                     (unsigned long long)v.original);
        assert_true(v.original <= (64 << 20) + 1024 * in.len && atomic_load(&heap.peak) < 72 << 20);
        if (claim > 65 << 20) assert_true(v.length_unknown && strstr(err.message, "is believed for") != NULL);
        if (claim <= 64 << 20) assert_true(v.original == 8 + (uint64_t)n + claim);
        zipnn_archive_close(a);
        zipnn_destroy(ctx);
        zt_forge_free(&x);
    }
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
        cmocka_unit_test(an_archive_inside_does_not_answer),
        cmocka_unit_test(archives_in_a_row_are_not_one),
        cmocka_unit_test(claims_are_held_against_what_is_there),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
