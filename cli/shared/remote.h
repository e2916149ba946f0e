/* Archives behind http and https URLs, as sources. What is announced is fetched in pieces of at most 8 MiB, several at
 * once and ahead of the reader; anything else when it is asked for. */
#ifndef ZIPNN_CLI_REMOTE_H
#define ZIPNN_CLI_REMOTE_H

#include <stddef.h>

#include "zipnn/zipnn.h"

struct remote;

/* Opens a URL as a source with read_at: two requests. remote_close accepts NULL. */
zipnn_status remote_open(const char *url, struct remote **remote, zipnn_source *source, zipnn_error *err);
void remote_close(struct remote *remote);

/* Announces reads of n ranges, in any order. */
void remote_expect(struct remote *remote, const zipnn_range *ranges, size_t n);

/* Announces that all is going to be read. */
void remote_expect_all(struct remote *remote);

#endif
