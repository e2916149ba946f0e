/* The records of src/format: what is written, byte by byte, and what each reader refuses and how it says so. */
#include "format/format.h"
#include "format/reference.h"
#include "support/unit.h"

enum { AT = 1000 };

/* A hash that shows what it was asked to cover. */
static uint64_t sum(const void *data, size_t len) {
    uint64_t n = len;
    for (size_t i = 0; i < len; i++) n = n * 31 + ((const uint8_t *)data)[i];
    return n;
}

/* ---- header ------------------------------------------------------------------------------------------------------ */

static void header_is_24_known_bytes(void **state) {
    (void)state;
    static const uint8_t expected[16] = {0x8F, 'Z', 'N', 'N', '\r', '\n', 0x1A, '\n', 1, 0, 6, 7, 0x56, 0x34, 0x12, 0};
    uint8_t bytes[ZN_HEADER_LEN];
    struct zn_header header;
    zn_header_write(bytes, &(struct zn_header){7, 0x123456, 6}, sum);
    assert_memory_equal(bytes, expected, sizeof expected);
    assert_true(zn_get_u64(bytes + 16) == sum(bytes, 16));
    assert_int_equal(zn_header_read(bytes, sizeof bytes, &header, sum, NULL), ZIPNN_OK);
    assert_true(header.level == 7 && header.max_chunk == 0x123456 && header.flags == 6);
}

static void header_faults_have_their_status_and_place(void **state) {
    (void)state;
    static const struct {
        unsigned at;
        uint32_t value;
        unsigned width;
        bool sealed;
        zipnn_status status;
        uint64_t offset;
    } table[] = {
        {0, 0x8E, 1, true, ZIPNN_E_FORMAT, 0},     {7, 0x0D, 1, true, ZIPNN_E_FORMAT, 0},
        {8, 2, 2, true, ZIPNN_E_UNSUPPORTED, 8},   {8, 2, 2, false, ZIPNN_E_UNSUPPORTED, 8},
        {8, 0, 2, true, ZIPNN_E_UNSUPPORTED, 8},   {10, 1, 1, true, ZIPNN_E_UNSUPPORTED, 10},
        {10, 1, 1, false, ZIPNN_E_CORRUPT, 16},    {11, 1, 1, false, ZIPNN_E_CORRUPT, 16},
        {16, 0, 4, false, ZIPNN_E_CORRUPT, 16},    {12, 0, 4, true, ZIPNN_E_LIMIT, 12},
        {12, 4194305, 4, true, ZIPNN_E_LIMIT, 12}, {12, UINT32_MAX, 4, true, ZIPNN_E_LIMIT, 12},
        {12, 4194304, 4, true, ZIPNN_OK, 0},       {12, 1, 4, true, ZIPNN_OK, 0},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        uint8_t bytes[ZN_HEADER_LEN], value[4];
        struct zn_header header;
        zipnn_error err = {ZIPNN_OK, 0, ""};
        zn_header_write(bytes, &(struct zn_header){3, 1 << 20, 0}, sum);
        zn_put_u32(value, table[i].value);
        memcpy(bytes + table[i].at, value, table[i].width);
        if (table[i].sealed) zn_put_u64(bytes + 16, sum(bytes, 16));
        assert_int_equal(zn_header_read(bytes, sizeof bytes, &header, sum, &err), table[i].status);
        assert_true(err.status == table[i].status && err.offset == table[i].offset);
    }
}

static void short_headers_are_truncated_or_foreign(void **state) {
    (void)state;
    uint8_t bytes[ZN_HEADER_LEN];
    struct zn_header header;
    zn_header_write(bytes, &(struct zn_header){3, 1 << 20, 0}, sum);
    for (size_t len = 0; len < sizeof bytes; len++) {
        uint8_t *copy = malloc(len ? len : 1);
        assert_non_null(copy);
        memcpy(copy, bytes, len);
        assert_int_equal(zn_header_read(copy, len, &header, sum, NULL), ZIPNN_E_TRUNCATED);
        if (len) copy[ZN_MIN(len, 8u) - 1] ^= 1;
        if (len) assert_int_equal(zn_header_read(copy, len, &header, sum, NULL), ZIPNN_E_FORMAT);
        free(copy);
    }
}

