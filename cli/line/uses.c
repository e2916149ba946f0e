#include "line/uses.h"

const struct use uses[N_USES] = {
#define MODE(id, shown, takes, gives, options, call, function) \
    [OP_##id] = {shown, TAKES_##takes, GIVES_##gives, EVERYWHERE | CHOOSING | (options)},
#define COMMAND(id, name, operands, most, takes, gives, options, call, function, help, manual) \
    [OP_##id] = {name, TAKES_##takes, GIVES_##gives, EVERYWHERE | (options)},
#include "line/commands.def"
#undef COMMAND
#undef MODE
#define VERB(id, name, operands, least, most, use, options, help) \
    [(int)N_OPERATIONS + (int)VERB_##id] = {"chain " name, TAKES_NO_FILES, GIVES_NOTHING, EVERYWHERE | (options)},
#include "line/verbs.def"
#undef VERB
};
