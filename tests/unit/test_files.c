/* Files as sources and sinks: what the command line cannot reach. */
#define _GNU_SOURCE

#include <dirent.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>
#if defined(__linux__)
#include <sys/xattr.h>
#endif

#include "support/unit.h"
#include "zipnn/zipnn.h"

/* Each test runs in an empty folder. */
static int enter_folder(void **state) {
    char *folder = strdup("/tmp/zipnn-files-XXXXXX");
    *state = folder;
    return folder && mkdtemp(folder) && chdir(folder) == 0 ? 0 : -1;
}

static size_t n_entries(void) {
    size_t n = 0;
    DIR *dir = opendir(".");
    while (readdir(dir)) n++;
    closedir(dir);
    return n - 2; /* "." and ".." */
}

static int leave_folder(void **state) {
    char *folder = *state;
    DIR *dir = opendir(".");
    for (struct dirent *e; (e = readdir(dir));) unlink(e->d_name);
    closedir(dir);
    int failed = chdir("/") || rmdir(folder);
    free(folder);
    return failed;
}

static void put(const char *path, const char *text) {
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    assert_int_equal(fclose(f), 0);
}

static void assert_file(const char *path, const char *text) {
    char found[64] = "";
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    found[fread(found, 1, sizeof found - 1, f)] = '\0';
    fclose(f);
    assert_string_equal(found, text);
}

static zipnn_file *opened(const char *path) {
    zipnn_file *f = NULL;
    zipnn_error err;
    if (zipnn_file_open(path, &f, &err) != ZIPNN_OK) fail_msg("%s", err.message);
    return f;
}

/* A new file, and its sink. */
static zipnn_file *started(const char *path, const zipnn_file *like, unsigned flags, zipnn_sink *sink) {
    zipnn_file *f = NULL;
    zipnn_error err;
    if (zipnn_file_create(path, like, flags, &f, &err) != ZIPNN_OK) fail_msg("%s", err.message);
    zipnn_file_sink(f, sink);
    return f;
}

static zipnn_file *created(const char *path, const zipnn_file *like, unsigned flags, const char *text) {
    zipnn_sink sink;
    zipnn_file *f = started(path, like, flags, &sink);
    assert_int_equal(sink.write(sink.user, text, strlen(text), NULL), ZIPNN_OK);
    return f;
}

static void source_reads_anywhere_and_not_beyond(void **state) {
    (void)state;
    char buf[8] = "";
    zipnn_source source;
    zipnn_error err;
    put("f", "0123456789");
    zipnn_file *f = opened("f");
    zipnn_file_source(f, &source);
    assert_true(source.length == 10 && source.read_at && !source.read);
    assert_int_equal(source.read_at(source.user, 7, buf, 3, &err), ZIPNN_OK);
    assert_string_equal(buf, "789");
    assert_int_equal(source.read_at(source.user, 7, buf, 4, &err), ZIPNN_E_IO);
    assert_string_equal(err.message, "f: became shorter while it was read");
    zipnn_file_close(f);
}

static void mapped_file_is_seen(void **state) {
    (void)state;
    const void *seen = NULL;
    zipnn_source source;
    zipnn_error err;
    put("f", "0123456789");
    put("empty", "");
    zipnn_file *f = opened("f"), *empty = opened("empty");
    assert_int_equal(zipnn_file_map(f, &err), ZIPNN_OK);
    assert_int_equal(zipnn_file_map(f, &err), ZIPNN_OK);
    zipnn_file_source(f, &source);
    assert_true(source.length == 10 && source.read_at && source.view);
    assert_int_equal(source.view(source.user, 7, 3, &seen, &err), ZIPNN_OK);
    assert_memory_equal(seen, "789", 3);
    assert_int_equal(source.view(source.user, 7, 4, &seen, &err), ZIPNN_E_IO);
    assert_string_equal(err.message, "f: is shorter than that");
    put("f", "0123"); /* from here on, pages may be missing */
    assert_int_equal(source.view(source.user, 0, 4, &seen, &err), ZIPNN_OK);
    assert_int_equal(source.view(source.user, 7, 3, &seen, &err), ZIPNN_E_IO);
    assert_string_equal(err.message, "f: became shorter while it was read");
    assert_int_equal(zipnn_file_map(empty, &err), ZIPNN_OK);
    zipnn_file_source(empty, &source);
    assert_true(source.length == 0 && !source.view);
    zipnn_file_close(empty);
    zipnn_file_close(f);
}

