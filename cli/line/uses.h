/* What the program can do, and which options go with it: operations and, of the command chain, verbs. */
#ifndef ZIPNN_CLI_USES_H
#define ZIPNN_CLI_USES_H

#include <stdint.h>

enum operation {
#define MODE(id, shown, takes, gives, options, call, function) OP_##id,
#define COMMAND(id, name, operands, most, takes, gives, options, call, function, help, manual) OP_##id,
#include "line/commands.def"
#undef COMMAND
#undef MODE
    N_OPERATIONS
};

enum verb {
#define VERB(id, name, operands, least, most, use, options, help) VERB_##id,
#include "line/verbs.def"
#undef VERB
    N_VERBS
};

/* Operations, and then verbs: what options go with. */
enum { N_USES = (int)N_OPERATIONS + (int)N_VERBS };

enum option_id {
#define GROUP(title)
#define OPTION(id, letter, name, arg, complete, takes, help, manual) OPT_##id,
#include "line/options.def"
#undef OPTION
#undef GROUP
    N_OPTIONS
};

/* Sets of options, a bit each. */
#define HAS(id) (UINT64_C(1) << OPT_##id)
#define EVERYWHERE \
    (HAS(THREADS) | HAS(CPU) | HAS(QUIET) | HAS(VERBOSE) | HAS(JSON) | HAS(PROGRESS) | HAS(HELP) | HAS(VERSION))
#define CHOOSING (HAS(COMPRESS) | HAS(DECOMPRESS) | HAS(TEST) | HAS(LIST)) /* a mode; no command takes them */
#define KEEPING HAS(KEEP)                                                  /* FILE stays */
#define LEVELS (HAS(LEVEL) | HAS(FAST) | HAS(BEST))
#define SAMPLING (LEVELS | HAS(COMPAT) | HAS(NO_DEDUP))
#define PACKING (SAMPLING | HAS(SHA256) | HAS(NO_VERIFY))
#define LISTED (HAS(FILELIST) | HAS(ZEROS))
#define PLACING (HAS(OUTPUT_DIR_FLAT) | HAS(OUTPUT_DIR_MIRROR))
#define BASES (HAS(BASE) | HAS(BASE_DIR))
#define READING (BASES | HAS(MAX_OUTPUT))
#define WRITING (HAS(STDOUT) | HAS(OUTPUT) | HAS(FORCE) | HAS(SYNC))

enum takes { TAKES_NO_FILES, TAKES_MODELS, TAKES_ARCHIVES };
enum gives { GIVES_NOTHING, GIVES_ARCHIVES, GIVES_ORIGINALS, GIVES_PARTS };

/* A row of commands.def or verbs.def; verbs have no `takes` and `gives`. */
struct use {
    const char *name; /* as messages call it */
    enum takes takes;
    enum gives gives;
    uint64_t options;
};
extern const struct use uses[N_USES];

#endif
