/* Every function of the public header with NULL for each pointer that it needs: ZIPNN_E_ARGUMENT, or nothing done where
 * no status can be given. */
#include "support/samples.h"
#include "support/streams.h"
#include "support/unit.h"
#include "zipnn/digests.h"
#include "zipnn/joined.h"
#include "zipnn/tiles.h"

static struct fixture {
    zipnn_ctx *ctx;
    zipnn_archive *archive;
    uint8_t bytes[4096], packed[8192], room[8192];
    size_t packed_len, got;
    struct zt_input in;
    struct zt_output out;
    zipnn_source source;
    zipnn_sink sink;
    zipnn_file *file;
    uint64_t number;
    zipnn_dtype dtype;
    union {
        zipnn_archive_info archive;
        zipnn_tensor_info tensor;
        zipnn_tensor_layout layout;
        zipnn_chunk_info chunk;
        zipnn_base_info base;
        zipnn_coding coding;
        zipnn_stats stats;
        zipnn_estimate_info estimate;
    } info;
} f;

static const zipnn_sink deaf_sink = {NULL, NULL, NULL};
static const zipnn_source mute_source = {.length = 0};

static zipnn_status take_nothing(void *user, uint64_t first, uint64_t n, const void *rows, zipnn_error *err) {
    (void)user, (void)first, (void)n, (void)rows, (void)err;
    return ZIPNN_OK;
}
static const zipnn_tiles no_buffer = {NULL, 9, take_nothing, NULL};
static const zipnn_tiles nobody_takes = {f.room, sizeof f.room, NULL, NULL};
static const zipnn_tiles all_tiles = {f.room, sizeof f.room, take_nothing, NULL};

struct attempt {
    const char *name;
    zipnn_status (*call)(zipnn_error *err);
};

#define ATTEMPT(name, expression)                        \
    static zipnn_status attempt_##name(zipnn_error *e) { \
        return expression;                               \
    }

ATTEMPT(create, zipnn_create(NULL, NULL, e))
ATTEMPT(create_bases,
        zipnn_create(&(zipnn_options){.size = sizeof(zipnn_options), .n_bases = 1}, (zipnn_ctx *[]){NULL}, e))
ATTEMPT(create_mute_base,
        zipnn_create(&(zipnn_options){.size = sizeof(zipnn_options), .n_bases = 1, .bases = &mute_source},
                     (zipnn_ctx *[]){NULL}, e))
ATTEMPT(create_old_base,
        zipnn_create(&(zipnn_options){.size = sizeof(zipnn_options), .base = &mute_source}, (zipnn_ctx *[]){NULL}, e))
