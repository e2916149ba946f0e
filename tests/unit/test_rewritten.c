/* Floats that are spelled as text or as varints, and floats among other bytes, take little more than plain ones; what is
 * no such thing stays what it is; damage is an error or other bytes, never a fault. */
#include "base/bytes.h"
#include "chunk/rewritten.h"
#include "support/coder.h"
#include "support/samples.h"
#include "support/unit.h"

enum { N = 100000, MAX_LEN = 2 * N, N_DAMAGED = 300 };

/* The rows of the samples below: how floats are put into a chunk. */
enum form { LATIN1, VARINTS, ROWS };

static uint32_t as_latin1(const uint8_t *plain, uint8_t *to) {
    uint32_t at = 0;
    for (uint32_t i = 0; i < N; i++) {
        if (plain[i] >= 0x80) to[at++] = (uint8_t)(0xc0 | plain[i] >> 6);
        to[at++] = plain[i] < 0x80 ? plain[i] : (uint8_t)(0x80 | (plain[i] & 0x3f));
    }
    return at;
}

static uint32_t as_varints(const uint8_t *plain, uint8_t *to) {
    uint32_t at = 0;
    for (uint32_t i = 0; i + 2 <= N; i += 2) {
        unsigned v = zn_get_u16(plain + i);
        for (; v > 127; v >>= 7) to[at++] = (uint8_t)(v | 128);
        to[at++] = (uint8_t)v;
    }
    return at;
}

/* Rows of 160 bytes, each after a name of 3 to 10 letters. */
static uint32_t as_rows(const uint8_t *plain, uint8_t *to) {
    uint64_t seed = 5;
    uint32_t at = 0;
    for (uint32_t i = 0; i + 160 <= N; i += 160) {
        for (uint64_t n = 3 + (zt_random(&seed) >> 20) % 8; n > 0; n--)
            to[at++] = (uint8_t)('a' + (zt_random(&seed) >> 20) % 26);
        memcpy(to + at, plain + i, 160);
        at += 160;
    }
    return at;
}

static uint32_t fill(enum form form, enum zt_sample sample, uint8_t *to) {
    static uint8_t plain[N];
    zt_sample(sample, 3, plain, N);
    return form == LATIN1 ? as_latin1(plain, to) : form == VARINTS ? as_varints(plain, to) : as_rows(plain, to);
}

static const struct {
    enum form form;
    enum zt_sample sample;
    unsigned permille; /* of N, which the archive takes at most */
} cases[] = {
    {LATIN1, ZT_F32, 860},  {LATIN1, ZT_BF16, 700}, {LATIN1, ZT_F16, 880}, {VARINTS, ZT_BF16, 700},
    {VARINTS, ZT_F16, 880}, {ROWS, ZT_F32, 920},    {ROWS, ZT_BF16, 770},  {ROWS, ZT_F16, 950},
};
enum { N_CASES = sizeof cases / sizeof *cases };

/* Chunks begin and end anywhere, so from any byte on. */
static void spelled_floats_are_found(void **state) {
    (void)state;
    uint8_t *data = malloc(MAX_LEN), *body = malloc(zn_chunk_bound(MAX_LEN));
    void *memory;
    assert_true(data && body);
    for (unsigned set = 0; zn_kernels_at(set); set++)
        for (unsigned c = 0; c < N_CASES; c++) {
            struct zn_coder coder = zt_coder_make(zn_kernels_at(set), MAX_LEN, &memory);
            struct zn_effort older = zn_effort_of(3);
            const uint32_t len = fill(cases[c].form, cases[c].sample, data);
            for (uint32_t from = 0; from < 3; from++) {
                const uint32_t got =
                    zt_coder_round_trip(&coder, 3, (struct zn_chunk_hint){0}, data + from, len - 2 * from);
                if (got > N / 1000 * cases[c].permille) fail_msg("case %u: %u bytes", c, got);
            }
            zt_coder_round_trip(&coder, 6, (struct zn_chunk_hint){0}, data, len);
            const struct zn_encoder e = {&coder, &older, {.dtype = ZIPNN_DTYPE_UNKNOWN}, data, len};
            assert_true(zn_chunk_encode(&e, body) > 0);
            assert_int_equal(body[1], ZN_LAYOUT_REWRITTEN);
            older.readers = 100;
            assert_true(zn_chunk_encode(&e, body) > 0);
            assert_int_not_equal(body[1], ZN_LAYOUT_REWRITTEN);
            zt_coder_free(&coder, memory);
        }
    free(data);
    free(body);
}

/* What nearly is spelled, at every length that may be looked at. */
static void other_bytes_come_back(void **state) {
    (void)state;
    uint8_t *data = malloc(MAX_LEN);
    uint64_t seed = 8;
    void *memory;
    struct zn_coder coder = zt_coder_make(zn_kernels_at(0), MAX_LEN, &memory);
    assert_non_null(data);
    for (unsigned c = 0; c < N_CASES; c++)
        for (unsigned odd = 1; odd < 20000; odd *= 9) {
            const uint32_t len = fill(cases[c].form, cases[c].sample, data);
            for (unsigned i = 0; i < odd; i++) data[zt_random(&seed) % len] = (uint8_t)zt_random(&seed);
            zt_coder_round_trip(&coder, 3, (struct zn_chunk_hint){0}, data, len);
            zt_coder_round_trip(&coder, 2, (struct zn_chunk_hint){0}, data, 4090 + odd % 13);
            zt_coder_round_trip(&coder, 3, (struct zn_chunk_hint){0}, data, 16380 + odd % 13);
        }
    zt_coder_free(&coder, memory);
    free(data);
}

static void damage_is_no_fault(void **state) {
    (void)state;
    uint8_t *data = malloc(MAX_LEN), *body = malloc(zn_chunk_bound(MAX_LEN));
    void *memory;
    struct zn_coder coder = zt_coder_make(zn_kernels_at(0), MAX_LEN, &memory);
    const struct zn_effort effort = zn_effort_of(3);
    uint64_t seed = 4;
    assert_true(data && body);
    for (unsigned c = 0; c < N_CASES; c += 3) {
        const uint32_t orig_len = fill(cases[c].form, cases[c].sample, data);
        const struct zn_encoder e = {&coder, &effort, {.dtype = ZIPNN_DTYPE_UNKNOWN}, data, orig_len};
        const uint32_t len = zn_chunk_encode(&e, body);
        assert_int_equal(body[1], ZN_LAYOUT_REWRITTEN);
        zt_coder_damage(&coder, body, len, orig_len, N_DAMAGED, &seed);
    }
    zt_coder_free(&coder, memory);
    free(data);
    free(body);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(spelled_floats_are_found),
        cmocka_unit_test(other_bytes_come_back),
        cmocka_unit_test(damage_is_no_fault),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
