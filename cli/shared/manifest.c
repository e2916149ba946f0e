#include "shared/manifest.h"

#include <string.h>

#include "shared/text.h"

enum { HEX = 64 };

void manifest_put(FILE *to, const uint8_t sha256[32], const char *name) {
    if (strpbrk(name, "\\\n\r")) putc('\\', to);
    text_put_hex(to, sha256, 32);
    fputs("  ", to);
    for (const char *c = name; *c; c++) {
        const char *escaped = *c == '\\' ? "\\\\" : *c == '\n' ? "\\n" : *c == '\r' ? "\\r" : NULL;
        if (escaped)
            fputs(escaped, to);
        else
            putc(*c, to);
    }
    putc('\n', to);
}

static int digit_of(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static bool parse_hex(const char *text, uint8_t sha256[32]) {
    for (size_t i = 0; i < 32; i++) {
        const int high = digit_of(text[2 * i]), low = high < 0 ? -1 : digit_of(text[2 * i + 1]);
        if (low < 0) return false;
        sha256[i] = (uint8_t)(high * 16 + low);
    }
    return true;
}

/* Undoes the escapes of a name, in its place. */
static bool unescape(char *name) {
    char *to = name;
    for (const char *c = name; *c; c++) {
        if (*c != '\\') {
            *to++ = *c;
            continue;
        }
        c++;
        if (*c != '\\' && *c != 'n' && *c != 'r') return false;
        *to++ = *c == 'n' ? '\n' : *c == 'r' ? '\r' : '\\';
    }
    *to = '\0';
    return true;
}

/* "SHA256 (NAME) = HEX" */
static char *parse_tagged(char *line, size_t len, uint8_t sha256[32]) {
    static const char tag[] = "SHA256 (", end[] = ") = ";
    const size_t around = sizeof tag - 1 + sizeof end - 1 + HEX;
    if (len <= around || strncmp(line, tag, sizeof tag - 1) != 0) return NULL;
    char *close = line + len - HEX - (sizeof end - 1);
    if (strncmp(close, end, sizeof end - 1) != 0 || !parse_hex(line + len - HEX, sha256)) return NULL;
    *close = '\0';
    return line + sizeof tag - 1;
}

static char *parse_plain(char *line, size_t len, uint8_t sha256[32]) {
    if (len <= HEX + 2 || !parse_hex(line, sha256)) return NULL;
    return line[HEX] == ' ' && (line[HEX + 1] == ' ' || line[HEX + 1] == '*') ? line + HEX + 2 : NULL;
}

char *manifest_parse(char *line, size_t len, uint8_t sha256[32]) {
    if (memchr(line, '\0', len)) return NULL;
    if (len && line[len - 1] == '\r') line[--len] = '\0'; /* an end of line of other systems */
    const bool escaped = line[0] == '\\';
    line += escaped;
    len -= escaped;
    char *name = parse_tagged(line, len, sha256);
    if (!name) name = parse_plain(line, len, sha256);
    return name && *name && (!escaped || unescape(name)) ? name : NULL;
}
