/* The programs that are installed apart are none for Windows: views need FUSE. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "line/exits.h"
#include "shared/helper.h"

bool helper_program(const char *program, char path[HELPER_PATH]) {
    (void)program, (void)path;
    return false;
}

bool helper_find(const char *command, char path[HELPER_PATH]) {
    return helper_program(command, path);
}

bool helper_run(int argc, char **argv) {
    static const char *const names[] = {
#define HELPER(name, program, needs, operands, help, manual) name,
#include "line/helpers.def"
#undef HELPER
    };
    const char *first = argc > 1 ? argv[1] : "", *asked = argc == 3 && strcmp(first, "help") == 0 ? argv[2] : first;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(names[i], asked) != 0) continue;
        fprintf(stderr, "zipnn: %s is not for Windows, which has no FUSE; zipnn -d restores files\n", asked);
        exit(EXIT_FAILED);
    }
    return false;
}
