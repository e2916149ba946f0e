/* Divides a rectangle into rectangles of given areas: the squarified treemap of Bruls, Huizing and van Wijk. */
#ifndef ZIPNN_CLI_TREEMAP_H
#define ZIPNN_CLI_TREEMAP_H

#include <stddef.h>

struct rectangle {
    double x, y, width, height;
};

/* Lays out n weights, in descending order and above 0, inside `room`. */
void treemap_layout(const double *weights, size_t n, struct rectangle room, struct rectangle *out);

#endif
