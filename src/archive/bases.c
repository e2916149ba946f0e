#include "archive/bases.h"

#include "work/digest.h"

enum { PIECE = 1 << 20 };

zipnn_status zn_bases_create(const struct zn_engine *e, const zipnn_options *o, struct zn_bases *bases,
                             zipnn_error *err) {
    const size_t n = o->n_bases + o->n_known, most = SIZE_MAX / sizeof *bases->base;
    *bases = (struct zn_bases){.e = e};
    if (n == 0) return ZIPNN_OK;
    bases->base = n < o->n_bases || n > most ? NULL : zn_alloc(&e->alloc, n * sizeof *bases->base);
    if (!bases->base) return zn_fail(err, ZIPNN_E_MEMORY, ZN_NOWHERE, "out of memory: %zu bases", n);
    memset(bases->base, 0, n * sizeof *bases->base);
    for (size_t i = 0; i < n; i++) {
        const zipnn_source *source = i < o->n_bases ? &o->bases[i] : &o->known[i - o->n_bases];
        if (!source->read_at || source->length == UINT64_MAX) {
            zn_bases_destroy(bases);
            return zn_fail(err, ZIPNN_E_ARGUMENT, ZN_NOWHERE, "a base needs read_at and its length");
        }
        bases->base[i].in = (struct zn_input){.source = *source, .length = source->length};
        bases->base[i].name = i < o->n_bases && o->base_names && o->base_names[i] ? o->base_names[i] : "";
    }
    bases->n = o->n_bases;
    bases->n_all = n;
    return ZIPNN_OK;
}

void zn_bases_destroy(struct zn_bases *bases) {
    if (!bases->base) return;
    const zipnn_allocator *alloc = &bases->e->alloc;
    for (size_t i = 0; i < bases->n_all; i++) {
        zn_toc_free(alloc, &bases->base[i].toc);
        zn_free(alloc, bases->base[i].places);
        zn_free(alloc, bases->base[i].records);
        zn_free(alloc, bases->base[i].made_from);
    }
    zn_free(alloc, bases->base);
    *bases = (struct zn_bases){.base = NULL};
}

/* ---- finding ----------------------------------------------------------------------------------------------------- */

/* What makes a base as good as none, rather than the operation fail. */
static bool is_unusable(zipnn_status status) {
    return status != ZIPNN_OK && status != ZIPNN_E_MEMORY && status != ZIPNN_E_IO && status != ZIPNN_E_CANCELLED;
}

/* Passes on what ends the operation, and remembers what ends the base alone. */
static zipnn_status conclude(struct zn_base *b, enum zn_base_state next, zipnn_status status, zipnn_error *err) {
    if (status == ZIPNN_OK) b->state = next;
    if (status == ZIPNN_OK) return status;
    if (!is_unusable(status) && err) *err = b->fault;
    if (!is_unusable(status)) return status;
    b->state = ZN_BASE_FAILED;
    return ZIPNN_OK;
}

static zipnn_status look(struct zn_bases *all, struct zn_base *b, zipnn_error *err) {
    uint8_t head[ZN_HEADER_LEN];
    struct zn_header header;
    const size_t len = (size_t)ZN_MIN(b->in.length, (uint64_t)sizeof head);
    ZN_TRY(zn_input_copy(&b->in, 0, len, head, err));
    b->origin = zn_origin_plain(&b->in);
    if (zn_header_read(head, len, &header, all->e->k->xxh3_64, NULL) != ZIPNN_OK) return ZIPNN_OK;
    zn_toc_free(&all->e->alloc, &b->toc);
    ZN_TRY(zn_toc_load(&all->e->alloc, all->e->k, &b->in, &b->toc, err));
    if (!b->places) ZN_TRY(zn_toc_places(&all->e->alloc, &b->toc, &b->places, &b->origin.n_places, err));
    b->origin = zn_origin_archive(&b->in, &b->toc, b->places, b->origin.n_places);
    memcpy(b->xxh3, b->toc.index.xxh3, sizeof b->xxh3);
    b->digested = true;
    return ZIPNN_OK;
}

