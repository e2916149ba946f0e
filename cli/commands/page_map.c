#include "commands/page_map.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands/treemap.h"
#include "shared/text.h"

/* In units of the map, which are about pixels of a wide window. */
enum { WIDTH = 1080, HEIGHT = 600, HEADING = 16, MARGIN = 2 };
enum { LEAST_AREA = 220, LEAST_GROUP = 5000, MOST_DEEP = 10, MOST_TILES = 4000 };

/* What is drawn: tensors in the order of their names. */
struct map {
    struct page *page;
    const struct inspection *x;
    const struct profile **tensor;
    size_t n_tiles;
};

/* Tensors whose names begin alike: [first, end) of the map's, which have the first `depth` bytes in common. */
struct group {
    size_t first, end, depth;
    uint64_t bytes, stored;
};

static bool parts_names(char c) {
    return c == '.' || c == '/' || c == '\0';
}

static double share_left(const struct inspection *x, const struct profile *p) {
    if (x->plain || p->tensor.length == 0) return profile_share(p);
    return (double)p->tensor.stored / (double)p->tensor.length;
}

static void sum_up(const struct map *m, struct group *g) {
    double stored = 0;
    g->bytes = 0;
    for (size_t i = g->first; i < g->end; i++) {
        g->bytes += m->tensor[i]->tensor.length;
        stored += share_left(m->x, m->tensor[i]) * (double)m->tensor[i]->tensor.length;
    }
    g->stored = (uint64_t)stored;
}

/* Makes the next group of those inside `g` that begins at `first`: names whose next part, with what ends it, is the
 * same. */
static struct group next_inside(const struct map *m, const struct group *g, size_t first) {
    const char *part = m->tensor[first]->tensor.name + g->depth;
    size_t n = 0;
    while (!parts_names(part[n])) n++;
    struct group inside = {.first = first, .end = first + 1, .depth = g->depth + n + (part[n] != '\0')};
    while (inside.end < g->end && strncmp(m->tensor[inside.end]->tensor.name + g->depth, part, n + 1) == 0)
        inside.end++;
    sum_up(m, &inside);
    return inside;
}

/* A group that has one group inside it becomes that: "model.layers" instead of "layers" alone in "model". */
static void go_down(const struct map *m, struct group *g) {
    for (unsigned i = 0; g->end - g->first > 1 && i < 64; i++) {
        const struct group inside = next_inside(m, g, g->first);
        if (inside.end != g->end || inside.depth == g->depth) return;
        g->depth = inside.depth;
    }
}

static int largest_first(const void *a, const void *b) {
    const struct group *x = a, *y = b;
    if (x->bytes != y->bytes) return x->bytes > y->bytes ? -1 : 1;
    return (x->first > y->first) - (x->first < y->first);
}

/* ---- tiles */

/* The types with most bytes have a colour of their own; the last colour is for all others. */
static unsigned class_of_type(const struct map *m, zipnn_dtype type) {
    const struct roles *types = &m->x->types;
    unsigned c = 0;
    while (c < MAP_TYPES - 1 && c < types->n && types->role[c].dtype != type) c++;
    return c < types->n ? c : MAP_TYPES - 1;
}

static const double shares[MAP_SHARES] = {0.2, 0.5, 0.7, 0.85, 0.97, 1e9};

static unsigned class_of_share(double share) {
    unsigned c = 0;
    while (c + 1 < MAP_SHARES && share > shares[c]) c++;
    return c;
}

static void put_place(const struct map *m, const char *class, const struct rectangle *r, const struct rectangle *room) {
    page_put(m->page, "<div class=\"%s\" style=\"left:%.3f%%;top:%.3f%%;width:%.3f%%;height:%.3f%%\"", class,
             100 * r->x / room->width, 100 * r->y / room->height, 100 * r->width / room->width,
             100 * r->height / room->height);
}

/* The name of a group without what its parent says already, and without the point at its end. */
static void put_label(const struct map *m, const struct group *g, size_t parent) {
    const char *name = m->tensor[g->first]->tensor.name;
    const size_t end = g->end - g->first > 1 ? g->depth : strlen(name);
    char *label = text_join(name + parent, "", "");
    size_t len = end > parent ? end - parent : 0;
    if (len > 1 && g->end - g->first > 1) len--;
    label[len] = '\0';
    page_put_text(m->page, label);
    free(label);
}

static const struct profile *largest_of(const struct map *m, const struct group *g) {
    const struct profile *largest = m->tensor[g->first];
    for (size_t i = g->first + 1; i < g->end; i++)
        if (m->tensor[i]->tensor.length > largest->tensor.length) largest = m->tensor[i];
    return largest;
}

