/* Makes the manual page and the completions from the tables of the program; runs while the program is built.
 *   zipnn_gen man TEMPLATE | zipnn_gen bash | zipnn_gen zsh | zipnn_gen fish */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "zipnn/zipnn.h"

enum completes { NOTHING, FILES, FOLDERS, WORDS };

struct option {
    const char *group; /* title; the other fields are empty then */
    char letter;
    const char *name, *arg;
    enum completes completes;
    const char *takes, *help, *manual;
};

static const struct option options[] = {
#define GROUP(title) {.group = title},
#define OPTION(id, letter, name, arg, completes, takes, help, manual) \
    {NULL, letter, name, arg, completes, takes, help, manual},
#include "line/options.def"
#undef OPTION
#undef GROUP
};

enum { N_OPTIONS = sizeof options / sizeof options[0] };

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

enum { N_COMMANDS = sizeof commands / sizeof commands[0] };

static const char verb_names[] =
#define VERB(id, name, operands, least, most, use, options, help) name " "
#include "line/verbs.def"
#undef VERB
    ;

/* "best, scalar" without its commas. */
static void put_words(const struct option *o) {
    for (const char *c = o->takes; *c; c++)
        if (*c != ',') putchar(*c);
}

/* ---- manual page ------------------------------------------------------------------------------------------------- */

/* Text of one or more sentences: each starts a line, none is longer than 80 characters. */
static void man_text(const char *text) {
    size_t column = 0;
    while (*text) {
        size_t word = strcspn(text, " ");
        bool wraps = column && column + 1 + word > 80;
        if (column) putchar(wraps ? '\n' : ' ');
        printf("%.*s", (int)word, text);
        column = column && !wraps ? column + 1 + word : word;
        bool ends = text[word - 1] == '.' && text[word];
        if (ends) putchar('\n');
        if (ends) column = 0;
        text += word + (text[word] == ' ');
    }
    putchar('\n');
}

/* Dashes that the reader may copy are minus signs. */
static void man_option(const struct option *o) {
    fputs(".TP\n", stdout);
    if (o->letter == '#') fputs(".BR \\-1 \" ... \" \\-9", stdout);
    if (o->letter && o->letter != '#') printf("\\fB\\-%c\\fR%s", o->letter, o->name[0] ? ", " : "");
    if (o->name[0]) fputs("\\fB\\-\\-", stdout);
    for (const char *c = o->name; *c; c++) fputs(*c == '-' ? "\\-" : (char[]){*c, '\0'}, stdout);
    if (o->name[0]) fputs("\\fR", stdout);
    if (o->arg[0]) printf(" \\fI%s\\fR", o->arg);
    putchar('\n');
    man_text(o->manual);
}

static void man_options(void) {
    for (size_t i = 0; i < N_OPTIONS; i++) {
        if (options[i].group)
            printf(".SS %s\n", options[i].group);
        else
            man_option(&options[i]);
    }
}

static void man_commands(void) {
    for (size_t i = 0; i < N_COMMANDS; i++) {
        printf(".TP\n\\fBzipnn %s\\fR [\\fIOPTION\\fR]... \\fI%s\\fR\n", commands[i].name, commands[i].operands);
        man_text(commands[i].manual);
    }
}

static void man_exits(void) {
#define EXIT(id, code, text) printf(".TP\n.B %d\n%s.\n", code, text);
#include "line/exits.def"
#undef EXIT
}

static void man_suffixes(void) {
    static const char *const suffixes[] = {
#define SUFFIX(text) text,
#include "line/suffixes.def"
#undef SUFFIX
    };
    size_t n = sizeof suffixes / sizeof suffixes[0];
    for (size_t i = 0; i < n; i++) printf(".B %s\n", suffixes[i]);
}

