/* zipnn: the program. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "commands/bench.h"
#include "commands/chain.h"
#include "commands/convert.h"
#include "commands/estimate.h"
#include "commands/extract.h"
#include "commands/inspect.h"
#include "commands/list.h"
#include "commands/recompress.h"
#include "commands/verify.h"
#include "line/exits.h"
#include "line/nearest.h"
#include "line/usage.h"
#include "shared/cli_fail.h"
#include "shared/find_files.h"
#include "shared/run_report.h"
#include "shared/text.h"

static int refuse(const char *why) {
    fputs("zipnn: ", stderr);
    text_put(stderr, why);
    fputs("; zipnn --help tells more\n", stderr);
    return EXIT_USAGE;
}

static void print_version(const struct run *run) {
    (void)run;
    printf("zipnn %s\n", zipnn_version());
}

static void print_help(const struct run *run) {
    usage_print(run->args->topic);
}

/* A first word of letters alone that leads to no file may have been meant as a command. */
static bool is_no_command(const struct args *args) {
    enum { LEAST_LETTERS = 3 };
    const char *word = args->n_files ? args->files[0] : "";
    size_t n = 0;
    while ((word[n] >= 'a' && word[n] <= 'z') || (word[n] >= 'A' && word[n] <= 'Z')) n++;
    return args->by_default && n >= LEAST_LETTERS && !word[n] && access(word, F_OK) != 0 && errno == ENOENT;
}

/* Says so. True when nothing else is to be done: the words after it were hardly meant to be compressed. With -r they
 * are folders, and a misspelt one is more likely. */
static bool report_no_command(struct run *run) {
    const char *word = run->args->files[0];
    char names[160] = "", hint[60] = "";
    struct nearest near = nearest_to(word);
    static const char *const options[] = {"compress", "decompress", "test", "list", "version"};
#define COMMAND(id, name, operands, most, help, manual) nearest_try(&near, name);
#include "line/commands.def"
#undef COMMAND
    for (size_t i = 0; i < sizeof options / sizeof options[0]; i++) {
        const char *before = near.best;
        nearest_try(&near, options[i]);
        if (near.best != before) snprintf(hint, sizeof hint, "; for that there is --%s", near.best);
    }
    if (near.best && !hint[0]) snprintf(hint, sizeof hint, "; the nearest is %s", near.best);
    args_list_commands(names, sizeof names);
    zipnn_error err;
    cli_fail(&err, ZIPNN_E_IO,
             "%.40s: cannot open: No such file or directory; it is neither a file nor a command; commands are %s%s",
             word, names, hint);
    run_report_failure(run, word, &err);
    return near.best || !run->args->recursive;
}

/* What each operation does: once before the files, and with each of them. */
static const struct work {
    void (*begin)(const struct run *run);
    void (*each)(struct run *run, const char *path);
    void (*all)(struct run *run); /* instead of each: operands are not all files */
} works[N_OPERATIONS] = {
    [OP_COMPRESS] = {NULL, convert_file, NULL}, [OP_RESTORE] = {NULL, convert_file, NULL},
    [OP_TEST] = {NULL, test_file, NULL},        [OP_LIST] = {NULL, list_file, NULL},
    [OP_HELP] = {print_help, NULL, NULL},       [OP_VERSION] = {print_version, NULL, NULL},
    [OP_VERIFY] = {NULL, verify_file, NULL},    [OP_SALVAGE] = {NULL, salvage_file, NULL},
    [OP_BENCH] = {NULL, bench_file, NULL},      [OP_EXTRACT] = {NULL, extract_file, NULL},
    [OP_CAT] = {NULL, cat_file, NULL},          [OP_ESTIMATE] = {NULL, estimate_file, NULL},
    [OP_INSPECT] = {NULL, inspect_file, NULL},  [OP_RECOMPRESS] = {NULL, recompress_file, NULL},
    [OP_CHAIN] = {NULL, NULL, chain_run},
};

static int work(struct args *args) {
    const struct work *todo = &works[args->operation];
    bool stops = false;
    struct run run;
    run_init(&run, args);
    if (todo->begin) todo->begin(&run);
    if (is_no_command(args)) {
        stops = report_no_command(&run);
        args->files++;
        args->n_files--;
    }
    if (todo->each && !stops) walk_files(&run, todo->each);
    if (todo->all) todo->all(&run);
    run_end(&run);
    exit(run.exit_code); /* while `run` is alive: the thread that waits for signals looks at it */
}

/* Where a standard stream is closed, the next file opened would take its number, and our messages. /dev/null takes it,
 * opened the wrong way round, so that using the stream still fails. */
static void occupy_standard_streams(void) {
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0) (void)open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY);
}

int main(int argc, char **argv) {
    char only_stdin[] = "-", *no_files[] = {only_stdin};
    struct args args;
    struct wrong wrong;
    occupy_standard_streams();
    if (!args_parse(argc, argv, getenv("ZIPNN_CPU"), &args, &wrong)) return refuse(wrong.text);
    if (args.n_files == 0 && args.operation != OP_HELP && args.operation != OP_VERSION) {
        if (isatty(STDIN_FILENO)) return refuse("no FILE, and standard input is a terminal");
        args.files = no_files;
        args.n_files = 1;
    }
    return work(&args);
}
