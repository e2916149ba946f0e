/* zipnn: the program. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "audit.h"
#include "bench.h"
#include "chain.h"
#include "convert.h"
#include "estimate.h"
#include "exits.h"
#include "extract.h"
#include "inspect.h"
#include "list.h"
#include "recompress.h"
#include "text.h"
#include "usage.h"
#include "walk.h"

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
    (void)run;
    usage_print();
}

/* What each operation does: once before the files, and with each of them. */
static const struct work {
    void (*begin)(const struct run *run);
    void (*each)(struct run *run, const char *path);
    void (*all)(struct run *run); /* instead of each: operands are not all files */
} works[N_OPERATIONS] = {
    [OP_COMPRESS] = {NULL, convert_file, NULL},  [OP_RESTORE] = {NULL, convert_file, NULL},
    [OP_TEST] = {NULL, test_file, NULL},         [OP_LIST] = {list_head, list_file, NULL},
    [OP_HELP] = {print_help, NULL, NULL},        [OP_VERSION] = {print_version, NULL, NULL},
    [OP_VERIFY] = {NULL, verify_file, NULL},     [OP_SALVAGE] = {NULL, salvage_file, NULL},
    [OP_BENCH] = {bench_head, bench_file, NULL}, [OP_EXTRACT] = {NULL, extract_file, NULL},
    [OP_CAT] = {NULL, cat_file, NULL},           [OP_ESTIMATE] = {estimate_head, estimate_file, NULL},
    [OP_INSPECT] = {NULL, inspect_file, NULL},   [OP_RECOMPRESS] = {NULL, recompress_file, NULL},
    [OP_CHAIN] = {NULL, NULL, chain_run},
};

static int work(const struct args *args) {
    const struct work *todo = &works[args->operation];
    struct run run;
    run_init(&run, args);
    if (todo->begin) todo->begin(&run);
    if (todo->each) walk_files(&run, todo->each);
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