/* Copies the template; a line "@NAME@" is replaced by what NAME stands for. */
static int print_man(const char *template) {
    char line[1024];
    FILE *in = fopen(template, "r");
    if (!in) {
        perror(template);
        return 1;
    }
    while (fgets(line, sizeof line, in)) {
        char *version = strstr(line, "@VERSION@");
        if (version)
            printf("%.*s%d.%d.%d%s", (int)(version - line), line, ZIPNN_VERSION_MAJOR, ZIPNN_VERSION_MINOR,
                   ZIPNN_VERSION_PATCH, version + strlen("@VERSION@"));
        else if (strcmp(line, "@OPTIONS@\n") == 0)
            man_options();
        else if (strcmp(line, "@COMMANDS@\n") == 0)
            man_commands();
        else if (strcmp(line, "@EXITS@\n") == 0)
            man_exits();
        else if (strcmp(line, "@SUFFIXES@\n") == 0)
            man_suffixes();
        else
            fputs(line, stdout);
    }
    return fclose(in) != 0;
}

/* ---- completions ------------------------------------------------------------------------------------------------- */

static void bash_words(void) {
    for (size_t i = 0; i < N_OPTIONS; i++) {
        const struct option *o = &options[i];
        if (o->group) continue;
        if (o->letter == '#') fputs(" -1 -2 -3 -4 -5 -6 -7 -8 -9", stdout);
        if (o->letter && o->letter != '#') printf(" -%c", o->letter);
        if (o->name[0]) printf(" --%s", o->name);
    }
}

/* The case pattern of an option that takes a value: "-o|--output". */
static void bash_pattern(const struct option *o) {
    if (o->letter) printf("-%c%s", o->letter, o->name[0] ? "|" : "");
    if (o->name[0]) printf("--%s", o->name);
}

static void print_bash(void) {
    fputs(
        "# bash completion for zipnn\n\n_zipnn() {\n    local cur=${COMP_WORDS[COMP_CWORD]} "
        "prev=${COMP_WORDS[COMP_CWORD-1]}\n"
        "    COMPREPLY=()\n    case $prev in\n",
        stdout);
    for (size_t i = 0; i < N_OPTIONS; i++) {
        const struct option *o = &options[i];
        if (o->group || !o->arg[0]) continue;
        fputs("    ", stdout);
        bash_pattern(o);
        if (o->completes == FILES) fputs(") compopt -o default; return ;;\n", stdout);
        if (o->completes == FOLDERS) fputs(") compopt -o dirnames; return ;;\n", stdout);
        if (o->completes == NOTHING) fputs(") return ;;\n", stdout);
        if (o->completes != WORDS) continue;
        fputs(") COMPREPLY=($(compgen -W '", stdout);
        put_words(o);
        fputs("' -- \"$cur\")); return ;;\n", stdout);
    }
    printf(
        "    esac\n    if [[ ${COMP_WORDS[1]} == chain && $COMP_CWORD == 3 ]]; then\n"
        "        COMPREPLY=($(compgen -W '%s' -- \"$cur\"))\n        return\n    fi\n",
        verb_names);
    fputs("    if [[ $cur == -* ]]; then\n        COMPREPLY=($(compgen -W '", stdout);
    bash_words();
    fputs(
        "' -- \"$cur\"))\n    else\n        compopt -o default\n        if ((COMP_CWORD == 1)); then\n"
        "            COMPREPLY=($(compgen -W '",
        stdout);
    for (size_t i = 0; i < N_COMMANDS; i++) printf("%s%s", i ? " " : "", commands[i].name);
    fputs("' -- \"$cur\"))\n        fi\n    fi\n}\n\ncomplete -F _zipnn zipnn\n", stdout);
}

/* One line of _arguments: "(-o --output)"{-o+,--output=}"[help]:OUT:_files"; a colon of the help or of the value's name
 * would end it. */
