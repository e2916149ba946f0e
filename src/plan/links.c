#include "plan/links.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

void zn_links_init(struct zn_links *links, const zipnn_allocator *alloc) {
    memset(links, 0, sizeof *links);
    links->alloc = *alloc;
}

void zn_links_free(struct zn_links *links) {
    if (links->link) zn_free(&links->alloc, links->link);
    links->link = NULL;
    links->n = links->cap = 0;
}

zipnn_status zn_links_add(struct zn_links *links, const struct zn_link *link, zipnn_error *err) {
    void *grown = links->link;
    const zipnn_status status = zn_grow(&links->alloc, &grown, &links->cap, links->n + 1, sizeof *link, err);
    links->link = grown;
    if (status != ZIPNN_OK) return status;
    links->link[links->n++] = *link;
    return ZIPNN_OK;
}

/* Orders links by offset, then by source. */
static int compare(const void *a, const void *b) {
    const struct zn_link *x = a, *y = b;
    if (x->off != y->off) return x->off < y->off ? -1 : 1;
    return (x->source > y->source) - (x->source < y->source);
}

enum { BRIDGED = 64 << 10 /* longest gap in a run; a chunk of its own would cost more */ };

/* Returns whether two links are parts of one run: near each other, and at the same distance in the file and in the
 * source. */
static bool continues(const struct zn_link *last, const struct zn_link *next) {
    const uint64_t gap = next->off - (last->off + last->len);
    const bool same_cast = last->cast == next->cast && last->from == next->from && last->to == next->to;
    if (!same_cast || last->view || next->view || (last->to && (next->off - last->off) % last->to)) return false;
    return last->source != 0 && last->source == next->source && last->likeness == next->likeness && gap <= BRIDGED &&
           next->ref_off == zn_link_ref(last, next->off);
}

/* Each short link may lead to another chunk of the base, which is decoded for it. A few do no harm: so many that decoding
 * stays far below what it may cost (archive/references.c). */
enum { SHORT = 4 << 10, MAX_SHORT = 256 };

static void drop_short(struct zn_links *links, size_t n) {
    size_t n_short = 0, kept = 0;
    for (size_t i = 0; i < n; i++) n_short += links->link[i].len < SHORT;
    for (size_t i = 0; i < n; i++)
        if (n_short <= MAX_SHORT || links->link[i].len >= SHORT) links->link[kept++] = links->link[i];
    links->n = kept;
}

void zn_links_finish(struct zn_links *links) {
    if (links->n) qsort(links->link, links->n, sizeof *links->link, compare);
    size_t kept = 0;
    for (size_t i = 0; i < links->n; i++) {
        const struct zn_link next = links->link[i];
        struct zn_link *last = kept ? &links->link[kept - 1] : NULL;
        if (next.len == 0 || (last && next.off < last->off + last->len)) continue;
        if (last && continues(last, &next))
            last->len = next.off + next.len - last->off;
        else
            links->link[kept++] = next;
    }
    drop_short(links, kept);
}
