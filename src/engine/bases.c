#include "engine/bases.h"

#include "engine/digest.h"

enum { PIECE = 1 << 20 };

zipnn_status zn_bases_create(const zipnn_allocator *alloc, const zipnn_source *sources, const char *const *names,
                             size_t n, struct zn_bases *bases, zipnn_error *err) {
    *bases = (struct zn_bases){NULL, 0};
    if (n == 0) return ZIPNN_OK;
    for (size_t i = 0; i < n; i++)
        if (!sources[i].read_at || sources[i].length == UINT64_MAX)
            return zn_fail(err, ZIPNN_E_ARGUMENT, ZN_NOWHERE, "a base needs read_at and its length");
    bases->base = n > SIZE_MAX / sizeof *bases->base ? NULL : zn_alloc(alloc, n * sizeof *bases->base);
    if (!bases->base) return zn_fail(err, ZIPNN_E_MEMORY, ZN_NOWHERE, "out of memory: %zu bases", n);
    memset(bases->base, 0, n * sizeof *bases->base);
    bases->n = n;
    for (size_t i = 0; i < n; i++) {
        bases->base[i].in = (struct zn_input){.source = sources[i], .length = sources[i].length};
        bases->base[i].name = names && names[i] ? names[i] : "";
    }
    return ZIPNN_OK;
}

void zn_bases_destroy(const zipnn_allocator *alloc, struct zn_bases *bases) {
    for (size_t i = 0; i < bases->n; i++) {
        zn_toc_free(alloc, &bases->base[i].toc);
        zn_free(alloc, bases->base[i].places);
        zn_free(alloc, bases->base[i].records);
        zn_free(alloc, bases->base[i].made_from);
    }
    if (bases->base) zn_free(alloc, bases->base);
    *bases = (struct zn_bases){NULL, 0};
}

/* ---- finding
 * ------------------------------------------------------------------------------------------------------------ */