/* Learns the length of the base's original, and whether it is an archive: it is when it has an archive's header. */
static zipnn_status sight(struct zn_bases *all, struct zn_base *b, zipnn_error *err) {
    if (b->state != ZN_BASE_UNSEEN) return ZIPNN_OK;
    return conclude(b, ZN_BASE_SIGHTED, look(all, b, &b->fault), err);
}

zipnn_status zn_input_digest(const struct zn_engine *e, const struct zn_input *in, uint8_t xxh3[16], zipnn_error *err) {
    struct zn_digest d;
    uint8_t unused[ZN_SHA256_LEN];
    uint8_t *piece = zn_alloc(&e->alloc, PIECE);
    if (!piece) return zn_fail(err, ZIPNN_E_MEMORY, ZN_NOWHERE, "out of memory: %d bytes", PIECE);
    zipnn_status status = zn_digest_begin(&d, e->k, false, err);
    for (uint64_t done = 0; status == ZIPNN_OK && done < in->length;) {
        const size_t len = (size_t)ZN_MIN(in->length - done, (uint64_t)PIECE);
        const uint8_t *bytes;
        status = zn_input_at(in, done, len, piece, &bytes, err);
        if (status == ZIPNN_OK) zn_digest_update(&d, bytes, len);
        done += len;
    }
    if (status == ZIPNN_OK) zn_digest_result(&d, xxh3, unused);
    zn_digest_end(&d);
    zn_free(&e->alloc, piece);
    return status;
}

static zipnn_status digest(struct zn_bases *all, struct zn_base *b, zipnn_error *err) {
    if (b->digested) return ZIPNN_OK;
    ZN_TRY(zn_input_digest(all->e, &b->in, b->xxh3, err));
    b->digested = true;
    return ZIPNN_OK;
}

static bool means(const struct zn_base_record *record, const struct zn_base *b) {
    return b->origin.length == record->length && memcmp(b->xxh3, record->xxh3, sizeof b->xxh3) == 0;
}

static zipnn_status no_base(const struct zn_base_record *record, zipnn_error *err) {
    return zn_fail(err, ZIPNN_E_BASE, ZN_NOWHERE,
                   "made against \"%.80s\" of %llu bytes, XXH3-128 %016llx%016llx, which was not given", record->name,
                   (unsigned long long)record->length, (unsigned long long)__builtin_bswap64(zn_get_u64(record->xxh3)),
                   (unsigned long long)__builtin_bswap64(zn_get_u64(record->xxh3 + 8)));
}

/* ---- tables ------------------------------------------------------------------------------------------------------ */

/* The records of a table whose frame is in memory. */
static zipnn_status read_records(struct zn_bases *all, struct zn_origin *o, const uint8_t *frame,
                                 const struct zn_place *place, struct zn_base_record **records, zipnn_error *err) {
    const uint8_t *body = frame + ZN_FRAME_LEN;
    ZN_TRY(zn_frame_verify(frame, &place->frame, place->at, all->e->k->xxh3_64, err));
    zn_free(&all->e->alloc, *records);
    *records = zn_alloc(&all->e->alloc, ZN_MIN(body[1], ZN_MAX_BASES) * sizeof **records + 1);
    if (!*records) return zn_fail(err, ZIPNN_E_MEMORY, ZN_NOWHERE, "out of memory: a table of bases");
    ZN_TRY(zn_bases_read(body, place->frame.body_len, place->at, *records, &o->n_bases, err));
    o->records = *records;
    return ZIPNN_OK;
}

