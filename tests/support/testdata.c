#define _POSIX_C_SOURCE 200809L
#include "support/testdata.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

/* Returns a malloc'ed copy of exactly the file's size, so that a sanitizer sees every read beyond the end. */
static uint8_t *read_file(const char *path, size_t *len) {
    FILE *f = fopen(path, "rb");
    if (!f) return NULL;
    uint8_t *data = NULL;
    if (fseek(f, 0, SEEK_END) == 0) {
        const long size = ftell(f);
        rewind(f);
        *len = size > 0 ? (size_t)size : 0;
        data = malloc(*len ? *len : 1);
        if (data && fread(data, 1, *len, f) != *len) {
            free(data);
            data = NULL;
        }
    }
    fclose(f);
    return data;
}

bool zt_each_file(const char *folder, void (*visit)(void *arg, const char *name, const uint8_t *data, size_t len),
                  void *arg) {
    const char *root = getenv("ZIPNN_TEST_DATA");
    char dir_path[2048], path[4096];
    snprintf(dir_path, sizeof dir_path, "%s/%s", root ? root : ZT_SOURCE_DIR "/../shared/data", folder);
    struct dirent **entries;
    const int n = scandir(dir_path, &entries, NULL, alphasort);
    if (n < 0) {
        fprintf(stderr, "skipped: no folder %s (set ZIPNN_TEST_DATA)\n", dir_path);
        return false;
    }
    for (int i = 0; i < n; i++) {
        size_t len;
        snprintf(path, sizeof path, "%s/%s", dir_path, entries[i]->d_name);
        uint8_t *data = entries[i]->d_name[0] == '.' ? NULL : read_file(path, &len);
        if (data) visit(arg, entries[i]->d_name, data, len);
        free(data);
        free(entries[i]);
    }
    free(entries);
    return true;
}
