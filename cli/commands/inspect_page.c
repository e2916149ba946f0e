/* The page of zipnn inspect --html. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands/inspect.h"
#include "commands/treemap.h"
#include "shared/cli_fail.h"
#include "shared/output.h"
#include "shared/run_report.h"
#include "shared/text.h"

enum { WIDTH = 1000, HEIGHT = 560, MAX_TILES = 400, MAX_HISTOGRAMS = 48 };

/* The page that is being written. The first failure is kept. */
struct page {
    struct output out;
    zipnn_status st;
    zipnn_error *err;
};

static void put(struct page *page, const char *text, size_t len) {
    if (page->st == ZIPNN_OK) page->st = output_put(&page->out, text, len, page->err);
}

__attribute__((format(printf, 2, 3))) static void say(struct page *page, const char *format, ...) {
    char text[1024];
    va_list args;
    va_start(args, format);
    const int n = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (n > 0) put(page, text, (size_t)n < sizeof text ? (size_t)n : sizeof text - 1);
}

/* Writes text from outside so that it cannot become markup. Bytes that are not ASCII are taken for UTF-8, the encoding
 * of the page. */
static void say_text(struct page *page, const char *text) {
    for (; *text; text++) {
        const unsigned char c = (unsigned char)*text;
        if (c < 0x20 || c == '<' || c == '>' || c == '&' || c == '"' || c == '\'')
            say(page, "&#%u;", c < 0x20 ? 0xfffdU : c);
        else
            put(page, text, 1);
    }
}

static void say_head(struct page *page, const struct inspection *x) {
    say(page, "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n<title>");
    say_text(page, run_shown_name(x->path));
    say(page,
        "</title>\n<style>\n"
        "body{font:15px/1.4 sans-serif;margin:2em auto;max-width:%dpx;padding:0 1em;color:#222;background:#fff}\n"
        "table{border-collapse:collapse;width:100%%}th,td{text-align:right;padding:2px 8px;border-bottom:1px solid "
        "#ddd}\n"
        "th:first-child,td:first-child{text-align:left;word-break:break-all}svg{width:100%%;height:auto}\n"
        "svg text{font:11px sans-serif;fill:#111;pointer-events:none}.h{display:grid;"
        "grid-template-columns:repeat(auto-fill,minmax(220px,1fr));gap:12px}\n"
        ".h figure{margin:0}.h figcaption{font-size:12px;word-break:break-all}.h rect{fill:#47a}"
        ".m{background:#47a;display:inline-block;height:9px}\n"
        "</style></head><body>\n<h1>",
        WIDTH);
    say_text(page, run_shown_name(x->path));
    say(page, "</h1>\n<p>%s of %" PRIu64 " bytes, %" PRIu64 " tensors. ", x->info.container, x->info.original,
        x->info.n_tensors);
    if (x->plain)
        say(page, "Compressing would give about %" PRIu64 " bytes, %.2f&nbsp;%%.</p>\n", x->estimate.archive,
            text_percent(x->estimate.archive, x->info.original));
    else
        say(page, "Stored as %" PRIu64 " bytes, %.2f&nbsp;%%.</p>\n", x->info.archive,
            text_percent(x->info.archive, x->info.original));
}

/* Returns what is left of a tensor: the share that is stored, or the share that its order-0 entropy promises. */
static double share_of(const struct inspection *x, const struct profile *p) {
    if (x->plain || p->tensor.length == 0) return profile_share(p);
    return (double)p->tensor.stored / (double)p->tensor.length;
}

static int longest_first(const void *a, const void *b) {
    const struct profile *x = *(const struct profile *const *)a, *y = *(const struct profile *const *)b;
    if (x->tensor.length != y->tensor.length) return x->tensor.length > y->tensor.length ? -1 : 1;
    return (x->tensor.offset > y->tensor.offset) - (x->tensor.offset < y->tensor.offset);
}

/* Green for what shrinks to nothing, red for what stays. */
static void say_tile(struct page *page, const struct rectangle *r, double share, const char *name, const char *about) {
    const int hue = share < 1 ? (int)(130 * (1 - share)) : 0;
    say(page,
        "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" fill=\"hsl(%d,60%%,72%%)\" stroke=\"#fff\"><title>",
        r->x, r->y, r->width, r->height, hue);
    say_text(page, name);
    say(page, " %s</title></rect>", about);
    if (r->width < 40 || r->height < 14) return;
    char shown[160];
    const size_t room = (size_t)(r->width / 6.2), len = strlen(name);
    snprintf(shown, sizeof shown, "%s", len > room ? name + (len - room) : name);
    while ((shown[0] & 0xc0) == 0x80) memmove(shown, shown + 1, strlen(shown)); /* no half of a character */
    say(page, "<text x=\"%.1f\" y=\"%.1f\">", r->x + 3, r->y + 12);
    say_text(page, shown);
    say(page, "</text>\n");
}

