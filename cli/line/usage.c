#include "line/usage.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "line/args.h"

enum { COLUMN = 22, WIDTH = 80 };

static const struct option {
    const char *group; /* title; the other fields are empty then */
    char letter;
    const char *name, *arg;
    enum option_id id;
    const char *help;
} options[] = {
#define GROUP(title) {.group = title},
#define OPTION(id, letter, name, arg, complete, takes, help, manual) {NULL, letter, name, arg, OPT_##id, help},
#include "line/options.def"
#undef OPTION
#undef GROUP
};

static const struct command {
    const char *name, *operands, *help, *manual;
} commands[] = {
#define MODE(id, shown, takes, gives, options, call, function)
#define COMMAND(id, name, operands, most, takes, gives, options, call, function, help, manual) \
    {name, operands, help, manual},
#include "line/commands.def"
#undef COMMAND
#undef MODE
#define HELPER(name, program, needs, operands, help, manual) {name, operands, help, manual},
#include "line/helpers.def"
#undef HELPER
};

enum { N_LINES = sizeof options / sizeof options[0], N_COMMANDS = sizeof commands / sizeof commands[0] };

static void print_option(const struct option *o) {
    char left[40], letters[16] = "    ";
    if (!o->help[0]) return;
    if (o->letter == '#')
        snprintf(letters, sizeof letters, "-1 ... -9");
    else if (o->letter)
        snprintf(letters, sizeof letters, "-%c%s", o->letter, o->name[0] ? ", " : "");
    snprintf(left, sizeof left, "%s%s%s%s%s", letters, o->name[0] ? "--" : "", o->name, o->arg[0] ? " " : "", o->arg);
    if (strlen(left) > COLUMN)
        printf("  %s\n  %*s %s\n", left, COLUMN, "", o->help);
    else
        printf("  %-*s %s\n", COLUMN, left, o->help);
}

static void print_two(const char *name, const char *operands, const char *help) {
    char left[40];
    snprintf(left, sizeof left, "%s %s", name, operands);
    printf("  %-*s %s\n", COLUMN, left, help);
}

/* Prints the groups of options with those options that `command` takes; NULL: all. */
static void print_options(const char *command) {
    const char *title = NULL;
    for (size_t i = 0; i < N_LINES; i++) {
        const struct option *o = &options[i];
        if (o->group) title = o->group;
        if (o->group || !o->help[0] || (command && !args_goes_with(o->id, command))) continue;
        if (title) printf("\n%s:\n", title);
        title = NULL;
        print_option(o);
    }
}

/* Copies a word of the manual page as plain text, without fonts and with minus signs. Returns its length. */
static size_t plain_word(const char *word, size_t len, char *out) {
    size_t n = 0;
    for (size_t i = 0; i < len; i++) {
        if (word[i] != '\\')
            out[n++] = word[i];
        else if (i + 4 < len + 1 && word[i + 1] == 'f')
            i += 4; /* \f[B] */
    }
    out[n] = '\0';
    return n;
}

static void print_manual(const char *text) {
    char word[200];
    size_t column = 0;
    while (*text) {
        const size_t len = strcspn(text, " ");
        const size_t shown = plain_word(text, len < sizeof word ? len : sizeof word - 1, word);
        const int wraps = column && column + 1 + shown > WIDTH;
        printf("%s%s", wraps ? "\n" : column ? " " : "", word);
        column = wraps || !column ? shown : column + 1 + shown;
        text += len + (text[len] == ' ');
    }
    putchar('\n');
}

static void print_command(const struct command *c) {
    printf("Usage: zipnn %s [OPTION]...%s%s\n\n", c->name, c->operands[0] ? " " : "", c->operands);
    print_manual(c->manual);
    if (strcmp(c->name, "chain") == 0) {
        puts("\nVerbs:");
#define VERB(id, name, operands, least, most, use, options, help) print_two(name, operands, help);
#include "line/verbs.def"
#undef VERB
    }
    print_options(c->name);
}

static void print_all(void) {
    puts(
        "Usage: zipnn [OPTION]... [FILE]...\n"
        "       zipnn COMMAND [OPTION]... FILE...\n"
        "Lossless compression of AI model weights. FILE becomes FILE.znn and is kept.\n"
        "Without FILE, or with -, standard input goes to standard output.\n"
        "\nCommands (a file of such a name is ./NAME); zipnn help COMMAND tells more:");
    for (size_t i = 0; i < N_COMMANDS; i++) print_two(commands[i].name, commands[i].operands, commands[i].help);
    print_options(NULL);
    puts("\nExit codes:");
#define EXIT(id, code, text) printf("  %d  %s\n", code, text);
#include "line/exits.def"
#undef EXIT
}

void usage_print(const char *command) {
    for (size_t i = 0; i < N_COMMANDS && command; i++) {
        if (strcmp(commands[i].name, command) != 0) continue;
        print_command(&commands[i]);
        return;
    }
    print_all();
}
