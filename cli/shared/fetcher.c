#include "shared/fetcher.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shared/cli_fail.h"
#include "shared/helper.h"

enum { LINE_CAP = 512, LONGEST = 16 << 20 };
#define PROGRAM FETCHER_PROGRAM

extern char **environ;

/* The program gets the signals that this one keeps for a thread of its own, or ignores. */
static int set_signals(posix_spawnattr_t *how) {
    sigset_t none, some;
    sigemptyset(&none);
    sigemptyset(&some);
    for (const int *s = (const int[]){SIGHUP, SIGINT, SIGPIPE, SIGTERM, 0}; *s; s++) sigaddset(&some, *s);
    int error = posix_spawnattr_setflags(how, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    if (!error) error = posix_spawnattr_setsigmask(how, &none);
    return error ? error : posix_spawnattr_setsigdefault(how, &some);
}

static int spawn(pid_t *pid, int end) {
    char path[HELPER_PATH], name[] = PROGRAM, *argv[] = {name, NULL};
    posix_spawn_file_actions_t files;
    posix_spawnattr_t how;
    if (!helper_program(PROGRAM, path)) return ENOENT;
    int error = posix_spawn_file_actions_init(&files);
    if (error) return error;
    error = posix_spawnattr_init(&how);
    if (!error) {
        error = set_signals(&how);
        if (!error) error = posix_spawn_file_actions_adddup2(&files, end, STDIN_FILENO);
        if (!error) error = posix_spawn_file_actions_adddup2(&files, end, STDOUT_FILENO);
        if (!error) error = posix_spawn(pid, path, &files, &how, argv, environ);
        posix_spawnattr_destroy(&how);
    }
    posix_spawn_file_actions_destroy(&files);
    return error;
}

static zipnn_status write_all(const struct fetcher *f, const char *text, size_t len, zipnn_error *err) {
    while (len > 0) {
        const ssize_t n = send(f->fd, text, len, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0 && (errno == EPIPE || errno == ECONNRESET)) return ZIPNN_OK; /* its last answer says why it ended */
        if (n < 0) return cli_fail(err, ZIPNN_E_IO, "cannot talk to " PROGRAM ": %s", strerror(errno));
        text += n;
        len -= (size_t)n;
    }
    return ZIPNN_OK;
}

zipnn_status fetcher_start(struct fetcher *f, const char *url, zipnn_error *err) {
    int ends[2];
    *f = (struct fetcher){.fd = -1};
    if (strpbrk(url, "\r\n")) return cli_fail(err, ZIPNN_E_ARGUMENT, "a URL is one line");
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0)
        return cli_fail(err, ZIPNN_E_IO, "cannot talk to " PROGRAM ": %s", strerror(errno));
    for (int i = 0; i < 2; i++) (void)fcntl(ends[i], F_SETFD, FD_CLOEXEC);
    const int error = spawn(&f->pid, ends[1]);
    close(ends[1]);
    f->fd = ends[0];
    if (error) {
        close(f->fd);
        f->pid = 0;
        return cli_fail(
            err, ZIPNN_E_IO,
            "URLs are read by the program " PROGRAM
            ", which cannot be started: %s; it is built and installed with zipnn where libcurl is found (Debian: "
            "apt-get install libcurl4-openssl-dev)",
            strerror(error));
    }
    zipnn_status st = write_all(f, "open ", 5, err);
    if (st == ZIPNN_OK) st = write_all(f, url, strlen(url), err);
    return st == ZIPNN_OK ? write_all(f, "\n", 1, err) : st;
}

void fetcher_end(struct fetcher *f) {
    if (f->pid == 0) return;
    close(f->fd);
    (void)kill(f->pid, SIGKILL); /* it may be waiting for the server, and has nothing to tidy up */
    while (waitpid(f->pid, NULL, 0) < 0 && errno == EINTR) continue;
    *f = (struct fetcher){.pid = 0};
}

zipnn_status fetcher_ask(struct fetcher *f, uint64_t start, uint64_t end, zipnn_error *err) {
    char line[80];
    const int n = snprintf(line, sizeof line, "get %" PRIu64 " %" PRIu64 "\n", start, end);
    return write_all(f, line, (size_t)n, err);
}

static zipnn_status read_exactly(const struct fetcher *f, unsigned char *bytes, size_t len, zipnn_error *err) {
    while (len > 0) {
        const ssize_t n = read(f->fd, bytes, len);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return cli_fail(err, ZIPNN_E_IO, PROGRAM " ended without an answer");
        bytes += n;
        len -= (size_t)n;
    }
    return ZIPNN_OK;
}

/* A line is short, and bytes follow it: it is read byte by byte. */
static zipnn_status read_line(const struct fetcher *f, char line[LINE_CAP], zipnn_error *err) {
    for (size_t n = 0; n + 1 < LINE_CAP; n++) {
        zipnn_status st = read_exactly(f, (unsigned char *)line + n, 1, err);
        if (st != ZIPNN_OK) return st;
        if (line[n] != '\n') continue;
        line[n] = '\0';
        return ZIPNN_OK;
    }
    return cli_fail(err, ZIPNN_E_IO, PROGRAM " answers with a line without end");
}

/* "bytes START N LENGTH" */
static bool parse_bytes(const char *line, struct fetched *got) {
    char *at;
    if (strncmp(line, "bytes ", 6) != 0) return false;
    got->start = strtoull(line + 6, &at, 10);
    if (*at == ' ') got->n = strtoull(at + 1, &at, 10);
    if (*at == ' ') got->length = strtoull(at + 1, &at, 10);
    return *at == '\0';
}

zipnn_status fetcher_receive(struct fetcher *f, struct fetched *got, zipnn_error *err) {
    char line[LINE_CAP];
    *got = (struct fetched){.bytes = NULL};
    zipnn_status st = read_line(f, line, err);
    if (st != ZIPNN_OK) return st;
    if (strncmp(line, "error ", 6) == 0) return cli_fail(err, ZIPNN_E_IO, "%s", line + 6);
    if (!parse_bytes(line, got) || got->n > LONGEST)
        return cli_fail(err, ZIPNN_E_IO, PROGRAM " is of another version than zipnn");
    got->bytes = malloc((size_t)got->n + 1);
    if (!got->bytes) return cli_fail(err, ZIPNN_E_MEMORY, "no memory for %" PRIu64 " bytes", got->n);
    st = read_exactly(f, got->bytes, (size_t)got->n, err);
    if (st == ZIPNN_OK) return ZIPNN_OK;
    free(got->bytes);
    got->bytes = NULL;
    return st;
}
