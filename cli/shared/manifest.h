/* Lines as sha256sum writes and reads them. */
#ifndef ZIPNN_CLI_MANIFEST_H
#define ZIPNN_CLI_MANIFEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Writes the line of a file: its name as it is, but with "\n", "\r" and "\\" for what would break the line. */
void manifest_put(FILE *to, const uint8_t sha256[32], const char *name);

/* Reads a line of `len` bytes without its end, "HEX  NAME", "HEX *NAME" or "SHA256 (NAME) = HEX", and changes it. Returns
 * the name, which is in it, or NULL if the line is none of these. */
char *manifest_parse(char *line, size_t len, uint8_t sha256[32]);

#endif
