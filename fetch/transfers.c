#include "transfers.h"

#include <curl/curl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "web_reply.h"
#include "zipnn/zipnn.h"

enum {
    MOST_ATTEMPTS = 5,
    MOST_REDIRECTS = 5,
    LEAST_RATE = 1024, /* bytes of a body a second */
    LONGEST_WAIT = 30, /* seconds before a further attempt, whatever the server asks for */
    WHY_CAP = 256,
    MOST_IGNORED = 64 << 10 /* bytes of the body of a reply that is of no use */
};

struct transfer {
    struct transfers *all;
    struct transfer *next;
    uint64_t start, end;
    CURL *easy; /* NULL: waits for its turn */
    struct curl_slist *headers;
    unsigned char *bytes;
    uint64_t have, n; /* of the body: received, announced */
    uint64_t ignored;
    struct reply reply;
    enum verdict verdict;
    bool judged, over;
    bool from_url; /* not from where a redirect led before */
    unsigned attempts;
    double not_before; /* seconds of the monotonic clock */
    double waited;     /* seconds of waiting for the server since `have` was `marked` */
    uint64_t marked;
    char why[WHY_CAP];
};

struct transfers {
    CURLM *multi;
    char *url, *leads_to; /* leads_to: where redirects ended; NULL: unknown */
    long timeout;
    on_fetched *done;
    struct transfer *first;
    unsigned n_running;
    bool tells; /* something was fetched */
    struct version version;
};

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

struct transfers *transfers_open(const char *url, long timeout, on_fetched *done) {
    struct transfers *t = calloc(1, sizeof *t);
    if (!t || curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        free(t);
        return NULL;
    }
    *t = (struct transfers){.multi = curl_multi_init(), .url = strdup(url), .timeout = timeout, .done = done};
    if (t->multi && t->url) return t;
    curl_multi_cleanup(t->multi);
    free(t->url);
    free(t);
    return NULL;
}

bool transfers_ask(struct transfers *t, uint64_t start, uint64_t end) {
    if (end <= start || end - start > LONGEST_RANGE) return false;
    struct transfer *x = calloc(1, sizeof *x), **last = &t->first;
    if (!x) return false;
    *x = (struct transfer){.all = t, .start = start, .end = end};
    while (*last) last = &(*last)->next;
    *last = x;
    return true;
}

/* ---- what curl calls --------------------------------------------------------------------------------------------- */

static size_t on_header(char *line, size_t size, size_t n, void *user) {
    struct transfer *x = user;
    reply_line(&x->reply, line, size * n);
    return size * n;
}

static void judge(struct transfer *x) {
    if (x->judged) return;
    x->judged = true;
    x->verdict = reply_judge(&x->reply, x->start, x->end, &x->all->version, &x->n, x->why, sizeof x->why);
    if (x->verdict != REPLY_GOOD || x->n == 0) return;
    free(x->bytes);
    x->bytes = malloc((size_t)x->n);
    if (x->bytes) return;
    x->verdict = REPLY_WRONG;
    snprintf(x->why, sizeof x->why, "no memory for %" PRIu64 " bytes", x->n);
}

static size_t on_body(char *bytes, size_t size, size_t count, void *user) {
    struct transfer *x = user;
    const size_t n = size * count;
    judge(x);
    if (x->verdict != REPLY_GOOD) {
        x->ignored += n;
        return x->ignored > MOST_IGNORED || x->verdict == REPLY_WRONG ? 0 : n;
    }
    if (n > x->n - x->have) {
        x->verdict = REPLY_WRONG;
        snprintf(x->why, sizeof x->why, "the server sends more than the %" PRIu64 " bytes that it announced", x->n);
        return 0;
    }
    memcpy(x->bytes + x->have, bytes, n);
    x->have += n;
    return n;
}

/* ---- one transfer ------------------------------------------------------------------------------------------------ */

static void set_headers(struct transfer *x) {
    const struct version *v = &x->all->version;
    char line[MARK_CAP + 32];
    curl_slist_free_all(x->headers);
    x->headers = curl_slist_append(NULL, "Accept-Encoding: identity");
    if (!v->known || !mark_is_strong(v->mark)) return;
    snprintf(line, sizeof line, "If-Match: %s", v->mark);
    x->headers = curl_slist_append(x->headers, line);
}

/* A redirect may lead to another scheme only if that is no worse. Login and headers of the user are sent to the URL's
 * own host alone: curl sees to that. */