/* Front to back in odd steps, with looks elsewhere in between, as an archive is read: index first. */
static void file_read_ahead_gives_its_bytes(void **state) {
    (void)state;
    enum { LEN = (14 << 20) + 777, STEP = 345678 };
    uint8_t *bytes = malloc(LEN), *got = malloc(STEP);
    zipnn_source source;
    zipnn_error err;
    assert_true(bytes && got);
    for (size_t i = 0; i < LEN; i++) bytes[i] = (uint8_t)(i * 2654435761U >> 13);
    FILE *out = fopen("f", "wb");
    assert_true(out && fwrite(bytes, 1, LEN, out) == LEN && fclose(out) == 0);
    zipnn_file *f = opened("f");
    assert_int_equal(zipnn_file_read_ahead(f, &err), ZIPNN_OK);
    zipnn_file_source(f, &source);
    for (size_t off = 0, len; off < LEN; off += len) {
        const size_t elsewhere = (off * 7 + LEN - 100) % (LEN - 100);
        len = LEN - off < STEP ? LEN - off : STEP;
        assert_int_equal(source.read_at(source.user, elsewhere, got, 100, &err), ZIPNN_OK);
        assert_memory_equal(got, bytes + elsewhere, 100);
        assert_int_equal(source.read_at(source.user, off, got, len, &err), ZIPNN_OK);
        assert_memory_equal(got, bytes + off, len);
    }
    assert_int_equal(source.read_at(source.user, LEN - 1, got, 2, &err), ZIPNN_E_IO);
    zipnn_file_close(f);
    free(bytes);
    free(got);
}

static void pipe_is_read_in_order(void **state) {
    (void)state;
    int fd[2];
    char buf[8] = "";
    size_t got;
    zipnn_file *f = NULL;
    zipnn_source source;
    assert_int_equal(pipe2(fd, O_NONBLOCK), 0); /* a source waits, also where the descriptor does not */
    assert_int_equal(zipnn_file_from_fd(fd[0], "pipe", &f, NULL), ZIPNN_OK);
    zipnn_file_source(f, &source);
    assert_true(source.length == UINT64_MAX && source.read && !source.read_at);
    assert_int_equal(write(fd[1], "abc", 3), 3);
    assert_int_equal(source.read(source.user, buf, sizeof buf, &got, NULL), ZIPNN_OK);
    assert_int_equal(got, 3);
    close(fd[1]);
    assert_int_equal(source.read(source.user, buf, sizeof buf, &got, NULL), ZIPNN_OK);
    assert_int_equal(got, 0);
    zipnn_file_close(f);
    close(fd[0]);
}

static void change_of_a_source_is_noticed(void **state) {
    (void)state;
    zipnn_error err;
    put("f", "before");
    zipnn_file *f = opened("f");
    assert_int_equal(zipnn_file_unchanged(f, &err), ZIPNN_OK);
    put("f", "before and after");
    assert_int_equal(zipnn_file_unchanged(f, &err), ZIPNN_E_IO);
    assert_string_equal(err.message, "f: changed while it was read");
    zipnn_file_close(f);
}

static void only_the_opened_file_is_removed(void **state) {
    (void)state;
    zipnn_error err;
    put("f", "one");
    put("g", "other");
    zipnn_file *f = opened("f");
    assert_int_equal(rename("g", "f"), 0);
    assert_int_equal(zipnn_file_remove(f, &err), ZIPNN_E_IO);
    assert_file("f", "other");
    zipnn_file_close(f);
    f = opened("f");
    assert_int_equal(zipnn_file_remove(f, &err), ZIPNN_OK);
    zipnn_file_close(f);
    assert_int_equal(n_entries(), 0);
}

