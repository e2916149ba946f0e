/* Exit codes of the program. */
#ifndef ZIPNN_CLI_EXITS_H
#define ZIPNN_CLI_EXITS_H

enum {
#define EXIT(id, code, text) EXIT_##id = code,
#include "line/exits.def"
#undef EXIT
};

#endif