static void say_treemap(struct page *page, const struct inspection *x, const struct profile *const *order) {
    double weights[MAX_TILES + 1] = {0};
    struct rectangle tiles[MAX_TILES + 1];
    size_t n = 0;
    uint64_t named = 0, rest;
    for (; n < x->n && n < MAX_TILES && order[n]->tensor.length; n++) {
        weights[n] = (double)order[n]->tensor.length;
        named += order[n]->tensor.length;
    }
    rest = x->info.original - (named < x->info.original ? named : x->info.original);
    const size_t n_tensors = n;
    if (rest && n && (double)rest <= weights[n - 1]) weights[n++] = (double)rest;
    treemap_layout(weights, n, (struct rectangle){0, 0, WIDTH, HEIGHT}, tiles);
    say(page,
        "<h2>Bytes of the tensors</h2>\n<p>Area: bytes. Colour: what is left of them, from green (nothing) to red "
        "(all).</p>\n<svg viewBox=\"0 0 %d %d\" role=\"img\">\n",
        WIDTH, HEIGHT);
    for (size_t i = 0; i < n; i++) {
        char about[96];
        const bool tensor = i < n_tensors;
        const double share = tensor ? share_of(x, order[i]) : 1;
        snprintf(about, sizeof about, "%s %s, %.1f %%", tensor ? zipnn_dtype_name(order[i]->tensor.dtype) : "",
                 text_size(tensor ? order[i]->tensor.length : rest).text, 100 * share);
        say_tile(page, &tiles[i], share, tensor ? order[i]->tensor.name : "(all else)", about);
    }
    say(page, "</svg>\n");
}

static void say_histogram(struct page *page, const struct profile *p, const uint64_t bins[PROFILE_BINS]) {
    uint64_t most = 1;
    unsigned first = PROFILE_BINS, last = 0;
    for (unsigned b = 0; b < PROFILE_BINS; b++) {
        if (bins[b] == 0) continue;
        if (first == PROFILE_BINS) first = b;
        last = b;
        most = bins[b] > most ? bins[b] : most;
    }
    if (first == PROFILE_BINS) return;
    const unsigned n = last - first + 1;
    say(page, "<figure><svg viewBox=\"0 0 200 70\" role=\"img\">");
    for (unsigned b = first; b <= last; b++) {
        const double height = 60 * (double)bins[b] / (double)most, width = 200.0 / n;
        if (height > 0)
            say(page, "<rect x=\"%.2f\" y=\"%.2f\" width=\"%.2f\" height=\"%.2f\"><title>%u: %.2f %%</title></rect>",
                (b - first) * width, 60 - height, width * 0.95, height, b, text_percent(bins[b], p->n_elements));
    }
    say(page,
        "<text x=\"0\" y=\"69\">%u</text><text x=\"200\" y=\"69\" text-anchor=\"end\">%u</text></svg><figcaption>",
        first, last);
    say_text(page, p->tensor.name);
    say(page, "<br>%s, %.2f of %u bits</figcaption></figure>\n", zipnn_dtype_name(p->tensor.dtype), p->exponent,
        p->exponent_bits);
}

/* The bins of a tensor are not kept. For the few tensors that are shown they are counted again. */
static void say_histograms(struct page *page, struct inspection *x, const struct profile *const *order) {
    say(page,
        "<h2>Exponents</h2>\n<p>How often each exponent occurs, in the largest tensors of floats: the fewer and the "
        "more uneven they are, the less information they hold.</p>\n<div class=\"h\">\n");
    for (size_t i = 0, shown = 0; i < x->n && shown < MAX_HISTOGRAMS; i++) {
        if (!order[i]->exponent_bits || order[i]->n_elements == 0) continue;
        struct profile again;
        zipnn_error unused; /* page->err keeps the first failure */
        if (profiler_look(&x->profiler, &order[i]->tensor, &again, &unused) != ZIPNN_OK) continue;
        say_histogram(page, &again, x->profiler.bins);
        shown++;
    }
    say(page, "</div>\n");
}

static void say_meter(struct page *page, double entropy, unsigned bits) {
    if (bits)
        say(page, "<td><span class=\"m\" style=\"width:%.0fpx\"></span> %.2f / %u</td>", 60 * entropy / bits, entropy,
            bits);
    else
        say(page, "<td></td>");
}

static void say_table(struct page *page, const struct inspection *x, const struct profile *const *order) {
    say(page,
        "<h2>Tensors</h2>\n<table><tr><th>name</th><th>type</th><th>bytes</th><th>exponent</th><th>mantissa</th>"
        "<th>order 0</th>%s</tr>\n",
        x->plain ? "" : "<th>stored</th>");
    for (size_t i = 0; i < x->n; i++) {
        const struct profile *p = order[i];
        say(page, "<tr><td>");
        say_text(page, p->tensor.name);
        say(page, "</td><td>%s</td><td>%" PRIu64 "</td>", zipnn_dtype_name(p->tensor.dtype), p->tensor.length);
        say_meter(page, p->exponent, p->exponent_bits);
        say_meter(page, p->mantissa, p->mantissa_bits);
        say(page, "<td>%.1f&nbsp;%%</td>", 100 * profile_share(p));
        if (!x->plain) say(page, "<td>%.1f&nbsp;%%</td>", text_percent(p->tensor.stored, p->tensor.length));
        say(page, "</tr>\n");
    }
    say(page, "</table>\n");
}

zipnn_status inspect_write_page(struct run *run, struct inspection *x, const char *out, zipnn_error *err) {
    struct page page = {.err = err};
    const struct profile **order = malloc((x->n + 1) * sizeof *order);
    if (!order) return cli_fail(err, ZIPNN_E_MEMORY, "no memory for %zu tensors", x->n);
    for (size_t i = 0; i < x->n; i++) order[i] = &x->profiles[i];
    if (x->n) qsort(order, x->n, sizeof order[0], longest_first);
    page.st = output_open(run, out, x->path, NULL, &page.out, err);
    say_head(&page, x);
    say_treemap(&page, x, order);
    say_histograms(&page, x, order);
    say_table(&page, x, order);
    say(&page, "</body></html>\n");
    free(order);
    return output_end(&page.out, page.st, err);
}