/* In a folder that was put in the place of the one opened from, nothing goes. */
static void the_folder_of_a_removed_file_is_held(void **state) {
    (void)state;
    zipnn_error err;
    assert_int_equal(mkdir("here", 0700) | mkdir("there", 0700), 0);
    put("here/f", "one");
    put("there/f", "other");
    zipnn_file *f = opened("here/f");
    assert_int_equal(rename("here", "gone") | rename("there", "here"), 0);
    assert_int_equal(zipnn_file_remove(f, &err), ZIPNN_E_IO);
    assert_file("here/f", "other");
    assert_file("gone/f", "one");
    zipnn_file_close(f);
    assert_int_equal(unlink("here/f") | unlink("gone/f") | rmdir("here") | rmdir("gone"), 0);
}

static void assert_reads(zipnn_file *f, const char *text) {
    char buf[32] = "";
    zipnn_source source;
    zipnn_file_source(f, &source);
    assert_int_equal(source.length, strlen(text));
    assert_int_equal(source.read_at(source.user, 0, buf, strlen(text), NULL), ZIPNN_OK);
    assert_string_equal(buf, text);
    zipnn_file_close(f);
}

/* Before and after it has its name; what took the name since is another file. */
static void what_was_written_is_read_back(void **state) {
    (void)state;
    zipnn_error err;
    zipnn_file *again = NULL, *f = created("f", NULL, 0, "text");
    assert_int_equal(zipnn_file_read_back(f, &again, &err), ZIPNN_OK);
    assert_reads(again, "text");
    assert_int_equal(zipnn_file_commit(f, &err), ZIPNN_OK);
    assert_int_equal(zipnn_file_read_back(f, &again, &err), ZIPNN_OK);
    assert_reads(again, "text");
    put("g", "text");
    assert_int_equal(rename("g", "f"), 0);
    assert_int_equal(zipnn_file_read_back(f, &again, &err), ZIPNN_E_IO);
    assert_int_equal(unlink("f") | symlink("g", "f"), 0);
    assert_int_equal(zipnn_file_read_back(f, &again, &err), ZIPNN_E_IO);
    zipnn_file_close(f);
    assert_int_equal(unlink("f"), 0);
    put("f", "found");
    f = opened("f");
    assert_int_equal(zipnn_file_read_back(f, &again, &err), ZIPNN_OK);
    assert_reads(again, "found");
    assert_int_equal(zipnn_file_at_rest(f, &err), ZIPNN_OK);
    zipnn_file_close(f);
}

static void file_appears_at_commit(void **state) {
    (void)state;
    zipnn_error err;
    zipnn_file *f = created("f", NULL, 0, "text");
    assert_int_equal(access("f", F_OK), -1);
    assert_true(n_entries() <= 1); /* the temporary, where it has a name */
    assert_int_equal(zipnn_file_commit(f, &err), ZIPNN_OK);
    assert_int_equal(n_entries(), 1);
    assert_int_equal(zipnn_file_commit(f, &err), ZIPNN_E_ARGUMENT);
    zipnn_file_close(f);
    assert_file("f", "text");
}

static void file_without_commit_is_gone(void **state) {
    (void)state;
    zipnn_file_close(created("f", NULL, 0, "text"));
    assert_int_equal(n_entries(), 0);
    zipnn_file_close(NULL);
}

static void late_rival_is_not_replaced(void **state) {
    (void)state;
    zipnn_error err;
    zipnn_file *f = created("f", NULL, 0, "mine");
    put("f", "rival");
    assert_int_equal(zipnn_file_commit(f, &err), ZIPNN_E_IO);
    assert_string_equal(err.message, "f: already exists");
    zipnn_file_close(f);
    assert_file("f", "rival");
    f = created("f", NULL, ZIPNN_FILE_REPLACE | ZIPNN_FILE_SYNC, "mine");
    assert_int_equal(zipnn_file_commit(f, &err), ZIPNN_OK);
    zipnn_file_close(f);
    assert_file("f", "mine");
    assert_int_equal(n_entries(), 1);
}

