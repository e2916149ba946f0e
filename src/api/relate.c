#include "api/relate.h"

#include "api/archive.h"
#include "archive/circles.h"

/* ---- models that can be read */

static zipnn_status read_input(void *user, uint64_t off, size_t len, uint8_t *dst, zipnn_error *err) {
    return zn_input_copy(user, off, len, dst, err);
}

static zipnn_status read_archive(void *user, uint64_t off, size_t len, uint8_t *dst, zipnn_error *err) {
    return zipnn_archive_read(user, off, len, dst, err);
}

static struct zn_model model_of_input(const struct zn_plan *plan, struct zn_input *in) {
    return (struct zn_model){plan, in->length, read_input, in};
}

static struct zn_model model_of_archive(zipnn_archive *a) {
    return (struct zn_model){&a->plan, a->original->length, read_archive, a};
}

/* ---- bases */

/* What is looked for in a base: its tensors, or, if there are gaps, bytes that fill them. */
static zipnn_status look_into(struct zn_matches *matches, const struct zn_model *base, uint8_t source,
                              struct zn_gaps *gaps, zipnn_error *err) {
    return gaps ? zn_matches_add_parts(matches, base, source, gaps, err) : zn_matches_add(matches, base, source, err);
}

/* Compares the input with base i. */
static zipnn_status match_base(zipnn_ctx *ctx, size_t i, uint8_t source, struct zn_matches *matches,
                               struct zn_gaps *gaps, zipnn_error *err) {
    struct zn_base *base = &ctx->bases.base[i];
    struct zn_plan plan;
    uint8_t *head;
    ZN_TRY(zn_base_open(&ctx->bases, i, err));
    if (base->archive.self.archive) {
        zipnn_archive *a;
        ZN_TRY(zipnn_archive_open(ctx, &base->in.source, &a, err));
        const struct zn_model model = model_of_archive(a);
        const zipnn_status status = look_into(matches, &model, source, gaps, err);
        zipnn_archive_close(a);
        return status;
    }
    ZN_TRY(zn_plan_input(ctx, &base->in, &plan, &head, err));
    const struct zn_model model = model_of_input(&plan, &base->in);
    const zipnn_status status = look_into(matches, &model, source, gaps, err);
    zn_plan_free(&plan);
    return status;
}

/* Looks in all bases for what no tensor of them resembles. */
static zipnn_status match_gaps(zipnn_ctx *ctx, struct zn_matches *matches, zipnn_error *err) {
    struct zn_gaps gaps;
    zipnn_status status = zn_matches_gaps(matches, &gaps, err);
    for (size_t i = 0; status == ZIPNN_OK && i < ctx->n_direct && gaps.n; i++)
        status = match_base(ctx, i, (uint8_t)(i + 1), matches, &gaps, err);
    zn_free(&ctx->engine.alloc, gaps.gap);
    return status;
}

static zipnn_status match_bases(zipnn_ctx *ctx, const struct zn_model *model, struct zn_links *links,
                                zipnn_error *err) {
    struct zn_matches matches;
    if (ctx->n_direct > ZN_MAX_BASES)
        return zn_fail(err, ZIPNN_E_LIMIT, ZN_NOWHERE, "%zu bases, %d are allowed for compressing", ctx->n_direct,
                       ZN_MAX_BASES);
    ZN_TRY(zn_matches_begin(&ctx->engine.alloc, model, links->parts, &matches, err));
    zipnn_status status = ZIPNN_OK;
    for (size_t i = 0; status == ZIPNN_OK && i < ctx->n_direct; i++)
        status = match_base(ctx, i, (uint8_t)(i + 1), &matches, NULL, err);
    if (status == ZIPNN_OK) status = match_gaps(ctx, &matches, err);
    if (status == ZIPNN_OK) status = zn_matches_link(&matches, links, err);
    zn_matches_end(&matches);
    return status;
}