/* ---- frames and entries ------------------------------------------------------------------------------------------ */

static void frames_are_sealed_and_verified(void **state) {
    (void)state;
    uint8_t bytes[ZN_FRAME_LEN + 9] = {0}, entry[ZN_ENTRY_LEN];
    memcpy(bytes + ZN_FRAME_LEN, "some body", 9);
    const struct zn_frame sealed = zn_frame_seal(bytes, 9, 77, sum);
    struct zn_frame read;
    assert_true(sealed.check == sum(bytes + 8, 8 + 9) && zn_frame_size(&sealed) == sizeof bytes);
    assert_true(zn_get_u64(bytes) == sealed.check && zn_get_u32(bytes + 8) == 9 && zn_get_u32(bytes + 12) == 77);
    assert_int_equal(zn_frame_read(bytes, 77, AT, &read, NULL), ZIPNN_OK);
    assert_true(read.check == sealed.check && read.body_len == 9 && read.orig_len == 77);
    assert_int_equal(zn_frame_verify(bytes, &read, AT, sum, NULL), ZIPNN_OK);
    zn_entry_write(entry, &sealed);
    const struct zn_frame listed = zn_entry_read(entry);
    assert_true(listed.check == sealed.check && listed.body_len == 9 && listed.orig_len == 77);
    assert_true(zn_get_u32(entry) == 9 && zn_get_u32(entry + 4) == 77 && zn_get_u64(entry + 8) == sealed.check);
    for (size_t at = 8; at < sizeof bytes; at++) {
        zipnn_error err;
        bytes[at] ^= 0x10;
        assert_int_equal(zn_frame_verify(bytes, &read, AT, sum, &err), ZIPNN_E_CORRUPT);
        assert_true(err.offset == AT);
        bytes[at] ^= 0x10;
    }
}

static void frame_lengths_are_limited(void **state) {
    (void)state;
    enum { MAX = 5000 };
    static const struct {
        uint32_t body_len, orig_len;
        zipnn_status status;
        uint64_t offset;
    } table[] = {
        {3, 0, ZIPNN_E_CORRUPT, AT + 8},
        {4, 0, ZIPNN_OK, 0},
        {UINT32_MAX, 0, ZIPNN_OK, 0},
        {4, MAX, ZIPNN_OK, 0},
        {4, MAX + 1, ZIPNN_E_CORRUPT, AT + 12},
        {MAX + 256, MAX, ZIPNN_OK, 0},
        {MAX + 257, MAX, ZIPNN_E_CORRUPT, AT + 8},
        {257, 1, ZIPNN_OK, 0},
        {258, 1, ZIPNN_E_CORRUPT, AT + 8},
        {UINT32_MAX, UINT32_MAX, ZIPNN_E_CORRUPT, AT + 12},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        uint8_t head[ZN_FRAME_LEN] = {0};
        struct zn_frame frame;
        zipnn_error err = {ZIPNN_OK, 0, ""};
        zn_put_u32(head + 8, table[i].body_len);
        zn_put_u32(head + 12, table[i].orig_len);
        assert_int_equal(zn_frame_read(head, MAX, AT, &frame, &err), table[i].status);
        assert_true(err.offset == table[i].offset);
    }
}

/* ---- index and trailer ------------------------------------------------------------------------------------------- */

enum { N_ENTRIES = 3, MAX_INDEX = ZN_INDEX_LEN + ZN_SHA256_LEN + N_ENTRIES * ZN_ENTRY_LEN };

static const struct zn_frame listed[N_ENTRIES] = {{11, 100, 90}, {22, 50, 0}, {33, 300, 310}};
enum { INDEX_AT = ZN_HEADER_LEN + 3 * ZN_FRAME_LEN + 450, ORIGINAL = 400 };

static size_t write_index(uint8_t *body, bool sha256) {
    struct zn_index index = {.original = ORIGINAL, .has_sha256 = sha256};
    memset(index.xxh3, 0xAB, sizeof index.xxh3);
    memset(index.sha256, 0xCD, sizeof index.sha256);
    zn_index_head_write(body, &index);
    size_t len = zn_index_head_len(sha256);
    for (unsigned i = 0; i < N_ENTRIES; i++, len += ZN_ENTRY_LEN) zn_entry_write(body + len, &listed[i]);
    return len;
}