/* Learns the length of the base's original, and whether it is an archive: it is when it has an archive's header. */
static zipnn_status sight(struct zn_engine *e, struct zn_base *b, zipnn_error *err) {
    uint8_t head[ZN_HEADER_LEN];
    const uint8_t *bytes;
    struct zn_header header;
    if (b->sighted) return ZIPNN_OK;
    const size_t len = (size_t)ZN_MIN(b->in.length, (uint64_t)sizeof head);
    ZN_TRY(zn_input_at(&b->in, 0, len, head, &bytes, err));
    if (zn_header_read(bytes, len, &header, e->k->xxh3_64, NULL) == ZIPNN_OK) {
        zn_toc_free(&e->alloc, &b->toc);
        ZN_TRY(zn_toc_load(&e->alloc, e->k, &b->in, &b->toc, err));
        if (!b->places) ZN_TRY(zn_toc_places(&e->alloc, &b->toc, &b->places, &b->origin.n_places, err));
        b->origin = zn_origin_archive(&b->in, &b->toc, b->places, b->origin.n_places);
        memcpy(b->xxh3, b->toc.index.xxh3, sizeof b->xxh3);
        b->digested = true;
    } else {
        b->origin = zn_origin_plain(&b->in);
    }
    b->sighted = true;
    return ZIPNN_OK;
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

static zipnn_status digest(struct zn_engine *e, struct zn_base *b, zipnn_error *err) {
    if (b->digested) return ZIPNN_OK;
    ZN_TRY(zn_input_digest(e, &b->in, b->xxh3, err));
    b->digested = true;
    return ZIPNN_OK;
}

static zipnn_status open_behind(struct zn_engine *e, struct zn_base *b, unsigned behind, zipnn_error *err);

/* What makes a base as good as none, rather than the operation fail. */
static bool is_unusable(zipnn_status status) {
    return status != ZIPNN_E_MEMORY && status != ZIPNN_E_IO && status != ZIPNN_E_CANCELLED;
}

/* The base that the record means: one that is open or can be opened, *origin NULL when there is none. Among several of
 * one content, one that is being opened would depend on itself. */
static zipnn_status find(struct zn_engine *e, const struct zn_base_record *record, unsigned behind,
                         const struct zn_origin **origin, zipnn_error *err) {
    zipnn_error fault = {ZIPNN_OK, ZN_NOWHERE, ""}; /* of the last base that might have been it */
    *origin = NULL;
    if (behind > ZN_MAX_CHAIN)
        return zn_fail(err, ZIPNN_E_LIMIT, ZN_NOWHERE, "more than %d archives one behind the other", ZN_MAX_CHAIN);
    for (size_t i = 0; i < e->bases.n; i++) {
        struct zn_base *b = &e->bases.base[i];
        zipnn_error this = fault;
        zipnn_status status = sight(e, b, &this);
        if (status == ZIPNN_OK && (b->origin.length != record->length || b->state == ZN_BASE_OPENING)) continue;
        if (status == ZIPNN_OK) status = digest(e, b, &this);
        if (status == ZIPNN_OK && memcmp(b->xxh3, record->xxh3, sizeof b->xxh3) != 0) continue;
        if (status == ZIPNN_OK) status = open_behind(e, b, behind, &this);
        if (status == ZIPNN_OK) *origin = &b->origin;
        if (status == ZIPNN_OK) return ZIPNN_OK;
        fault = this;
        if (!is_unusable(status)) break;
    }
    if (fault.status != ZIPNN_OK && err) *err = fault;
    return fault.status;
}

static zipnn_status no_base(const struct zn_base_record *record, zipnn_error *err) {
    return zn_fail(err, ZIPNN_E_BASE, ZN_NOWHERE,
                   "made against \"%.80s\" of %llu bytes, XXH3-128 %016llx%016llx, which was not given", record->name,
                   (unsigned long long)record->length, (unsigned long long)__builtin_bswap64(zn_get_u64(record->xxh3)),
                   (unsigned long long)__builtin_bswap64(zn_get_u64(record->xxh3 + 8)));
}

static zipnn_status resolve(struct zn_engine *e, struct zn_origin *o, const uint8_t *frame,
                            const struct zn_place *place, enum zn_missing missing, unsigned behind,
                            struct zn_base_record **records, zipnn_error *err) {
    const uint8_t *body = frame + ZN_FRAME_LEN;
    ZN_TRY(zn_frame_verify(frame, &place->frame, place->at, e->k->xxh3_64, err));
    if (!*records) *records = zn_alloc(&e->alloc, ZN_MAX_BASES * sizeof **records);
    if (!*records) return zn_fail(err, ZIPNN_E_MEMORY, ZN_NOWHERE, "out of memory: a table of bases");
    ZN_TRY(zn_bases_read(body, place->frame.body_len, place->at, *records, &o->n_bases, err));
    o->records = *records;
    for (unsigned i = 0; i < o->n_bases; i++) {
        const zipnn_status status = find(e, &o->records[i], behind, &o->bases[i], err);
        if (status != ZIPNN_OK && (!is_unusable(status) || missing == ZN_MISSING_FAILS)) return status;
        if (!o->bases[i] && missing == ZN_MISSING_FAILS) return no_base(&o->records[i], err);
    }
    return ZIPNN_OK;
}

zipnn_status zn_origin_resolve(struct zn_engine *e, struct zn_origin *origin, const uint8_t *frame,
                               const struct zn_place *place, enum zn_missing missing, struct zn_base_record **records,
                               zipnn_error *err) {
    return resolve(e, origin, frame, place, missing, 0, records, err);
}

/* The first frame of a random-access archive, in memory that is to be freed. */
static zipnn_status read_table(struct zn_engine *e, const struct zn_input *in, struct zn_place *place, void **memory,
                               const uint8_t **frame, zipnn_error *err) {
    uint8_t buf[ZN_FRAME_LEN];
    *place = (struct zn_place){.at = ZN_HEADER_LEN};
    const uint64_t left = in->length - ZN_MIN(in->length, (uint64_t)ZN_HEADER_LEN);
    if (left < ZN_FRAME_LEN) return zn_fail(err, ZIPNN_E_TRUNCATED, in->length, "archive ends before its first frame");
    ZN_TRY(zn_input_at(in, place->at, sizeof buf, buf, frame, err));
    ZN_TRY(zn_frame_read(*frame, ZN_MAX_CHUNK, place->at, &place->frame, err));
    const uint64_t len = zn_frame_size(&place->frame);
    if (place->frame.orig_len || place->frame.body_len > ZN_MAX_ANCILLARY || len > left)
        return zn_fail(err, ZIPNN_E_CORRUPT, place->at, "an archive with bases does not begin with their table");
    *memory = zn_alloc(&e->alloc, (size_t)len);
    if (!*memory)
        return zn_fail(err, ZIPNN_E_MEMORY, place->at, "out of memory: a frame takes %u bytes", place->frame.body_len);
    return zn_input_at(in, place->at, (size_t)len, *memory, frame, err);
}

static zipnn_status resolve_from(struct zn_engine *e, struct zn_origin *o, enum zn_missing missing, unsigned behind,
                                 struct zn_base_record **records, zipnn_error *err) {
    struct zn_place place;
    void *memory = NULL;
    const uint8_t *frame;
    zipnn_status status = ZIPNN_OK;
    if (o->flags & ZN_FLAG_BASES) {
        status = read_table(e, &o->in, &place, &memory, &frame, err);
        if (status == ZIPNN_OK) status = resolve(e, o, frame, &place, missing, behind, records, err);
        zn_free(&e->alloc, memory);
    }
    if (status == ZIPNN_OK) zn_origin_measure(o);
    return status;
}

zipnn_status zn_origin_resolve_from(struct zn_engine *e, struct zn_origin *origin, enum zn_missing missing,
                                    struct zn_base_record **records, zipnn_error *err) {
    return resolve_from(e, origin, missing, 0, records, err);
}

static zipnn_status open_behind(struct zn_engine *e, struct zn_base *b, unsigned behind, zipnn_error *err) {
    if (b->state == ZN_BASE_OPEN) return ZIPNN_OK;
    b->state = ZN_BASE_OPENING;
    const zipnn_status status =
        b->places ? resolve_from(e, &b->origin, ZN_MISSING_FAILS, behind + 1, &b->records, err) : ZIPNN_OK;
    b->state = status == ZIPNN_OK ? ZN_BASE_OPEN : ZN_BASE_CLOSED;
    return status;
}

zipnn_status zn_base_open(struct zn_engine *e, size_t i, zipnn_error *err) {
    ZN_TRY(sight(e, &e->bases.base[i], err));
    return open_behind(e, &e->bases.base[i], 0, err);
}

/* ---- what bases say of themselves
 * ------------------------------------------------------------------------------------------------------------ */

/* Copies what the table of an archive with bases lists. */
static zipnn_status read_parents(struct zn_engine *e, struct zn_base *b, zipnn_error *err) {
    struct zn_place place;
    void *memory = NULL;
    const uint8_t *frame;
    struct zn_base_record *records = zn_alloc(&e->alloc, ZN_MAX_BASES * sizeof *records);
    unsigned n = 0;
    zipnn_status status =
        records ? ZIPNN_OK : zn_fail(err, ZIPNN_E_MEMORY, ZN_NOWHERE, "out of memory: a table of bases");
    if (status == ZIPNN_OK) status = read_table(e, &b->in, &place, &memory, &frame, err);
    if (status == ZIPNN_OK) status = zn_frame_verify(frame, &place.frame, place.at, e->k->xxh3_64, err);
    if (status == ZIPNN_OK)
        status = zn_bases_read(frame + ZN_FRAME_LEN, place.frame.body_len, place.at, records, &n, err);
    if (status == ZIPNN_OK && n) b->made_from = zn_alloc(&e->alloc, n * sizeof *b->made_from);
    if (status == ZIPNN_OK && n && !b->made_from)
        status = zn_fail(err, ZIPNN_E_MEMORY, ZN_NOWHERE, "out of memory: a table of bases");
    for (unsigned i = 0; status == ZIPNN_OK && i < n; i++) b->made_from[i] = zn_identity_of(&records[i]);
    if (status == ZIPNN_OK) b->n_made_from = n;
    zn_free(&e->alloc, memory);
    zn_free(&e->alloc, records);
    return status;
}

/* Its index, which may be long, is let go if nobody needs it yet. */
static void forget_index(struct zn_engine *e, struct zn_base *b) {
    zn_toc_free(&e->alloc, &b->toc);
    zn_free(&e->alloc, b->places);
    b->toc = (struct zn_toc){.memory = NULL};
    b->places = NULL;
    b->sighted = false;
}

zipnn_status zn_base_know(struct zn_engine *e, size_t i, zipnn_error *err) {
    struct zn_base *b = &e->bases.base[i];
    if (b->looked_at) return ZIPNN_OK;
    const bool sighted = b->sighted;
    zipnn_status status = sight(e, b, err);
    if (status == ZIPNN_OK) {
        b->identity.length = b->origin.length;
        memcpy(b->identity.xxh3, b->xxh3, sizeof b->xxh3);
        if (b->places && b->origin.flags & ZN_FLAG_BASES) status = read_parents(e, b, err);
    }
    if (status != ZIPNN_OK && !is_unusable(status)) return status;
    b->known = status == ZIPNN_OK;
    b->looked_at = true;
    if (!sighted && b->places) forget_index(e, b);
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

zipnn_status zn_base_identify(struct zn_engine *e, size_t i, struct zn_base_record *record, zipnn_error *err) {
    struct zn_base *b = &e->bases.base[i];
    ZN_TRY(digest(e, b, err));
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
