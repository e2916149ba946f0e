/* R32's tables and loops: every slot has one owner and one rank, sizes give 4096 slots, and every set decodes as the scalar
 * one does, symbol by symbol, in pieces, between guarded pages, whatever the words are. */
#include "codec/r32_stream.h"
#include "kernels/kernels.h"
#include "support/guard.h"
#include "support/samples.h"
#include "support/unit.h"

enum { N_TABLES = 5, LONGEST = 3000, N_STREAMS = 200 };

static void some_sizes(uint64_t *seed, unsigned kind, uint8_t size[ZN_R32_ENTRIES]) {
    for (unsigned i = 0; i < ZN_R32_ENTRIES; i++) {
        const unsigned random = (unsigned)(zt_random(seed) >> 20);
        const unsigned kinds[] = {random % (ZN_R32_MOST_SIZE + 1), 1,        ZN_R32_MOST_SIZE, i == 17 ? 5 : 0,
                                  random % 7 ? 0 : random % 30,    i + i / 2};
        size[i] = (uint8_t)kinds[kind % (sizeof kinds / sizeof *kinds)];
    }
    size[zt_random(seed) >> 20 & 63] |= 1;
}

static void slots_have_one_owner(void **state) {
    (void)state;
    uint64_t seed = 1;
    for (unsigned round = 0; round < 600; round++) {
        uint8_t size[ZN_R32_ENTRIES], seen[ZN_R32_SLOTS] = {0};
        uint16_t freq[ZN_R32_ENTRIES], first[ZN_R32_ENTRIES];
        struct zn_r32_table table;
        unsigned sum = 0;
        some_sizes(&seed, round, size);
        zn_r32_frequencies(size, freq);
        for (unsigned i = 0; i < ZN_R32_ENTRIES; i++) {
            assert_int_equal(freq[i] > 0, size[i] > 0);
            first[i] = (uint16_t)sum;
            sum += freq[i];
        }
        assert_int_equal(sum, ZN_R32_SLOTS);
        zn_r32_table_build(&table, freq);
        for (uint32_t slot = 0, rank; slot < ZN_R32_SLOTS; slot++) {
            const unsigned entry = zn_r32_entry(&table, slot, &rank);
            assert_true(entry < ZN_R32_ENTRIES && rank < freq[entry]);
            assert_int_equal(seen[first[entry] + rank]++, 0);
        }
    }
}

struct stream {
    struct zn_r32_table tables[N_TABLES];
    uint8_t ids[LONGEST / 128 + 1];
    struct zn_r32_decoder decoder;
};

/* A stream of random words; it ends where they do, or much earlier. */
static void make_stream(uint64_t *seed, struct guard *in, struct guard *esc, struct stream *s) {
    const size_t n_words = 2 * (size_t)(zt_random(seed) >> 20 & 2047), n_esc = (size_t)(zt_random(seed) >> 20 & 1023);
    uint8_t *words = guard_high(in, n_words), *escapes = guard_high(esc, n_esc);
    for (size_t i = 0; i < n_words; i++) words[i] = (uint8_t)(zt_random(seed) >> 20);
    for (size_t i = 0; i < n_esc; i++) escapes[i] = (uint8_t)(zt_random(seed) >> 20);
    for (unsigned t = 0; t < N_TABLES; t++) {
        uint8_t size[ZN_R32_ENTRIES];
        uint16_t freq[ZN_R32_ENTRIES];
        some_sizes(seed, (unsigned)(zt_random(seed) >> 20), size);
        zn_r32_frequencies(size, freq);
        zn_r32_table_build(&s->tables[t], freq);
        s->tables[t].base = (uint8_t)(zt_random(seed) >> 20);
        s->tables[t].n = (uint8_t)(zt_random(seed) >> 20 & 63);
    }
    for (size_t i = 0; i < sizeof s->ids; i++) s->ids[i] = (uint8_t)((zt_random(seed) >> 20) % N_TABLES);
    s->decoder = (struct zn_r32_decoder){.tables = s->tables, .block_log2 = 31};
    if (zt_random(seed) & 1 << 20) {
        s->decoder.ids = s->ids;
        s->decoder.block_log2 = 7;
    }
    for (unsigned i = 0; i < ZN_R32_LANES; i++) s->decoder.state[i] = (uint32_t)(zt_random(seed) >> 16) | ZN_R32_LOW;
    s->decoder.in = words;
    s->decoder.in_end = words + n_words;
    s->decoder.esc = escapes;
    s->decoder.esc_end = escapes + n_esc;
}

static void sets_decode_alike(void **state) {
    (void)state;
    struct guard in = guard_make(4096), esc = guard_make(1024), to = guard_make(LONGEST);
    uint64_t seed = 2;
    for (unsigned i = 0; i < N_STREAMS; i++) {
        struct stream s;
        make_stream(&seed, &in, &esc, &s);
        const size_t n = 1 + (size_t)(zt_random(&seed) >> 20) % LONGEST;
        const size_t cut = n / 2 / ZN_R32_LANES * ZN_R32_LANES;
        uint8_t expected[LONGEST], *out = guard_high(&to, n);
        struct zn_r32_decoder scalar = s.decoder;
        const bool whole = zn_r32_decode_scalar(&scalar, expected, n);
        for (unsigned set = 0; zn_kernels_at(set); set++) {
            struct zn_r32_decoder d = s.decoder;
            const struct zn_kernels *k = zn_kernels_at(set);
            const bool got = k->r32_decode(&d, out, cut) && k->r32_decode(&d, out + cut, n - cut);
            assert_int_equal(got, whole);
            if (!whole) continue;
            assert_memory_equal(out, expected, n);
            assert_memory_equal(d.state, scalar.state, sizeof d.state);
            assert_ptr_equal(d.in, scalar.in);
            assert_ptr_equal(d.esc, scalar.esc);
            assert_int_equal(d.pos, n);
        }
    }
    guard_free(&in);
    guard_free(&esc);
    guard_free(&to);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slots_have_one_owner),
        cmocka_unit_test(sets_decode_alike),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