/* One rectangle for all of a group. */
static void put_tile(struct map *m, const struct group *g, size_t parent, const struct rectangle *r,
                     const struct rectangle *room) {
    const struct profile *p = largest_of(m, g);
    const double share = g->bytes ? (double)g->stored / (double)g->bytes : 1;
    char class[40];
    snprintf(class, sizeof class, "tile t%u s%u", class_of_type(m, p->tensor.dtype), class_of_share(share));
    m->n_tiles++;
    put_place(m, class, r, room);
    page_put(m->page, " title=\"");
    page_put_text(m->page, p->tensor.name);
    if (g->end - g->first > 1) page_put(m->page, " and %zu more", g->end - g->first - 1);
    page_put(m->page, ": %s, %s, %.1f %%\">", zipnn_dtype_name(p->tensor.dtype), text_size(g->bytes).text, 100 * share);
    if (r->width > 30 && r->height > 12) put_label(m, g, parent);
    page_put(m->page, "</div>\n");
}

static void put_group(struct map *m, struct group *g, size_t parent, const struct rectangle *r,
                      const struct rectangle *room, unsigned deep);

/* Divides the room among the groups inside `g`. */
static void put_inside(struct map *m, const struct group *g, const struct rectangle *room, unsigned deep) {
    struct group *inside = text_realloc(NULL, (g->end - g->first + 1) * sizeof *inside);
    double *weights = text_realloc(NULL, (g->end - g->first + 1) * sizeof *weights);
    struct rectangle *places = text_realloc(NULL, (g->end - g->first + 1) * sizeof *places);
    size_t n = 0, drawn = 0;
    for (size_t i = g->first; i < g->end; i = inside[n++].end) inside[n] = next_inside(m, g, i);
    qsort(inside, n, sizeof inside[0], largest_first);
    while (drawn < n && inside[drawn].bytes) {
        weights[drawn] = (double)inside[drawn].bytes;
        drawn++;
    }
    treemap_layout(weights, drawn, (struct rectangle){0, 0, room->width, room->height}, places);
    for (size_t i = 0; i < drawn && m->n_tiles < MOST_TILES; i++)
        put_group(m, &inside[i], g->depth, &places[i], room, deep + 1);
    free(inside);
    free(weights);
    free(places);
}

static void put_group(struct map *m, struct group *g, size_t parent, const struct rectangle *r,
                      const struct rectangle *room, unsigned deep) {
    if (r->width * r->height < LEAST_AREA && deep > 1) { /* too small to be seen apart */
        put_tile(m, g, parent, r, room);
        return;
    }
    go_down(m, g);
    const bool opens = g->end - g->first > 1 && deep < MOST_DEEP && r->width * r->height >= LEAST_GROUP &&
                       r->width > 40 && r->height > 3 * HEADING;
    if (!opens) {
        put_tile(m, g, parent, r, room);
        return;
    }
    const struct rectangle inner = {0, 0, r->width - 2 * MARGIN, r->height - HEADING - MARGIN};
    put_place(m, "group", r, room);
    page_put(m->page, "><b>");
    put_label(m, g, parent);
    page_put(m->page, "</b><div class=\"in\">\n");
    put_inside(m, g, &inner, deep);
    page_put(m->page, "</div></div>\n");
}

/* ---- legends */

static void put_legends(const struct map *m) {
    static const char *const texts[MAP_SHARES] = {"up to 20 %", "to 50 %", "to 70 %",
                                                  "to 85 %",    "to 97 %", "hardly smaller"};
    page_put(m->page, "<p class=\"legend by-type\">");
    for (size_t i = 0; i < m->x->types.n && i < MAP_TYPES; i++)
        page_put(m->page, "<span><i class=\"t%zu\"></i>%s</span> ", i,
                 i < MAP_TYPES - 1 ? zipnn_dtype_name(m->x->types.role[i].dtype) : "others");
    page_put(m->page, "</p>\n<p class=\"legend by-share\">");
    for (size_t i = 0; i < MAP_SHARES; i++) page_put(m->page, "<span><i class=\"s%zu\"></i>%s</span> ", i, texts[i]);
    page_put(m->page, "</p>\n");
}

static int by_name(const void *a, const void *b) {
    return strcmp((*(const struct profile *const *)a)->tensor.name, (*(const struct profile *const *)b)->tensor.name);
}

void page_put_map(struct page *page, const struct inspection *x) {
    const struct rectangle whole = {0, 0, WIDTH, HEIGHT};
    struct map m = {.page = page, .x = x, .tensor = text_realloc(NULL, (x->n + 1) * sizeof *m.tensor)};
    for (size_t i = 0; i < x->n; i++) m.tensor[i] = &x->profiles[i];
    if (x->n) qsort(m.tensor, x->n, sizeof m.tensor[0], by_name);
    page_put(
        page,
        "<section id=\"map\"><h2>Where the bytes are</h2>\n<p>Each area stands for bytes of the original. The "
        "table below has the same in words.</p>\n"
        "<input type=\"radio\" name=\"colour\" id=\"by-type\" checked><label for=\"by-type\">colour by type</label>\n"
        "<input type=\"radio\" name=\"colour\" id=\"by-share\"><label for=\"by-share\">by what is left</label>\n");
    put_legends(&m);
    page_put(page, "<div class=\"map\" role=\"img\" aria-label=\"Map of the bytes of the tensors\">\n");
    struct group all = {.end = x->n};
    sum_up(&m, &all);
    if (all.bytes) put_inside(&m, &all, &whole, 0);
    page_put(page, "</div></section>\n");
    free(m.tensor);
}
