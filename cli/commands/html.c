#include "commands/html.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "shared/text.h"

static void put(struct page *page, const char *text, size_t len) {
    if (page->st == ZIPNN_OK) page->st = output_put(&page->out, text, len, page->err);
}

void page_put(struct page *page, const char *format, ...) {
    char text[1024];
    va_list args;
    va_start(args, format);
    const int n = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (n > 0) put(page, text, (size_t)n < sizeof text ? (size_t)n : sizeof text - 1);
}

void page_put_all(struct page *page, const char *markup) {
    put(page, markup, strlen(markup));
}

/* Controls, characters that turn the direction of text, and bytes that are no UTF-8 are replaced, too. Returns the length
 * of the character. */
static size_t put_character(struct page *page, const char *text) {
    unsigned long code;
    const size_t len = text_character(text, &code);
    if (!len || text_is_control(code))
        page_put_all(page, "\xef\xbf\xbd");
    else if (strchr("<>&\"'", *text))
        page_put(page, "&#%lu;", code);
    else
        put(page, text, len);
    return len ? len : 1;
}

void page_put_text(struct page *page, const char *text) {
    while (*text) text += put_character(page, text);
}

void page_put_name(struct page *page, const char *name) {
    while (*name) {
        const bool breaks = strchr("._/:", *name) != NULL;
        name += put_character(page, name);
        if (breaks) page_put_all(page, "<wbr>");
    }
}

void page_begin(struct page *page, const char *title, const char *heading) {
    page_put(page,
             "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
             "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n"
             "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none';style-src 'unsafe-inline';"
             "script-src 'sha256-%s'\">\n<title>",
             page_script_hash);
    page_put_text(page, title);
    page_put_all(page, "</title>\n<style>\n");
    page_put_all(page, page_style);
    page_put_all(page, page_style_more);
    page_put_all(page, "</style></head><body>\n<main><h1>");
    page_put_name(page, heading);
    page_put_all(page, "</h1>\n");
}

void page_finish(struct page *page) {
    page_put_all(page, "</main>\n<script>");
    page_put_all(page, page_script);
    page_put_all(page, "</script>\n</body></html>\n");
}

struct amount page_amount(uint64_t n) {
    struct amount a;
    if (n >= 1000000000)
        snprintf(a.text, sizeof a.text, "%.3g billion", (double)n / 1e9);
    else if (n >= 1000000)
        snprintf(a.text, sizeof a.text, "%.3g million", (double)n / 1e6);
    else
        snprintf(a.text, sizeof a.text, "%" PRIu64, n);
    return a;
}
