#include "commands/batch_plan.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "shared/filelist.h"
#include "shared/run_context.h"
#include "shared/text.h"

/* FNV-1a */
static uint64_t hash(uint64_t h, const void *bytes, size_t len) {
    const unsigned char *at = bytes;
    for (size_t i = 0; i < len; i++) h = (h ^ at[i]) * UINT64_C(0x100000001b3);
    return h;
}
#define HASH_START UINT64_C(0xcbf29ce484222325)

static uint64_t hash_number(uint64_t h, uint64_t number) {
    unsigned char bytes[8];
    for (unsigned i = 0; i < sizeof bytes; i++) bytes[i] = (unsigned char)(number >> 8 * i);
    return hash(h, bytes, sizeof bytes);
}

/* Returns `path` without what makes it absolute, and without "./" in front. */
static const char *relative(const char *path) {
    while (path[0] == '/' || (path[0] == '.' && path[1] == '/')) path += path[0] == '/' ? 1 : 2;
    return path;
}

/* Names of a list are below --root, or absolute and lead there. */
static void place(const struct args *args, const char *name, struct item *item) {
    const char *root = args->root;
    if (!root) {
        item->path = text_join(name, "", "");
        item->rel = text_join(relative(name), "", "");
        return;
    }
    size_t n = strlen(root);
    while (n > 1 && root[n - 1] == '/') n--;
    const bool below = strncmp(name, root, n) == 0 && (name[n] == '/' || root[n - 1] == '/');
    const char *rel = below ? relative(name + n) : name[0] == '/' ? "" : relative(name);
    item->path = below || name[0] == '/' ? text_join(name, "", "") : text_join(root, "/", rel);
    item->rel = text_join(rel[0] ? rel : relative(name), "", "");
    if (!rel[0]) item->why_not = "is not below --root";
}

static void look_at(struct item *item) {
    struct stat st;
    if (item->why_not) return;
    if (!ledger_is_below(item->rel)) {
        item->why_not = "has a path with \"..\": give --root, and paths below it";
    } else if (stat(item->path, &st) != 0) {
        item->missing = errno == ENOENT || errno == ENOTDIR;
        item->why_not = item->missing ? "is not there" : "cannot be opened";
    } else if (!S_ISREG(st.st_mode)) {
        item->why_not = S_ISDIR(st.st_mode) ? "is a folder: list the files in it" : "is not a regular file";
    } else {
        item->size = (uint64_t)st.st_size;
        snprintf(item->mtime, sizeof item->mtime, "%lld.%09ld", (long long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
    }
}

/* ---- families ---------------------------------------------------------------------------------------------------- */

static int by_number(const void *a, const void *b) {
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* Hashes the types and shapes of all tensors, whatever their order and names are. */
static uint64_t hash_tensors(zipnn_archive *model) {
    zipnn_archive_info info;
    zipnn_archive_get_info(model, &info);
    if (info.n_tensors == 0 || info.n_tensors > SIZE_MAX / sizeof(uint64_t) - 1) return 0;
    uint64_t *tensor = malloc((size_t)info.n_tensors * sizeof *tensor), h = HASH_START;
    size_t n = 0;
    for (uint64_t i = 0; tensor && i < info.n_tensors; i++) {
        zipnn_tensor_info t;
        if (zipnn_archive_tensor(model, i, &t, NULL) != ZIPNN_OK) continue;
        tensor[n] = hash_number(HASH_START, t.dtype);
        for (uint32_t d = 0; d < t.rank; d++) tensor[n] = hash_number(tensor[n], t.shape[d]);
        n++;
    }
    if (n) qsort(tensor, n, sizeof *tensor, by_number);
    for (size_t i = 0; i < n; i++) h = hash_number(h, tensor[i]);
    free(tensor);
    return n ? h | 1 : 0;
}

static void find_family(struct run *run, struct item *item) {
    zipnn_file *file = NULL;
    zipnn_source source;
    zipnn_archive *model = NULL;
    if (item->why_not || zipnn_file_open(item->path, &file, NULL) != ZIPNN_OK) return;
    zipnn_file_source(file, &source);
    if (source.read_at && run_need_context(run, NULL) == ZIPNN_OK &&
        zipnn_model_open(run->ctx, &source, &model, NULL) == ZIPNN_OK)
        item->family = hash_tensors(model);
    zipnn_archive_close(model);
    zipnn_file_close(file);
}

/* ---- shards ------------------------------------------------------------------------------------------------------ */

/* Copies have one size, and members of a family one family: each is in one shard, so that shards need not know of each
 * other. */
static bool is_mine(const struct args *args, const struct item *item) {
    if (args->n_shards <= 1) return true;
    const uint64_t key = item->why_not  ? hash(HASH_START, item->rel, strlen(item->rel))
                         : item->family ? item->family
                                        : hash_number(HASH_START, item->size);
    return (key >> 20) % args->n_shards == args->shard;
}

static void free_item(struct item *item) {
    free(item->path);
    free(item->rel);
    free(item->output);
}

static void add(struct run *run, struct plan *plan, const char *name) {
    struct item item = {.path = NULL};
    place(run->args, name, &item);
    look_at(&item);
    if (run->args->families) find_family(run, &item);
    if (!is_mine(run->args, &item)) {
        free_item(&item);
        return;
    }
    if (plan->n == plan->cap) {
        plan->cap = plan->cap ? 2 * plan->cap : 256;
        plan->item = text_realloc(plan->item, plan->cap * sizeof plan->item[0]);
    }
    plan->item[plan->n++] = item;
}

static int by_rel(const void *a, const void *b) {
    return strcmp(((const struct item *)a)->rel, ((const struct item *)b)->rel);
}

/* The order is that of the names, whatever that of the list is, so that each run chooses alike. */
void plan_make(struct run *run, struct plan *plan) {
    struct paths names = {0};
    *plan = (struct plan){.n = 0};
    if (run->args->filelist) filelist_read(run, &names);
    for (size_t i = 0; i < run->args->n_files; i++) add(run, plan, run->args->files[i]);
    for (size_t i = 0; i < names.n; i++) add(run, plan, names.path[i]);
    paths_free(&names);
    size_t n = 0;
    if (plan->n) qsort(plan->item, plan->n, sizeof plan->item[0], by_rel);
    for (size_t i = 0; i < plan->n; i++) {
        if (n && strcmp(plan->item[n - 1].rel, plan->item[i].rel) == 0)
            free_item(&plan->item[i]);
        else
            plan->item[n++] = plan->item[i];
    }
    plan->n = n;
}

void plan_free(struct plan *plan) {
    for (size_t i = 0; i < plan->n; i++) free_item(&plan->item[i]);
    free(plan->item);
    *plan = (struct plan){.n = 0};
}

long long plan_find(const struct plan *plan, const char *rel) {
    size_t lo = 0, hi = plan->n;
    while (lo < hi) {
        const size_t mid = lo + (hi - lo) / 2;
        const int order = strcmp(plan->item[mid].rel, rel);
        if (order == 0) return (long long)mid;
        if (order < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return NO_ITEM;
}
