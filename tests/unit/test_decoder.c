/* The decoder alone (zipnn/decoder.h): what it makes of all archives of tests/golden, and what it says of bad ones. */
#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>

#include "support/unit.h"
#include "zipnn/decoder.h"

enum { MAX_ARCHIVE = 1 << 20, MAX_ORIGINAL = 4 << 20, MAX_CHUNK = 4 << 20 };

/* An archive that is read as a program would, and its base, a plain file. */
struct reader {
    const unsigned char *archive, *base;
    size_t len, base_len;
    zipnn_archive_header header;
    zipnn_frame_list list;
    zipnn_decoder *decoder;
    void *memory;
    unsigned char *original;
    zipnn_error err;
};

static unsigned char archive[MAX_ARCHIVE], base[MAX_ARCHIVE], original[MAX_ORIGINAL];

/* Bytes in memory of just their length, so that tools see every byte that is touched beside them. */
static void *own(const void *bytes, size_t len) {
    void *copy = malloc(len ? len : 1);
    assert_non_null(copy);
    if (len) memcpy(copy, bytes, len);
    return copy;
}

static zipnn_status fail_as(struct reader *r, zipnn_status status, const char *what) {
    r->err = (zipnn_error){.status = status, .offset = UINT64_MAX};
    snprintf(r->err.message, sizeof r->err.message, "%s", what);
    return status;
}

static zipnn_status open_archive(struct reader *r) {
    uint64_t at, len;
    zipnn_status status = zipnn_decoder_read_header(r->archive, r->len, &r->header, &r->err);
    if (status == ZIPNN_OK && r->len < ZIPNN_HEADER_LEN + ZIPNN_TRAILER_LEN)
        status = fail_as(r, ZIPNN_E_TRUNCATED, "too short");
    if (status == ZIPNN_OK)
        status = zipnn_decoder_read_trailer(r->archive + r->len - ZIPNN_TRAILER_LEN, r->len, &at, &len, &r->err);
    if (status == ZIPNN_OK) status = zipnn_decoder_read_index(&r->header, r->archive + at, len, at, &r->list, &r->err);
    if (status != ZIPNN_OK) return status;
    if (r->list.original > MAX_ORIGINAL) return fail_as(r, ZIPNN_E_SPACE, "longer than the test");
    const size_t room = zipnn_decoder_memory(&r->header);
    r->memory = malloc(room);
    assert_non_null(r->memory);
    return zipnn_decoder_create(&r->header, r->memory, room, &r->decoder, &r->err);
}

static zipnn_status read_original(struct reader *r, uint64_t off, uint32_t len, unsigned char *to);

/* Whether the table of bases lists base n as the one that is at hand, by its length. */
static zipnn_status check_base(struct reader *r, unsigned n) {
    zipnn_frame_list list = r->list;
    zipnn_frame table;
    zipnn_decoder_base record;
    assert_true(zipnn_decoder_next_frame(&list, &table));
    const zipnn_status status =
        zipnn_decoder_read_base(r->decoder, &table, r->archive + table.at, n - 1, &record, &r->err);
    if (status == ZIPNN_OK && (!r->base || record.length != r->base_len))
        return fail_as(r, ZIPNN_E_BASE, "not at hand");
    return status;
}

/* Makes a part of a reference. */
static zipnn_status make_part(struct reader *r, unsigned source, const zipnn_part *part, unsigned char *reference) {
    const uint64_t length = source ? r->base_len : r->list.original;
    if (part->length && (part->offset > length || part->length > length - part->offset))
        return fail_as(r, ZIPNN_E_CORRUPT, "refers to bytes that are not there");
    unsigned char *bytes = own(source ? r->base + (part->length ? part->offset : 0) : r->original, part->length);
    const zipnn_status status = source ? ZIPNN_OK : read_original(r, part->offset, part->length, bytes);
    if (status == ZIPNN_OK) zipnn_decoder_make(part, bytes, reference);
    free(bytes);
    return status;
}

