/* Makes the manual page and the completions from the tables of the program; runs while the program is built.
 *   zipnn_gen man TEMPLATE | zipnn_gen page COMMAND | zipnn_gen bash | zipnn_gen zsh | zipnn_gen fish */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "line/uses.h"
#include "zipnn/zipnn.h"

enum completes { NOTHING, FILES, FOLDERS, WORDS };

struct option {
    const char *group; /* title; the other fields are empty then */
    enum option_id id;
    char letter;
    const char *name, *arg;
    enum completes completes;
    const char *takes, *help, *manual;
};

static const struct option options[] = {
#define GROUP(title) {.group = title},
#define OPTION(id, letter, name, arg, completes, takes, help, manual) \
    {NULL, OPT_##id, letter, name, arg, completes, takes, help, manual},
#include "line/options.def"
#undef OPTION
#undef GROUP
};

enum { N_ROWS = sizeof options / sizeof options[0] };

enum { NO_OPERATION = -1 };

static const struct command {
    const char *name, *operands, *help, *manual;
    int operation; /* NO_OPERATION: another program does it */
} commands[] = {
#define MODE(id, shown, takes, gives, options, call, function)
#define COMMAND(id, name, operands, most, takes, gives, options, call, function, help, manual) \
    {name, operands, help, manual, OP_##id},
#include "line/commands.def"
#undef COMMAND
#undef MODE
#define HELPER(name, program, needs, operands, help, manual) {name, operands, help, manual, NO_OPERATION},
#include "line/helpers.def"
#undef HELPER
};

enum { N_COMMANDS = sizeof commands / sizeof commands[0] };

static const char verb_names[] =
#define VERB(id, name, operands, least, most, use, options, help) name " "
#include "line/verbs.def"
#undef VERB
    ;

/* Returns the options that go with a command, a bit each; those of chain are those of its verbs. */
static uint64_t options_of(const struct command *c) {
    uint64_t all = 0;
    if (c->operation == NO_OPERATION) return 0;
    for (unsigned v = N_OPERATIONS; v < N_USES && c->operation == OP_CHAIN; v++) all |= uses[v].options;
    return all | uses[c->operation].options;
}

static bool goes_with(const struct option *o, uint64_t set) {
    return !o->group && (set >> o->id & 1);
}

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
    for (size_t i = 0; i < N_ROWS; i++) {
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

/* A page about one command, with the options that go with it. */
static int print_page(const char *name) {
    for (size_t i = 0; i < N_COMMANDS; i++) {
        const struct command *c = &commands[i];
        if (strcmp(c->name, name) != 0) continue;
        printf(".TH ZIPNN\\-");
        for (const char *at = name; *at; at++) putchar(*at >= 'a' && *at <= 'z' ? *at - 'a' + 'A' : *at);
        printf(" 1 2026-11-24 \"zipnn %d.%d.%d\" \"User Commands\"\n", ZIPNN_VERSION_MAJOR, ZIPNN_VERSION_MINOR,
               ZIPNN_VERSION_PATCH);
        printf(".SH NAME\nzipnn\\-%s \\- %s\n.SH SYNOPSIS\n.B zipnn %s\n.RI [ OPTION ]...", name, c->help, name);
        if (c->operands[0]) printf("\\&\n.I %s", c->operands);
        puts("\n.SH DESCRIPTION");
        man_text(c->manual);
        puts(".SH OPTIONS");
        for (size_t k = 0; k < N_ROWS; k++)
            if (goes_with(&options[k], options_of(c))) man_option(&options[k]);
        puts(".SH EXIT STATUS");
        man_exits();
        puts(".SH SEE ALSO\n.BR zipnn (1)");
        return 0;
    }
    fprintf(stderr, "no command is called %s\n", name);
    return 1;
}

/* ---- completions ------------------------------------------------------------------------------------------------- */

static void bash_words(uint64_t set) {
    for (size_t i = 0; i < N_ROWS; i++) {
        const struct option *o = &options[i];
        if (!goes_with(o, set)) continue;
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

/* Names of tensors come from the archive on the line; names of steps from the folder of the chain. */
static const char bash_helpers[] =
    "# The names of the tensors of the first archive on the line.\n"
    "_zipnn_tensors() {\n"
    "    local word\n"
    "    for word in \"${COMP_WORDS[@]:2}\"; do\n"
    "        [[ $word == *.znn && -f $word ]] || continue\n"
    "        zipnn -lv --json -- \"$word\" 2>/dev/null | sed 's/{\"name\":\"/\\n&/g' |\n"
    "            sed -n 's/^{\"name\":\"\\([^\"\\\\]*\\)\".*/\\1/p'\n"
    "        return\n"
    "    done\n"
    "}\n\n"
    "# The steps of a chain.\n"
    "_zipnn_steps() {\n"
    "    local file\n"
    "    for file in \"$1\"/*.znn; do\n"
    "        file=${file##*/}\n"
    "        [[ $file =~ ^0*([0-9]+)\\. ]] && echo \"${BASH_REMATCH[1]}\"\n"
    "    done\n"
    "}\n\n"
    "# Archives, and the folders that lead to them.\n"
    "_zipnn_archives() {\n"
    "    compopt -o filenames\n"
    "    local IFS=$'\\n'\n"
    "    COMPREPLY+=($(compgen -f -X '!*.znn' -- \"$cur\"; compgen -d -- \"$cur\"))\n"
    "}\n\n";

/* What comes after an option that takes a value. */
static void bash_values(void) {
    for (size_t i = 0; i < N_ROWS; i++) {
        const struct option *o = &options[i];
        if (o->group || !o->arg[0]) continue;
        fputs("    ", stdout);
        bash_pattern(o);
        if (o->id == OPT_TENSOR)
            fputs(") local IFS=$'\\n'; COMPREPLY=($(compgen -W \"$(_zipnn_tensors)\" -- \"$cur\")); return ;;\n",
                  stdout);
        else if (o->completes == FILES)
            fputs(") compopt -o default; return ;;\n", stdout);
        else if (o->completes == FOLDERS)
            fputs(") compopt -o dirnames; return ;;\n", stdout);
        else if (o->completes == NOTHING)
            fputs(") return ;;\n", stdout);
        if (o->completes != WORDS) continue;
        fputs(") COMPREPLY=($(compgen -W '", stdout);
        put_words(o);
        fputs("' -- \"$cur\")); return ;;\n", stdout);
    }
}

/* The options of the command on the line, or of compressing and its like. */
static void bash_options(void) {
    uint64_t modes = 0;
    for (size_t i = 0; i < N_ROWS; i++)
        if (!options[i].group) modes |= UINT64_C(1) << options[i].id;
    for (size_t i = 0; i < N_COMMANDS; i++) {
        if (commands[i].operation == NO_OPERATION) continue;
        printf("        %s) words='", commands[i].name);
        bash_words(options_of(&commands[i]));
        puts("' ;;");
    }
    fputs("        *) words='", stdout);
    bash_words(modes);
    puts("' ;;");
}

/* The commands that take archives alone, "cat|verify". */
static void put_archive_commands(const char *between) {
    bool any = false;
    for (size_t i = 0; i < N_COMMANDS; i++) {
        const struct command *c = &commands[i];
        const bool takes = c->operation != NO_OPERATION && uses[c->operation].takes == TAKES_ARCHIVES;
        if (!takes || c->operation == OP_EXTRACT || c->operation == OP_SUMS) continue; /* these take models, too */
        printf("%s%s", any ? between : "", c->name);
        any = true;
    }
}

static void print_bash(void) {
    printf(
        "# bash completion for zipnn\n\n%s_zipnn() {\n    local cur=${COMP_WORDS[COMP_CWORD]} "
        "prev=${COMP_WORDS[COMP_CWORD-1]} command=${COMP_WORDS[1]} words word\n"
        "    COMPREPLY=()\n"
        "    if [[ $cur == = ]]; then cur=; fi # --option=VALUE is three words\n"
        "    if [[ $prev == = ]]; then prev=${COMP_WORDS[COMP_CWORD-2]}; fi\n"
        "    case $prev in\n",
        bash_helpers);
    bash_values();
    printf(
        "    esac\n    if [[ $command == chain && $COMP_CWORD == 3 ]]; then\n"
        "        COMPREPLY=($(compgen -W '%s' -- \"$cur\"))\n        return\n    fi\n"
        "    if [[ $command == chain && $COMP_CWORD -ge 4 && $cur != -* && ${COMP_WORDS[3]} =~ ^(restore|drop|rebase)$ "
        "]]; then\n"
        "        COMPREPLY=($(compgen -W \"$(_zipnn_steps \"${COMP_WORDS[2]}\")\" -- \"$cur\"))\n        return\n    "
        "fi\n",
        verb_names);
    fputs("    if [[ $cur == -* ]]; then\n        case $command in\n", stdout);
    bash_options();
    fputs("        esac\n        COMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n        return\n    fi\n", stdout);
    fputs("    if ((COMP_CWORD == 1)) || [[ $command == help ]]; then\n        COMPREPLY=($(compgen -W '", stdout);
    for (size_t i = 0; i < N_COMMANDS; i++) printf("%s%s", i ? " " : "", commands[i].name);
    fputs(
        "' -- \"$cur\"))\n        [[ $command == help ]] && return\n    fi\n"
        "    for word in \"${COMP_WORDS[@]:1:COMP_CWORD-1}\"; do\n"
        "        case $word in -d|-t|-l|-lv|-dc|--decompress|--test|--list|",
        stdout);
    put_archive_commands("|");
    fputs(
        ") _zipnn_archives; return ;; esac\n    done\n    compopt -o default\n}\n\n"
        "complete -F _zipnn zipnn\n",
        stdout);
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
    if (o->id == OPT_TENSOR) fputs("_zipnn_tensors", stdout);
    if (o->completes == FILES) fputs("_files", stdout);
    if (o->completes == FOLDERS) fputs("_files -/", stdout);
    if (o->completes == WORDS) putchar('(');
    if (o->completes == WORDS) put_words(o);
    if (o->completes == WORDS) putchar(')');
    fputs("' \\\n", stdout);
}

static const char zsh_helpers[] =
    "# The names of the tensors of the first archive on the line.\n"
    "_zipnn_tensors() {\n"
    "    local word\n"
    "    local -a names\n"
    "    for word in ${words[3,-1]}; do\n"
    "        [[ $word == *.znn && -f $word ]] || continue\n"
    "        names=(${(f)\"$(zipnn -lv --json -- $word 2>/dev/null | sed 's/{\"name\":\"/\\n&/g' |\n"
    "            sed -n 's/^{\"name\":\"\\([^\"\\\\]*\\)\".*/\\1/p')\"})\n"
    "        compadd -a names\n"
    "        return\n"
    "    done\n"
    "}\n\n";

static void print_zsh(void) {
    fputs("#compdef zipnn\n\n_zipnn_first() {\n    local -a commands=(\n", stdout);
    for (size_t i = 0; i < N_COMMANDS; i++) printf("        '%s:%s'\n", commands[i].name, commands[i].help);
    printf("    )\n    _describe command commands\n    _zipnn_files\n}\n\n%s", zsh_helpers);
    fputs(
        "# Archives after what takes nothing else; any file otherwise.\n_zipnn_files() {\n    case ${words[2]} in\n"
        "        -d*|-t*|-l*|--decompress|--test|--list|",
        stdout);
    put_archive_commands("|");
    fputs(
        ") _files -g '*.znn(-.)' ;;\n        help) _zipnn_first ;;\n        *) _files ;;\n    esac\n}\n\n"
        "# The verb of a chain, and its steps.\n_zipnn_third() {\n",
        stdout);
    printf(
        "    if [[ ${words[2]} == chain ]]; then compadd %s\n    else _zipnn_files\n    fi\n}\n"
        "_zipnn_more() {\n    local -a steps\n"
        "    if [[ ${words[2]} == chain && ${words[4]} == (restore|drop|rebase) ]]; then\n"
        "        steps=(${${(M)${(f)\"$(ls -- ${words[3]} 2>/dev/null)\"}:#<->.*.znn}%%%%.*})\n"
        "        compadd -- ${(@)steps##0#}\n    else\n        _zipnn_files\n    fi\n}\n\n_arguments -s -S \\\n",
        verb_names);
    for (size_t i = 0; i < N_ROWS; i++)
        if (!options[i].group) zsh_option(&options[i]);
    fputs("    '1: :_zipnn_first' '2: :_zipnn_files' '3: :_zipnn_third' '*: :_zipnn_more'\n", stdout);
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
    if (o->id == OPT_TENSOR) fputs(" -x -a '(__zipnn_tensors)'", stdout);
    if (o->completes == NOTHING && o->arg[0] && o->id != OPT_TENSOR) fputs(" -x", stdout);
    printf(" -d '%s'\n", o->help[0] ? o->help : "instruction set");
}

static const char fish_helpers[] =
    "function __zipnn_tensors -d 'Names of the tensors of the first archive on the line'\n"
    "    for word in (commandline -opc)[3..-1]\n"
    "        if string match -q '*.znn' -- $word; and test -f $word\n"
    "            zipnn -lv --json -- $word 2>/dev/null | string replace -a '{\"name\":\"' \\n'{\"name\":\"' | "
    "string match -rg '^\\{\"name\":\"([^\"\\\\\\\\]*)\"'\n"
    "            return\n"
    "        end\n"
    "    end\n"
    "end\n\n"
    "function __zipnn_steps -d 'Steps of the chain on the line'\n"
    "    set -l words (commandline -opc)\n"
    "    for file in $words[3]/*.znn\n"
    "        string match -rg '/0*([0-9]+)\\.[^/]*$' -- $file\n"
    "    end\n"
    "end\n\n";

static void print_fish(void) {
    printf("# fish completion for zipnn\n\n%s", fish_helpers);
    for (size_t i = 0; i < N_COMMANDS; i++)
        printf("complete -c zipnn -n __fish_is_first_arg -a %s -d '%s'\n", commands[i].name, commands[i].help);
    printf("complete -c zipnn -n '__fish_seen_subcommand_from chain' -a '%s'\n", verb_names);
    fputs("complete -c zipnn -n '__fish_seen_subcommand_from restore drop rebase' -x -a '(__zipnn_steps)'\n", stdout);
    fputs("complete -c zipnn -n '__fish_seen_subcommand_from help' -x -a '", stdout);
    for (size_t i = 0; i < N_COMMANDS; i++) printf("%s%s", i ? " " : "", commands[i].name);
    fputs("'\ncomplete -c zipnn -n '__fish_seen_subcommand_from ", stdout);
    put_archive_commands(" ");
    fputs("; or __fish_contains_opt -s d -s t -s l decompress test list' -k -x -a '(__fish_complete_suffix .znn)'\n",
          stdout);
    for (size_t i = 0; i < N_ROWS; i++)
        if (!options[i].group) fish_option(&options[i]);
}

int main(int argc, char **argv) {
    const char *what = argc > 1 ? argv[1] : "";
    int failed = 0;
    if (strcmp(what, "man") == 0 && argc == 3)
        failed = print_man(argv[2]);
    else if (strcmp(what, "page") == 0 && argc == 3)
        failed = print_page(argv[2]);
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
