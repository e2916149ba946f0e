/* What a server replies to a request for a range: its head, line by line, and what that means. */
#ifndef ZIPNN_FETCH_WEB_REPLY_H
#define ZIPNN_FETCH_WEB_REPLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { MARK_CAP = 256 };

/* By what an object is known to be the same: its length, and its ETag, or else the date of its last change. */
struct version {
    bool known;
    uint64_t length;
    char mark[MARK_CAP];
};

struct reply {
    long status;
    bool has_range;              /* a Content-Range that makes sense */
    uint64_t first, end, length; /* bytes [first, end) of `length` */
    bool is_empty;               /* a Content-Range that says there are no bytes at all */
    bool is_encoded;
    bool has_size;
    uint64_t size; /* Content-Length */
    long delay;    /* seconds that the server asks to wait; -1: it does not say */
    char etag[MARK_CAP], modified[MARK_CAP];
};

/* Takes one line of a head. A status line begins a new reply: a redirect has more than one. */
void reply_line(struct reply *reply, const char *line, size_t len);

/* What is to be done. */
enum verdict { REPLY_GOOD, REPLY_LATER, REPLY_REFUSED, REPLY_WRONG };

/* Judges the reply to a request for bytes [start, end) of an object. `version` is filled by the first good one. For
 * anything but REPLY_GOOD, `why` says the reason. A good reply holds *n bytes. */
enum verdict reply_judge(struct reply *reply, uint64_t start, uint64_t end, struct version *version, uint64_t *n,
                         char *why, size_t cap);

/* Returns whether a mark is an ETag that If-Match may name. */
bool mark_is_strong(const char *mark);

#endif
