/* Every layout and every codec has a sample in tests/support/registered.c, and each sample: is coded by them; comes back
 * from every kernel set, in memory that ends where it ends; is an error when it is cut anywhere; and with flipped bits is
 * an error or other bytes, the same from every kernel set. Readers of 1.0 get no layout that came later. A context
 * without memory fails, and fails cleanly. */
#include <stdlib.h>
#include <string.h>

#include "delta/delta.h"
#include "format/body.h"
#include "support/coder.h"
#include "support/guard.h"
#include "support/registered.h"
#include "support/samples.h"
#include "support/unit.h"

enum { MAX_LEN = 80000, MAX_SETS = 4, FLIPS = 150, CUTS = 60 };

/* One sample coded, and the rooms to decode it in. */
struct rig {
    struct zn_coder coder[MAX_SETS]; /* by kernel set */
    void *memory[MAX_SETS];
    unsigned n_sets;
    const struct zt_registered *of;
    uint8_t *src, *ref, *coded;
    uint32_t coded_len;
    struct guard in, out, first, given;
};

static void make(struct rig *r) {
    for (; r->n_sets < MAX_SETS && zn_kernels_at(r->n_sets); r->n_sets++)
        r->coder[r->n_sets] = zt_coder_make(zn_kernels_at(r->n_sets), MAX_LEN, &r->memory[r->n_sets]);
    r->src = malloc(MAX_LEN);
    r->ref = malloc(MAX_LEN);
    r->coded = malloc(zn_chunk_bound(MAX_LEN));
    assert_true(r->src && r->ref && r->coded);
    r->in = guard_make(zn_chunk_bound(MAX_LEN));
    r->out = guard_make(MAX_LEN);
    r->first = guard_make(MAX_LEN);
    r->given = guard_make(MAX_LEN);
}

static void end(struct rig *r) {
    struct guard *rooms[] = {&r->in, &r->out, &r->first, &r->given};
    for (unsigned s = 0; s < r->n_sets; s++) zt_coder_free(&r->coder[s], r->memory[s]);
    for (unsigned i = 0; i < 4; i++) guard_free(rooms[i]);
    free(r->src);
    free(r->ref);
    free(r->coded);
}

static uint32_t encode(struct rig *r, unsigned set, unsigned readers, uint8_t *coded) {
    const struct zt_registered *of = r->of;
    struct zn_effort effort = zn_effort_of(of->level);
    effort.readers = readers;
    const struct zn_encoder e = {&r->coder[set], &effort, {.dtype = of->dtype}, r->src, of->len};
    return of->fill_reference ? zn_delta_encode(&e, r->ref, coded) : zn_chunk_encode(&e, coded);
}

static zipnn_status decode(struct rig *r, unsigned set, const uint8_t *coded, size_t len, uint8_t *out) {
    const struct zn_chunk_body body = {.data = coded, .len = len};
    const struct zn_delta_reference ref = {guard_high(&r->given, r->of->len), r->of->len};
    if (r->of->fill_reference) return zn_delta_decode(&r->coder[set], &body, ref, out, ZN_STORE_CACHED, NULL);
    return zn_chunk_decode(&r->coder[set], &body, out, r->of->len, ZN_STORE_CACHED, NULL);
}

/* Makes the sample and its coded bytes, which are the same from every kernel set. */
static void take(struct rig *r, const struct zt_registered *of) {
    uint8_t *other = malloc(zn_chunk_bound(MAX_LEN));
    assert_non_null(other);
    r->of = of;
    of->fill(r->src, of->len);
    if (of->fill_reference) of->fill_reference(r->src, of->len, r->ref);
    memcpy(guard_high(&r->given, of->len), r->ref, of->len);
    r->coded_len = encode(r, 0, of->readers, r->coded);
    for (unsigned s = 1; s < r->n_sets; s++) {
        if (encode(r, s, of->readers, other) != r->coded_len || memcmp(other, r->coded, r->coded_len) != 0)
            fail_msg("%s: %s codes it to other bytes", of->name, zn_kernels_at(s)->name);
    }
    free(other);
}

static bool has_codec(const struct rig *r) {
    struct zn_body body = {.data = r->coded, .len = r->coded_len, .orig_len = r->of->len};
    if (r->of->fill_reference || zn_layout_is(r->of->layout, ZN_GROUP_CHUNKS)) return true;
    assert_int_equal(zn_body_read(&body, NULL), ZIPNN_OK);
    for (unsigned p = 0; p < body.n_planes; p++)
        if (body.plane[p].codec == r->of->codec) return true;
    return false;
}

static void check_coding(const struct rig *r) {
    const unsigned layout = r->of->fill_reference ? r->coded[0] : r->coded[1];
    if (r->coded_len == 0) fail_msg("%s: nothing is gained", r->of->name);
    if (layout != r->of->layout)
        fail_msg("%s: layout %s, not %s", r->of->name, zn_layouts[layout].name, zn_layouts[r->of->layout].name);
    if (!has_codec(r)) fail_msg("%s: no plane by codec %s", r->of->name, zn_codec_name(r->of->codec));
}

static void check_return(struct rig *r) {
    uint8_t *in = guard_high(&r->in, r->coded_len), *out = guard_high(&r->out, r->of->len);
    memcpy(in, r->coded, r->coded_len);
    for (unsigned s = 0; s < r->n_sets; s++) {
        memset(out, 0xA5, r->of->len);
        if (decode(r, s, in, r->coded_len, out) != ZIPNN_OK || memcmp(out, r->src, r->of->len) != 0)
            fail_msg("%s does not come back by %s", r->of->name, zn_kernels_at(s)->name);
    }
}

