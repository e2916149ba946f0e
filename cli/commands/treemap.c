#include "commands/treemap.h"

/* Returns the worst ratio of sides in a row of weights from `greatest` to `least`, with the sum `sum`, along a side. */
static double worst(double greatest, double least, double sum, double side) {
    const double s = side * side, a = s * greatest / (sum * sum), b = sum * sum / (s * least);
    return a > b ? a : b;
}

/* Puts a row along the shorter side of the room. Returns the room that is left. */
static struct rectangle put_row(const double *areas, size_t n, double sum, struct rectangle room,
                                struct rectangle *out) {
    const int upright = room.width >= room.height;
    const double side = upright ? room.height : room.width, depth = side > 0 ? sum / side : 0;
    double at = 0;
    for (size_t i = 0; i < n; i++) {
        const double length = depth > 0 ? areas[i] / depth : 0;
        out[i] = upright ? (struct rectangle){room.x, room.y + at, depth, length}
                         : (struct rectangle){room.x + at, room.y, length, depth};
        at += length;
    }
    if (upright) return (struct rectangle){room.x + depth, room.y, room.width - depth, room.height};
    return (struct rectangle){room.x, room.y + depth, room.width, room.height - depth};
}

void treemap_layout(const double *weights, size_t n, struct rectangle room, struct rectangle *out) {
    double total = 0;
    for (size_t i = 0; i < n; i++) total += weights[i];
    const double scale = total > 0 ? room.width * room.height / total : 0;
    for (size_t i = 0; i < n; i++) out[i].width = weights[i] * scale; /* areas, until they have their place */
    for (size_t first = 0, end; first < n; first = end) {
        const double side = room.width < room.height ? room.width : room.height;
        double areas[64], sum = 0;
        size_t row = 0;
        for (end = first; end < n && row < sizeof areas / sizeof areas[0]; end++) {
            const double area = out[end].width;
            if (row && worst(areas[0], area, sum + area, side) > worst(areas[0], areas[row - 1], sum, side)) break;
            areas[row++] = area;
            sum += area;
        }
        room = put_row(areas, row, sum, room, &out[first]);
    }
}