ATTEMPT(nearest_ctx, zipnn_nearest_base(NULL, &f.source, &f.got, e))
ATTEMPT(nearest_source, zipnn_nearest_base(f.ctx, NULL, &f.got, e))
ATTEMPT(nearest_index, zipnn_nearest_base(f.ctx, &f.source, NULL, e))
ATTEMPT(compress_ctx, zipnn_compress(NULL, f.bytes, 9, f.room, sizeof f.room, &f.got, e))
ATTEMPT(compress_src, zipnn_compress(f.ctx, NULL, 9, f.room, sizeof f.room, &f.got, e))
ATTEMPT(compress_dst, zipnn_compress(f.ctx, f.bytes, 9, NULL, sizeof f.room, &f.got, e))
ATTEMPT(compress_got, zipnn_compress(f.ctx, f.bytes, 9, f.room, sizeof f.room, NULL, e))
ATTEMPT(size_src, zipnn_original_size(NULL, 9, &f.number, e))
ATTEMPT(size_original, zipnn_original_size(f.packed, f.packed_len, NULL, e))
ATTEMPT(decompress_ctx, zipnn_decompress(NULL, f.packed, f.packed_len, f.room, sizeof f.room, &f.got, e))
ATTEMPT(decompress_src, zipnn_decompress(f.ctx, NULL, 9, f.room, sizeof f.room, &f.got, e))
ATTEMPT(decompress_dst, zipnn_decompress(f.ctx, f.packed, f.packed_len, NULL, sizeof f.room, &f.got, e))
ATTEMPT(decompress_got, zipnn_decompress(f.ctx, f.packed, f.packed_len, f.room, sizeof f.room, NULL, e))
ATTEMPT(pack_ctx, zipnn_pack(NULL, &f.source, &f.sink, NULL, e))
ATTEMPT(pack_source, zipnn_pack(f.ctx, NULL, &f.sink, NULL, e))
ATTEMPT(pack_mute, zipnn_pack(f.ctx, &mute_source, &f.sink, NULL, e))
ATTEMPT(pack_sink, zipnn_pack(f.ctx, &f.source, NULL, NULL, e))
ATTEMPT(pack_deaf, zipnn_pack(f.ctx, &f.source, &deaf_sink, NULL, e))
ATTEMPT(estimate_ctx, zipnn_estimate(NULL, &f.source, 0, &f.info.estimate, e))
ATTEMPT(estimate_source, zipnn_estimate(f.ctx, NULL, 0, &f.info.estimate, e))
ATTEMPT(estimate_info, zipnn_estimate(f.ctx, &f.source, 0, NULL, e))
ATTEMPT(unpack_ctx, zipnn_unpack(NULL, &f.source, &f.sink, NULL, e))
ATTEMPT(unpack_source, zipnn_unpack(f.ctx, NULL, &f.sink, NULL, e))
ATTEMPT(unpack_sink, zipnn_unpack(f.ctx, &f.source, NULL, NULL, e))
ATTEMPT(unpack_deaf, zipnn_unpack(f.ctx, &f.source, &deaf_sink, NULL, e))
ATTEMPT(apply_ctx, zipnn_apply(NULL, &f.source, f.bytes, sizeof f.bytes, NULL, e))
ATTEMPT(apply_source, zipnn_apply(f.ctx, NULL, f.bytes, sizeof f.bytes, NULL, e))
ATTEMPT(apply_memory, zipnn_apply(f.ctx, &f.source, NULL, sizeof f.bytes, NULL, e))
ATTEMPT(test_ctx, zipnn_test(NULL, &f.source, NULL, e))
ATTEMPT(test_source, zipnn_test(f.ctx, NULL, NULL, e))
ATTEMPT(recompress_ctx, zipnn_recompress(NULL, &f.source, &f.sink, NULL, e))
ATTEMPT(recompress_source, zipnn_recompress(f.ctx, NULL, &f.sink, NULL, e))
ATTEMPT(recompress_sink, zipnn_recompress(f.ctx, &f.source, NULL, NULL, e))
ATTEMPT(pack_old_ctx, zipnn_pack_old(NULL, ZIPNN_OLD_RECORD, &f.source, &f.sink, NULL, e))
ATTEMPT(pack_old_source, zipnn_pack_old(f.ctx, ZIPNN_OLD_RECORD, NULL, &f.sink, NULL, e))
ATTEMPT(pack_old_sink, zipnn_pack_old(f.ctx, ZIPNN_OLD_RECORD, &f.source, NULL, NULL, e))
ATTEMPT(open_ctx, zipnn_archive_open(NULL, &f.source, (zipnn_archive *[]){NULL}, e))
ATTEMPT(open_source, zipnn_archive_open(f.ctx, NULL, (zipnn_archive *[]){NULL}, e))
ATTEMPT(open_archive, zipnn_archive_open(f.ctx, &f.source, NULL, e))
ATTEMPT(open_mute, zipnn_archive_open(f.ctx, &mute_source, (zipnn_archive *[]){NULL}, e))
ATTEMPT(damaged_source, zipnn_archive_open_damaged(f.ctx, NULL, (zipnn_archive *[]){NULL}, e))
ATTEMPT(damaged_archive, zipnn_archive_open_damaged(f.ctx, &f.source, NULL, e))
ATTEMPT(model_source, zipnn_model_open(f.ctx, NULL, (zipnn_archive *[]){NULL}, e))
ATTEMPT(model_archive, zipnn_model_open(f.ctx, &f.source, NULL, e))
ATTEMPT(chunk_archive, zipnn_archive_chunk(NULL, 0, &f.info.chunk, e))
ATTEMPT(chunk_info, zipnn_archive_chunk(f.archive, 0, NULL, e))
ATTEMPT(tensor_archive, zipnn_archive_tensor(NULL, 0, &f.info.tensor, e))
ATTEMPT(tensor_info, zipnn_archive_tensor(f.archive, 0, NULL, e))
ATTEMPT(base_archive, zipnn_archive_base(NULL, 0, &f.info.base, e))
ATTEMPT(base_info, zipnn_archive_base(f.archive, 0, NULL, e))
ATTEMPT(find_archive, zipnn_archive_find(NULL, "w", &f.number, e))
ATTEMPT(find_name, zipnn_archive_find(f.archive, NULL, &f.number, e))
ATTEMPT(find_index, zipnn_archive_find(f.archive, "w", NULL, e))
ATTEMPT(coding_archive, zipnn_archive_coding(NULL, 0, &f.info.coding, e))
ATTEMPT(coding_info, zipnn_archive_coding(f.archive, 0, NULL, e))
ATTEMPT(chunk_at_archive, zipnn_archive_chunk_at(NULL, 0, &f.number, e))
ATTEMPT(chunk_at_chunk, zipnn_archive_chunk_at(f.archive, 0, NULL, e))
ATTEMPT(read_archive, zipnn_archive_read(NULL, 0, 9, f.room, e))
ATTEMPT(read_dst, zipnn_archive_read(f.archive, 0, 9, NULL, e))
ATTEMPT(read_tensor_archive, zipnn_archive_read_tensor(NULL, 0, f.room, sizeof f.room, e))
ATTEMPT(read_tensor_dst, zipnn_archive_read_tensor(f.archive, 0, NULL, sizeof f.room, e))
ATTEMPT(read_rows_archive, zipnn_archive_read_rows(NULL, 0, 0, 1, f.room, sizeof f.room, e))
ATTEMPT(write_rows_archive, zipnn_archive_write_rows(NULL, 0, 0, 1, &f.sink, e))
ATTEMPT(write_rows_sink, zipnn_archive_write_rows(f.archive, 0, 0, 1, NULL, e))
ATTEMPT(write_rows_mute, zipnn_archive_write_rows(f.archive, 0, 0, 1, &deaf_sink, e))
ATTEMPT(digests_ctx, zipnn_digests(NULL, &f.source, &f.info.stats, e))
ATTEMPT(digests_source, zipnn_digests(f.ctx, NULL, &f.info.stats, e))
ATTEMPT(digests_stats, zipnn_digests(f.ctx, &f.source, NULL, e))
ATTEMPT(joined_length_source, zipnn_joined_length(NULL, &f.number, e))
ATTEMPT(joined_length_number, zipnn_joined_length(&f.source, NULL, e))
ATTEMPT(joined_unpack_ctx, zipnn_joined_unpack(NULL, &f.source, &f.sink, NULL, e))
ATTEMPT(joined_unpack_source, zipnn_joined_unpack(f.ctx, NULL, &f.sink, NULL, e))
ATTEMPT(joined_unpack_deaf, zipnn_joined_unpack(f.ctx, &f.source, &deaf_sink, NULL, e))
ATTEMPT(tiles_ctx, zipnn_archive_tiles(NULL, f.archive, 0, 0, 1, &all_tiles, e))
ATTEMPT(tiles_archive, zipnn_archive_tiles(f.ctx, NULL, 0, 0, 1, &all_tiles, e))
ATTEMPT(tiles_tiles, zipnn_archive_tiles(f.ctx, f.archive, 0, 0, 1, NULL, e))
ATTEMPT(tiles_buffer, zipnn_archive_tiles(f.ctx, f.archive, 0, 0, 1, &no_buffer, e))
ATTEMPT(tiles_take, zipnn_archive_tiles(f.ctx, f.archive, 0, 0, 1, &nobody_takes, e))
ATTEMPT(layout_archive, zipnn_archive_tensor_layout(NULL, 0, &f.info.layout, e))
ATTEMPT(layout_layout, zipnn_archive_tensor_layout(f.archive, 0, NULL, e))
ATTEMPT(layout_size, zipnn_archive_tensor_layout(f.archive, 0, &(zipnn_tensor_layout){.size = 3}, e))
ATTEMPT(dtype_describe, zipnn_dtype_describe(ZIPNN_BF16, NULL, e))
ATTEMPT(dtype_describe_size, zipnn_dtype_describe(ZIPNN_BF16, &(zipnn_dtype_info){.size = 3}, e))
ATTEMPT(dtype_find_name, zipnn_dtype_find(NULL, &f.dtype, e))
ATTEMPT(dtype_find_dtype, zipnn_dtype_find("bf16", NULL, e))
ATTEMPT(read_rows_dst, zipnn_archive_read_rows(f.archive, 0, 0, 1, NULL, sizeof f.room, e))
ATTEMPT(verify_archive, zipnn_archive_verify(NULL, NULL, NULL, NULL, e))
ATTEMPT(salvage_archive, zipnn_archive_salvage(NULL, &f.sink, NULL, NULL, NULL, e))
ATTEMPT(salvage_sink, zipnn_archive_salvage(f.archive, NULL, NULL, NULL, NULL, e))
ATTEMPT(salvage_deaf, zipnn_archive_salvage(f.archive, &deaf_sink, NULL, NULL, NULL, e))
ATTEMPT(file_open_path, zipnn_file_open(NULL, &f.file, e))
ATTEMPT(file_open_file, zipnn_file_open("x", NULL, e))
ATTEMPT(file_fd_name, zipnn_file_from_fd(0, NULL, &f.file, e))
ATTEMPT(file_fd_file, zipnn_file_from_fd(0, "x", NULL, e))
ATTEMPT(file_create_path, zipnn_file_create(NULL, NULL, 0, &f.file, e))
ATTEMPT(file_create_file, zipnn_file_create("x", NULL, 0, NULL, e))
ATTEMPT(file_map, zipnn_file_map(NULL, e))
ATTEMPT(file_read_ahead, zipnn_file_read_ahead(NULL, e))
ATTEMPT(file_reserve, zipnn_file_reserve(NULL, 1, e))
ATTEMPT(file_unchanged, zipnn_file_unchanged(NULL, e))
ATTEMPT(file_commit, zipnn_file_commit(NULL, e))
ATTEMPT(file_remove, zipnn_file_remove(NULL, e))

