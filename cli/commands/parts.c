#include "commands/parts.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "line/nearest.h"
#include "shared/cli_fail.h"
#include "shared/filenames.h"
#include "shared/text.h"

/* ---- the form of the output -------------------------------------------------------------------------------------- */

static bool ends_with(const char *path, const char *end) {
    const size_t len = strlen(path), n = strlen(end);
    return len > n && strcasecmp(path + len - n, end) == 0;
}

zipnn_status parts_form(const char *path, enum form *form, zipnn_error *err) {
    static const char *const others[] = {".zip", ".pkl", ".pickle", ARCHIVE_SUFFIX};
    *form = VALUES;
    if (!path || ends_with(path, ".bin")) return ZIPNN_OK;
    if (ends_with(path, ".npy") || path[strlen(path) - 1] == '/') *form = NUMPY;
    if (ends_with(path, ".npz")) *form = NUMPY_ZIP;
    if (ends_with(path, ".safetensors")) *form = SAFETENSORS;
    bool promises = *form == VALUES && filename_is_model(path);
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) promises |= ends_with(path, others[i]);
    if (!promises) return ZIPNN_OK;
    return cli_fail(
        err, ZIPNN_E_ARGUMENT,
        "extract writes no %s file: name the output .npy, .npz, .safetensors or DIR/, or anything else (.bin) for "
        "the bytes of the values alone",
        strrchr(path, '.'));
}

/* ---- rows -------------------------------------------------------------------------------------------------------- */

