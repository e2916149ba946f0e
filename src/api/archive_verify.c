/* Verifies and salvages: decodes every chunk of an archive, reports the damaged ones and writes the others. */
#include "api/archive.h"
#include "archive/reading.h"
#include "archive/scan.h"
#include "workers/digest.h"

struct zn_verifying {
    const zipnn_archive *a;
    struct zn_output out;
    zipnn_damage_fn report;
    void *user;
    zipnn_verified *result;
    struct zn_digest digest;
};

/* Finds the tensors from the first to the last one with bytes in [off, end). */
static void find_tensors(const zipnn_archive *a, uint64_t off, uint64_t end, zipnn_damage *damage) {
    size_t lo = 0, hi = a->n_listed;
    while (lo < hi) {
        const size_t mid = lo + (hi - lo) / 2;
        if (a->reach[mid] <= off)
            lo = mid + 1;
        else
            hi = mid;
    }
    damage->first_tensor = lo;
    while (lo < a->n_listed && a->listed[lo]->off < end) lo++;
    damage->n_tensors = lo - damage->first_tensor;
}

static zipnn_status report(struct zn_verifying *v, uint64_t off, uint64_t len, const zipnn_error *fault,
                           zipnn_error *err) {
    zipnn_damage damage = {.offset = off, .length = len, .error = fault};
    if (len) find_tensors(v->a, off, off + len, &damage);
    v->result->n_damaged++;
    if (!v->report || v->report(v->user, &damage) == 0) return ZIPNN_OK;
    return zn_fail(err, ZIPNN_E_CANCELLED, ZN_NOWHERE, "cancelled");
}

static zipnn_status put_zeros(const struct zn_verifying *v, uint64_t off, uint64_t len, zipnn_error *err) {
    static const uint8_t zeros[64 << 10];
    for (uint64_t done = 0; done < len && v->out.sink;) {
        const size_t n = (size_t)ZN_MIN(len - done, (uint64_t)sizeof zeros);
        ZN_TRY(zn_output_put(&v->out, off + done, zeros, n, err));
        done += n;
    }
    return ZIPNN_OK;
}

static zipnn_status tell_progress(const struct zn_verifying *v, uint64_t done, zipnn_error *err) {
    return zn_job_progress(&v->a->ctx->job, done, v->a->original->length, err);
}

static zipnn_status visit(void *user, const struct zn_scanned *s, zipnn_error *err) {
    struct zn_verifying *v = user;
    const uint32_t len = s->place->frame.orig_len;
    ZN_TRY(tell_progress(v, s->place->off + len, err));
    if (s->fault && s->fault->status == ZIPNN_E_BASE && !v->out.sink) {
        v->result->unchecked += len;
        return ZIPNN_OK;
    }
    if (s->fault) {
        ZN_TRY(report(v, s->place->off, len, s->fault, err));
        return put_zeros(v, s->place->off, len, err);
    }
    if (!s->orig) return ZIPNN_OK;
    v->result->intact += len;
    zn_digest_update(&v->digest, s->orig, len);
    return zn_output_put(&v->out, s->place->off, s->orig, len, err);
}

/* Verifies the frames that hold no chunk, after those that do. */
static zipnn_status scan_others(struct zn_verifying *v, zipnn_error *err) {
    const zipnn_archive *a = v->a;
    struct zn_engine *e = &a->ctx->engine;
    const struct zn_index *index = &a->archive.index;
    if (!index->entries || index->n_entries == a->archive.n_places) return ZIPNN_OK;
    const size_t n = (size_t)(index->n_entries - a->archive.n_places);
    struct zn_place *places = n > SIZE_MAX / sizeof *places ? NULL : zn_alloc(&e->alloc, n * sizeof *places);
    if (!places) return zn_fail(err, ZIPNN_E_MEMORY, ZN_NOWHERE, "out of memory: a table of %zu frames", n);
    uint64_t at = ZN_HEADER_LEN;
    for (uint64_t i = 0, k = 0; i < index->n_entries; i++) {
        const struct zn_frame f = zn_entry_read(index->entries + i * ZN_ENTRY_LEN);
        if (f.orig_len == 0) places[k++] = (struct zn_place){f, at, index->original};
        at += zn_frame_size(&f);
    }
    zipnn_status status = zn_scan(e, &a->archive, places, n, visit, v, err);
    zn_free(&e->alloc, places);
    return status;
}

static zipnn_status check_digests(struct zn_verifying *v, zipnn_error *err) {
    const struct zn_index *index = &v->a->archive.index;
    uint8_t xxh3[16], sha256[ZN_SHA256_LEN];
    zn_digest_result(&v->digest, xxh3, sha256);
    memcpy(v->result->xxh3, xxh3, sizeof xxh3);
    if (v->result->n_damaged || v->result->unchecked || !v->a->has_digests) return ZIPNN_OK;
    zipnn_error fault;
    const char *name = memcmp(xxh3, index->xxh3, sizeof xxh3) != 0 ? "XXH3-128" : NULL;
    if (!name && v->digest.has_sha256 && memcmp(sha256, index->sha256, sizeof sha256) != 0) name = "SHA-256";
    if (!name) return ZIPNN_OK;
    zn_fail(&fault, ZIPNN_E_CORRUPT, ZN_NOWHERE,
            "all chunks are sound, but the %s digest of the whole original does not match", name);
    return report(v, 0, index->original, &fault, err);
}

