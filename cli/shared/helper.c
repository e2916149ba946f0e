#include "shared/helper.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "line/exits.h"

static const struct helper {
    const char *name, *program, *needs;
} helpers[] = {
#define HELPER(name, program, needs, operands, help, manual) {name, program, needs},
#include "line/helpers.def"
#undef HELPER
};

static const struct helper *find(const char *name) {
    for (size_t i = 0; i < sizeof helpers / sizeof helpers[0]; i++)
        if (strcmp(helpers[i].name, name) == 0) return &helpers[i];
    return NULL;
}

/* Returns whether folder[0, len) has the program, and its path. */
static bool is_in(const char *folder, size_t len, const char *program, char path[HELPER_PATH]) {
    const int n = snprintf(path, HELPER_PATH, "%.*s/%s", (int)len, folder, program);
    return n > 0 && n < HELPER_PATH && access(path, X_OK) == 0;
}

static bool is_beside(const char *program, char path[HELPER_PATH]) {
    char self[HELPER_PATH];
    const ssize_t len = readlink("/proc/self/exe", self, HELPER_PATH - 1);
    if (len <= 0) return false;
    self[len] = '\0';
    const char *slash = strrchr(self, '/');
    return slash && is_in(self, (size_t)(slash - self), program, path);
}

bool helper_program(const char *program, char path[HELPER_PATH]) {
    if (is_beside(program, path)) return true;
    const char *folders = getenv("PATH");
    while (folders && *folders) {
        const size_t len = strcspn(folders, ":");
        if (len && is_in(folders, len, program, path)) return true;
        folders += len + (folders[len] == ':');
    }
    return false;
}

bool helper_find(const char *command, char path[HELPER_PATH]) {
    const struct helper *helper = find(command);
    return helper && helper_program(helper->program, path);
}

bool helper_run(int argc, char **argv) {
    const char *first = argc > 1 ? argv[1] : "";
    static char show[] = "--help";
    const bool asks = argc == 3 && strcmp(first, "help") == 0;
    const struct helper *helper = find(asks ? argv[2] : first);
    if (!helper) return false;
    char *help[] = {argv[0], asks ? argv[2] : NULL, show, NULL};
    char **words = asks ? help : argv;
    char path[HELPER_PATH];
    if (helper_find(helper->name, path))
        execv(path, words);
    else
        errno = ENOENT;
    fprintf(stderr, "zipnn: %s is done by the program %s, which cannot be started: %s; %s\n", helper->name,
            helper->program, strerror(errno), helper->needs);
    exit(EXIT_FAILED);
}
