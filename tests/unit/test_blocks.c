/* Blocks of quantised values as the layout of values has them: every type comes back from every kernel set, the bytes
 * are the same from each and fewer than by fields alone; older readers get fields; every set's loops do what the plain
 * ones do, to the end of a page; damage is an error or other bytes, never a fault. */
#include "base/bytes.h"
#include "chunk/values.h"
#include "plan/dtype.h"
#include "support/coder.h"
#include "support/guard.h"
#include "support/samples.h"
#include "support/unit.h"

enum { MAX_LEN = 120000, N_DAMAGED = 300, LONGEST = 64, MOST_VALUES = LONGEST * 256 };

static zipnn_dtype dtype_of(unsigned type) {
    enum zn_values_id id;
    for (unsigned d = 0; d < ZN_N_DTYPES; d++)
        if (zn_values_of_dtype((zipnn_dtype)d, &id) && (unsigned)id == type) return (zipnn_dtype)d;
    fail_msg("type %u has no dtype", type);
    return ZIPNN_DTYPE_UNKNOWN;
}

/* About the middle of 0 .. most, and once in 32 the least. */
static uint8_t value_of(uint64_t *seed, unsigned most) {
    const uint64_t r = zt_random(seed);
    if (r % 32 == 0) return 0;
    return (uint8_t)(((r >> 8 & 255) + (r >> 16 & 255) + (r >> 24 & 255) + (r >> 32 & 255)) * most / 1020);
}

/* Puts values into records, as they are and in their order; the bytes beside them stay. */
static void put_values(const struct zn_values_type *t, const uint8_t *values, size_t n, uint8_t *records) {
    static uint32_t places[LONGEST * 16];
    const struct zn_values_shape shape = zn_values_shape_of(t);
    const struct zn_values_code as_they_are = {
        .group_log2 = t->group_log2, .n_bins = 256, .flip = t->low.bits == 8 ? 128 : 0};
    const struct zn_values_rebuilt v = {
        .shape = &shape, .code = &as_they_are, .symbols = values, .places = places, .beside = values};
    struct zn_low_bits none = {values, 0, 0};
    for (uint32_t g = 0; g < n * t->n >> t->group_log2; g++) places[g] = g;
    assert_true(zn_values_kernels_scalar.rebuild(&v, n, &none, records));
}

/* Records whose values, where they are bytes, are close to the middle when the scale before them is large. */
static void fill(const struct zn_values_type *t, uint64_t seed, uint8_t *data, size_t n) {
    const unsigned most = (1u << zn_values_bits(t)) - 1;
    uint8_t values[256];
    for (size_t r = 0; r < n; r++) {
        uint8_t *record = data + r * t->width;
        memset(record, 0, t->width);
        for (unsigned p = 0; p < zn_values_sides(t); p++)
            for (unsigned i = 0; i < t->side[p].len; i++)
                record[t->side[p].at + i] = (uint8_t)(40 + zt_random(&seed) % 4);
        for (unsigned i = 0; i < t->n; i++) values[i] = value_of(&seed, most);
        for (unsigned i = 0; i < t->n && most == 255 && record[1] & 2; i++) values[i] = (uint8_t)(96 + values[i] / 4);
        put_values(t, values, 1, record);
    }
}

static uint32_t encode(struct zn_coder *coder, int level, bool values, struct zn_chunk_hint hint, const uint8_t *data,
                       uint32_t len, uint8_t *body) {
    struct zn_effort effort = zn_effort_of(level);
    if (!values) effort.readers = 100;
    return zn_chunk_encode(&(struct zn_encoder){coder, &effort, hint, data, len}, body);
}

