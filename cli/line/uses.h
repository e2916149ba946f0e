/* What options go with: an operation, or a verb of the command chain, each a bit. */
#ifndef ZIPNN_CLI_USES_H
#define ZIPNN_CLI_USES_H

/* Options choose the first ones, the first word the commands. */
enum operation {
    OP_COMPRESS,
    OP_RESTORE,
    OP_TEST,
    OP_LIST,
    OP_VERSION,
#define COMMAND(id, name, operands, most, help, manual) OP_##id,
#include "line/commands.def"
#undef COMMAND
    N_OPERATIONS
};

enum verb {
#define VERB(id, name, operands, least, most, use, help) VERB_##id,
#include "line/verbs.def"
#undef VERB
    N_VERBS
};

enum use {
#define VERB(id, name, operands, least, most, use, help) OP_CHAIN_##id = (int)N_OPERATIONS + (int)VERB_##id,
#include "line/verbs.def"
#undef VERB
    N_USES
};

/* Sets of uses, for options.def. */
#define WITH(use) (UINT64_C(1) << OP_##use)
#define ANY UINT64_MAX
#define CHAIN_PACKS (WITH(CHAIN_ADD) | WITH(CHAIN_DROP) | WITH(CHAIN_REBASE))
#define PACKS (WITH(COMPRESS) | WITH(RECOMPRESS) | WITH(BENCH) | CHAIN_PACKS)
#define SAMPLES (WITH(ESTIMATE) | WITH(INSPECT))
#define READS (WITH(RESTORE) | WITH(TEST) | WITH(VERIFY) | WITH(SALVAGE) | WITH(EXTRACT) | WITH(CAT) | WITH(INSPECT))
#define DECODES (READS | WITH(RECOMPRESS) | WITH(CHAIN_RESTORE))
#define WRITES                                                                                       \
    (WITH(COMPRESS) | WITH(RESTORE) | WITH(EXTRACT) | WITH(CAT) | WITH(SALVAGE) | WITH(RECOMPRESS) | \
     WITH(CHAIN_RESTORE))

#endif
