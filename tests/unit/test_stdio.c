/* Archives as streams: the same bytes as the original in any order of reads and seeks, and errors where they belong. */
#define _GNU_SOURCE
#define _FILE_OFFSET_BITS 64

#include <errno.h>
#include <unistd.h>

#include "support/samples.h"
#include "support/unit.h"
#include "zipnn/stdio.h"

enum { LEN = 5 * 1000 * 1000 + 7 };

struct fixture {
    uint8_t *original, *read;
    zipnn_ctx *ctx;
    size_t packed;
};

static void put(const char *path, const void *bytes, size_t len) {
    FILE *f = fopen(path, "wb");
    assert_int_equal(fwrite(bytes, 1, len, f), len);
    assert_int_equal(fclose(f), 0);
}

static int set_up(void **state) {
    struct fixture *f = calloc(1, sizeof *f);
    char folder[] = "/tmp/zipnn-stdio-XXXXXX";
    const size_t cap = (size_t)zipnn_compress_bound(LEN);
    *state = f;
    f->original = malloc(LEN);
    f->read = malloc(cap);
    if (!mkdtemp(folder) || chdir(folder) != 0 || zipnn_create(NULL, &f->ctx, NULL) != ZIPNN_OK) return -1;
    zt_sample(ZT_BF16, 1, f->original, LEN);
    if (zipnn_compress(f->ctx, f->original, LEN, f->read, cap, &f->packed, NULL) != ZIPNN_OK) return -1;
    put("m", f->original, LEN);
    put("m.znn", f->read, f->packed);
    return 0;
}

static int tear_down(void **state) {
    struct fixture *f = *state;
    char *folder = getcwd(NULL, 0);
    unlink("m"), unlink("m.znn"), unlink("other");
    const int code = chdir("/") == 0 && rmdir(folder) == 0 ? 0 : -1;
    zipnn_destroy(f->ctx);
    free(folder);
    free(f->original);
    free(f->read);
    free(f);
    return code;
}

static FILE *opened(const char *path) {
    zipnn_error err;
    const zipnn_options options = {.size = sizeof options, .threads = 2};
    FILE *f = zipnn_fopen(path, &options, &err);
    if (!f) fail_msg("%s: %s", path, err.message);
    return f;
}

/* An archive and a plain file, which is opened as it is. */
static void whole_streams_are_the_original(void **state) {
    struct fixture *f = *state;
    static const size_t pieces[] = {1 << 12, 100003, LEN, 7 << 20};
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
        for (int plain = 0; plain < 2; plain++) {
            FILE *s = opened(plain ? "m" : "m.znn");
            assert_int_equal(fileno(s) < 0, !plain);
            size_t at = 0, n;
            while ((n = fread(f->read, 1, pieces[i] < LEN ? pieces[i] : LEN, s)) > 0) {
                assert_memory_equal(f->read, f->original + at, n);
                at += n;
            }
            assert_int_equal(at, LEN);
            assert_true(feof(s) && !ferror(s));
            assert_int_equal(ftello(s), LEN);
            assert_int_equal(fclose(s), 0);
        }
    }
}

static void seeks_lead_to_the_same_bytes(void **state) {
    struct fixture *f = *state;
    FILE *s = opened("m.znn");
    uint32_t random = 1;
    for (int i = 0; i < 300; i++) {
        random = random * 1664525 + 1013904223;
        const long at = (long)(random % LEN);
        const size_t want = random >> 8 & 1 ? (random >> 9) % 90000 : (random >> 9) % 3000000;
        const size_t there = want < LEN - (size_t)at ? want : LEN - (size_t)at;
        const int whence = i % 3;
        const long from = whence == SEEK_SET ? 0 : whence == SEEK_CUR ? ftell(s) : LEN;
        assert_int_equal(fseek(s, at - from, whence), 0);
        assert_int_equal(ftell(s), at);
        assert_int_equal(fread(f->read, 1, want, s), there);
        assert_memory_equal(f->read, f->original + at, there);
    }
    assert_int_equal(fclose(s), 0);
}

static void positions_may_be_past_the_end_and_not_before_the_start(void **state) {
    (void)state;
    FILE *s = opened("m.znn");
    assert_int_equal(fseeko(s, INT64_C(9) << 32, SEEK_SET), 0);
    assert_true(ftello(s) == INT64_C(9) << 32);
    assert_int_equal(fgetc(s), EOF);
    assert_true(feof(s) && !ferror(s));
    assert_int_equal(fseeko(s, -1, SEEK_SET), -1);
    assert_int_equal(fseeko(s, -LEN - 1, SEEK_END), -1);
    assert_int_equal(fseeko(s, -LEN, SEEK_END), 0);
    assert_int_equal(ftello(s), 0);
    assert_true(fwrite("x", 1, 1, s) == 0 || fflush(s) != 0);
    fclose(s);
}

/* The first chunk stays readable. */
static void damage_is_an_error_of_the_stream(void **state) {
    struct fixture *f = *state;
    FILE *packed = fopen("m.znn", "rb");
    assert_int_equal(fread(f->read, 1, f->packed, packed), f->packed);
    fclose(packed);
    f->read[f->packed / 2] ^= 1;
    put("other", f->read, f->packed);
    FILE *s = opened("other");
    size_t at = 0, n;
    while ((n = fread(f->read, 1, 65536, s)) > 0) {
        assert_memory_equal(f->read, f->original + at, n);
        at += n;
    }
    assert_true(ferror(s) && !feof(s) && at < LEN);
    assert_int_equal(errno, EIO);
    clearerr(s);
    rewind(s);
    assert_int_equal(fread(f->read, 1, 1000, s), 1000);
    assert_memory_equal(f->read, f->original, 1000);
    assert_int_equal(fseek(s, 0, SEEK_SET), 0);
    assert_true(fread(f->read, 1, LEN, s) < LEN && ferror(s));
    fclose(s);
}

static void what_cannot_be_opened_is_told(void **state) {
    struct fixture *f = *state;
    zipnn_error err;
    const zipnn_options wrong = {.size = 3};
    assert_null(zipnn_fopen("nowhere", NULL, &err));
    assert_int_equal(err.status, ZIPNN_E_IO);
    assert_null(zipnn_fopen(NULL, NULL, &err));
    assert_int_equal(err.status, ZIPNN_E_ARGUMENT);
    assert_null(zipnn_fopen("/dev/null", NULL, &err));
    assert_int_equal(err.status, ZIPNN_E_ARGUMENT);
    assert_null(zipnn_fopen("m.znn", &wrong, &err));
    assert_int_equal(err.status, ZIPNN_E_ARGUMENT);
    FILE *packed = fopen("m.znn", "rb");
    assert_int_equal(fread(f->read, 1, f->packed, packed), f->packed);
    fclose(packed);
    put("other", f->read, f->packed - 9);
    assert_null(zipnn_fopen("other", NULL, &err));
    assert_int_equal(err.status, ZIPNN_E_TRUNCATED);
    put("other", "", 0);
    FILE *s = zipnn_fopen("other", NULL, &err);
    assert_non_null(s);
    assert_int_equal(fgetc(s), EOF);
    fclose(s);
}

int main(void) {
#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        IN_FOLDER(whole_streams_are_the_original),
        IN_FOLDER(seeks_lead_to_the_same_bytes),
        IN_FOLDER(positions_may_be_past_the_end_and_not_before_the_start),
        IN_FOLDER(damage_is_an_error_of_the_stream),
        IN_FOLDER(what_cannot_be_opened_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