static void blocks_come_back_and_take_less(void **state) {
    (void)state;
    uint8_t *data = malloc(MAX_LEN), *body = malloc(zn_chunk_bound(MAX_LEN)), *other = malloc(zn_chunk_bound(MAX_LEN));
    void *memory;
    assert_true(data && body && other);
    for (unsigned type = 0; type < ZN_N_VALUES; type++) {
        const struct zn_values_type *t = &zn_values_types[type];
        const uint32_t head = type % 3, n = (MAX_LEN - 300) / t->width, len = head + n * t->width + type % 2;
        const struct zn_chunk_hint hint = {.dtype = dtype_of(type), .head = head};
        uint32_t first = 0;
        data[0] = data[1] = data[len - 1] = 'e';
        fill(t, type, data + head, n);
        for (unsigned set = 0; zn_kernels_at(set); set++) {
            struct zn_coder coder = zt_coder_make(zn_kernels_at(set), MAX_LEN, &memory);
            const uint32_t got = encode(&coder, 3, true, hint, data, len, set == 0 ? body : other);
            if (set == 0) first = got;
            assert_int_equal(got, first);
            if (set) assert_memory_equal(other, body, got);
            assert_int_equal(body[1], ZN_LAYOUT_VALUES);
            assert_true(got < encode(&coder, 3, false, hint, data, len, other));
            assert_int_not_equal(other[1], ZN_LAYOUT_VALUES);
            assert_int_equal(zt_coder_round_trip(&coder, 3, hint, data, len), got);
            assert_true(zt_coder_round_trip(&coder, 6, hint, data, len) <= got);
            zt_coder_round_trip(&coder, 1, hint, data, len);
            zt_coder_free(&coder, memory);
        }
    }
    free(data);
    free(body);
    free(other);
}

static struct zn_values_code some_code(const struct zn_values_type *t, unsigned k, uint64_t *seed) {
    const unsigned bits = zn_values_bits(t), n_exact = (unsigned)(zt_random(seed) % 5);
    struct zn_values_code c = {
        .group_log2 = t->group_log2, .low_bits = k, .n_bins = 1u << (bits - k), .flip = bits == 8 ? 128 : 0};
    for (unsigned i = 0; i < 256; i++) c.symbol_of[i] = (uint8_t)(i >> k);
    for (unsigned v = 0; v < 1u << bits && c.n_exact < n_exact; v += 1 + (unsigned)(zt_random(seed) % 40)) {
        c.symbol_of[v] = (uint8_t)(c.n_bins + c.n_exact);
        c.exact[c.n_exact++] = (uint8_t)v;
    }
    return c;
}

struct pages {
    struct guard records, values, symbols, low;
};

/* Records taken apart by a set and by the plain loops, and put together again. */
static void check_records(const struct pages *p, const struct zn_values_kernels *k, const struct zn_values_type *t,
                          size_t n, uint8_t *values) {
    const struct zn_values_shape shape = zn_values_shape_of(t);
    uint8_t plain[MOST_VALUES], *records = guard_high(&p->records, n * t->width), original[LONGEST * 210];
    memcpy(original, records, n * t->width);
    k->unpack(&shape, records, n, values);
    zn_values_kernels_scalar.unpack(&shape, records, n, plain);
    assert_memory_equal(values, plain, n * t->n);
    put_values(t, values, n, records);
    assert_memory_equal(records, original, n * t->width);
}

/* Removes all of n records but the longer sides; gives the others, one record behind the other. Returns their length in
 * a record, and in *at where they stand. */
static unsigned take_away(const struct zn_values_type *t, size_t n, uint8_t *records, uint8_t *beside, unsigned *at) {
    unsigned len = 0;
    *at = 0;
    for (unsigned s = 0; s < zn_values_sides(t); s++) {
        if (t->side[s].len > 1) continue;
        if (len++ == 0) *at = t->side[s].at;
    }
    for (size_t r = 0; r < n; r++, records += t->width) {
        memcpy(beside + r * len, records + *at, len);
        for (unsigned b = 0; b < t->width; b++) {
            bool stays = false;
            for (unsigned s = 0; s < zn_values_sides(t); s++)
                stays |= t->side[s].len > 1 && b - t->side[s].at < t->side[s].len;
            if (!stays) records[b] = 0x55;
        }
    }
    return len;
}

