#include "shared/helper.h"

#include <errno.h>
#include <limits.h>
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

/* Tries the program beside this one. */
static void become_neighbour(const struct helper *helper, char **argv) {
    char path[PATH_MAX + 1];
    const ssize_t len = readlink("/proc/self/exe", path, PATH_MAX);
    char *slash = len > 0 ? (path[len] = '\0', strrchr(path, '/')) : NULL;
    if (!slash || (size_t)(slash + 1 - path) + strlen(helper->program) > PATH_MAX) return;
    memcpy(slash + 1, helper->program, strlen(helper->program) + 1);
    execv(path, argv);
}

bool helper_run(int argc, char **argv) {
    const char *first = argc > 1 ? argv[1] : "";
    static char show[] = "--help";
    const bool asks = argc == 3 && strcmp(first, "help") == 0;
    const struct helper *helper = find(asks ? argv[2] : first);
    if (!helper) return false;
    char *help[] = {argv[0], asks ? argv[2] : NULL, show, NULL};
    char **words = asks ? help : argv;
    become_neighbour(helper, words);
    execvp(helper->program, words);
    fprintf(stderr,
            "zipnn: %s is done by the program %s, which cannot be started: %s; it is built and installed with zipnn "
            "where libfuse 3 is found (Debian: apt-get install %s)\n",
            helper->name, helper->program, strerror(errno), helper->needs);
    exit(EXIT_FAILED);
}
