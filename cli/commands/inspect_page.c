/* The page of zipnn inspect --html. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands/inspect.h"
#include "commands/page_map.h"
#include "shared/cli_fail.h"
#include "shared/run_report.h"
#include "shared/text.h"

enum { MOST_HISTOGRAMS = 24, FEW_GROUPS = 3 };

/* ---- what it is, how small, and why ------------------------------------------------------------------------------ */

static void put_card(struct page *page, const char *what, const char *value) {
    page_put(page, "<div><dt>%s</dt><dd>%s</dd></div>\n", what, value);
}

/* The stretch of a name that ends with the number of its layer; 0 if it has none. */
static size_t layer_length(const char *name) {
    const char *end;
    return name_number(name, &end) ? (size_t)(end - name) : 0;
}

static void put_cards(struct page *page, const struct inspection *x) {
    char text[48];
    const uint64_t stored = inspect_stored(x);
    page_put(page, "<dl class=\"cards\">\n");
    if (x->info.n_tensors) put_card(page, "parameters", page_amount(inspect_parameters(x)).text);
    if (x->info.n_tensors) put_card(page, "tensors", page_amount(x->info.n_tensors).text);
    put_card(page, "original", text_size(x->info.original).text);
    put_card(page, x->plain ? "would be stored in about" : "stored in", text_size(stored).text);
    snprintf(text, sizeof text, "%.2f %%", text_percent(stored, x->info.original));
    put_card(page, "of the original", text);
    page_put(page, "</dl>\n");
}

/* Why: of the type with most bytes. */
static void put_reason(struct page *page, const struct inspection *x) {
    const struct role *r = x->types.n ? &x->types.role[0] : NULL;
    if (r && r->exponent_bits)
        page_put(
            page,
            "<p>Most bytes are %s. Of the %u bits of each, %u are an exponent that holds %.2f bits of information, "
            "and the %u bits of the mantissa hold %.2f. Coding each field by itself needs at least %.1f&nbsp;%%.</p>\n",
            zipnn_dtype_name(r->dtype), r->bits, r->exponent_bits, r->exponent, r->mantissa_bits, r->mantissa,
            100 * role_share(r));
    else if (r && r->n_looked)
        page_put(page, "<p>Most bytes are %s. Its bytes, each coded by itself, need at least %.1f&nbsp;%%.</p>\n",
                 zipnn_dtype_name(r->dtype), 100 * role_share(r));
}

static void put_hex(struct page *page, const char *what, const uint8_t *bytes, size_t n) {
    page_put(page, "<br>%s ", what);
    for (size_t i = 0; i < n; i++) page_put(page, "%02x", bytes[i]);
}

static void put_facts(struct page *page, const struct inspection *x) {
    page_put(page, "<p class=\"soft\">%s", x->info.container);
    if (!x->info.unverified) page_put(page, ", level %d, %" PRIu64 " chunks", x->info.level, x->info.n_chunks);
    if (x->info.n_bases) page_put(page, ", needs %u other files that it was made against", x->info.n_bases);
    if (x->info.has_repeats) page_put(page, ", repeated tensors are stored once");
    if (x->n_left_out) page_put(page, ", %s", text_left_out(x->n_left_out).text);
    if (!x->info.unverified) put_hex(page, "XXH3-128", x->info.xxh3, sizeof x->info.xxh3);
    if (x->info.has_sha256) put_hex(page, "SHA-256", x->info.sha256, sizeof x->info.sha256);
    page_put(page, "</p>\n");
}

static void put_metadata(struct page *page, const struct metadata *m) {
    if (m->n == 0) return;
    page_put(page,
             "<details><summary>What the file says about itself</summary>\n<div class=\"scroll\" "
             "tabindex=\"0\"><table><tbody>\n");
    for (size_t i = 0; i < m->n; i++) {
        page_put(page, "<tr><th scope=\"row\">");
        page_put_name(page, m->entry[i].key);
        page_put(page, "</th><td class=\"text\">");
        page_put_name(page, m->entry[i].value);
        page_put(page, "</td></tr>\n");
    }
    page_put(page, "</tbody></table></div>");
    if (m->n_more) page_put(page, "<p class=\"soft\">and %" PRIu64 " more keys</p>", m->n_more);
    page_put(page, "</details>\n");
}