static void check_cuts(struct rig *r) {
    uint64_t seed = r->of->layout;
    for (unsigned i = 0; i < CUTS; i++) {
        const uint32_t len = i < 16 ? ZN_MIN(i, r->coded_len - 1) : (uint32_t)(zt_random(&seed) % r->coded_len);
        uint8_t *in = guard_high(&r->in, len);
        if (len) memcpy(in, r->coded, len);
        for (unsigned s = 0; s < r->n_sets; s++)
            if (decode(r, s, in, len, guard_high(&r->out, r->of->len)) == ZIPNN_OK)
                fail_msg("%s, cut to %u bytes, is decoded by %s", r->of->name, len, zn_kernels_at(s)->name);
    }
}

static void check_flips(struct rig *r) {
    uint64_t seed = 77 + r->of->layout;
    for (unsigned i = 0; i < FLIPS; i++) {
        const size_t at = (size_t)(zt_random(&seed) % (i % 2 ? ZN_MIN(r->coded_len, 64u) : r->coded_len));
        uint8_t *in = guard_high(&r->in, r->coded_len), *first = guard_high(&r->first, r->of->len);
        uint8_t *out = guard_high(&r->out, r->of->len);
        memcpy(in, r->coded, r->coded_len);
        in[at] ^= (uint8_t)(1u << zt_random(&seed) % 8);
        const zipnn_status status = decode(r, 0, in, r->coded_len, first);
        for (unsigned s = 1; s < r->n_sets; s++)
            if (decode(r, s, in, r->coded_len, out) != status ||
                (status == ZIPNN_OK && memcmp(out, first, r->of->len) != 0))
                fail_msg("%s with a bit of byte %zu flipped: %s does not do what %s does", r->of->name, at,
                         zn_kernels_at(s)->name, zn_kernels_at(0)->name);
    }
}

/* For readers of 1.0 no body is written in a layout that came later. */
static void check_older_readers(struct rig *r) {
    enum { FIRST_VERSION = 100 };
    const struct zt_registered *of = r->of;
    uint8_t *body = malloc(zn_chunk_bound(MAX_LEN));
    assert_non_null(body);
    const uint32_t len = encode(r, 0, FIRST_VERSION, body);
    const struct zn_layout_info *layout = len ? &zn_layouts[of->fill_reference ? body[0] : body[1]] : NULL;
    if (layout && layout->since > FIRST_VERSION) fail_msg("%s: readers of 1.0 get layout %s", of->name, layout->name);
    free(body);
}

static void every_sample_is_tried_in_every_way(void **state) {
    (void)state;
    static struct rig r;
    make(&r);
    for (size_t i = 0; i < zt_n_registered; i++) {
        take(&r, &zt_registered[i]);
        check_coding(&r);
        check_return(&r);
        check_cuts(&r);
        check_flips(&r);
        check_older_readers(&r);
    }
    end(&r);
}

static void every_row_has_a_sample(void **state) {
    (void)state;
    bool layouts[ZN_N_LAYOUTS] = {false}, codecs[ZN_N_CODECS] = {false};
    for (size_t i = 0; i < zt_n_registered; i++)
        layouts[zt_registered[i].layout] = codecs[zt_registered[i].codec] = true;
    for (unsigned l = 0; l < ZN_N_LAYOUTS; l++)
        if (!layouts[l]) fail_msg("layout %s has no sample in tests/support/registered.c", zn_layouts[l].name);
    for (unsigned c = 0; c < ZN_N_CODECS; c++)
        if (!codecs[c]) fail_msg("codec %s has no sample in tests/support/registered.c", zn_codec_name(c));
}

/* Gives out so many blocks and no more. */
static void *scarce_alloc(void *user, size_t size) {
    size_t *left = user;
    return *left && (*left)-- ? malloc(size) : NULL;
}

static void scarce_release(void *user, void *ptr) {
    (void)user;
    free(ptr);
}

/* A chunk allocates nothing, so it is the context that may fail: at each of its allocations, for each sample. */
static bool round_trip_within(size_t allocations, const struct zt_registered *of, const uint8_t *src) {
    const size_t cap = (size_t)zipnn_compress_bound(of->len);
    uint8_t *archive = malloc(cap), *out = malloc(of->len);
    size_t left = allocations, len = 0, got = 0;
    zipnn_options options = {.size = sizeof options, .level = of->level, .dtype = of->dtype, .readers = of->readers};
    options.allocator = (zipnn_allocator){scarce_alloc, scarce_release, &left};
    zipnn_ctx *ctx = NULL;
    assert_true(archive && out);
    zipnn_status status = zipnn_create(&options, &ctx, NULL);
    if (status == ZIPNN_OK) status = zipnn_compress(ctx, src, of->len, archive, cap, &len, NULL);
    if (status == ZIPNN_OK) status = zipnn_decompress(ctx, archive, len, out, of->len, &got, NULL);
    if (status == ZIPNN_OK) assert_memory_equal(out, src, of->len);
    if (status != ZIPNN_OK) assert_int_equal(status, ZIPNN_E_MEMORY);
    zipnn_destroy(ctx);
    free(archive);
    free(out);
    return status == ZIPNN_OK;
}

static void scarce_memory_is_an_error(void **state) {
    (void)state;
    enum { ENOUGH = 1000 };
    uint8_t *src = malloc(MAX_LEN);
    assert_non_null(src);
    for (size_t i = 0; i < zt_n_registered; i++) {
        const struct zt_registered *of = &zt_registered[i];
        size_t n = 0;
        of->fill(src, of->len);
        while (n < ENOUGH && !round_trip_within(n, of, src)) n++;
        if (n == 0 || n == ENOUGH) fail_msg("%s: %zu allocations", of->name, n);
    }
    free(src);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_has_a_sample),
        cmocka_unit_test(every_sample_is_tried_in_every_way),
        cmocka_unit_test(scarce_memory_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
