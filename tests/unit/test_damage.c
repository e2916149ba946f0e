/* Damaged archives: every bit flip and every truncation, exchanged, repeated and lost chunks, and fields that lie
 * behind right checksums. Whatever the way of restoring, the answer is an error or the original, never other bytes. */
#include <stdalign.h>

#include "base/bytes.h"
#include "format/format.h"
#include "kernels/hash/hash.h"
#include "support/restore.h"
#include "support/samples.h"
#include "support/seal.h"
#include "support/streams.h"
#include "support/unit.h"

enum { LARGEST = 2 << 20, MAX_ARCHIVE = LARGEST + 4096, SMALL_CAP = 64 << 10 };

struct fixture {
    zipnn_ctx *ctx;
    uint8_t *original, *restored, *archive, *work;
    size_t original_len, archive_len;
};

/* The archive of one kind of data, of text with a SHA-256 where the library can make one. */
static void prepare(struct fixture *f, enum zt_sample kind, zipnn_dtype dtype, size_t len) {
    const zipnn_options options = {.size = sizeof options, .dtype = dtype, .sha256 = kind == ZT_TEXT};
    zt_sample(kind, 5, f->original, len);
    f->original_len = len;
    zipnn_ctx *ctx;
    assert_int_equal(zipnn_create(&options, &ctx, NULL), ZIPNN_OK);
    assert_int_equal(zipnn_compress(ctx, f->original, len, f->archive, MAX_ARCHIVE, &f->archive_len, NULL), ZIPNN_OK);
    zipnn_destroy(ctx);
}

static bool is_original(const struct fixture *f, size_t len) {
    return len == f->original_len && memcmp(f->restored, f->original, len) == 0;
}

static void refused(struct fixture *f, const struct zt_way *way, size_t len, const char *damage, size_t where) {
    size_t got = 0;
    zipnn_error err = {ZIPNN_OK, 0, ""};
    zipnn_status status = way->restore(f->ctx, f->work, len, f->restored, SMALL_CAP, &got, &err);
    if (status == ZIPNN_OK || status > ZIPNN_E_BASE || status == ZIPNN_E_ARGUMENT || status == ZIPNN_E_IO)
        fail_msg("%s at %zu, %s: %s", damage, where, way->name, zipnn_status_name(status));
    if (err.status != status || err.message[0] == '\0')
        fail_msg("%s at %zu, %s: error is not explained", damage, where, way->name);
}

/* A private copy of exactly the archive's size, so that sanitizers see its end. */
static void copy_archive(struct fixture *f, size_t len) {
    free(f->work);
    f->work = malloc(len ? len : 1);
    assert_non_null(f->work);
    memcpy(f->work, f->archive, ZN_MIN(len, f->archive_len));
}

static const struct {
    enum zt_sample kind;
    zipnn_dtype dtype;
    size_t len;
} archives[] = {
    {ZT_BF16, ZIPNN_BF16, 1501},  {ZT_F16, ZIPNN_F16, 901},           {ZT_F32, ZIPNN_F32, 700},
    {ZT_TEXT, ZIPNN_U8, 1000},    {ZT_ZERO, ZIPNN_F64, 100},          {ZT_RANDOM, ZIPNN_U8, 60},
    {ZT_MIXED, ZIPNN_BF16, 3000}, {ZT_F64, ZIPNN_DTYPE_UNKNOWN, 600}, {ZT_ZERO, ZIPNN_DTYPE_UNKNOWN, 0},
};
enum { N_ARCHIVES = sizeof archives / sizeof *archives };

static void prepare_small(struct fixture *f, size_t i) {
    prepare(f, archives[i].kind, archives[i].dtype, archives[i].len);
    copy_archive(f, f->archive_len);
}

static void every_bit_flip_is_refused(void **state) {
    struct fixture *f = *state;
    for (size_t i = 0; i < N_ARCHIVES; i++) {
        prepare_small(f, i);
        for (size_t bit = 0; bit < 8 * f->archive_len; bit++) {
            f->work[bit / 8] ^= (uint8_t)(1u << bit % 8);
            for (unsigned w = 0; w < ZT_N_WAYS; w++) refused(f, &zt_ways[w], f->archive_len, "bit", bit);
            f->work[bit / 8] ^= (uint8_t)(1u << bit % 8);
        }
    }
}

static void every_truncation_is_refused(void **state) {
    struct fixture *f = *state;
    for (size_t i = 0; i < N_ARCHIVES; i++) {
        prepare(f, archives[i].kind, archives[i].dtype, archives[i].len);
        for (size_t len = 0; len < f->archive_len; len++) {
            copy_archive(f, len);
            for (unsigned w = 0; w < ZT_N_WAYS; w++) refused(f, &zt_ways[w], len, "truncation", len);
        }
    }
}

