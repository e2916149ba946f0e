#include "commands/inspect.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "commands/commands.h"
#include "commands/compare.h"
#include "shared/cli_fail.h"
#include "shared/find_files.h"
#include "shared/json_writer.h"
#include "shared/run_report.h"
#include "shared/text.h"

/* ---- text -------------------------------------------------------------------------------------------------------- */

static void put_bar(double share, unsigned width) {
    const unsigned full = (unsigned)(share * width + 0.5);
    putchar('[');
    for (unsigned i = 0; i < width; i++) putchar(i < full ? '#' : '.');
    putchar(']');
}

static void put_field(double entropy, unsigned bits) {
    if (bits == 0) {
        printf("%19s", "");
        return;
    }
    put_bar(entropy / bits, 8);
    printf(" %5.2f/%-2u", entropy, bits);
}

static void put_profile(const struct inspection *x, const struct profile *p, bool shared) {
    const zipnn_tensor_info *t = &p->tensor;
    put_field(p->exponent, p->exponent_bits);
    put_field(p->mantissa, p->mantissa_bits);
    printf(" %6.2f%% ", 100 * profile_share(p));
    if (x->plain)
        printf("%8s", "");
    else
        printf("%c%6.2f%%", shared ? '~' : ' ', text_percent(t->stored, t->length));
    printf(" %10s  %-10s ", text_size(t->length).text, zipnn_dtype_name(t->dtype));
    text_put(stdout, t->name);
    fputs("  ", stdout);
    for (unsigned b = 0; b < p->n_planes; b++) printf("%s%.1f", b ? " " : "", p->plane[b]);
    putchar('\n');
}

/* Prints how the exponents are distributed; most of them lie in a few rows. */
static void put_exponents(const struct role *type) {
    uint64_t most = 0;
    const uint64_t least_shown = type->n_looked / 500;
    for (unsigned b = 0; b < PROFILE_BINS; b++) most = type->bins[b] > most ? type->bins[b] : most;
    if (!type->exponent_bits || !most) return;
    printf("\nexponents of %s\n", zipnn_dtype_name(type->dtype));
    for (unsigned b = 0; b < PROFILE_BINS; b++) {
        if (type->bins[b] <= least_shown) continue;
        printf("  %4u %6.2f%% ", b, text_percent(type->bins[b], type->n_looked));
        put_bar((double)type->bins[b] / (double)most, 40);
        putchar('\n');
    }
}

/* "BF16 x 48  25.17 MB  66.12%  2.61/8  model.layers.*.mlp.gate_proj.weight", in 80 columns if the name lets it. */
static void put_role(const struct inspection *x, const struct role *r, const char *name) {
    char exponent[24] = "", mantissa[24] = "";
    if (r->exponent_bits) snprintf(exponent, sizeof exponent, "%.2f/%u", r->exponent, r->exponent_bits);
    if (r->mantissa_bits) snprintf(mantissa, sizeof mantissa, "%.2f/%u", r->mantissa, r->mantissa_bits);
    printf("%-8s %6" PRIu64 " %9s %7s %8s %6.1f%%", zipnn_dtype_name(r->dtype), r->n, text_size(r->length).text,
           exponent, mantissa, 100 * role_share(r));
    if (x->plain)
        printf("%9s", "");
    else
        printf("%c%6.1f%% ", r->n_shared == r->n ? '~' : ' ', text_percent(r->stored, r->length));
    text_put(stdout, name);
    putchar('\n');
}

static void put_roles(const struct inspection *x) {
    printf("type    tensors      size exponent mantissa needs%s name\n", x->plain ? "         " : "    stored");
    for (size_t i = 0; i < x->types.n; i++) put_role(x, &x->types.role[i], "(all)");
    putchar('\n');
    for (size_t i = 0; i < x->roles.n; i++) put_role(x, &x->roles.role[i], role_name(&x->roles.role[i]));
    puts(
        "exponent, mantissa: bits of information in each, of so many. needs: these as a\n"
        "share of all bits. *: numbers, of layers for example. ~: its share, by length,\n"
        "of chunks that hold others too. zipnn inspect -v shows each tensor.");
}

static void put_tensors(const struct inspection *x) {
    bool any_shared = false;
    puts(
        "\ninformation of exponent  of mantissa           order 0  stored       size  dtype      name, bits of each "
        "byte");
    for (size_t i = 0; i < x->n; i++) {
        const bool shared = inspect_is_shared(x, &x->profiles[i].tensor);
        any_shared |= shared;
        put_profile(x, &x->profiles[i], shared);
    }
    if (any_shared) puts("~ its share, by length, of chunks that it has in common with others");
}

static void put_metadata(const struct inspection *x) {
    const struct metadata *m = &x->metadata;
    for (size_t i = 0; i < m->n; i++) {
        fputs("  ", stdout);
        text_put(stdout, m->entry[i].key);
        fputs(": ", stdout);
        text_put(stdout, m->entry[i].value);
        putchar('\n');
    }
    if (m->n_more) printf("  and %" PRIu64 " more keys\n", m->n_more);
}