static void zsh_option(const struct option *o) {
    const char *help = o->help[0] ? o->help : "instruction set";
    fputs("    ", stdout);
    if (o->letter == '#') {
        printf("'-'{1,2,3,4,5,6,7,8,9}'[%s]' \\\n", help);
        return;
    }
    if (o->letter && o->name[0])
        printf("'(-%c --%s)'{-%c%s,--%s%s}'[%s]", o->letter, o->name, o->letter, o->arg[0] ? "+" : "", o->name,
               o->arg[0] ? "=" : "", help);
    else if (o->letter)
        printf("'-%c[%s]", o->letter, help);
    else
        printf("'--%s%s[%s]", o->name, o->arg[0] ? "=" : "", help);
    if (o->arg[0]) putchar(':');
    for (const char *c = o->arg; *c; c++) printf(*c == ':' ? "\\:" : "%c", *c);
    if (o->arg[0]) putchar(':');
    if (o->completes == FILES) fputs("_files", stdout);
    if (o->completes == FOLDERS) fputs("_files -/", stdout);
    if (o->completes == WORDS) putchar('(');
    if (o->completes == WORDS) put_words(o);
    if (o->completes == WORDS) putchar(')');
    fputs("' \\\n", stdout);
}

static void print_zsh(void) {
    fputs("#compdef zipnn\n\n_zipnn_first() {\n    local -a commands=(\n", stdout);
    for (size_t i = 0; i < N_COMMANDS; i++) printf("        '%s:%s'\n", commands[i].name, commands[i].help);
    printf(
        "    )\n    _describe command commands\n    _files\n}\n\n_zipnn_third() {\n"
        "    [[ ${words[2]} == chain ]] && compadd %s\n    _files\n}\n\n_arguments -s -S \\\n",
        verb_names);
    for (size_t i = 0; i < N_OPTIONS; i++)
        if (!options[i].group) zsh_option(&options[i]);
    fputs("    '1: :_zipnn_first' '2:file:_files' '3: :_zipnn_third' '*:file:_files'\n", stdout);
}

static void fish_option(const struct option *o) {
    if (o->letter == '#') {
        for (int level = 1; level <= 9; level++) printf("complete -c zipnn -o %d -d 'level %d'\n", level, level);
        return;
    }
    fputs("complete -c zipnn", stdout);
    if (o->letter) printf(" -s %c", o->letter);
    if (o->name[0]) printf(" -l %s", o->name);
    if (o->completes == FILES) fputs(" -r -F", stdout);
    if (o->completes == FOLDERS) fputs(" -x -a '(__fish_complete_directories)'", stdout);
    if (o->completes == WORDS) fputs(" -x -a '", stdout);
    if (o->completes == WORDS) put_words(o);
    if (o->completes == WORDS) putchar('\'');
    if (o->completes == NOTHING && o->arg[0]) fputs(" -x", stdout);
    printf(" -d '%s'\n", o->help[0] ? o->help : "instruction set");
}

static void print_fish(void) {
    fputs("# fish completion for zipnn\n", stdout);
    for (size_t i = 0; i < N_COMMANDS; i++)
        printf("complete -c zipnn -n __fish_is_first_arg -a %s -d '%s'\n", commands[i].name, commands[i].help);
    printf("complete -c zipnn -n '__fish_seen_subcommand_from chain' -a '%s'\n", verb_names);
    for (size_t i = 0; i < N_OPTIONS; i++)
        if (!options[i].group) fish_option(&options[i]);
}

int main(int argc, char **argv) {
    const char *what = argc > 1 ? argv[1] : "";
    int failed = 0;
    if (strcmp(what, "man") == 0 && argc == 3)
        failed = print_man(argv[2]);
    else if (strcmp(what, "bash") == 0)
        print_bash();
    else if (strcmp(what, "zsh") == 0)
        print_zsh();
    else if (strcmp(what, "fish") == 0)
        print_fish();
    else
        failed = 1;
    return failed || fflush(stdout) != 0 || ferror(stdout);
}
