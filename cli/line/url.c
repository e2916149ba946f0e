#include "line/url.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

static bool is_letter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

bool url_has_scheme(const char *text) {
    size_t n = 0;
    while (is_letter(text[n]) || (n > 0 && text[n] && strchr("0123456789+.-", text[n]))) n++;
    return n > 0 && strncmp(text + n, "://", 3) == 0;
}

bool url_is_web(const char *path) {
    return strncasecmp(path, "http://", 7) == 0 || strncasecmp(path, "https://", 8) == 0;
}

const char *url_shown(const char *url) {
    static char shown[160];
    const char *host = strstr(url, "://") + 3;
    const size_t len = strcspn(host, "?#"), to_path = strcspn(host, "/?#");
    const char *login = memchr(host, '@', to_path);
    for (const char *at = login; at; at = memchr(at + 1, '@', to_path - (size_t)(at + 1 - host))) login = at;
    const char *begin = login ? login + 1 : host;
    snprintf(shown, sizeof shown, "%.*s%.*s", (int)(host - url), url, (int)(host + len - begin), begin);
    return shown;
}
