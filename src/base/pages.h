/* Pages of memory, as the operating system sees them. */
#ifndef ZN_BASE_PAGES_H
#define ZN_BASE_PAGES_H

#include <stdbool.h>
#include <stddef.h>

/* Whether memory has been touched before, so that writing to it costs no page faults: judged by its first page, its
 * last and some between. True where the system does not tell. */
bool zn_pages_present(const void *memory, size_t len);

#endif
