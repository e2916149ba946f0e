#include "web_reply.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* Reads a number of at most 19 digits. Returns the byte after it, NULL if there is none. */
static const char *number(const char *text, uint64_t *value) {
    const char *at = text;
    for (*value = 0; *at >= '0' && *at <= '9'; at++) {
        if (at - text >= 19) return NULL;
        *value = 10 * *value + (uint64_t)(*at - '0');
    }
    return at > text ? at : NULL;
}

/* "bytes 0-9/100", or "bytes * /0". */
static void take_range(struct reply *r, const char *value) {
    uint64_t last = 0;
    if (strncasecmp(value, "bytes ", 6) != 0) return;
    r->is_empty = strcmp(value + 6, "*/0") == 0;
    const char *at = number(value + 6, &r->first);
    if (at && *at == '-') at = number(at + 1, &last);
    if (at && *at == '/') at = number(at + 1, &r->length);
    r->end = last + 1;
    r->has_range = at && !*at && r->first <= last && last < r->length;
}

static void take_field(struct reply *r, const char *name, const char *value) {
    uint64_t n;
    const char *end;
    if (strcasecmp(name, "content-range") == 0) take_range(r, value);
    if (strcasecmp(name, "content-encoding") == 0) r->is_encoded = strcasecmp(value, "identity") != 0;
    if (strcasecmp(name, "content-length") == 0) r->has_size = (end = number(value, &r->size)) != NULL && !*end;
    if (strcasecmp(name, "retry-after") == 0 && (end = number(value, &n)) != NULL && !*end)
        r->delay = n < 3600 ? (long)n : 3600;
    if (strcasecmp(name, "etag") == 0) snprintf(r->etag, sizeof r->etag, "%s", value);
    if (strcasecmp(name, "last-modified") == 0) snprintf(r->modified, sizeof r->modified, "%s", value);
}

void reply_line(struct reply *r, const char *line, size_t len) {
    char text[1024];
    if (len >= sizeof text) return; /* no line of interest is as long */
    memcpy(text, line, len);
    while (len > 0 && strchr(" \t\r\n", text[len - 1])) len--;
    text[len] = '\0';
    if (strncmp(text, "HTTP/", 5) == 0) {
        const char *space = strchr(text, ' ');
        uint64_t status = 0;
        *r = (struct reply){.delay = -1};
        if (space && number(space + 1, &status)) r->status = status < 1000 ? (long)status : 0;
        return;
    }
    char *colon = strchr(text, ':');
    if (!colon) return;
    *colon++ = '\0';
    take_field(r, text, colon + strspn(colon, " \t"));
}

bool mark_is_strong(const char *mark) {
    const size_t len = strlen(mark);
    if (len < 2 || mark[0] != '"' || mark[len - 1] != '"') return false;
    for (size_t i = 1; i + 1 < len; i++)
        if (mark[i] < 0x21 || mark[i] > 0x7E || mark[i] == '"') return false;
    return true;
}

static enum verdict say(enum verdict verdict, const char *text, char *why, size_t cap) {
    snprintf(why, cap, "%s", text);
    return verdict;
}

static enum verdict changed(char *why, size_t cap) {
    return say(REPLY_WRONG, "the object changed since it was opened: run this again", why, cap);
}

static enum verdict judge_status(const struct reply *r, const struct version *version, char *why, size_t cap) {
    switch (r->status) {
        case 200:
        case 206:
            return REPLY_GOOD;
        case 429:
        case 500:
        case 502:
        case 503:
        case 504:
            snprintf(why, cap, "the server answers %ld", r->status);
            return REPLY_LATER;
        case 401:
        case 403:
            snprintf(why, cap,
                     "the server refuses access (%ld): log in, or if the URL is a signed one, get a fresh one",
                     r->status);
            return REPLY_REFUSED;
        case 404:
        case 410:
            snprintf(why, cap, "the server has no such file (%ld)", r->status);
            return REPLY_REFUSED;
        case 412:
            return changed(why, cap);
        case 416:
            if (r->is_empty && !version->known) return REPLY_GOOD;
            return changed(why, cap);
        default:
            snprintf(why, cap, "the server answers %ld", r->status);
            return REPLY_WRONG;
    }
}

/* Of a small file all may come at once. */
static bool is_whole(const struct reply *r, uint64_t start, uint64_t end) {
    return r->status == 200 && start == 0 && r->has_size && r->size <= end;
}

enum verdict reply_judge(struct reply *r, uint64_t start, uint64_t end, struct version *version, uint64_t *n, char *why,
                         size_t cap) {
    *n = 0;
    const enum verdict verdict = judge_status(r, version, why, cap);
    if (verdict != REPLY_GOOD) return verdict;
    if (r->is_encoded) return say(REPLY_WRONG, "the server sends encoded bytes, which have no ranges", why, cap);
    if (is_whole(r, start, end)) {
        r->first = 0;
        r->end = r->length = r->size;
    } else if (r->status == 200) {
        return say(REPLY_WRONG, "the server gives no ranges of it: download it first", why, cap);
    } else if (r->status == 206 && !r->has_range) {
        return say(REPLY_WRONG, "the server does not say which range it sends (Content-Range)", why, cap);
    }
    const char *mark = r->etag[0] ? r->etag : r->modified;
    if (version->known && (version->length != r->length || strcmp(version->mark, mark) != 0)) return changed(why, cap);
    version->known = true;
    version->length = r->length;
    snprintf(version->mark, sizeof version->mark, "%s", mark);
    if (r->status == 416) return REPLY_GOOD;
    if (r->first != start || r->end != (end < r->length ? end : r->length)) {
        snprintf(why, cap,
                 "the server answers with bytes %" PRIu64 " to %" PRIu64 " where %" PRIu64 " to %" PRIu64
                 " were asked for",
                 r->first, r->end, start, end);
        return REPLY_WRONG;
    }
    *n = r->end - r->first;
    return REPLY_GOOD;
}
