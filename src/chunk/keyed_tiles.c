/* Runs of tiles, places of groups, and the numbers of a tile. */
#include "chunk/keyed.h"
#include "chunk/wrapped.h"

bool zn_keyed_add(struct zn_keyed *k, const struct zn_keyed_run *run, uint32_t *left) {
    const uint64_t numbers = (uint64_t)run->rows * run->columns << k->unit_log2, all = numbers * run->count;
    const uint64_t group = (uint64_t)run->rows << k->unit_log2;
    if (k->n_runs == ZN_KEYED_RUNS || group < ZN_KEYED_LEAST || numbers % 2 || numbers > (uint64_t)*left * 2)
        return false;
    if (all == 0 || run->gap + all / 2 > *left) return false;
    k->run[k->n_runs++] = *run;
    k->n_groups += run->columns * run->count;
    k->n_numbers += (uint32_t)all;
    k->tiles_len += (uint32_t)(all / 2);
    *left -= run->gap + (uint32_t)(all / 2);
    return true;
}

void zn_keyed_places(const struct zn_keyed *k, const uint8_t *keys, uint32_t *places) {
    uint32_t next[256] = {0}, sum = 0;
    size_t g = 0;
    for (unsigned i = 0; i < k->n_runs && keys; i++) {
        const uint32_t group = (uint32_t)k->run[i].rows << k->unit_log2;
        for (uint32_t n = k->run[i].columns * k->run[i].count; n > 0; n--) next[keys[g++]] += group;
    }
    for (unsigned key = 0; key < 256; key++) {
        const uint32_t len = next[key];
        next[key] = sum;
        sum += len;
    }
    g = 0;
    for (unsigned i = 0; i < k->n_runs; i++) {
        const uint32_t group = (uint32_t)k->run[i].rows << k->unit_log2;
        for (uint32_t n = k->run[i].columns * k->run[i].count; n > 0; n--, g++) {
            uint32_t *at = &next[keys ? keys[g] : 0];
            places[g] = *at;
            *at += group;
        }
    }
}

/* ---- numbers ---- */

/* Move eight numbers of four bits to the lower bits of eight bytes, and back. */
static inline uint64_t spread(uint64_t v) {
    v = (v & 0xffff) | (v & UINT64_C(0xffff0000)) << 16;
    v = (v & UINT64_C(0x000000ff000000ff)) | (v & UINT64_C(0x0000ff000000ff00)) << 8;
    return (v & UINT64_C(0x000f000f000f000f)) | (v & UINT64_C(0x00f000f000f000f0)) << 4;
}

static inline uint32_t gather(uint64_t v) {
    v = (v | v >> 4) & UINT64_C(0x00ff00ff00ff00ff);
    v = (v | v >> 8) & UINT64_C(0x0000ffff0000ffff);
    return (uint32_t)(v | v >> 16);
}

/* Whole elements, of 2, 4 or 8 numbers: those of one element stand together. */
static inline void take_elements(const struct zn_keyed_run *r, unsigned unit_log2, const uint8_t *tile,
                                 const uint32_t *places, uint8_t *numbers) {
    for (size_t row = 0; row < r->rows; row++)
        for (size_t c = 0; c < r->columns; c++, tile += (size_t)1 << (unit_log2 - 1)) {
            const uint64_t v = spread(zn_element_get(tile, unit_log2 - 1));
            zn_element_put(numbers + places[c] + (row << unit_log2), unit_log2, v);
        }
}

/* The groups of some columns at a time, so that they stay in the first cache from row to row. The compiler makes vector
 * code of the inner loop in the middle. */
static inline void give_elements(const struct zn_keyed_run *r, unsigned unit_log2, const uint8_t *numbers,
                                 const uint32_t *places, uint8_t *tile) {
    enum { SOME = 64 };
    const size_t width = (size_t)1 << (unit_log2 - 1);
    uint64_t element[SOME];
    uint32_t packed[SOME];
    for (size_t from = 0, n; from < r->columns; from += n) {
        n = ZN_MIN(r->columns - from, (size_t)SOME);
        for (size_t row = 0; row < r->rows; row++) {
            uint8_t *out = tile + (row * r->columns + from) * width;
            for (size_t c = 0; c < n; c++)
                element[c] = zn_element_get(numbers + places[from + c] + (row << unit_log2), unit_log2);
            for (size_t c = 0; c < n; c++) packed[c] = gather(element[c]);
            for (size_t c = 0; c < n; c++) zn_element_put(out + c * width, unit_log2 - 1, packed[c]);
        }
    }
}

enum { SQUARE = 8 };

/* Exchanges rows and columns of 8 x 8 bytes. */
static inline void turn(uint64_t m[SQUARE]) {
    static const uint64_t masks[] = {UINT64_C(0x00ff00ff00ff00ff), UINT64_C(0x0000ffff0000ffff),
                                     UINT64_C(0x00000000ffffffff)};
    for (unsigned s = 0; s < 3; s++)
        for (unsigned i = 0; i < SQUARE; i++) {
            const unsigned j = i | 1u << s;
            if (i == j) continue;
            const uint64_t apart = (m[i] >> (8u << s) ^ m[j]) & masks[s];
            m[i] ^= apart << (8u << s);
            m[j] ^= apart;
        }
}

