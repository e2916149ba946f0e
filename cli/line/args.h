/* Parses the command line. */
#ifndef ZIPNN_CLI_ARGS_H
#define ZIPNN_CLI_ARGS_H

#include <stdbool.h>
#include <stddef.h>

#include "line/uses.h"
#include "zipnn/zipnn.h"

/* A range of bytes or rows. */
struct span {
    bool given, open; /* open: to the end, whatever `end` */
    uint64_t first, end;
};

/* Where results go: in the folder of FILE; in another folder, with what is below a folder that -r works on; in that
 * folder all; below that folder, with the whole path of FILE. */
enum placing { PLACED_BESIDE, PLACED_IN, PLACED_FLAT, PLACED_MIRROR };

/* How a long operation tells how far it is, without being asked; PROGRESS_AUTO: PROGRESS_LINE on a terminal, unless the
 * user wants quiet. */
enum progress_form { PROGRESS_AUTO, PROGRESS_NONE, PROGRESS_LINE, PROGRESS_JSON };

/* Values of environment variables, each NULL if it is not set. */
struct environment {
    const char *cpu, *level, *threads; /* ZIPNN_CPU, ZIPNN_LEVEL, ZIPNN_THREADS */
};

struct args {
    enum operation operation;
    bool by_default;    /* neither an option nor a command chose the operation */
    const char *topic;  /* help: the command that is asked about; NULL: all */
    enum verb verb;     /* chain */
    const char *output; /* NULL: named after the input */
    enum placing placing;
    const char *output_dir; /* where results go; NULL: beside FILE, or `output` */
    const char *filelist;   /* a file with names of further FILEs, "-": standard input; NULL: none */
    bool zeros;             /* a zero byte ends each of them, not the end of a line */
    bool to_stdout, force, update, remove, in_place, sync, recursive, verify, sha256, json, check;
    const char *root;         /* batch: paths are below it; NULL: the current folder */
    const char *manifest;     /* batch: a line for each file goes there */
    const char *shard_given;  /* batch: the value of --shard */
    unsigned shard, n_shards; /* batch: the files of this shard of so many; 0: all */
    bool dedup_files;         /* --dedup */
    bool families, resume;    /* batch */
    bool widen;               /* extract: as fp32 */
    bool pair;                /* inspect: two files are compared */
    int level;
    unsigned threads; /* 0: all processors */
    unsigned readers; /* oldest version that must read what is written, as in zipnn_options */
    zipnn_cpu cpu;
    bool old_format;       /* write what the Python package reads */
    zipnn_dtype dtype;     /* UNKNOWN: not given */
    const char *html;      /* inspect: write a page there; NULL: none */
    uint64_t sample;       /* estimate: bytes to compress, 0 for the default */
    uint64_t max_output;   /* 0: any */
    const char *bases[64]; /* files of --base ... */
    size_t n_bases;
    const char *base_dir;     /* ... and the folder of --base-dir; NULL: none */
    unsigned every;           /* chain: every so many steps one stands alone; 0: the default */
    bool dedup;               /* store repeated tensors once */
    const char *tensors[256]; /* extract: these, or what they match as patterns ... */
    size_t n_tensors;
    struct span rows;    /* ... and of it these */
    struct span range;   /* cat: these bytes of the original */
    const char *against; /* verify: compare with this file */
    enum progress_form progress;
    int verbosity; /* -1 quiet, 0, 1 verbose, 2 more so */
    char **files;  /* "-" is standard input; points into argv */
    size_t n_files;
};

/* Why a command line is wrong. */
struct wrong {
    char text[400];
};

/* Returns false if the command line is wrong; `wrong` then says why. Reorders argv. Options
 * win over the environment. A program that is called unzipnn restores, and one called zipnncat restores to standard
 * output. The first operand is the command if it is the name of one. No option is ignored: one that does not go with the
 * operation is an error. */
bool args_parse(int argc, char **argv, const struct environment *environment, struct args *args, struct wrong *wrong);

/* Returns whether the option goes with the command of this name. */
bool args_goes_with(enum option_id id, const char *command);

/* Appends the names of all commands to text[0, cap), ", " between them. */
void args_list_commands(char *text, size_t cap);

#endif
