/* Programs of this house that are installed apart from this one, because of what they need. Commands that such a program
 * does: line/helpers.def. */
#ifndef ZIPNN_CLI_HELPER_H
#define ZIPNN_CLI_HELPER_H

#include <limits.h>
#include <stdbool.h>

enum { HELPER_PATH = PATH_MAX + 1 };

/* Becomes the program that does argv[1], if that is such a command; of "help NAME", to show its help. Returns false if
 * it is none. If the program is missing, that is said and this one ends. */
bool helper_run(int argc, char **argv);

/* Finds a program beside this one, or else by PATH. Returns false if it is neither here nor there. */
bool helper_program(const char *program, char path[HELPER_PATH]);

/* The same for the program that does this command. */
bool helper_find(const char *command, char path[HELPER_PATH]);

#endif
