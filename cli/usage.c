#include "usage.h"

#include <stdio.h>

static void print_option(char letter, const char *name, const char *arg, const char *help) {
    char left[40], letters[16] = "";
    if (!help[0]) return;
    if (letter == '#')
        snprintf(letters, sizeof letters, "-1 ... -9");
    else if (letter)
        snprintf(letters, sizeof letters, "-%c%s", letter, name[0] ? ", " : "");
    else
        snprintf(letters, sizeof letters, "    ");
    snprintf(left, sizeof left, "%s%s%s%s%s", letters, name[0] ? "--" : "", name, arg[0] ? " " : "", arg);
    printf("  %-20s %s\n", left, help);
}

static void print_command(const char *name, const char *operands, const char *help) {
    char left[40];
    snprintf(left, sizeof left, "%s %s", name, operands);
    printf("  %-20s %s\n", left, help);
}

void usage_print(void) {
    puts(
        "Usage: zipnn [OPTION]... [FILE]...\n"
        "       zipnn COMMAND [OPTION]... FILE...\n"
        "Lossless compression of AI model weights. FILE becomes FILE.znn and is kept.\n"
        "Without FILE, or with -, standard input goes to standard output.\n"
        "\nCommands (a file of such a name is ./NAME):");
#define COMMAND(id, name, operands, output, help, manual) print_command(name, operands, help);
#include "commands.def"
#undef COMMAND
#define GROUP(title) puts("\n" title ":");
#define OPTION(id, letter, name, arg, complete, help, manual) print_option(letter, name, arg, help);
#include "options.def"
#undef OPTION
#undef GROUP
    puts("\nExit codes:");
#define EXIT(id, code, text) printf("  %d  %s\n", code, text);
#include "exits.def"
#undef EXIT
}