/* ---- cells of tables --------------------------------------------------------------------------------------------- */

static void put_bytes(struct page *page, uint64_t n) {
    page_put(page, "<td data-n=\"%" PRIu64 "\">%s</td>", n, text_size(n).text);
}

static void put_number(struct page *page, uint64_t n) {
    page_put(page, "<td data-n=\"%" PRIu64 "\">%s</td>", n, page_amount(n).text);
}

static void put_share(struct page *page, double share) {
    page_put(page, "<td data-n=\"%.6f\">%.1f&nbsp;%%</td>", share, 100 * share);
}

static void put_information(struct page *page, double entropy, unsigned bits) {
    if (bits)
        page_put(page, "<td data-n=\"%.4f\">%.2f of %u</td>", entropy, entropy, bits);
    else
        page_put(page, "<td data-n=\"-1\"></td>");
}

static void put_types(struct page *page, const struct inspection *x) {
    page_put(
        page,
        "<h2>Types</h2>\n<div "
        "class=\"scroll\" tabindex=\"0\"><table><thead><tr><th>type</th><th>tensors</th><th>parameters</th><th>bytes"
        "</th><th>exponent</th><th>mantissa</th><th>needs</th>%s</tr></thead><tbody>\n",
        x->plain ? "" : "<th>stored</th>");
    for (size_t i = 0; i < x->types.n; i++) {
        const struct role *r = &x->types.role[i];
        page_put(page, "<tr><td>%s</td>", zipnn_dtype_name(r->dtype));
        put_number(page, r->n);
        put_number(page, r->parameters);
        put_bytes(page, r->length);
        put_information(page, r->exponent, r->exponent_bits);
        put_information(page, r->mantissa, r->mantissa_bits);
        put_share(page, role_share(r));
        if (!x->plain) put_share(page, text_percent(r->stored, r->length) / 100);
        page_put(page, "</tr>\n");
    }
    page_put(page, "</tbody></table></div>\n");
}

/* ---- roles ------------------------------------------------------------------------------------------------------- */

/* Finds the bins around the most frequent exponent that hold all but one in a thousand elements: a few zeros far away
 * would flatten the picture. */
static void main_bins(const struct role *r, unsigned *first, unsigned *last) {
    uint64_t left = r->n_looked / 1000;
    *first = 0;
    *last = PROFILE_BINS - 1;
    while (*first < *last) {
        unsigned *end = r->bins[*first] <= r->bins[*last] ? first : last;
        if (r->bins[*end] > left) return;
        left -= r->bins[*end];
        *end += end == first ? 1 : -1U;
    }
}

static void put_histogram(struct page *page, const struct role *r) {
    uint64_t most = 1;
    unsigned first, last;
    main_bins(r, &first, &last);
    for (unsigned b = first; b <= last; b++) most = r->bins[b] > most ? r->bins[b] : most;
    const double width = 220.0 / (last - first + 1);
    page_put(page, "<svg viewBox=\"0 0 220 76\" role=\"img\" aria-label=\"How often each exponent occurs\">");
    for (unsigned b = first; b <= last; b++) {
        const double height = 60 * (double)r->bins[b] / (double)most;
        if (height > 0)
            page_put(
                page,
                "<rect x=\"%.2f\" y=\"%.2f\" width=\"%.2f\" height=\"%.2f\"><title>exponent %u: %.2f %%</title></rect>",
                (b - first) * width, 62 - height, width * 0.94, height, b, text_percent(r->bins[b], r->n_looked));
    }
    page_put(page,
             "<text x=\"0\" y=\"73\">%u</text><text x=\"110\" y=\"73\" text-anchor=\"middle\">exponent</text>"
             "<text x=\"220\" y=\"73\" text-anchor=\"end\">%u</text></svg>",
             first, last);
}

