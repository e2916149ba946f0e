/* Restores the chunks of an old record, one after the other, in bounded memory. */
#include "legacy/groups.h"
#include "legacy/record.h"

enum { STORED = 0, CODED = 1 };

/* The place of one group of one chunk. */
struct part {
    uint64_t at, len; /* range in the source */
    uint8_t type;
};

/* A record while it is restored. */
struct restore {
    const zipnn_source *source;
    const struct zn_old_record *r;
    struct zn_old_work *work;
    const struct zn_old_taker *taker;
    uint64_t types_at, sizes_at;        /* offsets of the tables in the source */
    uint64_t area[ZN_OLD_MAX_GROUPS];   /* where each group's bytes begin */
    uint64_t total[ZN_OLD_MAX_GROUPS];  /* number of those bytes */
    uint64_t first, n_window;           /* chunks whose table entries are in `work` */
    uint64_t before[ZN_OLD_MAX_GROUPS]; /* running totals before chunk `first` */
};

/* ---- tables */

static zipnn_status read_total(const struct restore *s, unsigned g, uint64_t chunk, uint64_t *total, zipnn_error *err) {
    uint8_t bytes[8];
    ZN_TRY(zn_old_read(s->source, s->sizes_at + 8 * (g * s->r->n_chunks + chunk), bytes, sizeof bytes, err));
    *total = zn_get_u64(bytes);
    return ZIPNN_OK;
}

/* Finds the groups' areas, which fill the record up to its last byte. */
static zipnn_status place_areas(struct restore *s, zipnn_error *err) {
    const struct zn_old_record *r = s->r;
    s->types_at = r->body;
    s->sizes_at = s->types_at + r->n_groups * r->n_chunks;
    uint64_t at = s->sizes_at + 8 * r->n_groups * r->n_chunks;
    for (unsigned g = 0; g < r->n_groups; g++) {
        s->area[g] = at;
        if (r->n_chunks) ZN_TRY(read_total(s, g, r->n_chunks - 1, &s->total[g], err));
        if (s->total[g] > r->at + r->len - at)
            return zn_fail(err, ZIPNN_E_CORRUPT, s->sizes_at, "group %u of an old record has %llu bytes, %llu remain",
                           g, (unsigned long long)s->total[g], (unsigned long long)(r->at + r->len - at));
        at += s->total[g];
    }
    if (at == r->at + r->len) return ZIPNN_OK;
    return zn_fail(err, ZIPNN_E_CORRUPT, at, "%llu bytes of an old record belong to no group",
                   (unsigned long long)(r->at + r->len - at));
}

/* Reads the table entries of the chunks from `first` on. */
static zipnn_status load_window(struct restore *s, uint64_t first, zipnn_error *err) {
    const struct zn_old_record *r = s->r;
    s->first = first;
    s->n_window = ZN_MIN(r->n_chunks - first, (uint64_t)ZN_OLD_WINDOW);
    for (unsigned g = 0; g < r->n_groups; g++) {
        const uint64_t entry = g * r->n_chunks + first;
        const size_t n = (size_t)s->n_window;
        s->before[g] = 0;
        if (first) ZN_TRY(read_total(s, g, first - 1, &s->before[g], err));
        ZN_TRY(zn_old_read(s->source, s->types_at + entry, s->work->types[g], n, err));
        ZN_TRY(zn_old_read(s->source, s->sizes_at + 8 * entry, s->work->sizes[g], 8 * n, err));
    }
    return ZIPNN_OK;
}

