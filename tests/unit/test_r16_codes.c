/* R16's tables, every frequency and every state: the encoder's arithmetic is division, and undoes the decoder's. */
#include "codec/cost.h"
#include "kernels/kernels.h"
#include "support/unit.h"

/* A model with `freq` slots for symbol 7 from slot `first` on: 3 has the slots before, the escape those behind. */
static struct zn_r16_model model_at(unsigned first, unsigned freq) {
    struct zn_r16_model m = {.esc_freq = (uint8_t)(ZN_R16_SLOTS - first - freq)};
    if (first) {
        m.sym[m.n] = 3;
        m.freq[m.n++] = (uint8_t)first;
    }
    m.sym[m.n] = 7;
    m.freq[m.n++] = (uint8_t)freq;
    return m;
}

static void class_map(uint8_t *class_of) {
    memset(class_of, ZN_R16_CLASSES - 1, 256);
    class_of[3] = 0;
    class_of[7] = 30;
}

static uint32_t quotient(const struct zn_r16_codes *t, unsigned c, uint32_t x) {
    return (x + (x * t->recip[c] >> 16) + 1) >> 1 >> t->shift[c];
}

static void test_quotient(void **unused) {
    (void)unused;
    uint8_t class_of[256];
    class_map(class_of);
    for (unsigned freq = 1; freq <= 64; freq++) {
        struct zn_r16_codes codes;
        struct zn_r16_model m = model_at(0, freq);
        zn_r16_codes_build(&codes, &m, class_of);
        assert_int_equal(codes.top[30], freq < 64 ? freq * 1024 - 1 : 65535);
        for (uint32_t x = freq * 4; x <= codes.top[30]; x++)
            if (quotient(&codes, 30, x) != x / freq) fail_msg("%u / %u is %u", x, freq, quotient(&codes, 30, x));
    }
}

static void test_round_trip(void **unused) {
    (void)unused;
    uint8_t class_of[256];
    class_map(class_of);
    for (unsigned freq = 1; freq <= 64; freq++) {
        for (unsigned first = 0; first + freq <= 64; first += 1 + (64 - freq) / 3) {
            struct zn_r16_codes c;
            struct zn_r16_table t;
            struct zn_r16_model m = model_at(first, freq);
            zn_r16_codes_build(&c, &m, class_of);
            zn_r16_table_build(&t, &m, ZN_R16_SLOTS_LOG2, 0);
            for (uint32_t x = freq * 4; x <= c.top[30]; x++) {
                uint32_t y = x + c.first[30] + quotient(&c, 30, x) * c.rest[30], s = y % 64;
                assert_in_range(y, ZN_R16_LOW, 65535);
                assert_int_equal(t.sym[s], 7);
                assert_int_equal(t.freq[s] * (y / 64) + t.bias[s], x);
            }
        }
    }
}

/* The same with 128 slots. */
static void wide_tables_divide_and_undo(void **unused) {
    (void)unused;
    for (unsigned freq = 1; freq <= 128; freq++) {
        for (unsigned first = 0; first + freq <= 128; first += 1 + (128 - freq) / 3) {
            struct zn_r16_codes c;
            struct zn_r16_table t;
            struct zn_r16_model m = {
                .n = (uint8_t)(1 + (first > 0)), .base = 9, .esc_freq = (uint8_t)(128 - first - freq)};
            const unsigned k = first > 0;
            m.sym[0] = 9, m.sym[k] = (uint8_t)(9 + k);
            m.freq[0] = (uint8_t)first, m.freq[k] = (uint8_t)freq;
            zn_r16w_codes_build(&c, &m);
            zn_r16_table_build(&t, &m, ZN_R16W_SLOTS_LOG2, ZN_R16W_UNLISTED);
            assert_int_equal(c.top[k], freq < 128 ? freq * 512 - 1 : 65535);
            for (uint32_t x = freq * 2; x <= c.top[k]; x++) {
                if (quotient(&c, k, x) != x / freq) fail_msg("%u / %u is %u", x, freq, quotient(&c, k, x));
                const uint32_t y = x + c.first[k] + quotient(&c, k, x) * c.rest[k], s = y % 128;
                assert_in_range(y, ZN_R16_LOW, 65535);
                assert_int_equal(t.sym[s], 9 + k);
                assert_int_equal(t.freq[s] * (y / 128) + t.bias[s], x);
            }
        }
    }
}

/* Every symbol that a table does not list has a byte of its own, which leads back to it. */
static void wide_escapes_are_symbols(void **unused) {
    (void)unused;
    for (unsigned base = 0; base < 256; base++)
        for (unsigned n = 0; n <= ZN_R16W_MAX_LISTED && base + n <= ZN_R16W_UNLISTED; n++)
            for (unsigned s = 0; s < 256; s++) {
                const uint8_t escape = zn_r16w_escape((uint8_t)base, (uint8_t)n, (uint8_t)s);
                if (s - base >= n) assert_int_equal(zn_r16w_escaped((uint8_t)base, (uint8_t)n, escape), s);
            }
    assert_int_equal(zn_r16w_escape(100, 20, 99), 127);
    assert_int_equal(zn_r16w_escape(100, 20, 120), 128);
}

static void test_tables(void **unused) {
    (void)unused;
    struct zn_r16_model m = {.n = 3, .esc_freq = 2, .sym = {120, 0, 255}, .freq = {50, 9, 3}};
    uint8_t class_of[256];
    memset(class_of, 31, sizeof class_of);
    class_of[120] = 1, class_of[0] = 0, class_of[255] = 2, class_of[9] = 3;

    struct zn_r16_table t;
    zn_r16_table_build(&t, &m, ZN_R16_SLOTS_LOG2, 77);
    const uint8_t freq[4] = {50, 9, 3, 2}, first[4] = {0, 50, 59, 62}, sym[4] = {120, 0, 255, 77};
    for (unsigned s = 0; s < 64; s++) {
        unsigned r = t.rank[s];
        assert_in_range(r, 0, 3);
        assert_in_range(s, first[r], first[r] + freq[r] - 1U);
        assert_int_equal(t.freq[s], freq[r]);
        assert_int_equal(t.bias[s], s - first[r]);
        assert_int_equal(t.sym[s], sym[r]);
    }
    assert_memory_equal(t.rank_freq, freq, 4);
    assert_memory_equal(t.rank_first, first, 4);
    assert_memory_equal(t.rank_sym, sym, 4);

    struct zn_r16_codes c;
    zn_r16_codes_build(&c, &m, class_of);
    assert_int_equal(c.escaped, ~(uint32_t)7);
    for (unsigned k = 3; k < ZN_R16_CLASSES; k++) {
        assert_int_equal(c.first[k], 62);
        assert_int_equal(c.rest[k], 62);
    }
}

static void logarithms_are_those_computed(void **unused) {
    (void)unused;
    for (uint32_t x = 1; x < 256; x++) assert_int_equal(zn_log2_small[x], zn_log2_computed(x));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_quotient),
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(wide_tables_divide_and_undo),
        cmocka_unit_test(wide_escapes_are_symbols),
        cmocka_unit_test(test_tables),
        cmocka_unit_test(logarithms_are_those_computed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