static void shuffle(uint32_t *places, size_t n, uint64_t *seed) {
    for (size_t g = 0; g < n; g++) places[g] = (uint32_t)g;
    for (size_t g = n; g > 1; g--) {
        const size_t other = (size_t)(zt_random(seed) % g);
        const uint32_t kept = places[g - 1];
        places[g - 1] = places[other];
        places[other] = kept;
    }
}

static void check_symbols(const struct pages *p, const struct zn_values_kernels *k, const struct zn_values_type *t,
                          const struct zn_values_code *c, size_t n_records, const uint8_t *values, uint64_t *seed) {
    static uint32_t places[MOST_VALUES / 16];
    static uint8_t plain[MOST_VALUES], low[2][MOST_VALUES + 64], original[LONGEST * 210], beside[LONGEST * 4];
    const size_t n_values = n_records * t->n, n = n_values >> c->group_log2, records_len = n_records * t->width;
    const struct zn_values_shape shape = zn_values_shape_of(t);
    uint8_t *symbols = guard_high(&p->symbols, n_values), *records = guard_high(&p->records, records_len);
    struct zn_low_writer its = {.at = low[0]}, mine = {.at = low[1]};
    memcpy(original, records, records_len);
    shuffle(places, n, seed);
    k->divide(c, values, places, n, symbols, &mine);
    zn_values_kernels_scalar.divide(c, values, places, n, plain, &its);
    assert_memory_equal(symbols, plain, n_values);
    assert_int_equal(mine.at - low[1], its.at - low[0]);
    assert_int_equal(mine.n_left, its.n_left);
    if (mine.n_left) *mine.at++ = (uint8_t)mine.left, *its.at++ = (uint8_t)its.left;
    const size_t low_len = (size_t)(mine.at - low[1]);
    assert_memory_equal(low[0], low[1], low_len);
    struct zn_values_rebuilt v = {.shape = &shape, .code = c, .symbols = symbols, .places = places, .beside = beside};
    v.beside_len = take_away(t, n_records, records, beside, &v.beside_at);
    for (size_t cut = ZN_MIN(low_len, (size_t)1) + 1; cut-- > 0;) {
        uint8_t *there = guard_high(&p->low, low_len - cut);
        if (low_len > cut) memcpy(there, low[1], low_len - cut);
        struct zn_low_bits bits = {there, low_len - cut, 0};
        assert_int_equal(k->rebuild(&v, n_records, &bits, records), cut == 0);
        if (cut == 0) assert_memory_equal(records, original, records_len);
    }
    /* Mapped bytes that changed after they were looked at. */
    struct zn_low_bits bits = {guard_high(&p->low, low_len), low_len, 0};
    for (size_t i = 0; i < n_values; i++) symbols[i] = (uint8_t)zt_random(seed);
    (void)k->rebuild(&v, n_records, &bits, records);
    memcpy(records, original, records_len);
}

/* Keys of scales from nothing to all bits, with and without smaller scales beside them. */
static void check_keys(const struct zn_values_kernels *k, uint64_t *seed) {
    int32_t levels[LONGEST];
    uint8_t up[LONGEST], down[LONGEST], keys[LONGEST], plain[LONGEST];
    const size_t n = 1 + (size_t)zt_random(seed) % LONGEST;
    for (size_t i = 0; i < n; i++) {
        levels[i] = (int32_t)(zt_random(seed) % 32768) - (int32_t)(zt_random(seed) % 2 * (zt_random(seed) % 32768));
        up[i] = (uint8_t)zt_random(seed);
        down[i] = (uint8_t)(zt_random(seed) % 8);
    }
    for (unsigned given = 0; given < 3; given++)
        for (unsigned relative = 0; relative < 2; relative++) {
            k->keys(levels, given ? up : NULL, given > 1 ? down : NULL, n, relative, keys);
            zn_values_kernels_scalar.keys(levels, given ? up : NULL, given > 1 ? down : NULL, n, relative, plain);
            assert_memory_equal(keys, plain, n);
        }
}

