#include "readers/hdf5.h"

/* A heap of many links lies in blocks: one, or a table of blocks whose lengths double from row to row. Objects fill a
 * block from its beginning. */

enum { HEADER_LEN = 142, DIRECT_CHECKED = 2, BLOCK_HEAD = 13, MAX_ROWS = 32 };

static void add_block(struct zn_hdf5_heap *h, uint64_t at, uint64_t len, uint64_t head) {
    if (at == ZN_HDF5_NOWHERE_AT) return;
    if (h->n_blocks == ZN_HDF5_MAX_BLOCKS || len < head || at > UINT64_MAX - len) {
        h->is_cut = true;
        return;
    }
    h->block[h->n_blocks].from = at + head;
    h->block[h->n_blocks++].to = at + len;
}

/* Reads the table. Rows of tables of their own are left out; only heaps of thousands of links have them. */
static void read_table(struct zn_scan *s, uint64_t at, uint64_t width, unsigned rows, uint64_t least, uint64_t most,
                       uint64_t place_len, uint64_t head, struct zn_hdf5_heap *h) {
    zn_scan_seek(s, at);
    const uint8_t *p = zn_scan_take(s, 4);
    if (!p || memcmp(p, "FHIB", 4) != 0) {
        h->is_cut = true;
        return;
    }
    zn_scan_skip(s, BLOCK_HEAD - 4 + place_len);
    for (unsigned row = 0; row < rows && row < MAX_ROWS && !h->is_cut; row++) {
        const uint64_t len = least << (row > 1 ? row - 1 : 0);
        h->is_cut = len > most || len < least;
        for (uint64_t i = 0; i < width && !h->is_cut; i++) {
            const uint64_t block = zn_scan_u64(s);
            if (zn_scan_ok(s)) add_block(h, block, len, head);
            h->is_cut |= !zn_scan_ok(s);
        }
    }
}

bool zn_hdf5_read_heap(struct zn_scan *s, uint64_t at, struct zn_hdf5_heap *h) {
    *h = (struct zn_hdf5_heap){.n_blocks = 0};
    zn_scan_seek(s, at);
    const uint8_t *p = zn_scan_take(s, HEADER_LEN);
    if (!p || memcmp(p, "FRHP", 4) != 0 || p[4] != 0 || zn_get_u16(p + 7) != 0) return false;
    const uint64_t place_len = (zn_get_u16(p + 128) + 7u) / 8u;
    const uint64_t head = BLOCK_HEAD + place_len + (p[9] & DIRECT_CHECKED ? 4 : 0);
    const uint64_t least = zn_get_u64(p + 112), most = zn_get_u64(p + 120), root = zn_get_u64(p + 132);
    const unsigned rows = zn_get_u16(p + 140);
    h->n_objects = zn_get_u64(p + 70);
    if (rows == 0)
        add_block(h, root, least, head);
    else
        read_table(s, root, zn_get_u16(p + 110), rows, least, most, place_len, head, h);
    return true;
}
