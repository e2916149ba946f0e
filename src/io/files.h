/* Files, pipes and terminals as sources and sinks. A new file appears under its name only when it is complete. Until
 * then it is a temporary in the folder that will hold it, without a name where the system allows that. The public
 * header has the contracts, at the zipnn_file_* functions; each zn_file_* here implements one of them. */
#ifndef ZN_IO_FILES_H
#define ZN_IO_FILES_H

#include <stdbool.h>

#include "base/err.h"

zipnn_status zn_file_open(const char *path, zipnn_file **file, zipnn_error *err);
zipnn_status zn_file_map(zipnn_file *file, zipnn_error *err);
zipnn_status zn_file_read_ahead(zipnn_file *file, zipnn_error *err);
bool zn_file_is_cached(const zipnn_file *file);
zipnn_status zn_file_from_fd(int fd, const char *name, zipnn_file **file, zipnn_error *err);
zipnn_status zn_file_create(const char *path, const zipnn_file *like, unsigned flags, zipnn_file **file,
                            zipnn_error *err);
void zn_file_source(zipnn_file *file, zipnn_source *source);
void zn_file_sink(zipnn_file *file, zipnn_sink *sink);
zipnn_status zn_file_reserve(zipnn_file *file, uint64_t len, zipnn_error *err);
zipnn_status zn_file_unchanged(const zipnn_file *file, zipnn_error *err);
zipnn_status zn_file_commit(zipnn_file *file, zipnn_error *err);
zipnn_status zn_file_read_back(const zipnn_file *written, zipnn_file **file, zipnn_error *err);
zipnn_status zn_file_at_rest(const zipnn_file *file, zipnn_error *err);
zipnn_status zn_file_remove(const zipnn_file *file, zipnn_error *err);
void zn_file_discard(zipnn_file *file);
void zn_file_close(zipnn_file *file);

unsigned zn_available_cpus(void);

#endif