/* The first frame of a random-access archive, in memory that is to be freed. */
static zipnn_status read_frame(struct zn_bases *all, const struct zn_input *in, struct zn_place *place, void **memory,
                               zipnn_error *err) {
    uint8_t head[ZN_FRAME_LEN];
    *place = (struct zn_place){.at = ZN_HEADER_LEN};
    const uint64_t left = in->length - ZN_MIN(in->length, (uint64_t)ZN_HEADER_LEN);
    if (left < ZN_FRAME_LEN) return zn_fail(err, ZIPNN_E_TRUNCATED, in->length, "archive ends before its first frame");
    ZN_TRY(zn_input_copy(in, place->at, sizeof head, head, err));
    ZN_TRY(zn_frame_read(head, ZN_MAX_CHUNK, place->at, &place->frame, err));
    const uint64_t len = zn_frame_size(&place->frame);
    if (place->frame.orig_len || place->frame.body_len > ZN_MAX_ANCILLARY || len > left)
        return zn_fail(err, ZIPNN_E_CORRUPT, place->at, "an archive with bases does not begin with their table");
    *memory = zn_alloc(&all->e->alloc, (size_t)len);
    if (!*memory)
        return zn_fail(err, ZIPNN_E_MEMORY, place->at, "out of memory: a frame takes %u bytes", place->frame.body_len);
    return zn_input_copy(in, place->at, (size_t)len, *memory, err);
}

static zipnn_status read_table(struct zn_bases *all, struct zn_origin *o, struct zn_base_record **records,
                               zipnn_error *err) {
    struct zn_place place;
    void *frame = NULL;
    if (!(o->flags & ZN_FLAG_BASES)) return ZIPNN_OK;
    zipnn_status status = read_frame(all, &o->in, &place, &frame, err);
    if (status == ZIPNN_OK) status = read_records(all, o, frame, &place, records, err);
    zn_free(&all->e->alloc, frame);
    return status;
}

/* ---- opening ----------------------------------------------------------------------------------------------------- */

/* Bases are opened from the far end of their chains: what waits for nothing is open, and opens what waits for it. So
 * nothing is tried twice, and an archive cannot be behind itself. */

/* The first base that the record means and that is open. */
static const struct zn_base *find_open(const struct zn_bases *all, const struct zn_base_record *record) {
    for (size_t i = 0; i < all->n; i++)
        if (all->base[i].state == ZN_BASE_OPEN && means(record, &all->base[i])) return &all->base[i];
    return NULL;
}

static void open_base(struct zn_base *b) {
    zn_origin_measure(&b->origin);
    b->state = ZN_BASE_OPEN;
    if (b->origin.behind <= ZN_MAX_CHAIN) return;
    b->state = ZN_BASE_FAILED;
    zn_fail(&b->fault, ZIPNN_E_LIMIT, ZN_NOWHERE, "more than %d archives one behind the other", ZN_MAX_CHAIN);
}

/* Gives a waiting base what is open already. */
static void fill_in(const struct zn_bases *all, struct zn_base *b) {
    b->n_missing = 0;
    for (unsigned i = 0; i < b->origin.n_bases; i++) {
        const struct zn_base *found = find_open(all, &b->records[i]);
        b->origin.bases[i] = found ? &found->origin : NULL;
        b->n_missing += !found;
    }
    b->state = ZN_BASE_WAITING;
    if (b->n_missing == 0) open_base(b);
}

/* Opens what waits for nothing but this base, and in turn what waits for that. */
static void open_dependants(struct zn_bases *all, struct zn_base *b) {
    struct zn_base *next = b, *last = b;
    for (b->next = NULL; next; next = next->next)
        for (size_t i = 0; i < all->n; i++) {
            struct zn_base *x = &all->base[i];
            for (unsigned k = 0; x->state == ZN_BASE_WAITING && k < x->origin.n_bases; k++) {
                if (x->origin.bases[k] || !means(&x->records[k], next)) continue;
                x->origin.bases[k] = &next->origin;
                if (--x->n_missing) continue;
                open_base(x);
                if (x->state != ZN_BASE_OPEN) break;
                x->next = NULL;
                last = last->next = x;
            }
        }
}

/* Reads the table of a base that is sighted and opens it, or lets it wait. */
static zipnn_status begin(struct zn_bases *all, struct zn_base *b, zipnn_error *err) {
    ZN_TRY(sight(all, b, err));
    if (b->state != ZN_BASE_SIGHTED) return ZIPNN_OK;
    const zipnn_status status = b->places ? read_table(all, &b->origin, &b->records, &b->fault) : ZIPNN_OK;
    ZN_TRY(conclude(b, ZN_BASE_WAITING, status, err));
    if (b->state == ZN_BASE_FAILED) return ZIPNN_OK;
    fill_in(all, b);
    if (b->state == ZN_BASE_OPEN) open_dependants(all, b);
    return ZIPNN_OK;
}