static void discarded_file_cannot_be_committed(void **state) {
    (void)state;
    zipnn_error err;
    zipnn_file *f = created("f", NULL, 0, "text");
    zipnn_file_discard(f);
    assert_int_equal(n_entries(), 0);
    assert_int_equal(zipnn_file_commit(f, &err), ZIPNN_E_IO);
    zipnn_file_close(f);
    assert_int_equal(n_entries(), 0);
}

/* Of the temporary, which has a name or is one of our open files; others without a name may have been handed to us. */
static unsigned mode_of_temporary(void) {
    struct stat st, folder;
    assert_int_equal(stat(".", &folder), 0);
    DIR *dir = opendir(".");
    unsigned mode = 0;
    for (struct dirent *e; (e = readdir(dir));)
        if (strncmp(e->d_name, ".zipnn-", 7) == 0 && stat(e->d_name, &st) == 0) mode = st.st_mode & 0777;
    closedir(dir);
    for (int fd = 3; fd < 64; fd++)
        if (fstat(fd, &st) == 0 && st.st_dev == folder.st_dev && S_ISREG(st.st_mode) && st.st_nlink == 0)
            mode = st.st_mode & 0777;
    return mode;
}

static void temporary_is_private_when_the_model_is(void **state) {
    (void)state;
    struct stat st;
    put("secret", "source");
    assert_int_equal(chmod("secret", 0640), 0);
    zipnn_file *like = opened("secret");
    zipnn_file *f = created("f", like, 0, "text");
    assert_int_equal(mode_of_temporary(), 0600);
    zipnn_file_close(like); /* needed at creation only */
    assert_int_equal(zipnn_file_commit(f, NULL), ZIPNN_OK);
    zipnn_file_close(f);
    assert_int_equal(stat("f", &st), 0);
    assert_int_equal(st.st_mode & 0777, 0640);
}

#if defined(__linux__)
/* What the folder gives a new file, and what the old one has. */
static void alike_files_have_the_same_attributes(void **state) {
    (void)state;
    zipnn_error err;
    char value[8];
    put("m", "source");
    if (setxattr("m", "user.note", "hello", 5, 0) != 0) skip();
    zipnn_file *like = opened("m");
    zipnn_file *f = created("f", like, 0, "text");
    assert_int_equal(zipnn_file_commit(f, &err), ZIPNN_OK);
    zipnn_file_close(f);
    assert_int_equal(getxattr("f", "user.note", value, sizeof value), -1);
    f = created("g", like, ZIPNN_FILE_ALIKE, "text");
    assert_int_equal(zipnn_file_commit(f, &err), ZIPNN_OK);
    zipnn_file_close(f);
    zipnn_file_close(like);
    assert_int_equal(getxattr("g", "user.note", value, sizeof value), 5);
    assert_memory_equal(value, "hello", 5);
    assert_int_equal(listxattr("g", NULL, 0), listxattr("m", NULL, 0));
    f = created("h", NULL, ZIPNN_FILE_ALIKE, "text"); /* like nothing */
    assert_int_equal(zipnn_file_commit(f, &err), ZIPNN_OK);
    zipnn_file_close(f);
}
#else
static void alike_files_have_the_same_attributes(void **state) {
    (void)state;
    skip();
}
#endif

static void writes_go_to_their_places(void **state) {
    (void)state;
    zipnn_error err;
    zipnn_sink sink;
    zipnn_file *f = started("f", NULL, 0, &sink);
    assert_int_equal(zipnn_file_reserve(f, 6, &err), ZIPNN_OK);
    assert_int_equal(sink.write_at(sink.user, 3, "def", 3, &err), ZIPNN_OK);
    assert_int_equal(sink.write_at(sink.user, 0, "abc", 3, &err), ZIPNN_OK);
    assert_int_equal(zipnn_file_commit(f, &err), ZIPNN_OK);
    zipnn_file_close(f);
    assert_file("f", "abcdef");
}

