/* What the program does: a function for each row of line/commands.def, which says what it takes and gives. Each works
 * on run->args, reports what it did, and remembers the exit code. */
#ifndef ZIPNN_CLI_COMMANDS_H
#define ZIPNN_CLI_COMMANDS_H

#include "shared/run.h"

typedef void command_each(struct run *run, const char *path); /* one file; "-" is standard input */
typedef void command_all(struct run *run);

#define MODE(id, shown, takes, gives, options, call, function) command_##call function;
#define COMMAND(id, name, operands, most, takes, gives, options, call, function, help, manual) command_##call function;
#include "line/commands.def"
#undef COMMAND
#undef MODE

#endif
