/* zipnn-fetch: reads ranges of an http or https URL for the command zipnn, which starts it and talks over pipes.
 *
 * Standard input, lines:            open URL          the first line
 *                                   get START END     bytes [START, END), at most 16 MiB
 * Standard output, in any order:    bytes START N LENGTH, a newline, and N bytes; LENGTH is that of the whole object
 *                                   error SENTENCE    nothing more comes after this
 * The end of its input ends it. The first argument, if there is one, is the number of seconds after which a silent
 * server is given up (30). */
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "transfers.h"

enum { LINE_CAP = 1 << 16, DEFAULT_TIMEOUT = 30 };

/* Lines that have come; standard input is read past stdio, since poll knows nothing of stdio's buffer. */
struct lines {
    char text[LINE_CAP];
    size_t len;
};

static void finish(void) {
    if (fflush(stdout) != 0) _exit(1);
}

static void tell(uint64_t start, uint64_t n, uint64_t length, const unsigned char *bytes, const char *why) {
    if (!bytes) {
        printf("error %s\n", why);
        finish();
        _exit(1);
    }
    printf("bytes %" PRIu64 " %" PRIu64 " %" PRIu64 "\n", start, n, length);
    if (fwrite(bytes, 1, (size_t)n, stdout) != n) _exit(1);
    finish();
}

static void refuse(const char *why) {
    tell(0, 0, 0, NULL, why);
}

static bool ask(struct transfers *t, const char *line) {
    char *at;
    if (strncmp(line, "get ", 4) != 0) return false;
    const uint64_t start = strtoull(line + 4, &at, 10);
    return *at == ' ' && transfers_ask(t, start, strtoull(at + 1, NULL, 10));
}

static void obey(struct transfers **t, char *line, long timeout) {
    if (!*t && strncmp(line, "open ", 5) == 0) {
        if (!(*t = transfers_open(line + 5, timeout, tell))) refuse("no memory");
    } else if (!*t || !ask(*t, line)) {
        refuse("zipnn-fetch does not understand what it is asked for: it is of another version than zipnn");
    }
}

/* Reads what has come, and obeys whole lines. Returns false at the end. */
static bool take_lines(struct lines *in, struct transfers **t, long timeout) {
    const ssize_t got = read(STDIN_FILENO, in->text + in->len, LINE_CAP - in->len);
    if (got <= 0) return false;
    in->len += (size_t)got;
    for (char *newline; (newline = memchr(in->text, '\n', in->len)) != NULL;) {
        *newline = '\0';
        obey(t, in->text, timeout);
        in->len -= (size_t)(newline + 1 - in->text);
        memmove(in->text, newline + 1, in->len);
    }
    if (in->len == LINE_CAP) refuse("the URL is too long");
    return true;
}

int main(int argc, char **argv) {
    static struct lines in;
    struct transfers *t = NULL;
    const long timeout = argc > 1 ? strtol(argv[1], NULL, 10) : DEFAULT_TIMEOUT;
    if (isatty(STDIN_FILENO)) {
        fputs("zipnn-fetch: this program is started by zipnn, to read URLs\n", stderr);
        return 2;
    }
    for (;;) {
        struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
        if (poll(&input, 1, t ? 0 : -1) > 0 && !take_lines(&in, &t, timeout)) return 0;
        if (t) transfers_work(t, STDIN_FILENO);
    }
}