/* Makes what a chunk is coded against. *reference is to be freed. */
static zipnn_status provide(struct reader *r, zipnn_needs *needs, bool referred, unsigned char **reference) {
    *reference = NULL;
    if (needs->length == 0) return ZIPNN_OK;
    if (!needs->source && referred) return fail_as(r, ZIPNN_E_CORRUPT, "refers to a chunk that refers");
    zipnn_status status = needs->source ? check_base(r, needs->source) : ZIPNN_OK;
    *reference = malloc(needs->length);
    assert_non_null(*reference);
    while (status == ZIPNN_OK && needs->left) {
        zipnn_part part;
        status = zipnn_decoder_next_part(needs, &part, &r->err);
        if (status == ZIPNN_OK) status = make_part(r, needs->source, &part, *reference);
    }
    return status;
}

/* Decodes a frame into memory of its own. */
static zipnn_status decode(struct reader *r, const zipnn_frame *frame, bool referred, unsigned char **out) {
    unsigned char *bytes = own(r->archive + frame->at, frame->stored), *reference = NULL;
    zipnn_needs needs;
    *out = malloc(frame->length + 1u);
    assert_non_null(*out);
    zipnn_status status = zipnn_decoder_open_frame(r->decoder, frame, bytes, &needs, &r->err);
    if (status == ZIPNN_OK) status = provide(r, &needs, referred, &reference);
    if (status == ZIPNN_OK) status = zipnn_decoder_decode(r->decoder, frame, bytes, reference, *out, &r->err);
    free(bytes);
    free(reference);
    return status;
}

static zipnn_status read_original(struct reader *r, uint64_t off, uint32_t len, unsigned char *to) {
    zipnn_frame_list list = r->list;
    zipnn_frame frame;
    zipnn_status status = ZIPNN_OK;
    unsigned n = 0;
    while (status == ZIPNN_OK && zipnn_decoder_next_frame(&list, &frame)) {
        const uint64_t end = frame.offset + frame.length, from = off > frame.offset ? off : frame.offset;
        const uint64_t stop = off + len < end ? off + len : end;
        unsigned char *out;
        if (from >= stop) continue;
        if (n++ == ZIPNN_MAX_REFERRED) return fail_as(r, ZIPNN_E_CORRUPT, "refers to too many chunks");
        status = decode(r, &frame, true, &out);
        if (status == ZIPNN_OK) memcpy(to + (from - off), out + (from - frame.offset), (size_t)(stop - from));
        free(out);
    }
    return status;
}

/* Restores all frames in order and compares the digest. */
static zipnn_status restore(struct reader *r) {
    zipnn_frame frame;
    zipnn_status status = open_archive(r);
    if (status != ZIPNN_OK) return status;
    zipnn_frame_list list = r->list;
    while (status == ZIPNN_OK && zipnn_decoder_next_frame(&list, &frame)) {
        unsigned char *out;
        if (frame.at == ZIPNN_HEADER_LEN && r->header.refers_to_bases) status = check_base(r, 1);
        if (status != ZIPNN_OK && status != ZIPNN_E_BASE) break;
        status = decode(r, &frame, false, &out);
        if (status == ZIPNN_OK) zipnn_decoder_digest_update(r->decoder, out, frame.length);
        free(out);
    }
    return status == ZIPNN_OK ? zipnn_decoder_digest_compare(r->decoder, &r->list, &r->err) : status;
}

static size_t load(const char *folder, const char *file, unsigned char *to) {
    char path[1000];
    snprintf(path, sizeof path, "%s/%s", folder, file);
    FILE *f = fopen(path, "rb");
    if (!f) fail_msg("%s cannot be opened", path);
    const size_t len = fread(to, 1, MAX_ARCHIVE, f);
    fclose(f);
    return len;
}

