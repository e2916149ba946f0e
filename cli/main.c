/* zipnn: the program. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "bench.h"
#include "convert.h"
#include "exits.h"
#include "list.h"
#include "text.h"
#include "usage.h"
#include "walk.h"

static int refuse(const char *why) {
    fputs("zipnn: ", stderr);
    text_put(stderr, why);
    fputs("; zipnn --help tells more\n", stderr);
    return EXIT_USAGE;
}

static int work(const struct args *args) {
    struct run run;
    run_init(&run, args);
    switch (args->operation) {
        case OP_TEST:
            walk_files(&run, test_file);
            break;
        case OP_LIST:
            list_head(&run);
            walk_files(&run, list_file);
            break;
        case OP_BENCH:
            bench_head(&run);
            walk_files(&run, bench_file);
            break;
        case OP_HELP:
            usage_print();
            break;
        case OP_VERSION:
            printf("zipnn %s\n", zipnn_version());
            break;
        case OP_COMPRESS:
        case OP_RESTORE:
            walk_files(&run, convert_file);
            break;
    }
    run_end(&run);
    exit(run.exit_code); /* while `run` is alive: the thread that waits for signals looks at it */
}

int main(int argc, char **argv) {
    char only_stdin[] = "-", *no_files[] = {only_stdin};
    struct args args;
    struct wrong wrong;
    if (!args_parse(argc, argv, getenv("ZIPNN_CPU"), &args, &wrong)) return refuse(wrong.text);
    if (args.n_files == 0 && args.operation != OP_HELP && args.operation != OP_VERSION) {
        if (isatty(STDIN_FILENO)) return refuse("no FILE, and standard input is a terminal");
        args.files = no_files;
        args.n_files = 1;
    }
    return work(&args);
}