zipnn_status zn_verify_chunks(struct zn_verifying *v, zipnn_error *err) {
    const zipnn_archive *a = v->a;
    struct zn_engine *e = &a->ctx->engine;
    ZN_TRY(zn_job_allows(&a->ctx->job, a->original->length, err));
    ZN_TRY(zn_archive_prepare(e, &a->archive, err));
    zn_digest_begin(&v->digest, e->k, a->has_digests && a->archive.index.has_sha256);
    ZN_TRY(zn_scan(e, &a->archive, a->archive.places, a->archive.n_places, visit, v, err));
    ZN_TRY(scan_others(v, err));
    return check_digests(v, err);
}

/* Verifies an old record. It holds no checks: either all of it decodes, or none counts as intact. */
zipnn_status zn_verify_old(struct zn_verifying *v, zipnn_error *err) {
    const zipnn_archive *a = v->a;
    zipnn_error fault = {ZIPNN_OK, ZN_NOWHERE, ""};
    zipnn_stats stats;
    ZN_TRY(zn_job_allows(&a->ctx->job, a->original->length, err));
    zipnn_status status = zn_old_restore(&a->ctx->job, a->original, &v->out, ZN_DIGEST_VERIFY, &stats, &fault);
    if (status == ZIPNN_OK) {
        v->result->intact = stats.original;
        memcpy(v->result->xxh3, stats.xxh3, sizeof stats.xxh3);
        return ZIPNN_OK;
    }
    if (status == ZIPNN_E_CORRUPT || status == ZIPNN_E_TRUNCATED) return report(v, 0, v->result->original, &fault, err);
    if (err) *err = fault;
    return status;
}

zipnn_status zn_verify_nothing(struct zn_verifying *v, zipnn_error *err) {
    (void)v;
    return zn_fail(err, ZIPNN_E_FORMAT, 0, "not a zipnn archive");
}

static zipnn_status pass_on(const zipnn_error *fault, zipnn_error *err) {
    if (err) *err = *fault;
    return fault->status;
}

/* Returns the status that says in a word what was found. */
static zipnn_status judge(const struct zn_verifying *v, zipnn_error *err) {
    const zipnn_archive *a = v->a;
    const zipnn_verified *result = v->result;
    const bool intact = a->fault.status == ZIPNN_OK && result->n_damaged == 0;
    if (intact && result->unchecked)
        return zn_fail(err, ZIPNN_E_BASE, ZN_NOWHERE,
                       "%llu of %llu bytes cannot be verified beyond their checksums without a base that was not given",
                       (unsigned long long)result->unchecked, (unsigned long long)result->original);
    if (intact) return ZIPNN_OK;
    if (a->claim.status != ZIPNN_OK) return pass_on(&a->claim, err);
    if (result->n_damaged == 0) return pass_on(&a->fault, err);
    return zn_fail(err, ZIPNN_E_CORRUPT, ZN_NOWHERE, "%llu of %llu bytes of the original are damaged",
                   (unsigned long long)(result->original - result->intact), (unsigned long long)result->original);
}

static zipnn_status run(struct zn_verifying *v, zipnn_error *err) {
    const zipnn_archive *a = v->a;
    zipnn_verified *result = v->result;
    *result = (zipnn_verified){.original = a->original->length,
                               .unplaced = a->unplaced,
                               .length_unknown = a->length_unknown,
                               .has_digests = a->has_digests};
    ZN_TRY(a->nature->verify(v, err));
    if (a->claim.status != ZIPNN_OK) ZN_TRY(report(v, result->original, 0, &a->claim, err));
    return judge(v, err);
}

zipnn_status zipnn_archive_verify(zipnn_archive *archive, zipnn_damage_fn report_fn, void *user, zipnn_verified *result,
                                  zipnn_error *err) {
    zipnn_verified unwanted;
    ZN_TRY(zn_given("zipnn_archive_verify", archive, archive, err));
    struct zn_verifying v = {.a = archive, .report = report_fn, .user = user, .result = result ? result : &unwanted};
    return run(&v, err);
}

zipnn_status zipnn_archive_salvage(zipnn_archive *archive, const zipnn_sink *sink, zipnn_damage_fn report_fn,
                                   void *user, zipnn_verified *result, zipnn_error *err) {
    zipnn_verified unwanted;
    ZN_TRY(zn_given("zipnn_archive_salvage", archive, sink, err));
    if (!sink->write) return zn_fail(err, ZIPNN_E_ARGUMENT, ZN_NOWHERE, "a sink needs write");
    const zipnn_sink in_order = {.write = sink->write, .user = sink->user};
    struct zn_verifying v = {.a = archive,
                             .out = {.sink = &in_order},
                             .report = report_fn,
                             .user = user,
                             .result = result ? result : &unwanted};
    return run(&v, err);
}