static void loops_are_as_the_plain_ones(void **state) {
    (void)state;
    const struct pages p = {guard_make(LONGEST * 210), guard_make(MOST_VALUES), guard_make(MOST_VALUES),
                            guard_make(MOST_VALUES)};
    uint64_t seed = 11;
    for (unsigned set = 0; zn_kernels_at(set); set++)
        for (unsigned i = 0; i < 20 * ZN_N_VALUES; i++) {
            const struct zn_values_type *t = &zn_values_types[i % ZN_N_VALUES];
            const size_t n = 1 + (size_t)zt_random(&seed) % LONGEST;
            uint8_t *records = guard_high(&p.records, n * t->width), *values = guard_high(&p.values, n * t->n);
            static uint8_t kept[MOST_VALUES];
            for (size_t b = 0; b < n * t->width; b++) records[b] = (uint8_t)zt_random(&seed);
            check_keys(zn_kernels_at(set)->values, &seed);
            check_records(&p, zn_kernels_at(set)->values, t, n, values);
            memcpy(kept, values, n * t->n);
            for (unsigned k = 0; k <= 4; k += k == 2 ? 2 : 1) {
                if (k >= zn_values_bits(t) || zn_values_bits(t) - k > 4) continue;
                const struct zn_values_code c = some_code(t, k, &seed);
                check_symbols(&p, zn_kernels_at(set)->values, t, &c, n, kept, &seed);
            }
        }
    struct guard all[] = {p.records, p.values, p.symbols, p.low};
    for (unsigned i = 0; i < 4; i++) guard_free(&all[i]);
}

static void damage_is_no_fault(void **state) {
    (void)state;
    uint8_t *data = malloc(MAX_LEN), *body = malloc(zn_chunk_bound(MAX_LEN));
    struct guard in = guard_make(2 * MAX_LEN), to = guard_make(MAX_LEN), again = guard_make(MAX_LEN);
    assert_true(data && body);
    for (unsigned type = 0; type < ZN_N_VALUES; type++) {
        const struct zn_values_type *t = &zn_values_types[type];
        const uint32_t orig_len = (uint32_t)(9999 / t->width * t->width);
        void *memory[2];
        unsigned last = 0;
        while (zn_kernels_at(last + 1)) last++;
        struct zn_coder coder = zt_coder_make(zn_kernels_at(0), MAX_LEN, &memory[0]);
        struct zn_coder plain = zt_coder_make(zn_kernels_at(last), MAX_LEN, &memory[1]);
        uint64_t seed = type;
        fill(t, type, data, orig_len / t->width);
        const uint32_t len =
            encode(&coder, 3, true, (struct zn_chunk_hint){.dtype = dtype_of(type)}, data, orig_len, body);
        assert_int_equal(body[1], ZN_LAYOUT_VALUES);
        for (unsigned d = 0; d < N_DAMAGED; d++) {
            const uint32_t cut = d % 2 ? len : len - 1 - (uint32_t)(zt_random(&seed) % len);
            uint8_t *damaged = guard_high(&in, cut), *out = guard_high(&to, orig_len),
                    *other = guard_high(&again, orig_len);
            if (cut) memcpy(damaged, body, cut);
            if (d % 2) damaged[zt_random(&seed) % (d % 4 == 1 ? 64 : len)] ^= (uint8_t)(1 + zt_random(&seed) % 255);
            const struct zn_chunk_body b = {.data = damaged, .len = cut};
            const zipnn_status s = zn_chunk_decode(&coder, &b, out, orig_len, ZN_STORE_CACHED, NULL);
            if (cut < len) assert_int_not_equal(s, ZIPNN_OK);
            assert_int_equal(s, zn_chunk_decode(&plain, &b, other, orig_len, ZN_STORE_CACHED, NULL));
            if (s == ZIPNN_OK) assert_memory_equal(out, other, orig_len);
        }
        zt_coder_free(&coder, memory[0]);
        zt_coder_free(&plain, memory[1]);
    }
    guard_free(&in);
    guard_free(&to);
    guard_free(&again);
    free(data);
    free(body);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_come_back_and_take_less),
        cmocka_unit_test(loops_are_as_the_plain_ones),
        cmocka_unit_test(damage_is_no_fault),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
