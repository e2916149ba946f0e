/* Text for people, from strings that may hold anything. */
#ifndef ZIPNN_CLI_TEXT_H
#define ZIPNN_CLI_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Writes `text` so that it cannot move the cursor or forge a line: control characters, those that turn the direction
 * of text, backslashes and bytes that are not UTF-8 are escaped as C would. */
void text_put(FILE *to, const char *text);

/* Returns the length of the UTF-8 sequence at the start of `text`, 0 if there is none; *code becomes its code point. */
size_t text_character(const char *text, unsigned long *code);

/* Returns whether a character is a control, changes the direction of text, or breaks lines. */
bool text_is_control(unsigned long code);

/* Returns the longest end of `text` that text_put shows in at most so many columns of a terminal. */
const char *text_tail(const char *text, size_t columns);

/* "[2, 3]" */
void text_put_shape(FILE *to, uint32_t rank, const uint64_t *shape);

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

/* Returns part / whole in per cent; 100 if both are 0. */
double text_percent(uint64_t part, uint64_t whole);

/* Returns `a`, `b` and `c` in one string, which the caller frees. Ends the program if there is no memory. */
char *text_join(const char *a, const char *b, const char *c);

/* Calls realloc, and ends the program if there is no memory. Must not be used while a temporary file exists. */
void *text_realloc(void *ptr, size_t size);

#endif