/* The bits of an element: dark what is needed by Shannon's bound, light what is saved; a line where the archive is. */
static void put_bound(struct page *page, const struct inspection *x, const struct role *r) {
    const double bit = 100.0 / r->bits;
    page_put(
        page,
        "<div class=\"bits\" role=\"img\" aria-label=\"%.1f of %u bits are needed\"><i style=\"width:%.2f%%\"></i><i "
        "style=\"width:%.2f%%\"></i><i class=\"raw\" style=\"width:%.2f%%\"></i>",
        r->needed, r->bits, r->sign * bit, r->exponent * bit, r->mantissa * bit);
    if (!x->plain && r->n_shared < r->n)
        page_put(page, "<u style=\"left:%.2f%%\"></u>", text_percent(r->stored, r->length));
    page_put(page, "</div>");
}

static void put_role(struct page *page, const struct inspection *x, const struct role *r) {
    page_put(page, "<figure>");
    put_histogram(page, r);
    put_bound(page, x, r);
    page_put(page, "<figcaption><b>");
    page_put_name(page, role_name(r));
    page_put(page,
             "</b><br>%" PRIu64
             " &times; %s, %s<br>sign %.2f, exponent %.2f of %u, mantissa %.2f of %u bits: needs "
             "%.1f&nbsp;%%",
             r->n, zipnn_dtype_name(r->dtype), text_size(r->length).text, r->sign, r->exponent, r->exponent_bits,
             r->mantissa, r->mantissa_bits, 100 * role_share(r));
    if (!x->plain)
        page_put(page, ", stored in %s%.1f&nbsp;%%", r->n_shared == r->n ? "~" : "",
                 text_percent(r->stored, r->length));
    page_put(page, "</figcaption></figure>\n");
}

static void put_roles(struct page *page, const struct inspection *x) {
    size_t shown = 0;
    for (size_t i = 0; i < x->roles.n && shown < MOST_HISTOGRAMS; i++) {
        const struct role *r = &x->roles.role[i];
        if (!r->exponent_bits || !r->n_looked) continue;
        if (shown++ == 0)
            page_put(
                page,
                "<h2>Why it shrinks</h2>\n<p>The fewer and the more uneven the exponents of a tensor are, the less "
                "information they hold. The bar below shows the bits of an element: dark what is needed at least if "
                "each field is coded by itself (Shannon's bound), light what can be saved%s.</p>\n"
                "<div class=\"roles\">\n",
                x->plain ? "" : ", and with a line what is stored");
        put_role(page, x, r);
    }
    if (shown) page_put(page, "</div>\n");
}

/* ---- tensors ----------------------------------------------------------------------------------------------------- */

/* A tensor, and the layer that it is sorted under. */
struct row {
    const struct profile *p;
    size_t layer; /* length of the part of the name that is the layer's */
};

static bool same_layer(const struct row *x, const struct row *y) {
    return x->layer == y->layer && strncmp(x->p->tensor.name, y->p->tensor.name, x->layer) == 0;
}

static uint64_t number_of(const struct row *r, size_t *before) {
    const char *end, *number = name_number(r->p->tensor.name, &end);
    *before = (size_t)(number - r->p->tensor.name);
    return strtoull(number, NULL, 10);
}

/* Tensors of no layer first, then layers by what comes before the number and then by the number; in a layer, and without
 * one, the order of the file. */
static int by_layer(const void *a, const void *b) {
    const struct row *x = a, *y = b;
    if (!x->layer != !y->layer) return x->layer ? 1 : -1;
    if (x->layer && !same_layer(x, y)) {
        size_t nx, ny;
        const uint64_t i = number_of(x, &nx), k = number_of(y, &ny);
        const int order =
            nx == ny ? strncmp(x->p->tensor.name, y->p->tensor.name, nx) : strcmp(x->p->tensor.name, y->p->tensor.name);
        if (order) return order;
        if (i != k) return i > k ? 1 : -1;
        return strcmp(x->p->tensor.name, y->p->tensor.name);
    }
    return (x->p > y->p) - (x->p < y->p);
}