static void appended_bytes_are_refused(void **state) {
    struct fixture *f = *state;
    for (size_t i = 0; i < N_ARCHIVES; i++) {
        prepare(f, archives[i].kind, archives[i].dtype, archives[i].len);
        const size_t lens[] = {1, 2, 15, 16, 24, f->archive_len};
        for (size_t j = 0; j < sizeof lens / sizeof *lens; j++) {
            copy_archive(f, f->archive_len + lens[j]);
            memcpy(f->work + f->archive_len, f->archive, lens[j]);
            for (unsigned w = 0; w < ZT_N_WAYS; w++)
                refused(f, &zt_ways[w], f->archive_len + lens[j], "appended", lens[j]);
        }
    }
}

/* Large chunks of floats, which the best set of kernels checks while it decodes them; scalar does one after the other.
 * Whatever is damaged, both give the same answer. */
static void answers_as_scalar(struct fixture *f, zipnn_ctx *const ctx[2], const struct zt_way *way, size_t where) {
    static uint8_t room[SMALL_CAP + LARGEST / 8];
    struct outcome {
        size_t len;
        zipnn_error err;
    } best = {0, {ZIPNN_OK, 0, ""}}, plain = best;
    zipnn_status status = way->restore(ctx[0], f->work, f->archive_len, f->restored, sizeof room, &best.len, &best.err);
    zipnn_status expected = way->restore(ctx[1], f->work, f->archive_len, room, sizeof room, &plain.len, &plain.err);
    const bool located = strstr(best.err.message, " near symbol ") != NULL; /* within a burst of the set */
    if (status != expected || best.err.offset != plain.err.offset ||
        (!located && strcmp(best.err.message, plain.err.message) != 0))
        fail_msg("byte %zu, %s: \"%s\" against \"%s\"", where, way->name, best.err.message, plain.err.message);
    if (status == ZIPNN_OK && (best.len != plain.len || memcmp(f->restored, room, plain.len) != 0))
        fail_msg("byte %zu, %s: other bytes", where, way->name);
}

static void large_chunks_are_refused_alike(void **state) {
    struct fixture *f = *state;
    enum { LEN = 160001, LONG_STEP = 3989 };
    static const enum zt_sample kinds[] = {ZT_BF16, ZT_F32};
    static const zipnn_cpu cpus[] = {ZIPNN_CPU_BEST, ZIPNN_CPU_SCALAR};
    zipnn_ctx *ctx[2];
    for (size_t i = 0; i < 2; i++) {
        const zipnn_options options = {.size = sizeof options, .cpu = cpus[i]};
        assert_int_equal(zipnn_create(&options, &ctx[i], NULL), ZIPNN_OK);
    }
    for (size_t i = 0; i < 2; i++) {
        prepare(f, kinds[i], kinds[i] == ZT_BF16 ? ZIPNN_BF16 : ZIPNN_F32, LEN);
        copy_archive(f, f->archive_len);
        /* Every byte of the frame's head and the chunk's, then some of each plane. */
        for (size_t at = ZN_HEADER_LEN; at < f->archive_len; at += at < ZN_HEADER_LEN + 48 ? 1 : LONG_STEP) {
            for (unsigned sealed = 0; sealed < 2; sealed++) {
                memcpy(f->work, f->archive, f->archive_len);
                f->work[at] ^= (uint8_t)(1U << at % 8);
                if (sealed) zt_seal(f->work, f->archive_len);
                for (unsigned w = 0; w < ZT_N_WAYS; w++) answers_as_scalar(f, ctx, &zt_ways[w], at);
            }
        }
    }
    for (size_t i = 0; i < 2; i++) zipnn_destroy(ctx[i]);
}

/* ---- behind right checksums -------------------------------------------------------------------------------------- */

/* With the digest of the whole original only ways that compare it are bound to notice. */
static void resealed(struct fixture *f, size_t where) {
    zt_seal(f->work, f->archive_len);
    for (unsigned w = 0; w < ZT_N_WAYS; w++) {
        size_t got = 0;
        const struct zt_way *way = &zt_ways[w];
        zipnn_status status = way->restore(f->ctx, f->work, f->archive_len, f->restored, SMALL_CAP, &got, NULL);
        if (status > ZIPNN_E_BASE) fail_msg("byte %zu, %s: status %d", where, way->name, (int)status);
        if (status == ZIPNN_OK && way->xxh3 && !is_original(f, got))
            fail_msg("byte %zu, %s: wrong bytes", where, way->name);
    }
}

