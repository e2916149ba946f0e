/* Any bytes as a file, and as the part of a file that its reader has to believe: the readers plan it, whether its end
 * is in sight or not, the plan tiles the file, and so do the cuts. What it costs is paid from the purse: steps as they
 * are counted, memory as it is taken from the allocator; and no two tensors that are listed have one name. */
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "chunk/cut.h"
#include "plan/dtype.h"
#include "support/plans.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void require(int holds) {
    if (!holds) abort();
}

static void check_spans(const struct zn_plan *plan) {
    struct zn_plan_walk walk = {plan, 0, 0};
    for (size_t i = 0; i < 2 * plan->n_tensors + 1; i++) {
        const uint64_t at = walk.at;
        require(zn_plan_next(&walk).off == at);
    }
    require(walk.at == UINT64_MAX);
}

static void check_cuts(const struct zn_plan *plan) {
    struct zn_cutter cutter;
    zn_cutter_init(&cutter, plan);
    uint64_t at = 0;
    for (int i = 0; i < 100; i++) {
        const struct zn_cut cut = zn_cut_next(&cutter);
        require(cut.off == at && cut.len > 0 && cut.len <= ZN_CUT_MAX && cut.head < zn_dtype_word(cut.dtype));
        at += cut.len;
    }
}

static int compare_names(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void check_names(const struct zn_plan *plan) {
    const size_t all = plan->n_tensors + plan->n_aliases;
    const char **names = malloc((all + 1) * sizeof *names);
    require(names != NULL);
    size_t n = 0;
    for (size_t i = 0; i < all; i++)
        if ((plan->tensors[i].meaning & ZN_HIDDEN) == 0) names[n++] = plan->names + plan->tensors[i].name;
    if (n) qsort(names, n, sizeof *names, compare_names);
    for (size_t i = 1; i < n; i++) require(strcmp(names[i - 1], names[i]) != 0);
    free(names);
}

/* Memory that is taken, each piece behind its size. */
struct taken {
    uint64_t now, most;
};

enum { SIZE = 64 };

static void *take(void *user, size_t size) {
    struct taken *t = user;
    uint8_t *p = size < SIZE_MAX - SIZE ? malloc(SIZE + size) : NULL;
    if (!p) return NULL;
    zn_put_u64(p, size);
    t->now += size;
    t->most = ZN_MAX(t->most, t->now);
    return p + SIZE;
}

static void release(void *user, void *ptr) {
    struct taken *t = user;
    uint8_t *p = ptr;
    if (!p) return;
    t->now -= zn_get_u64(p - SIZE);
    free(p - SIZE);
}

/* Beside what is paid there are growing tables that are copied, lists of what was found, and fixed buffers. */
static void check_costs(const struct zn_work *work, const struct taken *taken, size_t len) {
    enum { FIXED = 1 << 20 };
    require(work->steps <= work->most_steps + 64 + len / 8);
    require(work->memory <= work->most_memory);
    require(taken->most <= FIXED + 8 * (work->memory + len));
}

static void plan_view(const uint8_t *data, size_t len, enum zn_view_end end) {
    struct taken taken = {0, 0};
    const zipnn_allocator alloc = {take, release, &taken};
    struct zn_work work = zn_work_of(len / 8);
    struct zn_memory_view memory = {data, len, end};
    struct zn_view view = zn_view_of_memory(&memory);
    struct zn_plan plan;
    view.work = &work;
    zn_plan_init(&plan, &alloc);
    require(zn_reader_plan(&view, &plan, NULL) == ZIPNN_OK);
    check_costs(&work, &taken, len);
    check_spans(&plan);
    check_cuts(&plan);
    check_names(&plan);
    zn_plan_free(&plan);
    require(taken.now == 0);
}

static void plan_file(const uint8_t *data, size_t len) {
    plan_view(data, len, ZN_VIEW_WHOLE);
    plan_view(data, len / 2, ZN_VIEW_CUT);
}

/* A file of `begin`, the data and `end`; `fix` may set lengths in it. */
static void plan_wrapped(const void *begin, size_t begin_len, const uint8_t *data, size_t len, const void *end,
                         size_t end_len, void (*fix)(uint8_t *file, size_t data_len, size_t file_len)) {
    const size_t file_len = begin_len + len + end_len;
    uint8_t *file = malloc(file_len);
    require(file != NULL);
    memcpy(file, begin, begin_len);
    if (len) memcpy(file + begin_len, data, len);
    if (end_len) memcpy(file + begin_len + len, end, end_len);
    if (fix) fix(file, len, file_len);
    plan_file(file, file_len);
    free(file);
}

static void fix_safetensors(uint8_t *file, size_t data_len, size_t file_len) {
    (void)file_len;
    zn_put_u64(file, data_len);
}

/* One member "a/data.pkl" and one storage "a/data/0"; then the directory. */
static const char zip_begin[] = "PK\3\4\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\12\0\0\0a/data.pkl";
static const char zip_end[] =
    "PK\3\4\0\0\0\0\0\0\0\0\0\0\0\0\0\0\10\0\0\0\10\0\0\0\10\0\0\0a/data/0weights."
    "PK\1\2\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\12\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0a/data.pkl"
    "PK\1\2\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\10\0\0\0\10\0\0\0\10\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0a/data/0"
    "PK\5\6\0\0\0\0\2\0\2\0\156\0\0\0\0\0\0\0\0";

enum { ZIP_BEGIN = sizeof zip_begin - 1, ZIP_END = sizeof zip_end, STORAGE = 46, PICKLE_ENTRY = 56, END = 22 };

static void fix_zip(uint8_t *file, size_t data_len, size_t file_len) {
    const size_t storage = ZIP_BEGIN + data_len, directory = storage + STORAGE;
    zn_put_u32(file + 18, (uint32_t)data_len);
    zn_put_u32(file + 22, (uint32_t)data_len);
    zn_put_u32(file + directory + 20, (uint32_t)data_len);
    zn_put_u32(file + directory + 24, (uint32_t)data_len);
    zn_put_u32(file + directory + PICKLE_ENTRY + 42, (uint32_t)storage);
    zn_put_u32(file + file_len - END + 16, (uint32_t)directory);
}

/* The pickles before the object, and a list of keys and a storage after it. */
static const char old_begin[] = "\x80\2\x8a\12\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.\x80\2M\xe9\3.\x80\2}.";
static const char old_end[] = "\x80\2]X\1\0\0\0000a.\2\0\0\0\0\0\0\0weights";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
    plan_file(data, len);
    plan_wrapped("\0\0\0\0\0\0\0", 8, data, len, NULL, 0, fix_safetensors);
    plan_wrapped("GGUF\3\0\0\0\2\0\0\0\0\0\0\0\3\0\0\0\0\0\0\0", 24, data, len, NULL, 0, NULL);
    plan_wrapped(zip_begin, ZIP_BEGIN, data, len, zip_end, ZIP_END, fix_zip);
    plan_wrapped(zip_begin, 4, data, len, zip_end + STORAGE, ZIP_END - STORAGE, NULL);
    plan_wrapped(old_begin, sizeof old_begin - 1, data, len, old_end, sizeof old_end, NULL);
    plan_wrapped("\x80\4}", 3, data, len, ".", 1, NULL);
    plan_wrapped("\10\10\22\0", 4, data, len, NULL, 0, NULL);
    plan_wrapped("\20\0\0\0TFL3", 8, data, len, NULL, 0, NULL);
    plan_wrapped("\x89HDF\r\n\x1a\n\0\0\0\0\0\10\10\0", 16, data, len, NULL, 0, NULL);
    plan_wrapped("fmgg\145\0\0\0", 8, data, len, NULL, 0, NULL);
    return 0;
}
