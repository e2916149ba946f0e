#include "archive/circles.h"

static bool same(const struct zn_identity *a, const struct zn_identity *b) {
    return a->length == b->length && memcmp(a->xxh3, b->xxh3, sizeof a->xxh3) == 0;
}

zipnn_status zn_circle_possible(struct zn_bases *all, uint64_t length, bool *possible, zipnn_error *err) {
    *possible = false;
    for (size_t i = 0; i < all->n_all; i++) {
        const struct zn_base *b = &all->base[i];
        ZN_TRY(zn_base_know(all, i, err));
        if (!b->known) continue;
        *possible |= b->identity.length == length;
        for (unsigned k = 0; k < b->n_made_from; k++) *possible |= b->made_from[k].length == length;
    }
    return ZIPNN_OK;
}

/* Marks the archives that were made from `it`. Each is put once at the end of the list of archives still to be
 * followed. */
static void mark(struct zn_bases *all, const struct zn_identity *it, struct zn_base **last) {
    for (size_t i = 0; i < all->n_all; i++) {
        struct zn_base *b = &all->base[i];
        bool made_from = false;
        for (unsigned k = 0; k < b->n_made_from && !b->leads_back; k++) made_from |= same(&b->made_from[k], it);
        if (!made_from) continue;
        b->leads_back = true;
        b->next_leading = NULL;
        (*last)->next_leading = b;
        *last = b;
    }
}

zipnn_status zn_circle_find(struct zn_bases *all, const struct zn_identity *original, zipnn_error *err) {
    struct zn_base head = {.next_leading = NULL}, *last = &head;
    for (size_t i = 0; i < all->n_all; i++) {
        ZN_TRY(zn_base_know(all, i, err));
        all->base[i].leads_back = false;
    }
    mark(all, original, &last);
    for (const struct zn_base *b = head.next_leading; b; b = b->next_leading) mark(all, &b->identity, &last);
    return ZIPNN_OK;
}

bool zn_circle_leads(const struct zn_bases *all, const struct zn_identity *original, const struct zn_identity *other) {
    bool leads = same(original, other);
    for (size_t i = 0; i < all->n_all && !leads; i++)
        leads = all->base[i].leads_back && same(&all->base[i].identity, other);
    return leads;
}

static bool has_length(const struct zn_bases *all, const struct zn_identity *original, uint64_t length) {
    bool has = original->length == length;
    for (size_t i = 0; i < all->n_all && !has; i++)
        has = all->base[i].leads_back && all->base[i].identity.length == length;
    return has;
}

zipnn_status zn_circle_has(struct zn_bases *all, const struct zn_identity *original, size_t i, bool *has,
                           zipnn_error *err) {
    const struct zn_base *b = &all->base[i];
    *has = false;
    if (!b->known || !has_length(all, original, b->identity.length)) return ZIPNN_OK;
    struct zn_identity it = b->identity;
    if (!b->digested) {
        struct zn_base_record record;
        ZN_TRY(zn_base_identify(all, i, &record, err));
        it = zn_identity_of(&record);
    }
    *has = zn_circle_leads(all, original, &it);
    return ZIPNN_OK;
}

zipnn_status zn_circle_refuse(struct zn_bases *all, const struct zn_identity *original,
                              const struct zn_base_record *records, unsigned n, zipnn_error *err) {
    if (n == 0) return ZIPNN_OK;
    ZN_TRY(zn_circle_find(all, original, err));
    for (unsigned i = 0; i < n; i++) {
        const struct zn_identity base = zn_identity_of(&records[i]);
        if (same(original, &base))
            return zn_fail(err, ZIPNN_E_BASE, ZN_NOWHERE, "the base \"%.80s\" holds the same original",
                           records[i].name);
        if (zn_circle_leads(all, original, &base))
            return zn_fail(
                err, ZIPNN_E_BASE, ZN_NOWHERE,
                "an archive of the base \"%.80s\" is itself made from this original: neither could be restored "
                "without the other",
                records[i].name);
    }
    return ZIPNN_OK;
}