static void put_text(const struct inspection *x) {
    text_put(stdout, run_shown_name(x->path));
    printf(": %s, %" PRIu64 " tensors, %s; ", text_size(x->info.original).text, x->info.n_tensors, x->info.container);
    if (x->plain)
        printf("compressing would give %s, %.2f %%\n", text_size(x->estimate.archive).text,
               text_percent(x->estimate.archive, x->info.original));
    else
        printf("stored as %s, %.2f %%\n", text_size(x->info.archive).text,
               text_percent(x->info.archive, x->info.original));
    if (x->n_left_out) puts(text_left_out(x->n_left_out).text);
    if (x->talkative) put_metadata(x);
    put_roles(x);
    if (x->talkative) put_tensors(x);
    for (size_t i = 0; i < x->types.n; i++) put_exponents(&x->types.role[i]);
}

/* ---- JSON -------------------------------------------------------------------------------------------------------- */

static void put_json_tensor(const struct inspection *x, const struct profile *p) {
    const zipnn_tensor_info *t = &p->tensor;
    struct json j = {stdout, false};
    json_object(&j, NULL);
    json_name(&j, "file", run_shown_name(x->path));
    json_name(&j, "tensor", t->name);
    if (x->info.n_tensors) json_name(&j, "name", t->name);
    json_text(&j, "dtype", zipnn_dtype_name(t->dtype));
    json_list(&j, "shape");
    for (uint32_t i = 0; i < t->rank; i++) json_number(&j, NULL, t->shape[i]);
    json_list_end(&j);
    json_number(&j, "original", t->length);
    if (!x->plain) json_number(&j, "stored", t->stored);
    if (inspect_is_shared(x, t)) json_truth(&j, "shares_chunks", true);
    json_number(&j, "elements", p->n_elements);
    json_number(&j, "bits", p->bits);
    json_real(&j, "needed", p->needed, 4);
    if (p->exponent_bits) {
        json_number(&j, "exponent_bits", p->exponent_bits);
        json_real(&j, "exponent_entropy", p->exponent, 4);
        json_number(&j, "mantissa_bits", p->mantissa_bits);
        json_real(&j, "mantissa_entropy", p->mantissa, 4);
        json_real(&j, "sign_entropy", p->sign, 4);
    }
    json_list(&j, "plane_entropy");
    for (unsigned b = 0; b < p->n_planes; b++) json_real(&j, NULL, p->plane[b], 4);
    json_list_end(&j);
    json_line_end(&j);
}

static void put_json(const struct inspection *x) {
    struct json j = {stdout, false};
    for (size_t i = 0; i < x->n; i++) put_json_tensor(x, &x->profiles[i]);
    json_object(&j, NULL);
    json_name(&j, "file", run_shown_name(x->path));
    json_number(&j, "original", x->info.original);
    json_text(&j, "container", x->info.container);
    json_number(&j, "n_tensors", x->info.n_tensors);
    json_number(&j, "n_left_out", x->n_left_out);
    if (x->info.n_tensors) json_number(&j, "parameters", inspect_parameters(x));
    json_list(&j, "metadata");
    for (size_t i = 0; i < x->metadata.n; i++) {
        json_object(&j, NULL);
        json_text(&j, "key", x->metadata.entry[i].key);
        json_text(&j, "value", x->metadata.entry[i].value);
        json_object_end(&j);
    }
    json_list_end(&j);
    if (x->plain) json_number(&j, "estimate", x->estimate.archive);
    json_number(&j, "stored", x->plain ? x->estimate.archive : x->info.archive);
    json_line_end(&j);
}

/* ---- the file ---------------------------------------------------------------------------------------------------- */

static zipnn_status end_profile(struct inspection *x, zipnn_status st) {
    const struct profile *p = &x->profiles[x->n++];
    const bool shared = inspect_is_shared(x, &p->tensor);
    roles_add(&x->roles, role_of(p->tensor.name), p, shared, x->profiler.bins);
    roles_add(&x->types, text_join("", "", ""), p, shared, x->profiler.bins);
    return st;
}

/* Bytes that belong to several tensors count once. */
static zipnn_status add_profile(struct inspection *x, uint64_t index, const zipnn_tensor_info *t, zipnn_error *err) {
    const unsigned plain = ZIPNN_TENSOR_COLUMN_MAJOR | ZIPNN_TENSOR_CONJUGATE | ZIPNN_TENSOR_NEGATIVE;
    zipnn_tensor_layout layout = {.size = sizeof layout};
    struct profile *p = &x->profiles[x->n];
    const zipnn_status st = zipnn_archive_tensor_layout(x->profiler.archive, index, &layout, err);
    if (st != ZIPNN_OK || (layout.flags & (ZIPNN_TENSOR_SHARED | ZIPNN_TENSOR_FILTERED))) return st;
    if (layout.flags & ~plain) return end_profile(x, profiler_look_at_values(&x->profiler, index, t, p, err));
    return end_profile(x, profiler_look(&x->profiler, t, p, err));
}

