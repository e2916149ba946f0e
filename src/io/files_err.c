#define _POSIX_C_SOURCE 200809L /* the strerror_r of POSIX */

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "io/files_priv.h"

enum { PATH_SHOWN = 96 }; /* bytes of a path in a message; a longer path shows its end, which says more */

struct shown {
    char text[PATH_SHOWN + 4];
};

static struct shown shown_path(const char *path) {
    struct shown s;
    size_t len = strlen(path);
    if (len <= PATH_SHOWN) {
        memcpy(s.text, path, len + 1);
    } else {
        memcpy(s.text, "...", 3);
        memcpy(s.text + 3, path + len - PATH_SHOWN, PATH_SHOWN + 1);
    }
    return s;
}

zipnn_status zn_fail_os(const char *path, const char *verb, uint64_t off, int os_error, zipnn_error *err) {
    char text[64];
    if (strerror_r(os_error, text, sizeof text) != 0) snprintf(text, sizeof text, "error %d", os_error);
    struct shown s = shown_path(path);
    if (off == ZN_NOWHERE) return zn_fail(err, ZIPNN_E_IO, ZN_NOWHERE, "%s: cannot %s: %s", s.text, verb, text);
    uint64_t place = strcmp(verb, "read") == 0 ? off : ZN_NOWHERE;
    return zn_fail(err, ZIPNN_E_IO, place, "%s: cannot %s at offset %llu: %s", s.text, verb, (unsigned long long)off,
                   text);
}

zipnn_status zn_fail_full(const char *path, const char *verb, uint64_t n, const char *unit, uint64_t free,
                          zipnn_error *err) {
    struct shown s = shown_path(path);
    return zn_fail(err, ZIPNN_E_IO, ZN_NOWHERE, "%s: cannot %s %llu%s: No space left on device, %llu bytes are free",
                   s.text, verb, (unsigned long long)n, unit, (unsigned long long)free);
}

zipnn_status zn_fail_path(const char *path, const char *what, zipnn_error *err) {
    struct shown s = shown_path(path);
    return zn_fail(err, ZIPNN_E_IO, ZN_NOWHERE, "%s: %s", s.text, what);
}

bool zn_may_retry(int fd, short events, int os_error) {
    if (os_error == EINTR) return true;
    if (os_error != EAGAIN && os_error != EWOULDBLOCK) return false;
    struct pollfd one = {.fd = fd, .events = events};
    return poll(&one, 1, -1) >= 0 || errno == EINTR;
}
