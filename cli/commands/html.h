/* Writes a page piece by piece. */
#ifndef ZIPNN_CLI_HTML_H
#define ZIPNN_CLI_HTML_H

#include "shared/output.h"

/* The page that is being written. The first failure is kept. */
struct page {
    struct output out;
    zipnn_status st;
    zipnn_error *err;
};

/* Writes markup: at most 1023 bytes. Text from outside must not be among the arguments. */
__attribute__((format(printf, 2, 3))) void page_put(struct page *page, const char *format, ...);

/* Writes markup of any length as it is. */
void page_put_all(struct page *page, const char *markup);

/* Writes text from outside so that it cannot become markup, between tags or inside a quoted attribute. */
void page_put_text(struct page *page, const char *text);

/* The same, where lines may break after points and the like; not in attributes. */
void page_put_name(struct page *page, const char *name);

/* Writes the head of a page and its first heading, and the end. Both take text from outside. */
void page_begin(struct page *page, const char *title, const char *heading);
void page_finish(struct page *page);

/* "1.24 billion" */
struct amount {
    char text[32];
};
struct amount page_amount(uint64_t n);

/* What every page of ours has in its head: its style, its script, and the hash of the script, without which a browser
 * runs nothing. */
extern const char page_style[], page_style_more[], page_script[], page_script_hash[];

#endif
