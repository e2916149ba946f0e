#include "archive/bases.h"

#include "workers/digest.h"

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
        bases->base[i].in = (struct zn_input){.source = *source, .length = source->length, .number = (unsigned)(i + 1)};
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
        zn_archive_close(&bases->base[i].archive, alloc);
        zn_free(alloc, bases->base[i].made_from);
    }
    zn_free(alloc, bases->base);
    *bases = (struct zn_bases){.base = NULL};
}

/* ---- finding ----------------------------------------------------------------------------------------------------- */

/* Whether a failure means that the base cannot be used. Other failures end the whole operation. */
static bool is_unusable(zipnn_status status) {
    return status != ZIPNN_OK && status != ZIPNN_E_MEMORY && status != ZIPNN_E_IO && status != ZIPNN_E_CANCELLED;
}

/* Returns a failure that ends the operation. A failure of this base alone is remembered, and ZIPNN_OK returned. */
static zipnn_status conclude(struct zn_base *b, enum zn_base_state next, zipnn_status status, zipnn_error *err) {
    if (status == ZIPNN_OK) b->state = next;
    if (status == ZIPNN_OK) return status;
    if (!is_unusable(status) && err) *err = b->fault;
    if (!is_unusable(status)) return status;
    b->state = ZN_BASE_FAILED;
    return ZIPNN_OK;
}

/* Finds out whether the base is an archive: it is one if it has an archive's header. */
static zipnn_status look_at(struct zn_bases *all, struct zn_base *b, const struct zn_input *in, zipnn_error *err) {
    uint8_t head[ZN_HEADER_LEN];
    struct zn_header header;
    const size_t len = (size_t)ZN_MIN(in->length, (uint64_t)sizeof head);
    ZN_TRY(zn_input_copy(in, 0, len, head, err));
    b->archive.self = zn_original_plain(&b->in);
    if (zn_header_read(head, len, &header, all->e->k->xxh3_64, NULL) != ZIPNN_OK) return ZIPNN_OK;
    ZN_TRY(zn_archive_open(&all->e->alloc, all->e->k, in, &b->archive, err));
    b->archive.self.in = b->in;
    memcpy(b->xxh3, b->archive.index.xxh3, sizeof b->xxh3);
    b->digested = true;
    return ZIPNN_OK;
}

static zipnn_status look(struct zn_bases *all, struct zn_base *b, zipnn_error *err) {
    struct zn_glance glance;
    struct zn_input in = b->in;
    ZN_TRY(zn_glance_try(&glance, &all->e->alloc, &in, err));
    const zipnn_status status = look_at(all, b, &in, err);
    zn_glance_end(&glance, &all->e->alloc);
    return status;
}

/* Learns the length of the base's original and whether it is an archive. */
static zipnn_status sight(struct zn_bases *all, struct zn_base *b, zipnn_error *err) {
    if (b->state != ZN_BASE_UNSEEN) return ZIPNN_OK;
    return conclude(b, ZN_BASE_SIGHTED, look(all, b, &b->fault), err);
}

zipnn_status zn_input_digest(const struct zn_engine *e, const struct zn_input *in, uint8_t xxh3[16], zipnn_error *err) {
    struct zn_digest d;
    uint8_t unused[ZN_SHA256_LEN];
    uint8_t *piece = zn_alloc(&e->alloc, PIECE);
    if (!piece) return zn_fail(err, ZIPNN_E_MEMORY, ZN_NOWHERE, "out of memory: %d bytes", PIECE);
    zipnn_status status = ZIPNN_OK;
    zn_digest_begin(&d, e->k, false);
    for (uint64_t done = 0; status == ZIPNN_OK && done < in->length;) {
        const size_t len = (size_t)ZN_MIN(in->length - done, (uint64_t)PIECE);
        const uint8_t *bytes;
        status = zn_input_at(in, done, len, piece, &bytes, err);
        if (status == ZIPNN_OK) zn_digest_update(&d, bytes, len);
        done += len;
    }
    if (status == ZIPNN_OK) zn_digest_result(&d, xxh3, unused);
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
    return b->archive.self.length == record->length && memcmp(b->xxh3, record->xxh3, sizeof b->xxh3) == 0;
}

