/* zipnn diff: which tensors of two models differ, and by how much. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands/commands.h"
#include "commands/differences.h"
#include "line/exits.h"
#include "shared/cli_fail.h"
#include "shared/json_writer.h"
#include "shared/open_archive.h"
#include "shared/run_report.h"
#include "shared/text.h"

enum { WINDOW = 1 << 20, MOST_BUFFERED = 1 << 30 };

enum finding { SAME, CHANGED, RETYPED, RESHAPED, ONLY_FIRST, ONLY_SECOND, N_FINDINGS };
static const struct {
    const char *code, *text;
} findings[N_FINDINGS] = {{"same", "same"},
                          {"changed", "changed"},
                          {"retyped", "other type"},
                          {"reshaped", "other shape"},
                          {"only_first", "only first"},
                          {"only_second", "only second"}};

/* A tensor of one of the two files. */
struct side {
    zipnn_archive *archive;
    uint64_t index;
    zipnn_tensor_info tensor;
    zipnn_tensor_layout layout;
    unsigned char *values; /* all, where they are not one run of bytes in the original; else NULL */
};

struct diff {
    struct run *run;
    struct opened first, second;
    unsigned char *windows; /* two of them */
    uint64_t count[N_FINDINGS];
    bool identical; /* the originals, byte for byte */
};

/* ---- values ------------------------------------------------------------------------------------------------------ */

/* Values that lie in pieces, in columns or big-endian are read at once, as far as that is sane. */
static zipnn_status gather(const struct run *run, struct side *s, zipnn_error *err) {
    const unsigned plain = ZIPNN_TENSOR_SHARED;
    s->values = NULL;
    if (!(s->layout.flags & ~plain)) return ZIPNN_OK;
    zipnn_status st = run_check_limit(run, s->layout.values, err);
    if (st == ZIPNN_OK && s->layout.values > MOST_BUFFERED)
        st = cli_fail(err, ZIPNN_E_LIMIT,
                      "tensor \"%.80s\" has %" PRIu64 " bytes that do not lie row after row; %d are compared at most",
                      s->tensor.name, s->layout.values, MOST_BUFFERED);
    if (st != ZIPNN_OK) return st;
    s->values = malloc((size_t)s->layout.values + 1);
    if (!s->values) return cli_fail(err, ZIPNN_E_MEMORY, "no memory for %" PRIu64 " bytes", s->layout.values);
    return zipnn_archive_read_tensor(s->archive, s->index, s->values, (size_t)s->layout.values, err);
}

static zipnn_status read_values(const struct side *s, uint64_t off, size_t len, unsigned char *window,
                                zipnn_error *err) {
    if (!s->values) return zipnn_archive_read(s->archive, s->tensor.offset + off, len, window, err);
    memcpy(window, s->values + off, len);
    return ZIPNN_OK;
}

/* Reads both tensors from `off` on, at most a window of whole units. */
static zipnn_status read_both(const struct diff *d, const struct side *a, const struct side *b, uint64_t off,
                              size_t *len, zipnn_error *err) {
    const size_t unit = differences_unit(a->tensor.dtype), most = WINDOW - WINDOW % unit;
    const uint64_t left = a->layout.values - off;
    *len = left < most ? (size_t)left : most;
    zipnn_status st = read_values(a, off, *len, d->windows, err);
    return st == ZIPNN_OK ? read_values(b, off, *len, d->windows + WINDOW, err) : st;
}

static zipnn_status compare_bytes(const struct diff *d, const struct side *a, const struct side *b, bool *same,
                                  zipnn_error *err) {
    zipnn_status st = ZIPNN_OK;
    size_t len;
    *same = true;
    for (uint64_t off = 0; off < a->layout.values && *same; off += len) {
        st = read_both(d, a, b, off, &len, err);
        if (st != ZIPNN_OK) return st;
        *same = memcmp(d->windows, d->windows + WINDOW, len) == 0;
    }
    return st;
}

static zipnn_status measure(const struct diff *d, const struct side *a, const struct side *b,
                            struct differences *differences, zipnn_error *err) {
    const size_t unit = differences_unit(a->tensor.dtype);
    size_t len;
    for (uint64_t off = 0; off < a->layout.values; off += len) {
        zipnn_status st = read_both(d, a, b, off, &len, err);
        if (st != ZIPNN_OK) return st;
        differences_add(a->tensor.dtype, d->windows, d->windows + WINDOW, len - len % unit, differences);
    }
    return ZIPNN_OK;
}

static bool same_shape(const struct side *a, const struct side *b) {
    const zipnn_tensor_info *x = &a->tensor, *y = &b->tensor;
    if (x->rank != y->rank || a->layout.values != b->layout.values) return false;
    for (uint32_t i = 0; i < x->rank; i++)
        if (x->shape[i] != y->shape[i]) return false;
    return true;
}