static zipnn_status read_index(const uint8_t *body, size_t len) {
    struct zn_index index;
    return zn_index_read(body, len, 310, INDEX_AT, &index, NULL);
}

static void index_comes_back(void **state) {
    (void)state;
    for (unsigned sha256 = 0; sha256 < 2; sha256++) {
        uint8_t body[MAX_INDEX];
        struct zn_index index;
        const size_t len = write_index(body, sha256);
        assert_int_equal(len, ZN_INDEX_LEN + sha256 * ZN_SHA256_LEN + N_ENTRIES * ZN_ENTRY_LEN);
        assert_true(body[0] == 2 && body[1] == 1 + 2 * sha256 && zn_get_u16(body + 2) == 0);
        assert_int_equal(zn_index_read(body, len, 310, INDEX_AT, &index, NULL), ZIPNN_OK);
        assert_true(index.original == ORIGINAL && index.has_sha256 == sha256 && index.n_entries == N_ENTRIES);
        assert_true(index.xxh3[15] == 0xAB && index.entries == body + len - N_ENTRIES * ZN_ENTRY_LEN);
        if (sha256) assert_true(index.sha256[31] == 0xCD);
    }
}

static void index_faults_are_told(void **state) {
    (void)state;
    static const struct {
        unsigned at;
        uint8_t value;
        zipnn_status status;
    } table[] = {
        {0, 1, ZIPNN_E_CORRUPT},     {0, 128, ZIPNN_E_CORRUPT},      {1, 0, ZIPNN_E_CORRUPT},
        {1, 5, ZIPNN_E_UNSUPPORTED}, {1, 0x81, ZIPNN_E_UNSUPPORTED}, {2, 1, ZIPNN_E_UNSUPPORTED},
        {3, 1, ZIPNN_E_UNSUPPORTED}, {4, 1, ZIPNN_E_CORRUPT},        {11, 1, ZIPNN_E_CORRUPT},
        {28, 101, ZIPNN_E_CORRUPT},  {28, 3, ZIPNN_E_CORRUPT},       {32, 91, ZIPNN_E_CORRUPT},
        {47, 1, ZIPNN_E_CORRUPT},    {66, 1, ZIPNN_E_CORRUPT},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        uint8_t body[MAX_INDEX];
        const size_t len = write_index(body, false);
        body[table[i].at] = table[i].value;
        assert_int_equal(read_index(body, len), table[i].status);
    }
}

static void index_of_any_length(void **state) {
    (void)state;
    for (unsigned sha256 = 0; sha256 < 2; sha256++) {
        uint8_t body[MAX_INDEX];
        const size_t full = write_index(body, sha256);
        for (size_t len = 0; len < full; len++) {
            uint8_t *copy = malloc(len ? len : 1);
            assert_non_null(copy);
            memcpy(copy, body, len);
            assert_int_equal(read_index(copy, len), ZIPNN_E_CORRUPT);
            free(copy);
        }
    }
}

static void ancillary_frames_are_limited(void **state) {
    (void)state;
    for (uint32_t more = 0; more < 2; more++) {
        uint8_t body[ZN_INDEX_LEN + ZN_ENTRY_LEN];
        struct zn_index index = {.original = 0};
        const struct zn_frame frame = {1, ZN_MAX_ANCILLARY + more, 0};
        zn_index_head_write(body, &index);
        zn_entry_write(body + ZN_INDEX_LEN, &frame);
        assert_int_equal(zn_index_read(body, sizeof body, 1, ZN_HEADER_LEN + zn_frame_size(&frame), &index, NULL),
                         more ? ZIPNN_E_CORRUPT : ZIPNN_OK);
    }
}