static zipnn_status no_base(const struct zn_base_record *record, zipnn_error *err) {
    return zn_fail(err, ZIPNN_E_BASE, ZN_NOWHERE,
                   "the archive was made against \"%.80s\" of %llu bytes, XXH3-128 %016llx%016llx, which was not given",
                   record->name, (unsigned long long)record->length,
                   (unsigned long long)__builtin_bswap64(zn_get_u64(record->xxh3)),
                   (unsigned long long)__builtin_bswap64(zn_get_u64(record->xxh3 + 8)));
}

/* ---- tables ------------------------------------------------------------------------------------------------------ */

/* What the table of an archive with bases lists; to be freed. */
struct table {
    struct zn_base_record *records;
    unsigned n;
};

/* Reads a table whose frame is in memory. */
static zipnn_status read_records(struct zn_bases *all, const uint8_t *frame, const struct zn_place *place,
                                 struct table *t, zipnn_error *err) {
    const uint8_t *body = frame + ZN_FRAME_LEN;
    ZN_TRY(zn_frame_verify(frame, &place->frame, place->at, all->e->k->xxh3_64, err));
    t->records = zn_alloc(&all->e->alloc, ZN_MIN(body[1], ZN_MAX_BASES) * sizeof *t->records + 1);
    if (!t->records) return zn_fail(err, ZIPNN_E_MEMORY, ZN_NOWHERE, "out of memory: a table of bases");
    const zipnn_status status = zn_bases_read(body, place->frame.body_len, place->at, t->records, &t->n, err);
    if (status != ZIPNN_OK) t->n = 0; /* a damaged archive is opened all the same: nothing may rely on the table */
    return status;
}

/* Reads the first frame of a random-access archive into memory that the caller frees. */
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

/* Gives the table to its archive. */
static void keep(struct zn_bases *all, struct zn_archive *a, const struct table *t) {
    zn_free(&all->e->alloc, a->records);
    a->records = t->records;
    a->n_bases = t->n;
}

/* Reads the table of a random-access archive. It is empty if the archive has none. */
static zipnn_status read_table(struct zn_bases *all, const struct zn_archive *a, struct table *t, zipnn_error *err) {
    struct zn_place place;
    void *frame = NULL;
    *t = (struct table){NULL, 0};
    if (!(a->header.flags & ZN_FLAG_BASES)) return ZIPNN_OK;
    zipnn_status status = read_frame(all, &a->self.in, &place, &frame, err);
    if (status == ZIPNN_OK) status = read_records(all, frame, &place, t, err);
    zn_free(&all->e->alloc, frame);
    return status;
}

/* ---- opening ----------------------------------------------------------------------------------------------------- */

/* Bases are opened from the far end of their chains. A base that needs no other is open at once; then the bases that
 * waited for it are opened, and so on. So no base is tried twice, and an archive cannot be its own base. */

/* Returns the first open base that the record means, or NULL. */
static const struct zn_base *find_open(const struct zn_bases *all, const struct zn_base_record *record) {
    for (size_t i = 0; i < all->n; i++)
        if (all->base[i].state == ZN_BASE_OPEN && means(record, &all->base[i])) return &all->base[i];
    return NULL;
}

static void open_base(struct zn_base *b) {
    zn_archive_measure(&b->archive);
    b->state = ZN_BASE_OPEN;
    if (b->archive.behind <= ZN_MAX_CHAIN) return;
    b->state = ZN_BASE_FAILED;
    zn_fail(&b->fault, ZIPNN_E_LIMIT, ZN_NOWHERE, "the chain of bases has more than %d archives", ZN_MAX_CHAIN);
}

/* Gives a base those of its own bases that are open already. */
static void fill_in(const struct zn_bases *all, struct zn_base *b) {
    b->n_missing = 0;
    for (unsigned i = 0; i < b->archive.n_bases; i++) {
        const struct zn_base *found = find_open(all, &b->archive.records[i]);
        b->archive.bases[i] = found ? &found->archive.self : NULL;
        b->n_missing += !found;
    }
    b->state = ZN_BASE_WAITING;
    if (b->n_missing == 0) open_base(b);
}

/* Opens the bases that waited for this one alone, and then those that waited for them. */
static void open_dependants(struct zn_bases *all, struct zn_base *b) {
    struct zn_base *next = b, *last = b;
    for (b->next = NULL; next; next = next->next)
        for (size_t i = 0; i < all->n; i++) {
            struct zn_base *x = &all->base[i];
            for (unsigned k = 0; x->state == ZN_BASE_WAITING && k < x->archive.n_bases; k++) {
                if (x->archive.bases[k] || !means(&x->archive.records[k], next)) continue;
                x->archive.bases[k] = &next->archive.self;
                if (--x->n_missing) continue;
                open_base(x);
                if (x->state != ZN_BASE_OPEN) break;
                x->next = NULL;
                last = last->next = x;
            }
        }
}

