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

/* Length of the UTF-8 sequence that begins `text`, 0 if none does; *code becomes its code point. */
size_t text_character(const char *text, unsigned long *code);

/* Whether a character is a control, or turns the text around it (marks of direction) or breaks lines. */
bool text_is_control(unsigned long code);

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