static inline unsigned number_at(const uint8_t *tile, size_t i) {
    return tile[i / 2] >> i % 2 * 4 & 15u;
}

/* Elements of one number: the columns of eight rows are turned into eight numbers of each column. Rows and columns that
 * fill no square, and rows that begin inside a byte, go one by one. */
static void take_numbers(const struct zn_keyed_run *r, const uint8_t *tile, const uint32_t *places, uint8_t *numbers) {
    const size_t columns = r->columns, squares = columns % 2 ? 0 : columns / SQUARE * SQUARE;
    const size_t rows = r->rows / SQUARE * SQUARE;
    for (size_t row = 0; row < rows; row += SQUARE)
        for (size_t c = 0; c < squares; c += SQUARE) {
            uint64_t m[SQUARE];
            for (size_t i = 0; i < SQUARE; i++) m[i] = spread(zn_get_u32(tile + ((row + i) * columns + c) / 2));
            turn(m);
            for (size_t i = 0; i < SQUARE; i++) zn_put_u64(numbers + places[c + i] + row, m[i]);
        }
    for (size_t row = 0; row < r->rows; row++)
        for (size_t c = row < rows ? squares : 0; c < columns; c++)
            numbers[places[c] + row] = (uint8_t)number_at(tile, row * columns + c);
}

static void give_numbers(const struct zn_keyed_run *r, const uint8_t *numbers, const uint32_t *places, uint8_t *tile) {
    const size_t columns = r->columns, squares = columns % 2 ? 0 : columns / SQUARE * SQUARE;
    const size_t rows = r->rows / SQUARE * SQUARE;
    for (size_t row = 0; row < rows; row += SQUARE)
        for (size_t c = 0; c < squares; c += SQUARE) {
            uint64_t m[SQUARE];
            for (size_t i = 0; i < SQUARE; i++) m[i] = zn_get_u64(numbers + places[c + i] + row);
            turn(m);
            for (size_t i = 0; i < SQUARE; i++) zn_put_u32(tile + ((row + i) * columns + c) / 2, gather(m[i]));
        }
    for (size_t row = 0; row < r->rows; row++)
        for (size_t c = row < rows ? squares : 0; c < columns; c++) {
            const size_t i = row * columns + c;
            const unsigned v = numbers[places[c] + row] & 15u;
            tile[i / 2] = (uint8_t)(i % 2 ? (tile[i / 2] & 15u) | v << 4 : v);
        }
}

/* Groups that are alone in their tiles: the numbers of a tile lie as those of the group. */
static void take_alone(const struct zn_keyed_run *r, size_t len, const uint8_t *tiles, const uint32_t *places,
                       uint8_t *numbers) {
    for (size_t t = 0; t < r->count; t++, tiles += len) {
        uint8_t *to = numbers + places[t];
        for (size_t i = 0; i < len; i++) {
            to[2 * i] = tiles[i] & 15;
            to[2 * i + 1] = tiles[i] >> 4;
        }
    }
}

static void give_alone(const struct zn_keyed_run *r, size_t len, const uint8_t *numbers, const uint32_t *places,
                       uint8_t *tiles) {
    for (size_t t = 0; t < r->count; t++, tiles += len) {
        const uint8_t *from = numbers + places[t];
        for (size_t i = 0; i < len; i++) tiles[i] = (uint8_t)(from[2 * i] | from[2 * i + 1] << 4);
    }
}

static void take_tile(unsigned unit_log2, const struct zn_keyed_run *r, const uint8_t *tile, const uint32_t *places,
                      uint8_t *numbers) {
    switch (unit_log2) { /* a constant for each loop */
        case 3:
            take_elements(r, 3, tile, places, numbers);
            break;
        case 2:
            take_elements(r, 2, tile, places, numbers);
            break;
        case 1:
            take_elements(r, 1, tile, places, numbers);
            break;
        default:
            take_numbers(r, tile, places, numbers);
    }
}

static void give_tile(unsigned unit_log2, const struct zn_keyed_run *r, const uint8_t *numbers, const uint32_t *places,
                      uint8_t *tile) {
    switch (unit_log2) {
        case 3:
            give_elements(r, 3, numbers, places, tile);
            break;
        case 2:
            give_elements(r, 2, numbers, places, tile);
            break;
        case 1:
            give_elements(r, 1, numbers, places, tile);
            break;
        default:
            give_numbers(r, numbers, places, tile);
    }
}

void zn_keyed_take(const struct zn_keyed *k, const struct zn_keyed_run *r, const uint8_t *tiles, const uint32_t *places,
                   uint8_t *numbers) {
    const size_t len = zn_keyed_tile_len(k, r);
    if (r->columns == 1) {
        take_alone(r, len, tiles, places, numbers);
        return;
    }
    for (unsigned t = 0; t < r->count; t++)
        take_tile(k->unit_log2, r, tiles + t * len, places + t * r->columns, numbers);
}

void zn_keyed_give(const struct zn_keyed *k, const struct zn_keyed_run *r, const uint8_t *numbers,
                   const uint32_t *places, uint8_t *tiles) {
    const size_t len = zn_keyed_tile_len(k, r);
    if (r->columns == 1) {
        give_alone(r, len, numbers, places, tiles);
        return;
    }
    for (unsigned t = 0; t < r->count; t++)
        give_tile(k->unit_log2, r, numbers, places + t * r->columns, tiles + t * len);
}
