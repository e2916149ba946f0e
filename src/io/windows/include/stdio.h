/* Names of files are UTF-8; "e" in a mode means nothing here. */
#ifndef ZN_WINDOWS_STDIO_H
#define ZN_WINDOWS_STDIO_H

#pragma GCC system_header

#include_next <stdio.h>
#include <sys/types.h>

FILE *zn_win32_fopen(const char *path, const char *mode);
#define fopen(path, mode) zn_win32_fopen(path, mode)

/* A stream that is closed as this says stores what was written, in memory that free() frees. */
FILE *open_memstream(char **text, size_t *len) ZN_WINDOWS(open_memstream);
int zn_win32_fclose(FILE *stream);
#define fclose(stream) zn_win32_fclose(stream)

ssize_t getdelim(char **line, size_t *cap, int end, FILE *in) ZN_WINDOWS(getdelim);
#define getline(line, cap, in) getdelim(line, cap, '\n', in)

#endif
