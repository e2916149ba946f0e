/* Text for people and for programs, from strings that may hold anything. */
#ifndef ZIPNN_CLI_TEXT_H
#define ZIPNN_CLI_TEXT_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Writes `text` so that it cannot move the cursor or forge a line: control characters, those that turn the direction
 * of text, backslashes and bytes that are not UTF-8 are escaped as C would. */
void text_put(FILE *to, const char *text);

/* A JSON string with its quotes. Bytes that are not UTF-8 become U+FFFD. */
void text_put_json(FILE *to, const char *text);

/* The member "MEMBER":"name" of a JSON object on standard output; of a name that is not UTF-8 another one follows that
 * has its bytes: "MEMBER_bytes":"hexadecimal". */
void text_put_json_name(const char *member, const char *name);

void text_put_hex(FILE *to, const uint8_t *bytes, size_t len);

/* "15.97 GB" */
struct text_size {
    char text[24];
};
struct text_size text_size(uint64_t bytes);

/* "3 entries of the original's directory are not listed" */
struct text_left_out {
    char text[96];
};
struct text_left_out text_left_out(uint64_t n);

/* Part of whole in per cent; 100 for nothing of nothing. */
double text_percent(uint64_t part, uint64_t whole);

/* The strings `a`, `b` and `c` in one, to be freed. Ends the program when there is no memory. */
char *text_join(const char *a, const char *b, const char *c);

/* realloc that ends the program when there is no memory. Not to be used while a temporary file exists. */
void *text_realloc(void *ptr, size_t size);

#endif