/* Reads the table of a sighted base. Opens the base if all its own bases are open; otherwise it waits. */
static zipnn_status begin(struct zn_bases *all, struct zn_base *b, zipnn_error *err) {
    ZN_TRY(sight(all, b, err));
    if (b->state != ZN_BASE_SIGHTED) return ZIPNN_OK;
    struct table table = {NULL, 0};
    const zipnn_status status = b->archive.self.archive ? read_table(all, &b->archive, &table, &b->fault) : ZIPNN_OK;
    keep(all, &b->archive, &table);
    ZN_TRY(conclude(b, ZN_BASE_WAITING, status, err));
    if (b->state == ZN_BASE_FAILED) return ZIPNN_OK;
    fill_in(all, b);
    if (b->state == ZN_BASE_OPEN) open_dependants(all, b);
    return ZIPNN_OK;
}

/* Begins all bases that the record means, unless one of them is open already. */
static zipnn_status ask_for(struct zn_bases *all, const struct zn_base_record *record, zipnn_error *err) {
    bool found = find_open(all, record) != NULL;
    for (size_t i = 0; i < all->n && !found; i++) {
        struct zn_base *b = &all->base[i];
        ZN_TRY(sight(all, b, err));
        if (b->state != ZN_BASE_SIGHTED || b->archive.self.length != record->length) continue;
        ZN_TRY(digest(all, b, err));
        if (!means(record, b)) continue;
        ZN_TRY(begin(all, b, err));
        found = b->state == ZN_BASE_OPEN;
    }
    return ZIPNN_OK;
}

/* Begins the bases that waiting bases wait for, until no base is left that was not asked for. */
static zipnn_status settle(struct zn_bases *all, zipnn_error *err) {
    bool more = true;
    while (more) {
        more = false;
        for (size_t i = 0; i < all->n; i++) {
            struct zn_base *b = &all->base[i];
            if (b->state != ZN_BASE_WAITING || b->asked) continue;
            more = b->asked = true;
            for (unsigned k = 0; k < b->archive.n_bases && b->state == ZN_BASE_WAITING; k++)
                if (!b->archive.bases[k]) ZN_TRY(ask_for(all, &b->archive.records[k], err));
        }
    }
    return ZIPNN_OK;
}

/* Returns a base that the record means and that waits for others or cannot be read, or NULL. */
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

/* Explains why no base that the record means is open: tells the first fault on the way to one. */
static zipnn_status explain(const struct zn_bases *all, const struct zn_base_record *record, zipnn_error *err) {
    for (unsigned depth = 0; depth <= ZN_MAX_CHAIN; depth++) {
        const struct zn_base *b = find_unready(all, record);
        if (!b) break;
        if (b->state == ZN_BASE_FAILED) return tell_fault(b, err);
        for (unsigned k = 0; k < b->archive.n_bases; k++)
            if (!b->archive.bases[k]) record = &b->archive.records[k];
    }
    /* A base whose content is unknown may have been the one: tell its fault. */
    for (size_t i = all->n; i-- > 0;) {
        const struct zn_base *b = &all->base[i];
        if (b->state == ZN_BASE_FAILED && !b->digested) return tell_fault(b, err);
    }
    return no_base(record, err);
}

/* Finds the bases that the records of `a` mean. */
static zipnn_status find_bases(struct zn_bases *all, struct zn_archive *a, enum zn_missing missing, zipnn_error *err) {
    for (unsigned i = 0; i < a->n_bases; i++) {
        ZN_TRY(ask_for(all, &a->records[i], err));
        ZN_TRY(settle(all, err));
        const struct zn_base *found = find_open(all, &a->records[i]);
        a->bases[i] = found ? &found->archive.self : NULL;
        if (!found && missing == ZN_MISSING_FAILS) return explain(all, &a->records[i], err);
    }
    zn_archive_measure(a);
    return ZIPNN_OK;
}

zipnn_status zn_archive_resolve(struct zn_bases *all, struct zn_archive *a, const uint8_t *frame,
                                const struct zn_place *place, enum zn_missing missing, zipnn_error *err) {
    struct table table = {NULL, 0};
    const zipnn_status status = read_records(all, frame, place, &table, err);
    keep(all, a, &table);
    return status == ZIPNN_OK ? find_bases(all, a, missing, err) : status;
}