#define ROW(name) \
    { #name, attempt_##name }
static const struct attempt attempts[] = {
    ROW(create),
    ROW(create_bases),
    ROW(create_mute_base),
    ROW(create_old_base),
    ROW(nearest_ctx),
    ROW(nearest_source),
    ROW(nearest_index),
    ROW(compress_ctx),
    ROW(compress_src),
    ROW(compress_dst),
    ROW(compress_got),
    ROW(size_src),
    ROW(size_original),
    ROW(decompress_ctx),
    ROW(decompress_src),
    ROW(decompress_dst),
    ROW(decompress_got),
    ROW(pack_ctx),
    ROW(pack_source),
    ROW(pack_mute),
    ROW(pack_sink),
    ROW(pack_deaf),
    ROW(estimate_ctx),
    ROW(estimate_source),
    ROW(estimate_info),
    ROW(unpack_ctx),
    ROW(unpack_source),
    ROW(unpack_sink),
    ROW(unpack_deaf),
    ROW(apply_ctx),
    ROW(apply_source),
    ROW(apply_memory),
    ROW(test_ctx),
    ROW(test_source),
    ROW(recompress_ctx),
    ROW(recompress_source),
    ROW(recompress_sink),
    ROW(pack_old_ctx),
    ROW(pack_old_source),
    ROW(pack_old_sink),
    ROW(open_ctx),
    ROW(open_source),
    ROW(open_archive),
    ROW(open_mute),
    ROW(damaged_source),
    ROW(damaged_archive),
    ROW(model_source),
    ROW(model_archive),
    ROW(chunk_archive),
    ROW(chunk_info),
    ROW(tensor_archive),
    ROW(tensor_info),
    ROW(base_archive),
    ROW(base_info),
    ROW(find_archive),
    ROW(find_name),
    ROW(find_index),
    ROW(coding_archive),
    ROW(coding_info),
    ROW(chunk_at_archive),
    ROW(chunk_at_chunk),
    ROW(read_archive),
    ROW(read_dst),
    ROW(read_tensor_archive),
    ROW(read_tensor_dst),
    ROW(read_rows_archive),
    ROW(read_rows_dst),
    ROW(write_rows_archive),
    ROW(write_rows_sink),
    ROW(write_rows_mute),
    ROW(digests_ctx),
    ROW(digests_source),
    ROW(digests_stats),
    ROW(joined_length_source),
    ROW(joined_length_number),
    ROW(joined_unpack_ctx),
    ROW(joined_unpack_source),
    ROW(joined_unpack_deaf),
    ROW(tiles_ctx),
    ROW(tiles_archive),
    ROW(tiles_tiles),
    ROW(tiles_buffer),
    ROW(tiles_take),
    ROW(layout_archive),
    ROW(layout_layout),
    ROW(layout_size),
    ROW(dtype_describe),
    ROW(dtype_describe_size),
    ROW(dtype_find_name),
    ROW(dtype_find_dtype),
    ROW(verify_archive),
    ROW(salvage_archive),
    ROW(salvage_sink),
    ROW(salvage_deaf),
    ROW(file_open_path),
    ROW(file_open_file),
    ROW(file_fd_name),
    ROW(file_fd_file),
    ROW(file_create_path),
    ROW(file_create_file),
    ROW(file_map),
    ROW(file_read_ahead),
    ROW(file_reserve),
    ROW(file_unchanged),
    ROW(file_commit),
    ROW(file_remove),
};

static int set_up(void **state) {
    static const char header[] = "{\"w\":{\"dtype\":\"U8\",\"shape\":[16],\"data_offsets\":[0,16]}}";
    (void)state;
    memset(f.bytes, 0, 8);
    f.bytes[0] = sizeof header - 1;
    memcpy(f.bytes + 8, header, sizeof header - 1);
    zt_sample(ZT_BF16, 1, f.bytes + 8 + sizeof header - 1, 16);
    const size_t len = 8 + sizeof header - 1 + 16;
    assert_int_equal(zipnn_create(NULL, &f.ctx, NULL), ZIPNN_OK);
    assert_int_equal(zipnn_compress(f.ctx, f.bytes, len, f.packed, sizeof f.packed, &f.packed_len, NULL), ZIPNN_OK);
    f.in = (struct zt_input){.data = f.packed, .len = f.packed_len};
    f.out = (struct zt_output){.data = f.room, .cap = sizeof f.room};
    f.source = zt_file(&f.in);
    f.sink = zt_pipe_sink(&f.out);
    return (int)zipnn_archive_open(f.ctx, &f.source, &f.archive, NULL);
}

static int tear_down(void **state) {
    (void)state;
    zipnn_archive_close(f.archive);
    zipnn_destroy(f.ctx);
    return 0;
}

static void null_is_an_argument_error(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof attempts / sizeof *attempts; i++) {
        zipnn_error err = {ZIPNN_OK, 0, ""};
        const zipnn_status status = attempts[i].call(&err);
        if (status != ZIPNN_E_ARGUMENT || err.status != status || !err.message[0])
            fail_msg("%s: %s, \"%s\"", attempts[i].name, zipnn_status_name(status), err.message);
        assert_int_equal(attempts[i].call(NULL), ZIPNN_E_ARGUMENT);
    }
}