/* Finds the bytes of group g of a chunk in the window. They restore to n bytes. */
static zipnn_status find_part(const struct restore *s, uint64_t chunk, unsigned g, uint64_t n, struct part *part,
                              zipnn_error *err) {
    const size_t i = (size_t)(chunk - s->first);
    const uint64_t begin = i ? zn_get_u64(s->work->sizes[g] + 8 * (i - 1)) : s->before[g];
    const uint64_t end = zn_get_u64(s->work->sizes[g] + 8 * i);
    const uint64_t entry = g * s->r->n_chunks + chunk;
    if (begin > end || end > s->total[g])
        return zn_fail(err, ZIPNN_E_CORRUPT, s->sizes_at + 8 * entry,
                       "the sizes of group %u are out of order at chunk %llu", g, (unsigned long long)chunk);
    *part = (struct part){s->area[g] + begin, end - begin, s->work->types[g][i]};
    if (part->type > CODED)
        return zn_fail(err, ZIPNN_E_CORRUPT, s->types_at + entry, "group %u of chunk %llu has type %u, 0 and 1 exist",
                       g, (unsigned long long)chunk, part->type);
    if (part->type == STORED ? part->len != n : part->len == 0 || part->len > n || n > ZN_HUFF0_MAX_BLOCK)
        return zn_fail(err, ZIPNN_E_CORRUPT, part->at, "group %u of chunk %llu restores to %llu bytes and has %llu", g,
                       (unsigned long long)chunk, (unsigned long long)n, (unsigned long long)part->len);
    return ZIPNN_OK;
}

/* ---- chunks */

/* Decodes a coded group into its buffer. */
static zipnn_status decode_part(const struct restore *s, const struct part *part, uint8_t *group, size_t n,
                                zipnn_error *err) {
    const size_t len = (size_t)part->len;
    uint8_t *payload = s->work->payload;
    ZN_TRY(zn_old_read(s->source, part->at, payload, len, err));
    if (len == 1)
        memset(group, payload[0], n);
    else if (len == n)
        memcpy(group, payload, n);
    else
        return zn_huff0_decode(&s->work->table, payload, len, group, n, part->at, err);
    return ZIPNN_OK;
}

/* Restores a chunk in pieces that fit into the buffers. It is one piece, unless chunks are longer than Huffman blocks
 * allow; then all groups are stored. Pieces are whole words, so exponents can be moved piece by piece. */
static zipnn_status restore_chunk(const struct restore *s, uint64_t chunk, zipnn_error *err) {
    const struct zn_old_record *r = s->r;
    const uint64_t off = chunk * r->chunk, len = ZN_MIN(r->chunk, r->original - off);
    const uint64_t most = (uint64_t)r->n_groups * ZN_HUFF0_MAX_BLOCK;
    const uint8_t *group[ZN_OLD_MAX_GROUPS];
    struct part part[ZN_OLD_MAX_GROUPS];
    for (unsigned g = 0; g < r->n_groups; g++) {
        const uint64_t n = zn_group_len(len, r->n_groups, g);
        group[g] = s->work->group[g];
        ZN_TRY(find_part(s, chunk, g, n, &part[g], err));
        if (part[g].type == CODED) ZN_TRY(decode_part(s, &part[g], s->work->group[g], (size_t)n, err));
    }
    for (uint64_t done = 0; done < len; done += most) {
        const size_t n = (size_t)ZN_MIN(len - done, most);
        for (unsigned g = 0; g < r->n_groups; g++)
            if (part[g].type == STORED)
                ZN_TRY(zn_old_read(s->source, part[g].at + done / r->n_groups, s->work->group[g],
                                   (size_t)zn_group_len(n, r->n_groups, g), err));
        zn_groups_join(group, r->n_groups, r->rotated, s->work->piece, n);
        s->work->decoded += n;
        ZN_TRY(s->taker->take(s->taker->arg, off + done, s->work->piece, n, err));
    }
    return ZIPNN_OK;
}

zipnn_status zn_old_record_restore(const zipnn_source *source, const struct zn_old_record *r, uint64_t from,
                                   uint64_t to, struct zn_old_work *work, const struct zn_old_taker *taker,
                                   zipnn_error *err) {
    if (r->whole) return zn_old_whole_restore(source, r, from, to, work, taker, err);
    struct restore s = {.source = source, .r = r, .work = work, .taker = taker};
    ZN_TRY(place_areas(&s, err));
    for (uint64_t i = from / r->chunk; i < r->n_chunks && i * r->chunk < to; i++) {
        if (i >= s.first + s.n_window || i < s.first) ZN_TRY(load_window(&s, i, err));
        ZN_TRY(restore_chunk(&s, i, err));
    }
    return ZIPNN_OK;
}