/* Begins all bases that the record means, unless one is open. */
static zipnn_status ask_for(struct zn_bases *all, const struct zn_base_record *record, zipnn_error *err) {
    bool found = find_open(all, record) != NULL;
    for (size_t i = 0; i < all->n && !found; i++) {
        struct zn_base *b = &all->base[i];
        ZN_TRY(sight(all, b, err));
        if (b->state != ZN_BASE_SIGHTED || b->origin.length != record->length) continue;
        ZN_TRY(digest(all, b, err));
        if (!means(record, b)) continue;
        ZN_TRY(begin(all, b, err));
        found = b->state == ZN_BASE_OPEN;
    }
    return ZIPNN_OK;
}

/* Asks for what the waiting bases wait for, and for what those wait for that this brings, each once. */
static zipnn_status settle(struct zn_bases *all, zipnn_error *err) {
    bool more = true;
    while (more) {
        more = false;
        for (size_t i = 0; i < all->n; i++) {
            struct zn_base *b = &all->base[i];
            if (b->state != ZN_BASE_WAITING || b->asked) continue;
            more = b->asked = true;
            for (unsigned k = 0; k < b->origin.n_bases && b->state == ZN_BASE_WAITING; k++)
                if (!b->origin.bases[k]) ZN_TRY(ask_for(all, &b->records[k], err));
        }
    }
    return ZIPNN_OK;
}

/* A base that the record means and that waits for others or cannot be read, NULL for none. */
static const struct zn_base *find_unready(const struct zn_bases *all, const struct zn_base_record *record) {
    for (size_t i = 0; i < all->n; i++) {
        const struct zn_base *b = &all->base[i];
        if (b->state >= ZN_BASE_WAITING && means(record, b)) return b;
    }
    return NULL;
}

static zipnn_status tell_fault(const struct zn_base *b, zipnn_error *err) {
    if (err) *err = b->fault;
    return b->fault.status;
}

/* Why there is no base that the record means: the first fault on the way to one. */
static zipnn_status explain(const struct zn_bases *all, const struct zn_base_record *record, zipnn_error *err) {
    for (unsigned depth = 0; depth <= ZN_MAX_CHAIN; depth++) {
        const struct zn_base *b = find_unready(all, record);
        if (!b) break;
        if (b->state == ZN_BASE_FAILED) return tell_fault(b, err);
        for (unsigned k = 0; k < b->origin.n_bases; k++)
            if (!b->origin.bases[k]) record = &b->records[k];
    }
    /* One whose content nobody knows might have been it. */
    for (size_t i = all->n; i-- > 0;) {
        const struct zn_base *b = &all->base[i];
        if (b->state == ZN_BASE_FAILED && !b->digested) return tell_fault(b, err);
    }
    return no_base(record, err);
}

/* The bases of a table, which `o` has the records of. */
static zipnn_status find_bases(struct zn_bases *all, struct zn_origin *o, enum zn_missing missing, zipnn_error *err) {
    for (unsigned i = 0; i < o->n_bases; i++) {
        ZN_TRY(ask_for(all, &o->records[i], err));
        ZN_TRY(settle(all, err));
        const struct zn_base *found = find_open(all, &o->records[i]);
        o->bases[i] = found ? &found->origin : NULL;
        if (!found && missing == ZN_MISSING_FAILS) return explain(all, &o->records[i], err);
    }
    return ZIPNN_OK;
}

zipnn_status zn_origin_resolve(struct zn_bases *all, struct zn_origin *origin, const uint8_t *frame,
                               const struct zn_place *place, enum zn_missing missing, struct zn_base_record **records,
                               zipnn_error *err) {
    ZN_TRY(read_records(all, origin, frame, place, records, err));
    return find_bases(all, origin, missing, err);
}

zipnn_status zn_origin_resolve_from(struct zn_bases *all, struct zn_origin *origin, enum zn_missing missing,
                                    struct zn_base_record **records, zipnn_error *err) {
    ZN_TRY(read_table(all, origin, records, err));
    ZN_TRY(find_bases(all, origin, missing, err));
    zn_origin_measure(origin);
    return ZIPNN_OK;
}