/* Large enough to be given more room than they need. */
static void large_files_end_where_they_were_written(void **state) {
    (void)state;
    enum { PIECE = 1 << 20, N_PIECES = 40 };
    static const int places[] = {N_PIECES - 1, 9, 0, 20};
    struct stat st;
    zipnn_error err;
    zipnn_sink sink;
    char *piece = malloc(PIECE);
    assert_non_null(memset(piece, 'x', PIECE));
    zipnn_file *scattered = started("scattered", NULL, 0, &sink);
    for (size_t i = 0; i < sizeof places / sizeof *places; i++)
        assert_int_equal(sink.write_at(sink.user, (uint64_t)places[i] * PIECE, piece, PIECE - 3, &err), ZIPNN_OK);
    zipnn_file *ordered = started("ordered", NULL, 0, &sink);
    for (int i = 0; i < 11; i++) assert_int_equal(sink.write(sink.user, piece, PIECE - 3, &err), ZIPNN_OK);
    assert_int_equal(zipnn_file_commit(scattered, &err), ZIPNN_OK);
    assert_int_equal(zipnn_file_commit(ordered, &err), ZIPNN_OK);
    zipnn_file_close(scattered);
    zipnn_file_close(ordered);
    assert_int_equal(stat("scattered", &st), 0);
    assert_int_equal(st.st_size, N_PIECES * PIECE - 3);
    assert_true(st.st_blocks * 512 <= 5 * PIECE);
    assert_int_equal(stat("ordered", &st), 0);
    assert_int_equal(st.st_size, 11 * (PIECE - 3));
    assert_true(st.st_blocks * 512 <= 12 * PIECE);
    free(piece);
}

/* A new file of N_PIECES pieces: 'x' in each, zeros around it, by write_at from the end or in order by write. */
static void write_with_zeros(const char *path, bool in_order, bool reserved, size_t before, size_t after) {
    enum { N_PIECES = 24 };
    struct stat st;
    zipnn_error err;
    zipnn_sink sink;
    const size_t piece = before + 1000 + after;
    char *bytes = calloc(1, piece), *back = malloc(piece);
    assert_non_null(bytes);
    assert_non_null(back);
    memset(bytes + before, 'x', 1000);
    zipnn_file *f = started(path, NULL, ZIPNN_FILE_REPLACE, &sink);
    if (reserved) assert_int_equal(zipnn_file_reserve(f, N_PIECES * piece, &err), ZIPNN_OK);
    for (size_t i = 0; i < N_PIECES; i++) {
        if (in_order)
            assert_int_equal(sink.write(sink.user, bytes, piece, &err), ZIPNN_OK);
        else
            assert_int_equal(sink.write_at(sink.user, (N_PIECES - 1 - i) * piece, bytes, piece, &err), ZIPNN_OK);
    }
    assert_int_equal(zipnn_file_commit(f, &err), ZIPNN_OK);
    zipnn_file_close(f);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_size, N_PIECES * piece);
    if (before >= 64 << 10 || after >= 64 << 10) assert_true((size_t)st.st_blocks * 512 < N_PIECES * piece / 4);
    FILE *in = fopen(path, "r");
    for (size_t i = 0; i < N_PIECES; i++) {
        assert_int_equal(fread(back, 1, piece, in), piece);
        assert_memory_equal(back, bytes, piece);
    }
    fclose(in);
    free(back);
    free(bytes);
}

static void zeros_become_holes(void **state) {
    (void)state;
    for (int way = 0; way < 4; way++) {
        write_with_zeros("a", way & 1, way & 2, 0, 1 << 20);
        write_with_zeros("b", way & 1, way & 2, 1 << 20, 0);
        write_with_zeros("c", way & 1, way & 2, 300001, 700003);
        write_with_zeros("d", way & 1, way & 2, 4096, 0);
        write_with_zeros("e", way & 1, way & 2, 0, (64 << 10) - 1001);
    }
}

