/* Messages of zipnn-mount, each one line: to standard error first, and to the log once the view stands on its own. */
#ifndef ZIPNN_MOUNT_SAY_H
#define ZIPNN_MOUNT_SAY_H

#include <stdio.h>

/* Names the command in front of each line ("zipnn mount"). The string must stay. */
void say_as(const char *command);

/* Sends what is said from now on to this file, or, if it is NULL, to the system's log. */
void say_to(FILE *log);

/* Says one line; bytes that are no printable text are shown as "?". Any thread may call it. */
__attribute__((format(printf, 1, 2))) void say(const char *format, ...);

#endif
