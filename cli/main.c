/* zipnn: the program. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "commands/commands.h"
#include "line/exits.h"
#include "line/nearest.h"
#include "shared/cli_fail.h"
#include "shared/command.h"
#include "shared/console.h"
#include "shared/find_files.h"
#include "shared/helper.h"
#include "shared/run_context.h"
#include "shared/run_report.h"
#include "shared/text.h"

static int refuse(const char *why) {
    fputs("zipnn: ", stderr);
    text_put(stderr, why);
    fputs("; zipnn --help tells more\n", stderr);
    return EXIT_USAGE;
}

/* Returns whether the first operand may be a misspelt command: a word of letters that is no file. */
static bool is_no_command(const struct args *args) {
    enum { LEAST_LETTERS = 3 };
    const char *word = args->n_files ? args->files[0] : "";
    size_t n = 0;
    while ((word[n] >= 'a' && word[n] <= 'z') || (word[n] >= 'A' && word[n] <= 'Z')) n++;
    return args->by_default && n >= LEAST_LETTERS && !word[n] && access(word, F_OK) != 0 && errno == ENOENT;
}

/* Reports that. Returns true if nothing else is to be done, since the words after it were hardly meant to be
 * compressed. With -r the operands are folders, and a misspelt folder is more likely. */
static bool report_no_command(struct run *run) {
    const char *word = run->args->files[0];
    char names[200] = "", hint[60] = "";
    struct nearest near = nearest_to(word);
    static const char *const options[] = {"compress", "decompress", "test", "list", "version"};
#define MODE(id, shown, takes, gives, options, call, function)
#define COMMAND(id, name, operands, most, takes, gives, options, call, function, help, manual) nearest_try(&near, name);
#include "line/commands.def"
#undef COMMAND
#undef MODE
#define HELPER(name, program, needs, operands, help, manual) nearest_try(&near, name);
#include "line/helpers.def"
#undef HELPER
    for (size_t i = 0; i < sizeof options / sizeof options[0]; i++) {
        const char *before = near.best;
        nearest_try(&near, options[i]);
        if (near.best != before) snprintf(hint, sizeof hint, "; for that there is --%s", near.best);
    }
    if (near.best && !hint[0]) snprintf(hint, sizeof hint, "; the nearest is %s", near.best);
    args_list_commands(names, sizeof names);
    zipnn_error err;
    cli_fail(&err, ZIPNN_E_IO, "%.40s: cannot open: No such file or directory; it is neither a file nor a command%s%s",
             word, hint[0] ? hint : "; commands are ", hint[0] ? "" : names);
    run_report_failure(run, word, &err);
    return near.best || !run->args->recursive;
}

/* What each operation does: with each file, or once. */
static const struct work {
    command_each *each;
    command_all *all;
} works[N_OPERATIONS] = {
#define MODE(id, shown, takes, gives, options, call, function) [OP_##id] = {.call = function},
#define COMMAND(id, name, operands, most, takes, gives, options, call, function, help, manual) \
    [OP_##id] = {.call = function},
#include "line/commands.def"
#undef COMMAND
#undef MODE
};

static int work(struct args *args) {
    const struct work *todo = &works[args->operation];
    bool stops = false;
    struct run run;
    run_init(&run, args);
    if (is_no_command(args)) {
        stops = report_no_command(&run);
        args->files++;
        args->n_files--;
    }
    if (todo->each && !stops) for_each_file(&run, todo->each);
    if (todo->all) todo->all(&run);
    run_end(&run);
    exit(run.exit_code); /* here, while `run` exists: the thread that waits for signals uses it */
}

int zipnn_command(int argc, char **argv) {
    char only_stdin[] = "-", *no_files[] = {only_stdin};
    struct args args;
    struct wrong wrong;
    console_begin(argc, argv);
    if (helper_run(argc, argv)) return EXIT_FAILED;
    const struct environment environment = {getenv("ZIPNN_CPU"), getenv("ZIPNN_LEVEL"), getenv("ZIPNN_THREADS")};
    if (!args_parse(argc, argv, &environment, &args, &wrong)) return refuse(wrong.text);
    if (args.n_files == 0 && !args.filelist && uses[args.operation].takes != TAKES_NO_FILES) {
        if (isatty(STDIN_FILENO)) return refuse("no FILE is given, and standard input is a terminal");
        args.files = no_files;
        args.n_files = 1;
    }
    return work(&args);
}