static void file_of_zeros_has_its_length(void **state) {
    (void)state;
    struct stat st;
    zipnn_error err;
    zipnn_sink sink;
    static const char zeros[3000];
    zipnn_file *f = started("f", NULL, 0, &sink);
    assert_int_equal(sink.write_at(sink.user, 5000000000U, zeros, sizeof zeros, &err), ZIPNN_OK);
    assert_int_equal(zipnn_file_commit(f, &err), ZIPNN_OK);
    zipnn_file_close(f);
    assert_int_equal(stat("f", &st), 0);
    assert_int_equal(st.st_size, 5000003000);
    assert_int_equal(st.st_blocks, 0);
}

static void large_file_without_commit_is_gone(void **state) {
    (void)state;
    zipnn_error err;
    zipnn_sink sink;
    zipnn_file *f = started("f", NULL, 0, &sink);
    assert_int_equal(sink.write_at(sink.user, 40 << 20, "end", 3, &err), ZIPNN_OK);
    put("f", "rival");
    assert_int_equal(zipnn_file_commit(f, &err), ZIPNN_E_IO);
    zipnn_file_close(f);
    assert_file("f", "rival");
    assert_int_equal(n_entries(), 1);
}

static void long_paths_are_shortened_in_messages(void **state) {
    (void)state;
    char path[600];
    zipnn_file *f = NULL;
    zipnn_error err;
    memset(path, 'p', sizeof path);
    memcpy(path + sizeof path - 5, "/end", 5);
    assert_int_equal(zipnn_file_open(path, &f, &err), ZIPNN_E_IO);
    assert_non_null(strstr(err.message, "/end: cannot open: "));
    assert_int_equal(zipnn_file_create(path, NULL, 0, &f, &err), ZIPNN_E_IO);
    assert_int_equal(zipnn_file_create("f", NULL, 64, &f, &err), ZIPNN_E_ARGUMENT);
    assert_int_equal(zipnn_file_create("", NULL, 0, &f, &err), ZIPNN_E_IO);
    assert_int_equal(zipnn_file_create(".", NULL, ZIPNN_FILE_REPLACE, &f, &err), ZIPNN_E_IO);
    assert_int_equal(n_entries(), 0);
}

static void there_is_a_processor(void **state) {
    (void)state;
    assert_true(zipnn_available_cpus() >= 1);
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, enter_folder, leave_folder)

int main(void) {
    const struct CMUnitTest tests[] = {
        IN_FOLDER(source_reads_anywhere_and_not_beyond),
        IN_FOLDER(mapped_file_is_seen),
        IN_FOLDER(file_read_ahead_gives_its_bytes),
        IN_FOLDER(pipe_is_read_in_order),
        IN_FOLDER(change_of_a_source_is_noticed),
        IN_FOLDER(only_the_opened_file_is_removed),
        IN_FOLDER(the_folder_of_a_removed_file_is_held),
        IN_FOLDER(what_was_written_is_read_back),
        IN_FOLDER(file_appears_at_commit),
        IN_FOLDER(file_without_commit_is_gone),
        IN_FOLDER(late_rival_is_not_replaced),
        IN_FOLDER(discarded_file_cannot_be_committed),
        IN_FOLDER(temporary_is_private_when_the_model_is),
        IN_FOLDER(alike_files_have_the_same_attributes),
        IN_FOLDER(writes_go_to_their_places),
        IN_FOLDER(large_files_end_where_they_were_written),
        IN_FOLDER(zeros_become_holes),
        IN_FOLDER(file_of_zeros_has_its_length),
        IN_FOLDER(large_file_without_commit_is_gone),
        IN_FOLDER(long_paths_are_shortened_in_messages),
        cmocka_unit_test(there_is_a_processor),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