static zipnn_status compare(const struct diff *d, struct side *a, struct side *b, enum finding *finding,
                            struct differences *differences, zipnn_error *err) {
    bool same = false;
    *finding = a->tensor.dtype != b->tensor.dtype ? RETYPED : !same_shape(a, b) ? RESHAPED : CHANGED;
    if (*finding != CHANGED) return ZIPNN_OK;
    zipnn_status st = gather(d->run, a, err);
    if (st == ZIPNN_OK) st = gather(d->run, b, err);
    if (st == ZIPNN_OK) st = compare_bytes(d, a, b, &same, err);
    if (st == ZIPNN_OK && same) *finding = SAME;
    if (st == ZIPNN_OK && !same) st = measure(d, a, b, differences, err);
    free(a->values);
    free(b->values);
    return st;
}

/* ---- what is printed --------------------------------------------------------------------------------------------- */

static void put_json_side(struct json *j, const char *type, const char *shape, const struct side *s) {
    if (!s) return;
    json_text(j, type, zipnn_dtype_name(s->tensor.dtype));
    json_list(j, shape);
    for (uint32_t i = 0; i < s->tensor.rank; i++) json_number(j, NULL, s->tensor.shape[i]);
    json_list_end(j);
}

static void put_json(const struct side *a, const struct side *b, enum finding finding, const struct differences *x) {
    struct json j = {stdout, false};
    json_object(&j, NULL);
    json_name(&j, "tensor", (a ? a : b)->tensor.name);
    json_text(&j, "finding", findings[finding].code);
    put_json_side(&j, "dtype", "shape", a);
    put_json_side(&j, "other_dtype", "other_shape", b);
    if (finding == CHANGED) {
        json_number(&j, "n", x->n);
        json_number(&j, "n_changed", x->n_changed);
    }
    if (finding == CHANGED && x->measured) {
        json_float(&j, "largest", x->largest);
        json_float(&j, "relative", differences_relative(x));
        json_number(&j, "n_undefined", x->n_undefined);
    }
    json_line_end(&j);
}

static void put_line(const struct side *a, const struct side *b, enum finding finding, const struct differences *x) {
    const struct side *s = a ? a : b;
    char numbers[3][16] = {"", "", ""};
    if (finding == CHANGED) snprintf(numbers[0], sizeof numbers[0], "%.2f%%", text_percent(x->n_changed, x->n));
    if (finding == CHANGED && x->measured) {
        snprintf(numbers[1], sizeof numbers[1], "%.2g", x->largest);
        snprintf(numbers[2], sizeof numbers[2], "%.2g", differences_relative(x));
    }
    printf("%-11s %8s %8s %8s  %-8s ", findings[finding].text, numbers[0], numbers[1], numbers[2],
           zipnn_dtype_name(s->tensor.dtype));
    text_put(stdout, s->tensor.name);
    putchar(' ');
    text_put_shape(stdout, s->tensor.rank, s->tensor.shape);
    if (finding == RETYPED) printf(" -> %s", zipnn_dtype_name(b->tensor.dtype));
    if (finding == RESHAPED) {
        fputs(" -> ", stdout);
        text_put_shape(stdout, b->tensor.rank, b->tensor.shape);
    }
    if (x->n_undefined) printf("  (%" PRIu64 " not finite)", x->n_undefined);
    putchar('\n');
}

static void tell(struct diff *d, const struct side *a, const struct side *b, enum finding finding,
                 const struct differences *x) {
    d->count[finding]++;
    if (finding == SAME && d->run->args->verbosity <= 0) return;
    if (d->run->args->json) {
        put_json(a, b, finding, x);
        return;
    }
    run_put_head(d->run, "              changed  largest relative  type     tensor");
    put_line(a, b, finding, x);
}

static void put_sum(const struct diff *d, const char *first, const char *second) {
    const uint64_t *n = d->count;
    if (d->run->args->json) {
        struct json j = {stdout, false};
        json_object(&j, NULL);
        json_name(&j, "file", first);
        json_name(&j, "other", second);
        json_truth(&j, "identical", d->identical);
        for (size_t i = 0; i < N_FINDINGS; i++) {
            char member[24];
            snprintf(member, sizeof member, "n_%s", findings[i].code);
            json_number(&j, member, n[i]);
        }
        json_line_end(&j);
        return;
    }
    if (d->run->args->verbosity < 0) return;
    const uint64_t both = n[SAME] + n[CHANGED] + n[RETYPED] + n[RESHAPED];
    if (d->identical) {
        puts("The two are identical.");
        return;
    }
    printf("%" PRIu64 " of %" PRIu64 " tensors that both have differ", both - n[SAME], both);
    if (n[ONLY_FIRST]) printf("; %" PRIu64 " only in the first", n[ONLY_FIRST]);
    if (n[ONLY_SECOND]) printf("; %" PRIu64 " only in the second", n[ONLY_SECOND]);
    puts(n[SAME] == both + n[ONLY_FIRST] + n[ONLY_SECOND] ? "; other bytes of the files do." : ".");
}

