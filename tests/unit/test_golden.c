/* Archives that stay: every folder of tests/golden holds some with a list.txt of what a decoder must answer
 * (tests/reference/make_vectors.py explains it). Every way of restoring and every kernel set gives that answer. */
#include <dirent.h>
#include <stdalign.h>
#include <stdio.h>

#include "base/bytes.h"
#include "kernels/hash/hash.h"
#include "support/restore.h"
#include "support/streams.h"
#include "support/unit.h"

enum { MAX_ARCHIVE = 1 << 20, MAX_ORIGINAL = 4 << 20 };

struct expected {
    char file[200], answer[16], digest[40], base[200];
    size_t len;
};

static uint8_t archive[MAX_ARCHIVE], base_bytes[MAX_ARCHIVE], original[MAX_ORIGINAL];

static void digest_of(const uint8_t *data, size_t len, char text[33]) {
    alignas(ZN_XXH3_STATE_ALIGN) uint8_t state[ZN_XXH3_STATE_SIZE];
    uint8_t digest[16];
    zn_xxh3_128_reset(state);
    zn_xxh3_update_scalar(state, data, len);
    zn_xxh3_128_digest(state, digest);
    for (unsigned i = 0; i < 16; i++) snprintf(text + 2 * i, 3, "%02x", digest[i]);
}

static bool is_corruption(zipnn_status status) {
    return status == ZIPNN_E_CORRUPT || status == ZIPNN_E_FORMAT || status == ZIPNN_E_TRUNCATED ||
           status == ZIPNN_E_LIMIT;
}

static bool is_original(const struct expected *e, size_t len) {
    char digest[33];
    digest_of(original, len, digest);
    return len == e->len && strcmp(digest, e->digest) == 0;
}

/* Whether the answer is what the list asks for. */
static bool as_expected(const struct expected *e, const struct zt_way *way, zipnn_status status, size_t len) {
    enum { FLAGS_AT = 10, REFERS_TO_ITSELF = 2 };
    if (way->pipe && archive[FLAGS_AT] & REFERS_TO_ITSELF && status == ZIPNN_E_UNSUPPORTED) return true;
    if (strcmp(e->answer, "base") == 0) return status == ZIPNN_E_BASE;
    if (strcmp(e->answer, "ok") == 0) return status == ZIPNN_OK && is_original(e, len);
    if (strcmp(e->answer, "unsupported") == 0) return status == ZIPNN_E_UNSUPPORTED;
    if (strcmp(e->answer, "corrupt") == 0) return is_corruption(status);
    if (strcmp(e->answer, "unread") == 0 && !way->all_frames && status == ZIPNN_OK) return true;
    if (strcmp(e->answer, "digest") == 0 && !way->xxh3 && status == ZIPNN_OK) return true;
    if (strcmp(e->answer, "sha256") == 0 && !way->sha256 && status == ZIPNN_OK) return true;
    return status == ZIPNN_E_UNSUPPORTED || is_corruption(status);
}

static size_t load(const char *folder, const char *file, uint8_t *to) {
    char path[1000];
    snprintf(path, sizeof path, "%s/%s", folder, file);
    FILE *f = fopen(path, "rb");
    if (!f) fail_msg("%s cannot be opened", path);
    size_t len = fread(to, 1, MAX_ARCHIVE, f);
    fclose(f);
    return len;
}

/* In a context of its own, which has just the room that this archive's header asks for. */
static unsigned restore_all_ways(zipnn_cpu cpu, const char *folder, const struct expected *e) {
    zipnn_options options = {.size = sizeof options, .cpu = cpu, .threads = 2};
    zipnn_ctx *ctx;
    struct zt_input base = {.data = base_bytes};
    if (e->base[0]) base.len = load(folder, e->base, base_bytes);
    const zipnn_source source = zt_file(&base);
    options.bases = &source;
    options.n_bases = e->base[0] != '\0';
    if (zipnn_create(&options, &ctx, NULL) != ZIPNN_OK) return cpu == ZIPNN_CPU_SCALAR;
    unsigned n_wrong = 0;
    const size_t len = load(folder, e->file, archive);
    for (const struct zt_way *way = zt_ways; way < zt_ways + ZT_N_WAYS; way++) {
        size_t got = 0;
        zipnn_error err;
        memset(original, 0xEE, e->len);
        zipnn_status status = way->restore(ctx, archive, len, original, sizeof original, &got, &err);
        if (as_expected(e, way, status, got)) continue;
        n_wrong++;
        print_error("%s by %s, %s: expected %s, found %s (%s)\n", e->file, way->name, zipnn_kernel_name(ctx), e->answer,
                    zipnn_status_name(status), status == ZIPNN_OK ? "" : err.message);
    }
    zipnn_destroy(ctx);
    return n_wrong;
}

static unsigned check_folder(const char *folder, zipnn_cpu cpu) {
    char line[400], path[1000];
    unsigned n_wrong = 0;
    snprintf(path, sizeof path, "%s/list.txt", folder);
    FILE *list = fopen(path, "r");
    if (!list) return 0;
    while (fgets(line, sizeof line, list)) {
        struct expected e = {.len = 0};
        assert_true(sscanf(line, "%199s %15s %zu %39s %199s", e.file, e.answer, &e.len, e.digest, e.base) >= 2);
        n_wrong += restore_all_ways(cpu, folder, &e);
    }
    fclose(list);
    return n_wrong;
}

static void golden_archives_give_their_answers(void **state) {
    (void)state;
    unsigned n_wrong = 0, n_folders = 0;
    DIR *dir = opendir(ZT_SOURCE_DIR "/tests/golden");
    assert_non_null(dir);
    for (struct dirent *d; (d = readdir(dir));) {
        if (d->d_name[0] == '.') continue;
        char folder[500];
        snprintf(folder, sizeof folder, ZT_SOURCE_DIR "/tests/golden/%s", d->d_name);
        n_folders++;
        for (int cpu = ZIPNN_CPU_SCALAR; cpu <= ZIPNN_CPU_NEON; cpu++) n_wrong += check_folder(folder, (zipnn_cpu)cpu);
    }
    closedir(dir);
    assert_true(n_folders > 0);
    assert_int_equal(n_wrong, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(golden_archives_give_their_answers)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
