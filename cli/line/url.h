/* URLs among the words of the command line. */
#ifndef ZIPNN_CLI_URL_H
#define ZIPNN_CLI_URL_H

#include <stdbool.h>

/* Returns whether a word is an http or https URL. A path that looks like one is reached as ./http:/... */
bool url_is_web(const char *text);

/* Returns whether a word begins as a URL of any kind does. */
bool url_has_scheme(const char *text);

/* Returns a URL as messages may show it: without login, and without a query, which may be a signature. The string is
 * valid until the next call; the main thread alone may call. */
const char *url_shown(const char *url);

#endif