static void every_byte_changed_and_sealed_again(void **state) {
    struct fixture *f = *state;
    static const uint8_t masks[] = {0x01, 0x80, 0xFF, 0x04, 0x30};
    for (size_t i = 0; i < N_ARCHIVES; i++) {
        prepare_small(f, i);
        for (size_t at = 0; at < f->archive_len; at++) {
            for (size_t m = 0; m < sizeof masks; m++) {
                memcpy(f->work, f->archive, f->archive_len);
                f->work[at] ^= masks[m];
                resealed(f, at);
            }
        }
    }
}

static void random_changes_sealed_again(void **state) {
    struct fixture *f = *state;
    uint64_t random = 11;
    for (size_t i = 0; i < N_ARCHIVES; i++) {
        prepare_small(f, i);
        for (unsigned round = 0; round < 3000; round++) {
            memcpy(f->work, f->archive, f->archive_len);
            for (unsigned n = (unsigned)(zt_random(&random) % 6) + 2; n > 0; n--) {
                uint64_t r = zt_random(&random);
                f->work[(r >> 8) % ZN_MIN(f->archive_len, (uint64_t)1 << (r % 6 + 5))] = (uint8_t)(r >> 56);
            }
            resealed(f, round);
        }
    }
}

/* Sets a field of 2, 4 or 8 bytes to values that counts and lengths may stumble over. */
static void extreme_fields_sealed_again(void **state) {
    struct fixture *f = *state;
    static const uint64_t values[] = {0, 1, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, UINT64_MAX, INT64_MAX};
    for (size_t i = 0; i < N_ARCHIVES; i++) {
        prepare_small(f, i);
        for (size_t at = 0; at + 8 <= f->archive_len; at++) {
            for (size_t v = 0; v < sizeof values / sizeof *values; v++) {
                uint8_t bytes[8];
                zn_put_u64(bytes, values[v]);
                memcpy(f->work, f->archive, f->archive_len);
                memcpy(f->work + at, bytes, v < 2 ? 4 : v < 4 ? 2 : v < 7 ? 4 : 8);
                resealed(f, at);
            }
        }
    }
}

/* ---- whole frames ------------------------------------------------------------------------------------------------ */

struct frames {
    size_t at[16], size[16], n, index_at;
};

static struct frames frames_of(const uint8_t *archive) {
    struct frames frames = {.n = 0};
    size_t at = ZN_HEADER_LEN;
    while (archive[at + ZN_FRAME_LEN] != ZN_KIND_INDEX) {
        frames.at[frames.n] = at;
        frames.size[frames.n] = ZN_FRAME_LEN + zn_get_u32(archive + at + 8);
        at += frames.size[frames.n++];
    }
    frames.index_at = at;
    return frames;
}

/* Writes the given frames and the rest of the archive from the index on; `sealed` makes the index list them. */
static size_t assemble(struct fixture *f, const struct frames *frames, const unsigned *order, size_t n, bool sealed) {
    size_t at = ZN_HEADER_LEN;
    copy_archive(f, 3 * f->archive_len);
    for (size_t i = 0; i < n; i++) {
        memcpy(f->work + at, f->archive + frames->at[order[i]], frames->size[order[i]]);
        at += frames->size[order[i]];
    }
    const size_t rest = f->archive_len - frames->index_at;
    memcpy(f->work + at, f->archive + frames->index_at, rest);
    if (sealed) zt_seal(f->work, at + rest);
    return at + rest;
}

static void chunks_must_be_the_listed_ones(void **state) {
    struct fixture *f = *state;
    static const struct {
        const char *damage;
        unsigned order[6];
        size_t n;
    } table[] = {
        {"exchanged", {1, 0, 2}, 3}, {"lost first", {1, 2}, 2}, {"lost last", {0, 1}, 2}, {"repeated", {0, 0, 1, 2}, 4},
        {"replaced", {0, 0, 2}, 3},  {"none", {0}, 0},          {"turned", {2, 0, 1}, 3},
    };
    /* Three chunks, the frames of the first two of the same size: noise is stored. */
    prepare(f, ZT_RANDOM, ZIPNN_U8, (1 << 20) + 70000);
    const struct frames frames = frames_of(f->archive);
    assert_true(frames.n == 3 && frames.size[0] == frames.size[1]);
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        for (unsigned sealed = 0; sealed < 2; sealed++) {
            const size_t len = assemble(f, &frames, table[i].order, table[i].n, sealed);
            for (unsigned w = 0; w < ZT_N_WAYS; w++) {
                size_t got = 0;
                const struct zt_way *way = &zt_ways[w];
                if (sealed && !way->xxh3) continue; /* a new archive, forged well */
                zipnn_status status = way->restore(f->ctx, f->work, len, f->restored, LARGEST, &got, NULL);
                if (status == ZIPNN_OK || status > ZIPNN_E_BASE)
                    fail_msg("chunks %s, %s: %d", table[i].damage, way->name, (int)status);
            }
        }
    }
}