/* Measures how similar each of the first n_direct bases is. A base that cannot be read is not similar. */
static zipnn_status measure_gains(zipnn_ctx *ctx, const struct zn_model *model, uint64_t *gains, zipnn_error *err) {
    struct zn_matches matches;
    ZN_TRY(zn_matches_begin(&ctx->engine.alloc, model, true, &matches, err));
    zipnn_status status = ZIPNN_OK;
    for (size_t i = 0; i < ctx->n_direct; i++) {
        zn_matches_reset(&matches);
        status = match_base(ctx, i, 1, &matches, NULL, err);
        if (status == ZIPNN_E_MEMORY || status == ZIPNN_E_IO) break;
        gains[i] = status == ZIPNN_OK ? zn_matches_gain(&matches) : 0;
        status = ZIPNN_OK;
    }
    zn_matches_end(&matches);
    return status;
}

/* Finds the bases that lead back to the input. *possible tells whether any could. */
static zipnn_status look_for_circles(zipnn_ctx *ctx, const struct zn_input *in, struct zn_identity *original,
                                     bool *possible, zipnn_error *err) {
    *original = (struct zn_identity){.length = in->length};
    ZN_TRY(zn_circle_possible(&ctx->bases, in->length, possible, err));
    if (!*possible) return ZIPNN_OK;
    ZN_TRY(zn_input_digest(&ctx->engine, in, original->xxh3, err));
    return zn_circle_find(&ctx->bases, original, err);
}

/* Finds the most similar base that does not lead back to the input. SIZE_MAX if none is similar. */
static zipnn_status choose_nearest(zipnn_ctx *ctx, const struct zn_input *in, uint64_t *gains, size_t *nearest,
                                   zipnn_error *err) {
    struct zn_identity original;
    bool circles = false;
    ZN_TRY(look_for_circles(ctx, in, &original, &circles, err));
    for (;;) {
        *nearest = SIZE_MAX;
        for (size_t i = 0; i < ctx->n_direct; i++)
            if (gains[i] > (*nearest == SIZE_MAX ? 0 : gains[*nearest])) *nearest = i;
        bool leads_back = false;
        if (circles && *nearest != SIZE_MAX) ZN_TRY(zn_circle_has(&ctx->bases, &original, *nearest, &leads_back, err));
        if (!leads_back) return ZIPNN_OK;
        gains[*nearest] = 0;
    }
}

static zipnn_status find_nearest(zipnn_ctx *ctx, const struct zn_model *model, const struct zn_input *in,
                                 size_t *nearest, zipnn_error *err) {
    uint64_t *gains = zn_alloc(&ctx->engine.alloc, (ctx->n_direct + 1) * sizeof *gains);
    if (!gains) return zn_fail(err, ZIPNN_E_MEMORY, ZN_NOWHERE, "out of memory: a table of bases");
    zipnn_status status = measure_gains(ctx, model, gains, err);
    if (status == ZIPNN_OK) status = choose_nearest(ctx, in, gains, nearest, err);
    zn_free(&ctx->engine.alloc, gains);
    return status;
}

zipnn_status zipnn_nearest_base(zipnn_ctx *ctx, const zipnn_source *source, size_t *index, zipnn_error *err) {
    struct zn_input in;
    struct zn_plan plan;
    uint8_t *head;
    zn_clear_error(err);
    if (!ctx || !index) return zn_fail(err, ZIPNN_E_ARGUMENT, ZN_NOWHERE, "zipnn_nearest_base: a pointer is NULL");
    ZN_TRY(zn_input_of_source(source, &in, err));
    if (!zn_input_is_random(&in))
        return zn_fail(err, ZIPNN_E_ARGUMENT, ZN_NOWHERE, "comparing with a base takes a file, not a pipe");
    ZN_TRY(zn_plan_input(ctx, &in, &plan, &head, err));
    const struct zn_model model = model_of_input(&plan, &in);
    zipnn_status status = find_nearest(ctx, &model, &in, index, err);
    zn_plan_free(&plan);
    if (status == ZIPNN_OK && *index == SIZE_MAX)
        status = zn_fail(err, ZIPNN_E_NOT_FOUND, ZN_NOWHERE, "none of the %zu bases is similar", ctx->n_direct);
    return status;
}