static void put_row(struct page *page, const struct inspection *x, const struct profile *p) {
    const zipnn_tensor_info *t = &p->tensor;
    page_put(page, "<tr><td>");
    page_put_name(page, t->name);
    page_put(page, "</td><td>%s</td><td data-n=\"%" PRIu64 "\">", zipnn_dtype_name(t->dtype), tensor_parameters(t));
    for (uint32_t i = 0; i < t->rank; i++) page_put(page, "%s%" PRIu64, i ? " &times; " : "", t->shape[i]);
    page_put(page, "</td>");
    put_bytes(page, t->length);
    put_information(page, p->exponent, p->exponent_bits);
    put_information(page, p->mantissa, p->mantissa_bits);
    put_share(page, profile_share(p));
    if (!x->plain) {
        page_put(page, "<td data-n=\"%.6f\">%s%.1f&nbsp;%%</td>", text_percent(t->stored, t->length) / 100,
                 inspect_is_shared(x, t) ? "~" : "", text_percent(t->stored, t->length));
    }
    page_put(page, "</tr>\n");
}

static void put_group(struct page *page, const struct inspection *x, const struct row *rows, size_t n, bool open) {
    uint64_t length = 0, stored = 0;
    for (size_t i = 0; i < n; i++) {
        length += rows[i].p->tensor.length;
        stored += rows[i].p->tensor.stored;
    }
    char *layer = text_join(rows[0].p->tensor.name, "", "");
    layer[rows[0].layer] = '\0';
    page_put(page, "<details%s><summary>", open ? " open" : "");
    page_put_name(page, rows[0].layer ? layer : "outside of layers");
    free(layer);
    page_put(page, " <span class=\"soft\">%zu tensors, %s", n, text_size(length).text);
    if (!x->plain) page_put(page, ", stored in %.1f&nbsp;%%", text_percent(stored, length));
    page_put(page,
             "</span></summary>\n<div "
             "class=\"scroll\" tabindex=\"0\"><table><thead><tr><th>name</th><th>type</th><th>shape</th><th>bytes</th>"
             "<th>exponent</th><th>mantissa</th><th>needs</th>%s</tr></thead><tbody>\n",
             x->plain ? "" : "<th>stored</th>");
    for (size_t i = 0; i < n; i++) put_row(page, x, rows[i].p);
    page_put(page, "</tbody></table></div></details>\n");
}

static void put_tensors(struct page *page, const struct inspection *x, struct row *rows) {
    size_t n_groups = 0, end;
    bool shared = false;
    for (size_t i = 0; i < x->n; i++) {
        rows[i] = (struct row){&x->profiles[i], layer_length(x->profiles[i].tensor.name)};
        shared |= inspect_is_shared(x, &x->profiles[i].tensor);
    }
    if (x->n) qsort(rows, x->n, sizeof rows[0], by_layer);
    for (size_t i = 0; i < x->n; i++) n_groups += i == 0 || !same_layer(&rows[i], &rows[i - 1]);
    page_put(page,
             "<section id=\"tensors\"><h2>Tensors</h2>\n<input id=\"filter\" type=\"search\" hidden aria-label=\"Show "
             "tensors "
             "whose names have this text\" placeholder=\"name has ...\">\n");
    for (size_t i = 0; i < x->n; i = end) {
        for (end = i + 1; end < x->n && same_layer(&rows[i], &rows[end]); end++) continue;
        put_group(page, x, rows + i, end - i, n_groups <= FEW_GROUPS);
    }
    page_put(page,
             "<p class=\"soft\">exponent, mantissa: bits of information, of so many. needs: the share of all bits that "
             "coding each field by itself needs at least.%s</p></section>\n",
             shared ? " ~ its share, by length, of chunks that it has in common with others." : "");
}

zipnn_status inspect_write_page(struct run *run, struct inspection *x, const char *out, zipnn_error *err) {
    struct page page = {.err = err};
    struct row *rows = text_realloc(NULL, (x->n + 1) * sizeof *rows);
    page.st = output_open(run, out, x->path, NULL, &page.out, err);
    page_begin(&page, run_shown_name(x->path), run_shown_name(x->path));
    put_cards(&page, x);
    put_reason(&page, x);
    put_facts(&page, x);
    put_metadata(&page, &x->metadata);
    page_put_map(&page, x);
    put_types(&page, x);
    put_roles(&page, x);
    put_tensors(&page, x, rows);
    page_finish(&page);
    free(rows);
    return output_end(&page.out, page.st, err);
}