/* Damage in one chunk leaves the others readable. */
static void damage_stays_in_its_chunk(void **state) {
    struct fixture *f = *state;
    prepare(f, ZT_MIXED, ZIPNN_BF16, (1 << 20) + 70000);
    copy_archive(f, f->archive_len);
    const struct frames frames = frames_of(f->archive);
    f->work[frames.at[1] + 1000] ^= 1;
    struct zt_input in = {.data = f->work, .len = f->archive_len};
    const zipnn_source source = zt_file(&in);
    zipnn_archive *archive;
    zipnn_error err;
    assert_int_equal(zipnn_archive_open(f->ctx, &source, &archive, NULL), ZIPNN_OK);
    for (uint64_t i = 0; i < 3; i++) {
        zipnn_chunk_info chunk;
        assert_int_equal(zipnn_archive_chunk(archive, i, &chunk, NULL), ZIPNN_OK);
        assert_true(chunk.archive_offset == frames.at[i] && chunk.stored == frames.size[i]);
        zipnn_status status = zipnn_archive_read(archive, chunk.offset, chunk.length, f->restored, &err);
        assert_int_equal(status, i == 1 ? ZIPNN_E_CORRUPT : ZIPNN_OK);
        if (i == 1) assert_true(err.offset == chunk.archive_offset);
        if (i != 1) assert_memory_equal(f->restored, f->original + chunk.offset, (size_t)chunk.length);
    }
    zipnn_archive_close(archive);
}

/* An archive of one ancillary frame and no chunk. */
static size_t write_ancillary(uint8_t *archive, uint32_t body_len) {
    uint8_t *at = archive + ZN_HEADER_LEN, *body = at + ZN_FRAME_LEN;
    zn_header_write(archive, &(struct zn_header){3, ZN_MAX_CHUNK, 0}, zn_xxh3_64_scalar);
    memset(body, 0, body_len);
    body[0] = ZN_KIND_ANCILLARY;
    const struct zn_frame frame = zn_frame_seal(at, body_len, 0, zn_xxh3_64_scalar);
    at += zn_frame_size(&frame);
    struct zn_index index = {.original = 0};
    alignas(ZN_XXH3_STATE_ALIGN) uint8_t hash[ZN_XXH3_STATE_SIZE];
    zn_xxh3_128_reset(hash);
    zn_xxh3_128_digest(hash, index.xxh3);
    zn_index_head_write(at + ZN_FRAME_LEN, &index);
    zn_entry_write(at + ZN_FRAME_LEN + ZN_INDEX_LEN, &frame);
    const struct zn_frame last = zn_frame_seal(at, ZN_INDEX_LEN + ZN_ENTRY_LEN, 0, zn_xxh3_64_scalar);
    at += zn_frame_size(&last);
    zn_trailer_write(at, zn_frame_size(&last));
    return (size_t)(at - archive) + ZN_TRAILER_LEN;
}

static void ancillary_frames_are_limited(void **state) {
    struct fixture *f = *state;
    uint8_t *archive = malloc(ZN_MAX_ANCILLARY + 1000);
    assert_non_null(archive);
    for (uint32_t more = 0; more < 2; more++) {
        const size_t len = write_ancillary(archive, ZN_MAX_ANCILLARY + more);
        for (unsigned w = 0; w < ZT_N_WAYS; w++) {
            size_t got = 1;
            zipnn_status status = zt_ways[w].restore(f->ctx, archive, len, f->restored, SMALL_CAP, &got, NULL);
            assert_int_equal(status, more ? ZIPNN_E_CORRUPT : ZIPNN_OK);
            if (!more) assert_int_equal(got, 0);
        }
    }
    free(archive);
}

static int set_up(void **state) {
    static struct fixture f;
    f.original = malloc(LARGEST);
    f.restored = malloc(LARGEST);
    f.archive = malloc(MAX_ARCHIVE);
    *state = &f;
    return !f.original || !f.restored || !f.archive || zipnn_create(NULL, &f.ctx, NULL) != ZIPNN_OK;
}

static int tear_down(void **state) {
    struct fixture *f = *state;
    zipnn_destroy(f->ctx);
    free(f->original);
    free(f->restored);
    free(f->archive);
    free(f->work);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_bit_flip_is_refused),      cmocka_unit_test(every_truncation_is_refused),
        cmocka_unit_test(appended_bytes_are_refused),     cmocka_unit_test(every_byte_changed_and_sealed_again),
        cmocka_unit_test(random_changes_sealed_again),    cmocka_unit_test(extreme_fields_sealed_again),
        cmocka_unit_test(chunks_must_be_the_listed_ones), cmocka_unit_test(damage_stays_in_its_chunk),
        cmocka_unit_test(ancillary_frames_are_limited),   cmocka_unit_test(large_chunks_are_refused_alike),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
