#include "shared/filelist.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/cli_fail.h"
#include "shared/run_report.h"
#include "shared/text.h"

/* Adds one name of `len` bytes, which the end mark follows unless the list ends. */
static zipnn_status add_name(struct paths *names, char *name, size_t len, int end, zipnn_error *err) {
    if (len && name[len - 1] == end) name[--len] = '\0';
    if (memchr(name, 0, len))
        return cli_fail(err, ZIPNN_E_ARGUMENT, "name %zu of the list holds a zero byte: -0 reads lists of that kind",
                        names->n + 1);
    if (len) paths_add(names, text_join(strcmp(name, "-") == 0 ? "./" : "", name, ""));
    return ZIPNN_OK;
}

void filelist_read(struct run *run, struct paths *names) {
    const char *path = run->args->filelist;
    const int end = run->args->zeros ? '\0' : '\n';
    const bool from_stdin = strcmp(path, "-") == 0;
    FILE *list = from_stdin ? stdin : fopen(path, "re");
    char *name = NULL;
    size_t cap = 0;
    zipnn_error err;
    zipnn_status st = ZIPNN_OK;
    errno = 0;
    while (list && st == ZIPNN_OK) {
        const ssize_t len = getdelim(&name, &cap, end, list);
        if (len < 0) break;
        st = add_name(names, name, (size_t)len, end, &err);
    }
    if (st == ZIPNN_OK && (!list || ferror(list)))
        st = cli_fail(&err, ZIPNN_E_ARGUMENT, "cannot read the list: %s", strerror(errno));
    if (st != ZIPNN_OK) run_report_failure(run, path, &err);
    if (list && !from_stdin) fclose(list);
    free(name);
}