/* Whether the answer is the one of tests/golden. A SHA-256 is not compared. */
static bool as_expected(const char *answer, zipnn_status status) {
    if (strcmp(answer, "ok") == 0 || strcmp(answer, "sha256") == 0) return status == ZIPNN_OK;
    if (strcmp(answer, "base") == 0) return status == ZIPNN_E_BASE;
    if (strcmp(answer, "unsupported") == 0) return status == ZIPNN_E_UNSUPPORTED;
    return status != ZIPNN_OK && status != ZIPNN_E_ARGUMENT;
}

static unsigned check_folder(const char *folder) {
    char line[400], path[1000], file[200], answer[16], digest[40], base_name[200];
    unsigned n_wrong = 0;
    size_t len;
    snprintf(path, sizeof path, "%s/list.txt", folder);
    FILE *list = fopen(path, "r");
    if (!list) return 0;
    while (fgets(line, sizeof line, list)) {
        base_name[0] = '\0';
        assert_true(sscanf(line, "%199s %15s %zu %39s %199s", file, answer, &len, digest, base_name) >= 2);
        struct reader r = {.original = original};
        r.len = load(folder, file, archive);
        r.archive = own(archive, r.len);
        if (base_name[0]) r.base_len = load(folder, base_name, base);
        if (base_name[0]) r.base = base;
        const zipnn_status status = restore(&r);
        if (!as_expected(answer, status)) {
            n_wrong++;
            print_error("%s: expected %s, found %d (%s)\n", file, answer, status, status ? r.err.message : "");
        }
        free(r.memory);
        free((void *)(uintptr_t)r.archive);
    }
    fclose(list);
    return n_wrong;
}

static void golden_archives_give_their_answers(void **state) {
    unsigned n_wrong = 0, n_folders = 0;
    DIR *dir = opendir(ZT_SOURCE_DIR "/tests/golden");
    (void)state;
    assert_non_null(dir);
    for (struct dirent *d; (d = readdir(dir));) {
        char folder[500];
        if (d->d_name[0] == '.') continue;
        snprintf(folder, sizeof folder, ZT_SOURCE_DIR "/tests/golden/%s", d->d_name);
        n_folders++;
        n_wrong += check_folder(folder);
    }
    closedir(dir);
    assert_true(n_folders > 0);
    assert_int_equal(n_wrong, 0);
}

/* Numbers and words stand in messages as printf puts them there, although there is no printf. */
static void messages_say_what_is_wrong(void **state) {
    unsigned char bytes[ZIPNN_HEADER_LEN] = {0x8F, 'Z', 'N', 'N', '\r', '\n', 0x1A, '\n', 9, 1};
    const zipnn_archive_header header = {.max_chunk = 4096};
    zipnn_archive_header h;
    zipnn_decoder *d;
    uint64_t at, len;
    zipnn_error err;
    (void)state;
    assert_int_equal(zipnn_decoder_read_header(bytes, 10, &h, &err), ZIPNN_E_TRUNCATED);
    assert_string_equal(err.message, "archive header cut short: 10 of 24 bytes");
    assert_int_equal(zipnn_decoder_read_header(bytes, sizeof bytes, &h, &err), ZIPNN_E_UNSUPPORTED);
    assert_string_equal(err.message, "archive format version 265; this library reads version 1");
    assert_int_equal(err.offset, 8);
    memcpy(bytes + 8, "\x40\xFF\xFF\xFF\xFF\xFF\xFF\xFFZNNEND\n\x8F", 16);
    assert_int_equal(zipnn_decoder_read_trailer(bytes + 8, 1000, &at, &len, &err), ZIPNN_E_CORRUPT);
    assert_string_equal(err.message, "trailer: an index of 18446744073709551424 bytes does not fit");
    assert_int_equal(zipnn_decoder_create(&header, bytes, 1, &d, &err), ZIPNN_E_SPACE);
    assert_memory_equal(err.message, "a decoder takes ", 16);
    assert_int_equal(zipnn_decoder_read_header(NULL, 1, &h, &err), ZIPNN_E_ARGUMENT);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(golden_archives_give_their_answers),
        cmocka_unit_test(messages_say_what_is_wrong),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