/* Numbers the bases that links lead to, in the order they were given, and identifies them. */
static zipnn_status number_bases(zipnn_ctx *ctx, struct zn_relations *r, zipnn_error *err) {
    uint8_t number[ZN_MAX_BASES + 1] = {0};
    for (size_t i = 0; i < r->links.n; i++) number[r->links.link[i].source] = 1;
    for (size_t i = 0; i < ctx->n_direct; i++) {
        if (!number[i + 1]) continue;
        if (!r->records) r->records = zn_alloc(&ctx->engine.alloc, ZN_MAX_BASES * sizeof *r->records);
        if (!r->records) return zn_fail(err, ZIPNN_E_MEMORY, ZN_NOWHERE, "out of memory: a table of bases");
        ZN_TRY(zn_base_identify(&ctx->bases, i, &r->records[r->n_bases], err));
        r->bases[r->n_bases++] = &ctx->bases.base[i].archive.self;
        number[i + 1] = (uint8_t)r->n_bases;
    }
    number[ZN_SOURCE_SELF] = ZN_SOURCE_SELF;
    for (size_t i = 0; i < r->links.n; i++) r->links.link[i].source = number[r->links.link[i].source];
    return ZIPNN_OK;
}

/* Refuses circles before any work is done, not only at its end. */
static zipnn_status refuse_circles(zipnn_ctx *ctx, const struct zn_input *in, const struct zn_relations *r,
                                   zipnn_error *err) {
    struct zn_identity original;
    bool possible = false;
    if (r->n_bases == 0) return ZIPNN_OK;
    ZN_TRY(look_for_circles(ctx, in, &original, &possible, err));
    return possible ? zn_circle_refuse(&ctx->bases, &original, r->records, r->n_bases, err) : ZIPNN_OK;
}

/* The first version that reads references which are made of parts. */
enum { READS_PARTS = 101 };

zipnn_status zn_relate(zipnn_ctx *ctx, const struct zn_job *job, const struct zn_plan *plan, const struct zn_input *in,
                       struct zn_relations *relations, zipnn_error *err) {
    *relations = (struct zn_relations){.n_bases = 0};
    zn_links_init(&relations->links, &ctx->engine.alloc);
    relations->links.parts = job->effort.readers >= READS_PARTS;
    if (!zn_input_is_random(in)) {
        if (ctx->bases.n == 0) return ZIPNN_OK;
        return zn_fail(err, ZIPNN_E_ARGUMENT, ZN_NOWHERE, "comparing with a base takes a file, not a pipe");
    }
    struct zn_input same = *in;
    const struct zn_model model = model_of_input(plan, &same);
    if (ctx->repeats == ZIPNN_REPEATS_DEFAULT) {
        ZN_TRY(zn_relate_repeats(&ctx->engine, plan, in, &relations->links, err));
        ZN_TRY(zn_relate_moments(&ctx->engine, plan, in->length, &relations->links, err));
    }
    if (ctx->bases.n) ZN_TRY(match_bases(ctx, &model, &relations->links, err));
    if (ctx->repeats == ZIPNN_REPEATS_DEFAULT)
        ZN_TRY(zn_relate_similar(&ctx->engine, plan, in, &relations->links, err));
    if (ctx->repeats == ZIPNN_REPEATS_DEFAULT && relations->links.parts)
        ZN_TRY(zn_relate_casts(&ctx->engine, plan, in, &relations->links, err));
    zn_links_finish(&relations->links);
    ZN_TRY(number_bases(ctx, relations, err));
    return refuse_circles(ctx, in, relations, err);
}

void zn_relations_free(zipnn_ctx *ctx, struct zn_relations *relations) {
    zn_links_free(&relations->links);
    zn_free(&ctx->engine.alloc, relations->records);
}
