/* What a program of this system does first. */
#ifndef ZIPNN_CLI_CONSOLE_H
#define ZIPNN_CLI_CONSOLE_H

/* Makes standard streams and arguments what the program takes them for: open, of bytes, of UTF-8 with / in paths. */
void console_begin(int argc, char **argv);

#endif