/* A damaged tensor is reported, and shown without its entropies. */
static zipnn_status make_profiles(struct run *run, struct inspection *x, zipnn_archive *archive, zipnn_error *err) {
    if (x->info.n_tensors > SIZE_MAX / sizeof *x->profiles - 1)
        return cli_fail(err, ZIPNN_E_MEMORY, "no memory for %" PRIu64 " tensors", x->info.n_tensors);
    x->profiles = malloc(((size_t)x->info.n_tensors + 1) * sizeof *x->profiles);
    if (!x->profiles) return cli_fail(err, ZIPNN_E_MEMORY, "no memory for %" PRIu64 " tensors", x->info.n_tensors);
    for (uint64_t i = 0; i < x->info.n_tensors; i++) {
        zipnn_tensor_info t = {.length = 0};
        zipnn_status st = zipnn_archive_tensor(archive, i, &t, err);
        const uint64_t there = t.offset < x->info.original ? x->info.original - t.offset : 0;
        if (st == ZIPNN_OK && t.length > there) t.length = there; /* a file cut short */
        if (st == ZIPNN_OK) st = add_profile(x, i, &t, err);
        if (st == ZIPNN_E_CORRUPT)
            run_report_fault(run, x->path, err);
        else if (st != ZIPNN_OK)
            return st;
    }
    return ZIPNN_OK;
}

/* A file that no reader recognises is shown as one tensor of bytes. */
static zipnn_status make_whole(struct inspection *x, zipnn_error *err) {
    const zipnn_tensor_info t = {.name = "(all bytes)", .length = x->info.original, .stored = x->info.archive};
    x->profiles = malloc(sizeof *x->profiles);
    if (!x->profiles) return cli_fail(err, ZIPNN_E_MEMORY, "no memory");
    return end_profile(x, profiler_look(&x->profiler, &t, &x->profiles[0], err));
}

static zipnn_status measure(struct run *run, struct inspection *x, zipnn_error *err) {
    const struct opened *o = &x->opened;
    zipnn_archive_get_info(o->archive, &x->info);
    x->n_left_out = zipnn_archive_n_left_out(o->archive);
    x->plain = o->plain;
    zipnn_status st = profiler_start(&x->profiler, o->archive, err);
    if (st != ZIPNN_OK) return st;
    st = o->plain ? ZIPNN_OK : run_check_limit(run, x->info.original, err);
    if (st != ZIPNN_OK) return st;
    st = o->plain ? zipnn_estimate(run->ctx, &o->source, run->args->sample, &x->estimate, err) : ZIPNN_OK;
    if (st == ZIPNN_OK) st = x->info.n_tensors ? make_profiles(run, x, o->archive, err) : make_whole(x, err);
    metadata_read(o->archive, x->info.container, x->info.original, &x->metadata);
    roles_sort(&x->roles);
    roles_sort(&x->types);
    return st;
}

/* inspect_end must follow, also after a failure. */
static zipnn_status inspect_begin(struct run *run, struct inspection *x, const char *path, zipnn_error *err) {
    *x = (struct inspection){.path = path, .talkative = run->args->verbosity > 0};
    const zipnn_status st = opened_open(run, path, OPENED_PLAIN, &x->opened, err);
    return st == ZIPNN_OK ? measure(run, x, err) : st;
}

static void inspect_end(struct inspection *x) {
    profiler_end(&x->profiler);
    free(x->profiles);
    roles_free(&x->roles);
    roles_free(&x->types);
    metadata_free(&x->metadata);
    opened_close(&x->opened);
}

static void show(const struct run *run, const struct inspection *x) {
    if (run->args->json)
        put_json(x);
    else if (!run->args->html)
        put_text(x);
}

static void inspect_file(struct run *run, const char *path) {
    struct inspection x;
    zipnn_error err;
    zipnn_status st = inspect_begin(run, &x, path, &err);
    if (st == ZIPNN_OK && run->args->html) st = inspect_write_page(run, &x, run->args->html, &err);
    if (st == ZIPNN_OK)
        show(run, &x);
    else
        run_report_failure(run, path, &err);
    inspect_end(&x);
}

/* Shows both, and then side by side what they have in common. */
static void inspect_both(struct run *run, const char *first, const char *second) {
    struct inspection x, y = {.path = second};
    zipnn_error err;
    const char *path = first;
    zipnn_status st = inspect_begin(run, &x, first, &err);
    if (st == ZIPNN_OK) st = inspect_begin(run, &y, path = second, &err);
    if (st == ZIPNN_OK && run->args->html) st = compare_write_page(run, &x, &y, run->args->html, &err);
    if (st == ZIPNN_OK) {
        show(run, &x);
        if (!run->args->json && !run->args->html) putchar('\n');
        show(run, &y);
        if (!run->args->json && !run->args->html) compare_put_text(&x, &y, x.talkative);
    } else {
        run_report_failure(run, path, &err);
    }
    inspect_end(&y);
    inspect_end(&x);
}

void inspect_run(struct run *run) {
    if (run->args->pair)
        inspect_both(run, run->args->files[0], run->args->files[1]);
    else
        for_each_file(run, inspect_file);
}