/* Functions that return no status do nothing, and return 0, false or NULL. */
static void null_does_no_harm(void **state) {
    zipnn_source source;
    zipnn_sink sink;
    (void)state;
    zipnn_destroy(NULL);
    zipnn_archive_close(NULL);
    zipnn_file_close(NULL);
    zipnn_file_discard(NULL);
    zipnn_archive_get_info(f.archive, NULL);
    zipnn_archive_get_info(NULL, &f.info.archive);
    assert_true(f.info.archive.original == 0 && f.info.archive.n_tensors == 0);
    zipnn_file_source(NULL, NULL);
    zipnn_file_sink(NULL, NULL);
    zipnn_file_source(NULL, &source);
    zipnn_file_sink(NULL, &sink);
    assert_true(!source.read && !source.read_at && !sink.write && !sink.write_at);
    assert_int_equal(zipnn_archive_n_left_out(NULL), 0);
    assert_null(zipnn_archive_fault(NULL));
    assert_string_equal(zipnn_kernel_name(NULL), "");
    assert_int_equal(zipnn_needs_read_at(NULL, 24), 0);
    assert_int_equal(zipnn_file_is_cached(NULL), 0);
}

/* Nothing asked for needs no memory to put it. */
static void nothing_fits_in_null(void **state) {
    (void)state;
    assert_int_equal(zipnn_archive_read(f.archive, 0, 0, NULL, NULL), ZIPNN_OK);
    assert_int_equal(zipnn_archive_read_rows(f.archive, 0, 3, 0, NULL, 0, NULL), ZIPNN_OK);
    const zipnn_tiles nowhere = {NULL, 0, take_nothing, NULL};
    assert_int_equal(zipnn_archive_tiles(f.ctx, f.archive, 0, 3, 0, &nowhere, NULL), ZIPNN_OK);
    assert_int_equal(zipnn_compress(f.ctx, NULL, 0, f.room, sizeof f.room, &f.got, NULL), ZIPNN_OK);
    assert_int_equal(zipnn_decompress(f.ctx, f.room, f.got, NULL, 0, &f.got, NULL), ZIPNN_OK);
    assert_true(f.got == 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(null_is_an_argument_error),
        cmocka_unit_test(null_does_no_harm),
        cmocka_unit_test(nothing_fits_in_null),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
