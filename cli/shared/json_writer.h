/* Writes JSON. Only this file knows its commas, quotes and escapes. */
#ifndef ZIPNN_CLI_JSON_WRITER_H
#define ZIPNN_CLI_JSON_WRITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* A text in the making. Start with `struct json j = {stream}`. */
struct json {
    FILE *to;
    bool follows; /* a value was written before, so that the next one needs a comma */
};

/* Each function writes one member of the open object, or, with the member NULL, one element of the open list. */

void json_object(struct json *j, const char *member); /* "{"; also begins a line, with the member NULL */
void json_object_end(struct json *j);
void json_list(struct json *j, const char *member);
void json_list_end(struct json *j);

/* Ends the object that is a line of its own, and the line. */
void json_line_end(struct json *j);

/* Bytes of `text` that are not UTF-8 become U+FFFD. */
void json_text(struct json *j, const char *member, const char *text);

/* A name of a file or tensor. If it is not UTF-8, a second member has its bytes: "MEMBER_bytes":"hexadecimal". */
void json_name(struct json *j, const char *member, const char *name);

void json_hex(struct json *j, const char *member, const uint8_t *bytes, size_t len);

/* "xxh3" and, unless `sha256` is NULL, "sha256". */
void json_digests(struct json *j, const uint8_t xxh3[16], const uint8_t sha256[32]);

void json_number(struct json *j, const char *member, uint64_t n);
void json_real(struct json *j, const char *member, double n, int digits); /* `digits` after the point */
void json_float(struct json *j, const char *member, double n);            /* nine digits; null if it is not finite */
void json_truth(struct json *j, const char *member, bool value);

#endif
