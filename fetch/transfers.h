/* Fetches ranges of one URL, several at once. */
#ifndef ZIPNN_FETCH_TRANSFERS_H
#define ZIPNN_FETCH_TRANSFERS_H

#include <stdbool.h>
#include <stdint.h>

enum { MOST_AT_ONCE = 8, LONGEST_RANGE = 16 << 20 };

/* Receives what was fetched, or, with bytes NULL, why nothing more will be. `length` is that of the whole object. */
typedef void on_fetched(uint64_t start, uint64_t n, uint64_t length, const unsigned char *bytes, const char *why);

struct transfers;

/* `timeout`: seconds without an answer, or below 1 KiB a second, after which an attempt is given up. NULL: no memory. */
struct transfers *transfers_open(const char *url, long timeout, on_fetched *done);

/* Asks for bytes [start, end). Returns false if that is too much. */
bool transfers_ask(struct transfers *t, uint64_t start, uint64_t end);

/* Works until something was fetched, or there is something to read from descriptor `fd`. */
void transfers_work(struct transfers *t, int fd);

#endif
