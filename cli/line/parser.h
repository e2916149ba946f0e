/* What the files that parse the command line share. */
#ifndef ZIPNN_CLI_PARSER_H
#define ZIPNN_CLI_PARSER_H

#include "line/args.h"

struct option {
    enum option_id id;
    char letter;
    const char *name;
    const char *arg;
    const char *takes;
};

enum operands { NONE, ONE, MANY };

struct command {
    const char *name;
    enum operation operation;
    enum operands most;
};

/* A command line while it is read. */
struct parser {
    char **next, **end;
    struct args *args;
    struct wrong *wrong;
    const struct command *command; /* NULL: none so far */
    const struct option *choice;   /* the option that chose the operation, or NULL */
    bool given[N_OPTIONS];
    bool called; /* the name of the program chose the operation: no operand is a command */
};

/* Writes why the command line is wrong. Returns false. */
__attribute__((format(printf, 2, 3))) bool say_wrong(struct wrong *wrong, const char *format, ...);

/* Returns false if what was parsed cannot be meant; p->wrong then says why. Finds the verb of chain. */
bool parser_check(const struct parser *p, const struct option options[N_OPTIONS]);

/* "-T/--threads" */
struct shown {
    char text[40];
};
struct shown shown_option(const struct option *o);

#endif