zipnn_status zn_base_open(struct zn_bases *all, size_t i, zipnn_error *err) {
    struct zn_base *b = &all->base[i];
    ZN_TRY(begin(all, b, err));
    ZN_TRY(settle(all, err));
    if (b->state == ZN_BASE_OPEN) return ZIPNN_OK;
    if (b->state == ZN_BASE_FAILED && err) *err = b->fault;
    if (b->state == ZN_BASE_FAILED) return b->fault.status;
    for (unsigned k = 0; k < b->origin.n_bases; k++)
        if (!b->origin.bases[k]) return explain(all, &b->records[k], err);
    return ZIPNN_OK;
}

/* ---- what bases say of themselves -------------------------------------------------------------------------------- */

/* Copies what the table of an archive with bases lists. */
static zipnn_status read_parents(struct zn_bases *all, struct zn_base *b, zipnn_error *err) {
    struct zn_base_record *records = NULL;
    struct zn_origin o = b->origin;
    zipnn_status status = read_table(all, &o, &records, err);
    if (status == ZIPNN_OK && o.n_bases) b->made_from = zn_alloc(&all->e->alloc, o.n_bases * sizeof *b->made_from);
    if (status == ZIPNN_OK && o.n_bases && !b->made_from)
        status = zn_fail(err, ZIPNN_E_MEMORY, ZN_NOWHERE, "out of memory: a table of bases");
    for (unsigned i = 0; status == ZIPNN_OK && i < o.n_bases; i++) b->made_from[i] = zn_identity_of(&records[i]);
    if (status == ZIPNN_OK) b->n_made_from = o.n_bases;
    zn_free(&all->e->alloc, records);
    return status;
}

/* Its index, which may be long, is let go if nobody needs it yet. */
static void forget_index(struct zn_bases *all, struct zn_base *b) {
    zn_toc_free(&all->e->alloc, &b->toc);
    zn_free(&all->e->alloc, b->places);
    b->toc = (struct zn_toc){.memory = NULL};
    b->places = NULL;
    b->state = ZN_BASE_UNSEEN;
}

zipnn_status zn_base_know(struct zn_bases *all, size_t i, zipnn_error *err) {
    struct zn_base *b = &all->base[i];
    if (b->looked_at) return ZIPNN_OK;
    const bool unseen = b->state == ZN_BASE_UNSEEN;
    ZN_TRY(sight(all, b, err));
    zipnn_status status = b->state == ZN_BASE_FAILED ? b->fault.status : ZIPNN_OK;
    if (status == ZIPNN_OK) {
        b->identity.length = b->origin.length;
        memcpy(b->identity.xxh3, b->xxh3, sizeof b->xxh3);
        if (b->places) status = read_parents(all, b, err);
    }
    if (status != ZIPNN_OK && !is_unusable(status)) return status;
    b->known = status == ZIPNN_OK;
    b->looked_at = true;
    if (unseen && b->state == ZN_BASE_SIGHTED && b->places) forget_index(all, b);
    return ZIPNN_OK;
}

/* The last part of a path, cut to what a record holds. */
static void put_name(struct zn_base_record *record, const char *path) {
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    record->name_len = (uint8_t)ZN_MIN(strlen(name), (size_t)ZN_MAX_BASE_NAME);
    memcpy(record->name, name, record->name_len);
    record->name[record->name_len] = '\0';
}

zipnn_status zn_base_identify(struct zn_bases *all, size_t i, struct zn_base_record *record, zipnn_error *err) {
    struct zn_base *b = &all->base[i];
    ZN_TRY(digest(all, b, err));
    memcpy(record->xxh3, b->xxh3, sizeof record->xxh3);
    record->length = b->origin.length;
    put_name(record, b->name);
    return ZIPNN_OK;
}

struct zn_identity zn_identity_of(const struct zn_base_record *record) {
    struct zn_identity it = {.length = record->length};
    memcpy(it.xxh3, record->xxh3, sizeof it.xxh3);
    return it;
}
