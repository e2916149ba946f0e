/* R32: interleaved rANS with 32-bit states and 4096 slots (doc/format.md, section 6.3), by instruction set.
 *
 * Slots lie in 64 buckets of 64. A bucket belongs to at most two entries of its table: the one of its own number up to a
 * place, another one from there on (A. J. Walker's alias method). So three lookups among 64 numbers decode a symbol.
 */
#ifndef ZN_KERNELS_R32_H
#define ZN_KERNELS_R32_H

#include <stdalign.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    ZN_R32_LANES = 64,
    ZN_R32_LOW = 1 << 16, /* a state is at least this between symbols */
    ZN_R32_SLOTS_LOG2 = 12,
    ZN_R32_SLOTS = 1 << ZN_R32_SLOTS_LOG2,
    ZN_R32_ENTRIES = 64, /* of a table: the symbols that it lists, and the escape */
    ZN_R32_MAX_TABLES = 16
};

/* By bucket: the first place of the other entry, and that entry; what is added to such a place to make its rank, modulo
 * 65536; how many slots the entry of the bucket's number has, and the other one. */
struct zn_r32_table {
    alignas(64) uint16_t first[ZN_R32_ENTRIES];
    uint16_t other[ZN_R32_ENTRIES];
    uint16_t off[ZN_R32_ENTRIES];
    uint16_t freq[ZN_R32_ENTRIES];
    uint16_t other_freq[ZN_R32_ENTRIES];
    uint8_t base, n; /* entry i is symbol base + i, entry n the escape: base + n + the next escaped byte, modulo 256 */
};

/* Spreads the slots of freq[], which add up to ZN_R32_SLOTS, over the buckets. */
void zn_r32_table_build(struct zn_r32_table *table, const uint16_t freq[ZN_R32_ENTRIES]);

/* Finds the entry of a slot, and its rank among the slots of that entry. */
static inline unsigned zn_r32_entry(const struct zn_r32_table *t, uint32_t slot, uint32_t *rank) {
    const uint32_t bucket = slot / ZN_R32_ENTRIES, place = slot % ZN_R32_ENTRIES;
    const bool other = place >= t->first[bucket];
    *rank = other ? (uint16_t)(place + t->off[bucket]) : place;
    return other ? t->other[bucket] : bucket;
}

struct zn_r32_decoder {
    alignas(64) uint32_t state[ZN_R32_LANES]; /* symbol i of the stream uses lane i mod ZN_R32_LANES */
    const struct zn_r32_table *tables;
    const uint8_t *ids; /* table of each block; every entry proved to be a table's index. NULL: always table 0 */
    unsigned block_log2;
    size_t pos;                   /* symbols decoded so far */
    const uint8_t *in, *in_end;   /* words of 16 bits not yet used */
    const uint8_t *esc, *esc_end; /* escaped symbols not yet used */
};

/* zn_kernels.r32_decode. */
bool zn_r32_decode_scalar(struct zn_r32_decoder *d, uint8_t *out, size_t n);
#if defined(__x86_64__)
bool zn_r32_decode_avx512(struct zn_r32_decoder *d, uint8_t *out, size_t n);
#endif

#endif
