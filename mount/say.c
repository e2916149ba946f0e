#include "say.h"

#include <stdarg.h>
#include <stdbool.h>
#include <string.h>
#include <syslog.h>

static struct {
    const char *command;
    FILE *log;
    bool to_system;
} out = {.command = "zipnn-mount"};

void say_as(const char *command) {
    out.command = command;
}

void say_to(FILE *log) {
    out.log = log;
    out.to_system = !log;
    if (!log) openlog("zipnn-mount", LOG_PID, LOG_DAEMON);
}

void say(const char *format, ...) {
    char line[1200];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    for (char *c = line; *c; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7f) *c = '?';
    if (out.to_system) {
        syslog(LOG_ERR, "%s", line);
        return;
    }
    FILE *to = out.log ? out.log : stderr;
    fprintf(to, "%s: %s\n", out.command, line);
    fflush(to);
}
