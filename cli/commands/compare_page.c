/* The page of zipnn inspect FIRST SECOND --html. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "commands/compare.h"
#include "commands/html.h"
#include "shared/run_report.h"
#include "shared/text.h"

/* A row of the first table: what, of the first, of the second, the difference. */
static void put_fact(struct page *page, const char *what, const char *first, const char *second, const char *change) {
    page_put(page, "<tr><th scope=\"row\">%s</th><td>%s</td><td>%s</td><td>%s</td></tr>\n", what, first, second,
             change);
}

static void put_numbers(struct page *page, const char *what, uint64_t first, uint64_t second) {
    char change[48] = "";
    if (first != second)
        snprintf(change, sizeof change, "%s%s", second > first ? "+" : "&minus;",
                 page_amount(second > first ? second - first : first - second).text);
    put_fact(page, what, page_amount(first).text, page_amount(second).text, change);
}

static void put_sizes(struct page *page, const char *what, uint64_t first, uint64_t second) {
    put_fact(page, what, text_size(first).text, text_size(second).text,
             first == second ? "" : change_of(first, second).text);
}

static double percent_of(const struct inspection *x) {
    return text_percent(inspect_stored(x), x->info.original);
}

static void put_facts(struct page *page, const struct inspection *first, const struct inspection *second) {
    char a[48], b[48], change[48] = "";
    page_put(page,
             "<div class=\"scroll\" tabindex=\"0\"><table><thead><tr><th>in "
             "short</th>"
             "<th>first</th><th>second</th><th>change</th></tr></thead><tbody>\n");
    put_fact(page, "container", first->info.container, second->info.container, "");
    put_numbers(page, "parameters", inspect_parameters(first), inspect_parameters(second));
    put_numbers(page, "tensors", first->info.n_tensors, second->info.n_tensors);
    put_sizes(page, "original", first->info.original, second->info.original);
    put_sizes(page, first->plain || second->plain ? "stored, or about to be" : "stored", inspect_stored(first),
              inspect_stored(second));
    snprintf(a, sizeof a, "%.2f&nbsp;%%", percent_of(first));
    snprintf(b, sizeof b, "%.2f&nbsp;%%", percent_of(second));
    snprintf(change, sizeof change, "%+.2f points", percent_of(second) - percent_of(first));
    put_fact(page, "of the original", a, b, change);
    snprintf(a, sizeof a, "%d", first->info.level);
    snprintf(b, sizeof b, "%d", second->info.level);
    if (!first->plain && !second->plain) put_fact(page, "level", a, b, "");
    page_put(page, "</tbody></table></div>\n");
}

static void put_side(struct page *page, const struct inspection *x, const struct role *r) {
    if (!r) {
        page_put(page, "<td data-n=\"-1\">&ndash;</td><td data-n=\"-1\"></td>");
        return;
    }
    const double share = compare_share(x, r);
    page_put(page, "<td data-n=\"%" PRIu64 "\">%s</td><td data-n=\"%.6f\">%s%.1f&nbsp;%%</td>", r->length,
             text_size(r->length).text, share, x->plain ? "&gt;" : "", 100 * share);
}

static uint64_t bytes_of(const struct inspection *x, const struct role *r) {
    return !r ? 0 : x->plain ? (uint64_t)(compare_share(x, r) * (double)r->length) : r->stored;
}

static void put_bar(struct page *page, const char *class, uint64_t n, uint64_t most) {
    page_put(page, "<i class=\"%s\" style=\"width:%.2f%%\"></i>", class, most ? 100.0 * (double)n / (double)most : 0);
}

static void put_pair(struct page *page, const struct inspection *first, const struct inspection *second,
                     const struct pair *p, uint64_t most) {
    const struct role *r = p->first ? p->first : p->second;
    const uint64_t a = bytes_of(first, p->first), b = bytes_of(second, p->second);
    const bool known = !first->plain && !second->plain;
    page_put(page, "<tr><td>");
    page_put_name(page, role_name(r));
    page_put(page, "</td><td>%s", zipnn_dtype_name(r->dtype));
    if (p->first && p->second && p->first->dtype != p->second->dtype)
        page_put(page, " &rarr; %s", zipnn_dtype_name(p->second->dtype));
    page_put(page, "</td>");
    put_side(page, first, p->first);
    put_side(page, second, p->second);
    page_put(page, "<td data-n=\"%.0f\">%s</td><td><div class=\"pair\" role=\"img\" aria-label=\"%s against %s\">",
             (double)b - (double)a, known ? change_of(a, b).text : "", text_size(a).text, text_size(b).text);
    put_bar(page, "a", a, most);
    put_bar(page, "b", b, most);
    page_put(page, "</div></td></tr>\n");
}

static void put_pairs(struct page *page, const struct inspection *first, const struct inspection *second,
                      const struct pairs *pairs) {
    uint64_t most = 0;
    for (size_t i = 0; i < pairs->n; i++) {
        const uint64_t a = bytes_of(first, pairs->pair[i].first), b = bytes_of(second, pairs->pair[i].second);
        most = a > most ? a : most;
        most = b > most ? b : most;
    }
    page_put(
        page,
        "<section id=\"tensors\"><h2>Tensors</h2>\n<input id=\"filter\" type=\"search\" hidden aria-label=\"Show "
        "tensors whose names have this text\" placeholder=\"name has ...\">\n<details open><summary>tensors of one "
        "purpose</summary>\n<div class=\"scroll\" "
        "tabindex=\"0\"><table><thead><tr><th>name</th><th>type</th><th>first</th>"
        "<th>stored</th><th>second</th><th>stored</th><th>change</th><th>bytes stored</th></tr></thead><tbody>\n");
    for (size_t i = 0; i < pairs->n; i++) put_pair(page, first, second, &pairs->pair[i], most);
    page_put(
        page,
        "</tbody></table></div></details>\n<p class=\"soft\">Bars: the first above, the second below. &gt;: the file "
        "is no "
        "archive; what coding each field by itself needs at least. *: numbers, of layers for example.</p></section>\n");
}

static void put_title(struct page *page, const char *what, const struct inspection *x) {
    page_put(page, "<p><b>%s:</b> ", what);
    page_put_name(page, run_shown_name(x->path));
    page_put(page, "</p>\n");
}

zipnn_status compare_write_page(struct run *run, const struct inspection *first, const struct inspection *second,
                                const char *out, zipnn_error *err) {
    struct page page = {.err = err};
    struct pairs pairs;
    page.st = output_refuse_input(out, second->path, err);
    if (page.st == ZIPNN_OK) page.st = output_open(run, out, first->path, NULL, &page.out, err);
    pairs_make(first, second, &pairs);
    char *title = text_join(run_shown_name(first->path), " and ", run_shown_name(second->path));
    page_begin(&page, title, "Two models side by side");
    put_title(&page, "First", first);
    put_title(&page, "Second", second);
    if (compare_is_same(first, second)) page_put(&page, "<p>Both hold the same original.</p>\n");
    put_facts(&page, first, second);
    put_pairs(&page, first, second, &pairs);
    page_finish(&page);
    free(title);
    pairs_free(&pairs);
    return output_end(&page.out, page.st, err);
}
