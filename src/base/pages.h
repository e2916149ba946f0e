/* Pages of memory, as the operating system sees them. */
#ifndef ZN_BASE_PAGES_H
#define ZN_BASE_PAGES_H

#include <stdbool.h>
#include <stddef.h>

/* Returns whether memory has been touched before, so that writing to it causes no page faults. It examines the first
 * page, the last and some between. Returns true if the system does not tell. */
bool zn_pages_present(const void *memory, size_t len);

/* Asks for large pages for memory that is about to be written. It may be of any size, and changes nothing else. */
void zn_pages_large(void *memory, size_t len);

#endif
