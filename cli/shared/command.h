/* The command, for programs that are it: cli/program.c and the Python package. */
#ifndef ZIPNN_CLI_COMMAND_H
#define ZIPNN_CLI_COMMAND_H

/* Does what the arguments say. argv[argc] is NULL. Returns the status with which the process should end, or ends it; call it once, in
 * the main thread, as long as the process has no other. */
int zipnn_command(int argc, char **argv);

#endif