static void start(struct transfer *x) {
    struct transfers *t = x->all;
    char range[64], agent[64];
    if (!x->easy) x->easy = curl_easy_init();
    if (!x->easy) return;
    const char *url = t->leads_to && !x->from_url ? t->leads_to : t->url;
    x->from_url = url == t->url;
    x->have = x->n = x->ignored = x->marked = 0;
    x->waited = 0;
    x->judged = false;
    x->verdict = REPLY_LATER;
    x->reply = (struct reply){.delay = -1};
    x->attempts++;
    snprintf(range, sizeof range, "%" PRIu64 "-%" PRIu64, x->start, x->end - 1);
    snprintf(agent, sizeof agent, "zipnn/%d.%d.%d", ZIPNN_VERSION_MAJOR, ZIPNN_VERSION_MINOR, ZIPNN_VERSION_PATCH);
    curl_easy_reset(x->easy);
    set_headers(x);
    curl_easy_setopt(x->easy, CURLOPT_URL, url);
    curl_easy_setopt(x->easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(x->easy, CURLOPT_REDIR_PROTOCOLS_STR, strncasecmp(url, "https", 5) == 0 ? "https" : "http,https");
    curl_easy_setopt(x->easy, CURLOPT_FOLLOWLOCATION, 1L);
    curl_easy_setopt(x->easy, CURLOPT_MAXREDIRS, (long)MOST_REDIRECTS);
    curl_easy_setopt(x->easy, CURLOPT_NETRC, (long)CURL_NETRC_OPTIONAL);
    curl_easy_setopt(x->easy, CURLOPT_RANGE, range);
    curl_easy_setopt(x->easy, CURLOPT_HTTPHEADER, x->headers);
    curl_easy_setopt(x->easy, CURLOPT_USERAGENT, agent);
    curl_easy_setopt(x->easy, CURLOPT_CONNECTTIMEOUT, t->timeout);
    curl_easy_setopt(x->easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(x->easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    curl_easy_setopt(x->easy, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(x->easy, CURLOPT_HEADERDATA, x);
    curl_easy_setopt(x->easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(x->easy, CURLOPT_WRITEDATA, x);
    curl_easy_setopt(x->easy, CURLOPT_PRIVATE, x);
    curl_multi_add_handle(t->multi, x->easy);
    t->n_running++;
}

static void drop_over(struct transfers *t) {
    for (struct transfer **at = &t->first, *x; (x = *at) != NULL;) {
        if (!x->over) {
            at = &x->next;
            continue;
        }
        *at = x->next;
        curl_easy_cleanup(x->easy);
        curl_slist_free_all(x->headers);
        free(x->bytes);
        free(x);
    }
}

static void give_up(struct transfer *x) {
    x->all->tells = true;
    x->all->done(x->start, 0, 0, NULL, x->why);
    x->over = true;
}

/* curl's own words name hosts at most, no URL. */
static void explain(struct transfer *x, CURLcode code) {
    if (code == CURLE_OPERATION_TIMEDOUT)
        snprintf(x->why, sizeof x->why, "the server does not answer in time, or too slowly");
    else if (code == CURLE_TOO_MANY_REDIRECTS)
        snprintf(x->why, sizeof x->why, "more than %d redirects", MOST_REDIRECTS);
    else if (code == CURLE_UNSUPPORTED_PROTOCOL)
        snprintf(x->why, sizeof x->why,
                 "a redirect leads to something that is not followed: from https to http, or elsewhere");
    else if (code != CURLE_OK)
        snprintf(x->why, sizeof x->why, "%s", curl_easy_strerror(code));
    else
        snprintf(x->why, sizeof x->why, "the connection ended after %" PRIu64 " of %" PRIu64 " bytes", x->have, x->n);
}

static bool may_pass(CURLcode code) {
    switch (code) {
        case CURLE_URL_MALFORMAT:
        case CURLE_UNSUPPORTED_PROTOCOL:
        case CURLE_COULDNT_RESOLVE_HOST:
        case CURLE_COULDNT_RESOLVE_PROXY:
        case CURLE_PEER_FAILED_VERIFICATION:
        case CURLE_SSL_CACERT_BADFILE:
        case CURLE_TOO_MANY_REDIRECTS:
            return false;
        default:
            return true;
    }
}

static void again(struct transfer *x) {
    if (x->attempts >= MOST_ATTEMPTS) {
        char last[WHY_CAP];
        memcpy(last, x->why, sizeof last);
        snprintf(x->why, sizeof x->why, "%d attempts failed, the last one: %.180s", MOST_ATTEMPTS, last);
        give_up(x);
        return;
    }
    double delay = 0.25 * (double)(1U << x->attempts) * (1 + (double)(x->start >> 16 & 15) / 16);
    if (x->reply.delay >= 0) delay = x->reply.delay < LONGEST_WAIT ? (double)x->reply.delay : LONGEST_WAIT;
    x->not_before = now() + delay;
}

static void remember_place(struct transfer *x) {
    char *place = NULL;
    curl_easy_getinfo(x->easy, CURLINFO_EFFECTIVE_URL, &place);
    if (!place || x->all->leads_to) return;
    x->all->leads_to = strdup(place);
}

static void end(struct transfer *x, CURLcode code) {
    struct transfers *t = x->all;
    curl_multi_remove_handle(t->multi, x->easy);
    t->n_running--;
    if (code == CURLE_OK) judge(x);
    const bool redirects = code == CURLE_TOO_MANY_REDIRECTS || code == CURLE_UNSUPPORTED_PROTOCOL;
    if (redirects || !x->judged || (x->verdict == REPLY_GOOD && (code != CURLE_OK || x->have < x->n))) {
        explain(x, code);
        x->verdict = may_pass(code) ? REPLY_LATER : REPLY_WRONG;
    }
    if (x->verdict == REPLY_GOOD) {
        remember_place(x);
        t->tells = true;
        t->done(x->start, x->n, t->version.length, x->n ? x->bytes : (const unsigned char *)"", NULL);
        x->over = true;
    } else if (x->verdict == REPLY_LATER) {
        again(x);
    } else if (x->verdict == REPLY_REFUSED && !x->from_url) { /* what a redirect led to may have expired */
        free(t->leads_to);
        t->leads_to = NULL;
        x->from_url = true;
        x->not_before = 0;
    } else {
        give_up(x);
    }
}

/* ---- all of them ------------------------------------------------------------------------------------------------- */

static bool is_running(const struct transfer *x) {
    return x->not_before < 0;
}

/* Starts what may start. Returns the milliseconds until the next one may. */
static int start_all(struct transfers *t) {
    int wait = 1000; /* so often slowness is looked at */
    for (struct transfer *x = t->first; x; x = x->next) {
        if (is_running(x)) continue;
        const double left = x->not_before - now();
        if (left > 0) {
            if (left * 1000 < wait) wait = (int)(left * 1000) + 1;
        } else if (t->n_running < MOST_AT_ONCE) {
            start(x);
            x->not_before = -1;
        }
    }
    return wait;
}

/* Ends the attempts that got fewer than LEAST_RATE bytes a second while this program waited for them. Only that time
 * counts: a reader who pauses, or a computer that sleeps, is not the server's fault. curl's own limit counts all time, and
 * needs several seconds to see a server that drips. */
static void end_slow(struct transfers *t, double waited) {
    for (struct transfer *x = t->first; x; x = x->next) {
        if (!is_running(x) || (x->waited += waited) < (double)t->timeout) continue;
        const bool is_slow = (double)(x->have - x->marked) < LEAST_RATE * x->waited;
        x->waited = 0;
        x->marked = x->have;
        if (!is_slow) continue;
        x->not_before = 0;
        end(x, CURLE_OPERATION_TIMEDOUT);
    }
}

void transfers_work(struct transfers *t, int fd) {
    struct curl_waitfd input = {.fd = fd, .events = CURL_WAIT_POLLIN};
    t->tells = false;
    do {
        int running, left;
        curl_multi_perform(t->multi, &running);
        for (CURLMsg *message; (message = curl_multi_info_read(t->multi, &left)) != NULL;) {
            struct transfer *x = NULL;
            const CURLcode code = message->data.result;
            curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&x);
            x->not_before = 0;
            end(x, code);
        }
        drop_over(t);
        const int wait = start_all(t); /* what just failed may begin anew at once */
        if (t->tells) return;
        const double before = now();
        curl_multi_poll(t->multi, &input, 1, wait, NULL);
        const double waited = now() - before;
        end_slow(t, waited < 2 ? waited : 2);
        drop_over(t);
    } while (!t->tells && input.revents == 0);
}