static uint64_t common_divisor(uint64_t a, uint64_t b) {
    while (b) {
        const uint64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

/* Computes the bytes of the first n of `rows` rows, which take `all` bytes. Returns false if they end inside a byte. */
static bool bytes_of_rows(uint64_t all, uint64_t rows, uint64_t n, uint64_t *bytes) {
    *bytes = 0;
    if (rows == 0 || n == 0) return true;
    const uint64_t divisor = common_divisor(all, rows);
    if (n % (rows / divisor) != 0) return false;
    *bytes = n / (rows / divisor) * (all / divisor);
    return true;
}

static zipnn_status find_rows(const struct run *run, struct part *part, zipnn_error *err) {
    const struct span *rows = &run->args->rows;
    const zipnn_tensor_info *t = &part->tensor;
    const uint64_t all = t->rank ? t->shape[0] : 1;
    const uint64_t first = rows->given ? rows->first : 0, end = rows->given && !rows->open ? rows->end : all;
    uint64_t before, through;
    if (first > end || end > all)
        return cli_fail(err, ZIPNN_E_NOT_FOUND, "rows %" PRIu64 " to %" PRIu64 " of a tensor of %" PRIu64, first, end,
                        all);
    if (!bytes_of_rows(part->layout.values, all, first, &before) ||
        !bytes_of_rows(part->layout.values, all, end, &through))
        return cli_fail(err, ZIPNN_E_ARGUMENT,
                        "rows %" PRIu64 " to %" PRIu64 " of %" PRIu64 " begin or end inside a byte: a row has %g bits",
                        first, end, all, 8 * (double)part->layout.values / (double)all);
    const bool run_of_bytes =
        !(part->layout.flags & (ZIPNN_TENSOR_COLUMN_MAJOR | ZIPNN_TENSOR_STRIDED | ZIPNN_TENSOR_IN_PIECES));
    part->first = first;
    part->n = end - first;
    part->offset = t->offset + (run_of_bytes ? before : 0);
    part->length = through - before;
    return ZIPNN_OK;
}

/* ---- tensors ----------------------------------------------------------------------------------------------------- */

/* No tensor has that name: the message names the most similar one. */
static zipnn_status name_nearest(const zipnn_archive *archive, const char *name, zipnn_error *err) {
    zipnn_archive_info info;
    zipnn_tensor_info t;
    struct nearest near = nearest_to(name);
    zipnn_archive_get_info(archive, &info);
    for (uint64_t i = 0; i < info.n_tensors; i++)
        if (zipnn_archive_tensor(archive, i, &t, NULL) == ZIPNN_OK) nearest_try(&near, t.name);
    if (info.n_tensors == 0)
        return cli_fail(err, ZIPNN_E_NOT_FOUND, "has no tensors: the original is not a model file that zipnn knows");
    if (!near.best)
        return cli_fail(err, ZIPNN_E_NOT_FOUND, "no tensor is named \"%.80s\"; zipnn -lv lists the names", name);
    return cli_fail(err, ZIPNN_E_NOT_FOUND,
                    "no tensor is named \"%.60s\"; the nearest name is \"%.80s\"; zipnn -lv lists all", name,
                    near.best);
}

/* "*" stands for any characters and "?" for one. */
static bool matches(const char *pattern, const char *name) {
    const char *star = NULL, *from = NULL;
    while (*name) {
        if (*pattern == '*') {
            star = pattern++;
            from = name;
        } else if (*pattern == '?' || *pattern == *name) {
            pattern++;
            name++;
        } else if (star) {
            pattern = star + 1;
            name = ++from;
        } else {
            return false;
        }
    }
    while (*pattern == '*') pattern++;
    return *pattern == '\0';
}

/* Adds a tensor unless it is there already. */
static void add(struct parts *parts, bool *chosen, uint64_t index) {
    if (chosen[index]) return;
    chosen[index] = true;
    if (parts->n == parts->cap) {
        parts->cap = parts->cap ? 2 * parts->cap : 16;
        parts->part = text_realloc(parts->part, parts->cap * sizeof parts->part[0]);
    }
    parts->part[parts->n++] = (struct part){.index = index, .layout = {.size = sizeof(zipnn_tensor_layout)}};
}

/* Adds the tensor of this name; if there is none, all that the name matches as a pattern. */
static zipnn_status add_named(zipnn_archive *archive, const char *name, uint64_t n_tensors, struct parts *parts,
                              bool *chosen, zipnn_error *err) {
    zipnn_tensor_info t;
    uint64_t index, n = 0;
    zipnn_status st = zipnn_archive_find(archive, name, &index, err);
    if (st == ZIPNN_OK) add(parts, chosen, index);
    if (st != ZIPNN_E_NOT_FOUND) return st;
    for (uint64_t i = 0; strpbrk(name, "*?") && i < n_tensors; i++) {
        if (zipnn_archive_tensor(archive, i, &t, NULL) != ZIPNN_OK || !matches(name, t.name)) continue;
        add(parts, chosen, i);
        n++;
    }
    return n ? ZIPNN_OK : name_nearest(archive, name, err);
}

/* In the order of the file. */
static int by_index(const void *a, const void *b) {
    const uint64_t x = ((const struct part *)a)->index, y = ((const struct part *)b)->index;
    return (x > y) - (x < y);
}

static zipnn_status describe(const struct run *run, zipnn_archive *archive, struct part *part, zipnn_error *err) {
    zipnn_status st = zipnn_archive_tensor(archive, part->index, &part->tensor, err);
    if (st == ZIPNN_OK) st = zipnn_archive_tensor_layout(archive, part->index, &part->layout, err);
    if (st == ZIPNN_OK && (part->layout.flags & ZIPNN_TENSOR_FILTERED)) /* reports it before anything is written */
        st = zipnn_archive_read_rows(archive, part->index, 0, 0, NULL, 0, err);
    return st == ZIPNN_OK ? find_rows(run, part, err) : st;
}

/* Tensors may overlap, so the sum of their lengths has no bound. */
static uint64_t sum(uint64_t a, uint64_t b) {
    return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

zipnn_status parts_find(const struct run *run, zipnn_archive *archive, struct parts *parts, zipnn_error *err) {
    const struct args *args = run->args;
    zipnn_archive_info info;
    zipnn_archive_get_info(archive, &info);
    if (info.n_tensors > SIZE_MAX / 2) return cli_fail(err, ZIPNN_E_MEMORY, "too many tensors");
    bool *chosen = text_realloc(NULL, (size_t)info.n_tensors + 1);
    memset(chosen, 0, (size_t)info.n_tensors + 1);
    zipnn_status st = ZIPNN_OK;
    for (size_t i = 0; i < args->n_tensors && st == ZIPNN_OK; i++)
        st = add_named(archive, args->tensors[i], info.n_tensors, parts, chosen, err);
    free(chosen);
    if (st == ZIPNN_OK) qsort(parts->part, parts->n, sizeof parts->part[0], by_index);
    for (size_t i = 0; i < parts->n && st == ZIPNN_OK; i++) {
        st = describe(run, archive, &parts->part[i], err);
        if (st == ZIPNN_OK) parts->length = sum(parts->length, parts->part[i].length);
    }
    return st;
}

void parts_free(struct parts *parts) {
    free(parts->part);
    *parts = (struct parts){.part = NULL};
}
