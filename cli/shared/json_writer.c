#include "shared/json_writer.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "shared/text.h"

static void put_quoted(FILE *to, const char *text) {
    putc('"', to);
    while (*text) {
        unsigned long code;
        const size_t len = text_character(text, &code);
        if (!len)
            fputs("\\ufffd", to);
        else if (*text == '"' || *text == '\\')
            fprintf(to, "\\%c", *text);
        else if (text_is_control(code))
            fprintf(to, "\\u%04lx", code);
        else
            fwrite(text, 1, len, to);
        text += len ? len : 1;
    }
    putc('"', to);
}

/* What stands before a value: a comma if it is not the first, and its name. */
static void begin_value(struct json *j, const char *member) {
    if (j->follows) putc(',', j->to);
    if (member) put_quoted(j->to, member);
    if (member) putc(':', j->to);
    j->follows = true;
}

static void open_bracket(struct json *j, const char *member, char bracket) {
    begin_value(j, member);
    putc(bracket, j->to);
    j->follows = false;
}

static void close_bracket(struct json *j, char bracket) {
    putc(bracket, j->to);
    j->follows = true;
}

void json_object(struct json *j, const char *member) {
    open_bracket(j, member, '{');
}

void json_object_end(struct json *j) {
    close_bracket(j, '}');
}

void json_list(struct json *j, const char *member) {
    open_bracket(j, member, '[');
}

void json_list_end(struct json *j) {
    close_bracket(j, ']');
}

void json_line_end(struct json *j) {
    close_bracket(j, '}');
    putc('\n', j->to);
    j->follows = false;
}

void json_text(struct json *j, const char *member, const char *text) {
    begin_value(j, member);
    put_quoted(j->to, text);
}

static bool is_utf8(const char *text) {
    unsigned long code;
    while (*text) {
        const size_t len = text_character(text, &code);
        if (!len) return false;
        text += len;
    }
    return true;
}

void json_name(struct json *j, const char *member, const char *name) {
    json_text(j, member, name);
    if (is_utf8(name)) return;
    char other[64];
    snprintf(other, sizeof other, "%s_bytes", member);
    json_hex(j, other, (const uint8_t *)name, strlen(name));
}

void json_hex(struct json *j, const char *member, const uint8_t *bytes, size_t len) {
    begin_value(j, member);
    putc('"', j->to);
    text_put_hex(j->to, bytes, len);
    putc('"', j->to);
}

void json_digests(struct json *j, const uint8_t xxh3[16], const uint8_t sha256[32]) {
    json_hex(j, "xxh3", xxh3, 16);
    if (sha256) json_hex(j, "sha256", sha256, 32);
}

void json_number(struct json *j, const char *member, uint64_t n) {
    begin_value(j, member);
    fprintf(j->to, "%" PRIu64, n);
}

void json_real(struct json *j, const char *member, double n, int digits) {
    begin_value(j, member);
    fprintf(j->to, "%.*f", digits, n);
}

void json_float(struct json *j, const char *member, double n) {
    begin_value(j, member);
    fprintf(j->to, isfinite(n) ? "%.9g" : "null", n);
}

void json_truth(struct json *j, const char *member, bool value) {
    begin_value(j, member);
    fputs(value ? "true" : "false", j->to);
}