zipnn_status zn_archive_find_bases(struct zn_bases *all, struct zn_archive *a, enum zn_missing missing,
                                   zipnn_error *err) {
    struct table table;
    const zipnn_status status = read_table(all, a, &table, err);
    keep(all, a, &table);
    return status == ZIPNN_OK ? find_bases(all, a, missing, err) : status;
}

zipnn_status zn_base_open(struct zn_bases *all, size_t i, zipnn_error *err) {
    struct zn_base *b = &all->base[i];
    ZN_TRY(begin(all, b, err));
    ZN_TRY(settle(all, err));
    if (b->state == ZN_BASE_OPEN) return ZIPNN_OK;
    if (b->state == ZN_BASE_FAILED && err) *err = b->fault;
    if (b->state == ZN_BASE_FAILED) return b->fault.status;
    for (unsigned k = 0; k < b->archive.n_bases; k++)
        if (!b->archive.bases[k]) return explain(all, &b->archive.records[k], err);
    return ZIPNN_OK;
}

/* ---- what bases say of themselves -------------------------------------------------------------------------------- */

/* Copies what the table of an archive with bases lists. */
static zipnn_status read_parents(struct zn_bases *all, struct zn_base *b, zipnn_error *err) {
    struct table t;
    zipnn_status status = read_table(all, &b->archive, &t, err);
    if (status == ZIPNN_OK && t.n) b->made_from = zn_alloc(&all->e->alloc, t.n * sizeof *b->made_from);
    if (status == ZIPNN_OK && t.n && !b->made_from)
        status = zn_fail(err, ZIPNN_E_MEMORY, ZN_NOWHERE, "out of memory: a table of bases");
    for (unsigned i = 0; status == ZIPNN_OK && i < t.n; i++) b->made_from[i] = zn_identity_of(&t.records[i]);
    if (status == ZIPNN_OK) b->n_made_from = t.n;
    zn_free(&all->e->alloc, t.records);
    return status;
}

/* Frees the index, which may be long, of a base that nobody needs yet. */
static void forget_index(struct zn_bases *all, struct zn_base *b) {
    zn_archive_close(&b->archive, &all->e->alloc);
    b->state = ZN_BASE_UNSEEN;
}

zipnn_status zn_base_know(struct zn_bases *all, size_t i, zipnn_error *err) {
    struct zn_base *b = &all->base[i];
    if (b->looked_at) return ZIPNN_OK;
    const bool unseen = b->state == ZN_BASE_UNSEEN;
    ZN_TRY(sight(all, b, err));
    zipnn_status status = b->state == ZN_BASE_FAILED ? b->fault.status : ZIPNN_OK;
    if (status == ZIPNN_OK) {
        b->identity.length = b->archive.self.length;
        memcpy(b->identity.xxh3, b->xxh3, sizeof b->xxh3);
        if (b->archive.self.archive) status = read_parents(all, b, err);
    }
    if (status != ZIPNN_OK && !is_unusable(status)) return status;
    b->known = status == ZIPNN_OK;
    b->looked_at = true;
    if (unseen && b->state == ZN_BASE_SIGHTED && b->archive.self.archive) forget_index(all, b);
    return ZIPNN_OK;
}

/* Stores the last part of a path, cut to the length that a record holds; of "./way/to/it" all, if it fits. */
static void put_name(struct zn_base_record *record, const char *path) {
    const char *slash = strrchr(path, '/');
    const bool is_way = path[0] == '.' && path[1] == '/' && strlen(path) <= ZN_MAX_BASE_NAME;
    const char *name = slash && !is_way ? slash + 1 : path;
    record->name_len = (uint8_t)ZN_MIN(strlen(name), (size_t)ZN_MAX_BASE_NAME);
    memcpy(record->name, name, record->name_len);
    record->name[record->name_len] = '\0';
}

zipnn_status zn_base_identify(struct zn_bases *all, size_t i, struct zn_base_record *record, zipnn_error *err) {
    struct zn_base *b = &all->base[i];
    ZN_TRY(digest(all, b, err));
    memcpy(record->xxh3, b->xxh3, sizeof record->xxh3);
    record->length = b->archive.self.length;
    put_name(record, b->name);
    return ZIPNN_OK;
}

struct zn_identity zn_identity_of(const struct zn_base_record *record) {
    struct zn_identity it = {.length = record->length};
    memcpy(it.xxh3, record->xxh3, sizeof it.xxh3);
    return it;
}
