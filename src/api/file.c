/* The exported zipnn_file_* functions. */
#include "api/context.h"
#include "io/files.h"

zipnn_status zipnn_file_open(const char *path, zipnn_file **file, zipnn_error *err) {
    ZN_TRY(zn_given("zipnn_file_open", path, file, err));
    return zn_file_open(path, file, err);
}

zipnn_status zipnn_file_from_fd(int fd, const char *name, zipnn_file **file, zipnn_error *err) {
    ZN_TRY(zn_given("zipnn_file_from_fd", name, file, err));
    return zn_file_from_fd(fd, name, file, err);
}

zipnn_status zipnn_file_create(const char *path, const zipnn_file *like, unsigned flags, zipnn_file **file,
                               zipnn_error *err) {
    ZN_TRY(zn_given("zipnn_file_create", path, file, err));
    return zn_file_create(path, like, flags, file, err);
}

zipnn_status zipnn_file_map(zipnn_file *file, zipnn_error *err) {
    ZN_TRY(zn_given("zipnn_file_map", file, file, err));
    return zn_file_map(file, err);
}

zipnn_status zipnn_file_read_ahead(zipnn_file *file, zipnn_error *err) {
    ZN_TRY(zn_given("zipnn_file_read_ahead", file, file, err));
    return zn_file_read_ahead(file, err);
}

int zipnn_file_is_cached(const zipnn_file *file) {
    return file ? zn_file_is_cached(file) : 0;
}

void zipnn_file_source(zipnn_file *file, zipnn_source *source) {
    if (!source) return;
    *source = (zipnn_source){.length = 0};
    if (file) zn_file_source(file, source);
}

void zipnn_file_sink(zipnn_file *file, zipnn_sink *sink) {
    if (!sink) return;
    *sink = (zipnn_sink){.user = NULL};
    if (file) zn_file_sink(file, sink);
}

zipnn_status zipnn_file_reserve(zipnn_file *file, uint64_t len, zipnn_error *err) {
    ZN_TRY(zn_given("zipnn_file_reserve", file, file, err));
    return zn_file_reserve(file, len, err);
}

zipnn_status zipnn_file_unchanged(const zipnn_file *file, zipnn_error *err) {
    ZN_TRY(zn_given("zipnn_file_unchanged", file, file, err));
    return zn_file_unchanged(file, err);
}

zipnn_status zipnn_file_commit(zipnn_file *file, zipnn_error *err) {
    ZN_TRY(zn_given("zipnn_file_commit", file, file, err));
    return zn_file_commit(file, err);
}

zipnn_status zipnn_file_read_back(const zipnn_file *written, zipnn_file **file, zipnn_error *err) {
    return zn_file_read_back(written, file, err);
}

zipnn_status zipnn_file_at_rest(const zipnn_file *file, zipnn_error *err) {
    return zn_file_at_rest(file, err);
}

zipnn_status zipnn_file_remove(const zipnn_file *file, zipnn_error *err) {
    ZN_TRY(zn_given("zipnn_file_remove", file, file, err));
    return zn_file_remove(file, err);
}

void zipnn_file_discard(zipnn_file *file) {
    if (file) zn_file_discard(file);
}

void zipnn_file_close(zipnn_file *file) {
    zn_file_close(file);
}

unsigned zipnn_available_cpus(void) {
    return zn_available_cpus();
}
