/* Lists the tensors of an archive, or reads one of them by name without unpacking the rest.
 *
 *   cc read_tensor.c $(pkg-config --cflags --libs zipnn) -o read_tensor
 *   ./read_tensor model.safetensors.znn
 *   ./read_tensor model.safetensors.znn model.norm.weight > weights.bin
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <zipnn/zipnn.h>

static zipnn_status list(const zipnn_archive *archive, zipnn_error *err) {
    zipnn_archive_info info;
    zipnn_archive_get_info(archive, &info);
    for (uint64_t i = 0; i < info.n_tensors; i++) {
        zipnn_tensor_info t;
        zipnn_status status = zipnn_archive_tensor(archive, i, &t, err);
        if (status != ZIPNN_OK) return status;
        printf("%-5s %12" PRIu64 " -> %12" PRIu64 "  %s\n", zipnn_dtype_name(t.dtype), t.length, t.stored, t.name);
    }
    return ZIPNN_OK;
}

static zipnn_status read_one(zipnn_archive *archive, const char *name, zipnn_error *err) {
    uint64_t index;
    zipnn_tensor_info t;
    zipnn_status status = zipnn_archive_find(archive, name, &index, err);
    if (status == ZIPNN_OK) status = zipnn_archive_tensor(archive, index, &t, err);
    if (status != ZIPNN_OK) return status;

    void *data = malloc((size_t)t.length + 1);
    if (!data) return ZIPNN_E_MEMORY;
    status = zipnn_archive_read_tensor(archive, index, data, (size_t)t.length, err);
    if (status == ZIPNN_OK) fwrite(data, 1, (size_t)t.length, stdout);
    free(data);
    return status;
}

int main(int argc, char **argv) {
    if (argc != 2 && argc != 3) {
        fprintf(stderr, "usage: read_tensor ARCHIVE [TENSOR]\n");
        return 2;
    }
    zipnn_error err = {.message = "out of memory"};
    zipnn_ctx *ctx = NULL;
    zipnn_file *file = NULL;
    zipnn_archive *archive = NULL;
    zipnn_source source;

    zipnn_status status = zipnn_create(NULL, &ctx, &err);
    if (status == ZIPNN_OK) status = zipnn_file_open(argv[1], &file, &err);
    if (status == ZIPNN_OK) {
        zipnn_file_source(file, &source);
        status = zipnn_archive_open(ctx, &source, &archive, &err);
    }
    if (status == ZIPNN_OK) status = argc == 2 ? list(archive, &err) : read_one(archive, argv[2], &err);
    if (status != ZIPNN_OK) fprintf(stderr, "%s: %s\n", argv[1], err.message);

    zipnn_archive_close(archive);
    zipnn_file_close(file);
    zipnn_destroy(ctx);
    return status == ZIPNN_OK ? EXIT_SUCCESS : EXIT_FAILURE;
}
