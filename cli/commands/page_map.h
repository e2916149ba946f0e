/* The map of a page: where the bytes of a model are, nested by names. */
#ifndef ZIPNN_CLI_PAGE_MAP_H
#define ZIPNN_CLI_PAGE_MAP_H

#include "commands/html.h"
#include "commands/inspect.h"

/* Classes of colours: by element type, and by what is left of the bytes. */
enum { MAP_TYPES = 8, MAP_SHARES = 6 };

/* Writes the map, its two sets of colours and their legends. */
void page_put_map(struct page *page, const struct inspection *x);

#endif