/* ---- the two files ----------------------------------------------------------------------------------------------- */

static zipnn_status look_at(zipnn_archive *archive, uint64_t index, struct side *s, zipnn_error *err) {
    *s = (struct side){.archive = archive, .index = index, .layout = {.size = sizeof s->layout}};
    zipnn_status st = zipnn_archive_tensor(archive, index, &s->tensor, err);
    return st == ZIPNN_OK ? zipnn_archive_tensor_layout(archive, index, &s->layout, err) : st;
}

static zipnn_status compare_named(struct diff *d, uint64_t index, zipnn_error *err) {
    struct side a, b;
    struct differences differences = {.n = 0};
    enum finding finding = ONLY_FIRST;
    uint64_t there;
    zipnn_status st = look_at(d->first.archive, index, &a, err);
    if (st != ZIPNN_OK) return st;
    st = zipnn_archive_find(d->second.archive, a.tensor.name, &there, err);
    if (st == ZIPNN_OK) st = look_at(d->second.archive, there, &b, err);
    if (st == ZIPNN_OK) st = compare(d, &a, &b, &finding, &differences, err);
    if (st != ZIPNN_OK && !(st == ZIPNN_E_NOT_FOUND && finding == ONLY_FIRST)) return st;
    tell(d, &a, finding == ONLY_FIRST ? NULL : &b, finding, &differences);
    return ZIPNN_OK;
}

static zipnn_status find_new(struct diff *d, uint64_t index, zipnn_error *err) {
    const struct differences none = {.n = 0};
    struct side b;
    uint64_t there;
    zipnn_status st = look_at(d->second.archive, index, &b, err);
    if (st != ZIPNN_OK) return st;
    st = zipnn_archive_find(d->first.archive, b.tensor.name, &there, err);
    if (st == ZIPNN_E_NOT_FOUND) tell(d, NULL, &b, ONLY_SECOND, &none);
    return st == ZIPNN_E_NOT_FOUND ? ZIPNN_OK : st;
}

/* Compares the originals byte for byte. */
static zipnn_status compare_originals(struct diff *d, uint64_t len, zipnn_error *err) {
    d->identical = true;
    for (uint64_t off = 0; off < len && d->identical; off += WINDOW) {
        const size_t n = len - off < WINDOW ? (size_t)(len - off) : WINDOW;
        zipnn_status st = zipnn_archive_read(d->first.archive, off, n, d->windows, err);
        if (st == ZIPNN_OK) st = zipnn_archive_read(d->second.archive, off, n, d->windows + WINDOW, err);
        if (st != ZIPNN_OK) return st;
        d->identical = memcmp(d->windows, d->windows + WINDOW, n) == 0;
    }
    return ZIPNN_OK;
}

static zipnn_status compare_files(struct diff *d, zipnn_error *err) {
    zipnn_archive_info first, second;
    zipnn_archive_get_info(d->first.archive, &first);
    zipnn_archive_get_info(d->second.archive, &second);
    zipnn_status st = run_check_limit(d->run, first.original > second.original ? first.original : second.original, err);
    if (st == ZIPNN_OK && first.original == second.original) st = compare_originals(d, first.original, err);
    if (st != ZIPNN_OK) return st;
    if (d->identical && d->run->args->verbosity <= 0) {
        d->count[SAME] = first.n_tensors;
        return ZIPNN_OK;
    }
    for (uint64_t i = 0; i < first.n_tensors && st == ZIPNN_OK; i++) st = compare_named(d, i, err);
    for (uint64_t i = 0; i < second.n_tensors && st == ZIPNN_OK; i++) st = find_new(d, i, err);
    return st;
}

void diff_run(struct run *run) {
    char **paths = run->args->files;
    struct diff d = {.run = run};
    zipnn_error err;
    const char *concerned = paths[0];
    zipnn_status st = opened_open(run, paths[0], OPENED_PLAIN, &d.first, &err);
    if (st == ZIPNN_OK) {
        concerned = paths[1];
        st = opened_open(run, paths[1], OPENED_PLAIN, &d.second, &err);
    }
    if (st == ZIPNN_OK) {
        d.windows = text_realloc(NULL, (size_t)2 * WINDOW);
        st = compare_files(&d, &err);
    }
    if (st != ZIPNN_OK)
        run_report_failure(run, concerned, &err);
    else
        put_sum(&d, paths[0], paths[1]);
    if (st == ZIPNN_OK && !d.identical && run->exit_code < EXIT_DIFFERENT) run->exit_code = EXIT_DIFFERENT;
    free(d.windows);
    opened_close(&d.second);
    opened_close(&d.first);
}
