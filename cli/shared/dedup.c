#include "shared/dedup.h"

#include <stdlib.h>
#include <string.h>

#include "shared/run_context.h"
#include "shared/text.h"

enum { MOST_NEAR = 8 };

/* An archive that stands alone, and the numbers of elements of its tensors, in order. */
struct root {
    char *path;
    uint64_t *elements;
    size_t n;
};

struct roots {
    struct root *root;
    size_t n, cap;
};

static int by_number(const void *a, const void *b) {
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static uint64_t elements_of(const zipnn_tensor_info *t) {
    uint64_t n = 1;
    for (uint32_t i = 0; i < t->rank; i++) {
        if (t->shape[i] && n > UINT64_MAX / t->shape[i]) return 0;
        n *= t->shape[i];
    }
    return n;
}

/* Lists how many elements each tensor has. What has no tensors is known by its length alone. */
static void sketch(const zipnn_archive *archive, struct root *root) {
    zipnn_archive_info info;
    zipnn_archive_get_info(archive, &info);
    const uint64_t n = info.n_tensors < SIZE_MAX / sizeof *root->elements - 1 ? info.n_tensors : 0;
    root->elements = text_realloc(NULL, ((size_t)n + 1) * sizeof *root->elements);
    root->n = 0;
    for (uint64_t i = 0; i < n; i++) {
        zipnn_tensor_info t;
        if (zipnn_archive_tensor(archive, i, &t, NULL) == ZIPNN_OK) root->elements[root->n++] = elements_of(&t);
    }
    if (n == 0) root->elements[root->n++] = info.original | UINT64_C(1) << 63;
    qsort(root->elements, root->n, sizeof *root->elements, by_number);
}

/* Returns how many elements are in tensors that both have. */
static uint64_t in_common(const struct root *x, const struct root *y) {
    uint64_t sum = 0;
    for (size_t i = 0, k = 0; i < x->n && k < y->n;) {
        if (x->elements[i] == y->elements[k]) {
            const uint64_t n = x->elements[i++];
            k++;
            sum = n > UINT64_MAX - sum ? UINT64_MAX : sum + n;
        } else if (x->elements[i] < y->elements[k]) {
            i++;
        } else {
            k++;
        }
    }
    return sum;
}

typedef zipnn_status open_fn(zipnn_ctx *ctx, const zipnn_source *source, zipnn_archive **archive, zipnn_error *err);

/* Opens the file and makes its sketch. Returns false if it cannot be opened, or needs another file. */
static bool look(const char *path, open_fn *open, struct root *root) {
    zipnn_file *file = NULL;
    zipnn_source source;
    zipnn_archive *archive = NULL;
    zipnn_archive_info info;
    zipnn_ctx *ctx = NULL;
    const zipnn_options options = {.size = sizeof options, .threads = 1};
    zipnn_status st = zipnn_create(&options, &ctx, NULL);
    if (st == ZIPNN_OK) st = zipnn_file_open(path, &file, NULL);
    if (st == ZIPNN_OK) zipnn_file_source(file, &source);
    if (st == ZIPNN_OK) st = source.read_at ? open(ctx, &source, &archive, NULL) : ZIPNN_E_ARGUMENT;
    zipnn_archive_get_info(archive, &info);
    const bool fits = st == ZIPNN_OK && info.n_bases == 0;
    if (fits) sketch(archive, root);
    zipnn_archive_close(archive);
    zipnn_destroy(ctx);
    zipnn_file_close(file);
    return fits;
}

void dedup_note(struct run *run, const char *archive) {
    struct root root = {.path = NULL};
    if (!run->args->dedup_files || !archive || !look(archive, zipnn_archive_open, &root)) return;
    if (!run->roots) {
        run->roots = text_realloc(NULL, sizeof *run->roots);
        *run->roots = (struct roots){.n = 0};
    }
    struct roots *roots = run->roots;
    if (roots->n == roots->cap) {
        roots->cap = roots->cap ? 2 * roots->cap : 16;
        roots->root = text_realloc(roots->root, roots->cap * sizeof roots->root[0]);
    }
    root.path = text_join(archive, "", "");
    roots->root[roots->n++] = root;
}

struct match {
    uint64_t common;
    const struct root *root;
};

static int most_first(const void *a, const void *b) {
    const struct match *x = a, *y = b;
    if (x->common != y->common) return x->common > y->common ? -1 : 1;
    return (x->root > y->root) - (x->root < y->root);
}

void dedup_near(struct run *run, const char *path, struct paths *near) {
    struct root root;
    *near = (struct paths){.n = 0};
    if (!run->roots || !look(path, zipnn_model_open, &root)) return;
    struct match *match = text_realloc(NULL, (run->roots->n + 1) * sizeof *match);
    for (size_t i = 0; i < run->roots->n; i++)
        match[i] = (struct match){in_common(&root, &run->roots->root[i]), &run->roots->root[i]};
    qsort(match, run->roots->n, sizeof *match, most_first);
    for (size_t i = 0; i < run->roots->n && i < MOST_NEAR && match[i].common; i++)
        paths_add(near, text_join(match[i].root->path, "", ""));
    free(match);
    free(root.elements);
}

void dedup_free(struct run *run) {
    for (size_t i = 0; run->roots && i < run->roots->n; i++) {
        free(run->roots->root[i].path);
        free(run->roots->root[i].elements);
    }
    if (run->roots) free(run->roots->root);
    free(run->roots);
    run->roots = NULL;
}