static void trailer_comes_back(void **state) {
    (void)state;
    uint8_t bytes[ZN_TRAILER_LEN];
    uint64_t len = 0;
    zn_trailer_write(bytes, 0x1122334455667788);
    assert_true(zn_get_u64(bytes) == 0x1122334455667788);
    assert_memory_equal(bytes + 8, "ZNNEND\n\x8F", 8);
    assert_int_equal(zn_trailer_read(bytes, AT, &len, NULL), ZIPNN_OK);
    assert_true(len == 0x1122334455667788);
    for (size_t at = 8; at < sizeof bytes; at++) {
        zipnn_error err;
        bytes[at] ^= 0x40;
        assert_int_equal(zn_trailer_read(bytes, AT, &len, &err), ZIPNN_E_TRUNCATED);
        assert_true(err.offset == AT);
        bytes[at] ^= 0x40;
    }
}

/* ---- table of bases ---------------------------------------------------------------------------------------------- */

enum { NAME_LEN = 5, BASE_AT = ZN_BASES_LEN, TABLE_LEN = ZN_BASES_LEN + 2 * (ZN_BASE_LEN + NAME_LEN) };

static void write_bases(uint8_t table[TABLE_LEN]) {
    const struct zn_base_record bases[] = {{{0xAB}, 1000, NAME_LEN, "first"}, {{0xCD}, 2000, NAME_LEN, "other"}};
    assert_int_equal(zn_bases_len(bases, 2), TABLE_LEN);
    zn_bases_write(table, bases, 2);
}

static void bases_come_back(void **state) {
    (void)state;
    uint8_t table[TABLE_LEN];
    struct zn_base_record bases[ZN_MAX_BASES];
    unsigned n;
    write_bases(table);
    assert_int_equal(zn_bases_read(table, TABLE_LEN, AT, bases, &n, NULL), ZIPNN_OK);
    assert_true(n == 2 && bases[0].xxh3[0] == 0xAB && bases[1].xxh3[0] == 0xCD && bases[1].length == 2000);
    assert_string_equal(bases[0].name, "first");
    for (size_t len = 0; len < TABLE_LEN; len++)
        assert_int_equal(zn_bases_read(table, len, AT, bases, &n, NULL), ZIPNN_E_CORRUPT);
}

static void faults_of_bases_are_told(void **state) {
    (void)state;
    static const struct {
        unsigned at;
        uint8_t value;
        zipnn_status status;
    } rows[] = {
        {0, ZN_KIND_INDEX, ZIPNN_E_CORRUPT},
        {1, 0, ZIPNN_E_CORRUPT},
        {1, 1, ZIPNN_E_CORRUPT},
        {1, 3, ZIPNN_E_CORRUPT},
        {1, ZN_MAX_BASES + 1, ZIPNN_E_CORRUPT},
        {2, 1, ZIPNN_E_UNSUPPORTED},
        {3, 1, ZIPNN_E_UNSUPPORTED},
        {BASE_AT + 24, 1, ZIPNN_E_UNSUPPORTED},
        {BASE_AT + 25, 4, ZIPNN_E_CORRUPT},
        {BASE_AT + 25, 6, ZIPNN_E_CORRUPT},
        {BASE_AT + 25, 255, ZIPNN_E_CORRUPT},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        uint8_t table[TABLE_LEN];
        struct zn_base_record bases[ZN_MAX_BASES];
        zipnn_error err = {ZIPNN_OK, 0, ""};
        unsigned n;
        write_bases(table);
        table[rows[i].at] = rows[i].value;
        if (zn_bases_read(table, TABLE_LEN, AT, bases, &n, &err) != rows[i].status || err.offset != AT)
            fail_msg("row %zu: %s", i, err.message);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(header_is_24_known_bytes),
        cmocka_unit_test(header_faults_have_their_status_and_place),
        cmocka_unit_test(short_headers_are_truncated_or_foreign),
        cmocka_unit_test(frames_are_sealed_and_verified),
        cmocka_unit_test(frame_lengths_are_limited),
        cmocka_unit_test(index_comes_back),
        cmocka_unit_test(index_faults_are_told),
        cmocka_unit_test(index_of_any_length),
        cmocka_unit_test(ancillary_frames_are_limited),
        cmocka_unit_test(trailer_comes_back),
        cmocka_unit_test(bases_come_back),
        cmocka_unit_test(faults_of_bases_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
