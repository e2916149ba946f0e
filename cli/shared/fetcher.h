/* The program zipnn-fetch, which reads http and https URLs for this one: fetch/fetch_main.c says how the two talk. */
#ifndef ZIPNN_CLI_FETCHER_H
#define ZIPNN_CLI_FETCHER_H

#include <stdbool.h>
#include <sys/types.h>

#include "zipnn/zipnn.h"

#define FETCHER_PROGRAM "zipnn-fetch"

struct fetcher {
    pid_t pid; /* 0: none */
    int fd;    /* both ways */
};

/* Starts the program on a URL. fetcher_end accepts a zeroed struct, and one that failed to start. */
zipnn_status fetcher_start(struct fetcher *f, const char *url, zipnn_error *err);
void fetcher_end(struct fetcher *f);

/* Asks for bytes [start, end). */
zipnn_status fetcher_ask(struct fetcher *f, uint64_t start, uint64_t end, zipnn_error *err);

/* A run of bytes that was asked for, in any order. The caller frees them. */
struct fetched {
    uint64_t start, n, length; /* length: of the whole object */
    unsigned char *bytes;
};

/* Waits for one. The message of a failure is a reason, without the URL. */
zipnn_status fetcher_receive(struct fetcher *f, struct fetched *got, zipnn_error *err);

#endif
