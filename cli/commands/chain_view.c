#include "commands/chain_view.h"

#include <inttypes.h>
#include <stdlib.h>

#include "commands/html.h"
#include "shared/json_writer.h"
#include "shared/output.h"
#include "shared/run_report.h"
#include "shared/text.h"

/* ---- the list */

/* "bases" lists all bases that are in the chain; "base" is the first. */
static void put_json_bases(struct json *j, const struct steps *steps, const struct step *s) {
    json_list(j, "bases");
    for (unsigned i = 0; i < s->n_bases; i++)
        if (s->bases[i].step != NO_STEP) json_number(j, NULL, steps->step[s->bases[i].step].number);
    json_list_end(j);
}

static void put_json_whole_step(struct json *j, const struct steps *steps, const struct step *s) {
    json_number(j, "original", s->original);
    json_number(j, "stored", s->stored);
    json_digests(j, s->xxh3, NULL);
    if (step_parent(s) != NO_STEP) json_number(j, "base", steps->step[step_parent(s)].number);
    if (s->n_bases > 1) put_json_bases(j, steps, s);
    if (step_missing(s)) json_name(j, "missing", step_missing(s)->name);
}

static void put_json_step(const struct steps *steps, const struct step *s) {
    struct json j = {stdout, false};
    json_object(&j, NULL);
    json_number(&j, "step", s->number);
    json_name(&j, "file", s->path);
    if (s->damaged)
        json_truth(&j, "damaged", true);
    else
        put_json_whole_step(&j, steps, s);
    json_line_end(&j);
}

/* "from 1", "from 1, 2", in a column of 12. */
static void put_bases(const struct steps *steps, const struct step *s) {
    int width = printf("from ");
    for (unsigned i = 0; i < s->n_bases; i++)
        width += printf("%s%" PRIu64, i ? ", " : "", steps->step[s->bases[i].step].number);
    if (width < 12) printf("%*s", 12 - width, "");
}

/* What a step is made from, in a column of 12. */
static void put_origin(const struct steps *steps, const struct step *s) {
    if (s->damaged)
        printf("%-12s", "damaged");
    else if (step_missing(s) || !s->n_bases)
        printf("%-12s", s->n_bases ? "base missing" : "alone");
    else
        put_bases(steps, s);
}

static void put_step(const struct steps *steps, const struct step *s) {
    printf("%8" PRIu64 " %10s %10s %6.2f%%  ", s->number, text_size(s->original).text, text_size(s->stored).text,
           text_percent(s->stored, s->original));
    put_origin(steps, s);
    fputs("  ", stdout);
    text_put(stdout, s->name);
    putchar('\n');
}

void chain_list(const struct run *run, const struct steps *steps) {
    if (!run->args->json) puts("    step   original     stored   ratio  stored       name");
    for (size_t i = 0; i < steps->n; i++)
        if (run->args->json)
            put_json_step(steps, &steps->step[i]);
        else
            put_step(steps, &steps->step[i]);
}

/* ---- sums */

struct sums {
    uint64_t original, stored, most; /* most: stored bytes of the largest step */
    size_t alone, damaged, deepest;
    size_t *depth; /* by step: how many others restoring it needs */
};

static void sum_up(const struct steps *steps, struct sums *sums) {
    *sums = (struct sums){.depth = text_realloc(NULL, (steps->n + 1) * sizeof *sums->depth)};
    for (size_t i = 0; i < steps->n; i++) {
        const struct step *s = &steps->step[i];
        sums->depth[i] = s->damaged ? 0 : steps_depth(steps, i);
        sums->damaged += s->damaged;
        sums->alone += !s->damaged && s->n_bases == 0;
        sums->original += s->original;
        sums->stored += s->stored;
        if (s->stored > sums->most) sums->most = s->stored;
        if (sums->depth[i] > sums->deepest) sums->deepest = sums->depth[i];
    }
}

/* ---- as text */

static void put_lengths(const struct steps *steps, const struct sums *sums) {
    printf("%zu step%s: %s of %s, %.2f %%\n%zu stand%s alone", steps->n, steps->n == 1 ? "" : "s",
           text_size(sums->stored).text, text_size(sums->original).text, text_percent(sums->stored, sums->original),
           sums->alone, sums->alone == 1 ? "s" : "");
    if (sums->damaged) printf(", %zu cannot be read", sums->damaged);
    printf("; restoring one takes at most %zu other%s\n", sums->deepest, sums->deepest == 1 ? "" : "s");
}

static void put_bar(uint64_t n, uint64_t most) {
    enum { WIDE = 12 };
    const int filled = n == 0 || most == 0 ? 0 : 1 + (int)((double)n / (double)most * (WIDE - 1));
    for (int i = 0; i < WIDE; i++) putchar(i < filled ? '#' : ' ');
}

static void draw_step(const struct steps *steps, const struct sums *sums, size_t i) {
    const struct step *s = &steps->step[i];
    printf("%8" PRIu64 " ", s->number);
    put_bar(s->stored, sums->most);
    printf(" %9s %6.2f%% %5zu  ", text_size(s->stored).text, text_percent(s->stored, s->original), sums->depth[i]);
    put_origin(steps, s);
    fputs("  ", stdout);
    text_put(stdout, s->name);
    putchar('\n');
}

static void draw(const struct steps *steps, const struct sums *sums) {
    put_lengths(steps, sums);
    printf("%8s %-12s %9s %7s %5s  %-12s  name\n", "step", "size", "stored", "ratio", "needs", "made");
    for (size_t i = 0; i < steps->n; i++) draw_step(steps, sums, i);
}

/* ---- as a page */

enum { WIDTH = 1080, HEIGHT = 200, ARCS = 120 };

static double place_of(const struct steps *steps, size_t i) {
    return ((double)i + 0.5) * WIDTH / (double)steps->n;
}

/* What cannot be read has no size: a pale column. What cannot be restored is grey. */
static void put_column(struct page *page, const struct steps *steps, const struct sums *sums, size_t i) {
    const struct step *s = &steps->step[i];
    const double wide = (double)WIDTH / (double)steps->n, most = sums->most ? (double)sums->most : 1;
    const double high = s->damaged ? HEIGHT : (double)s->stored / most * HEIGHT;
    const char *paint = s->damaged               ? " style=\"fill:var(--rest);opacity:.3\""
                        : !steps_whole(steps, i) ? " style=\"fill:var(--rest)\""
                                                 : "";
    page_put(page,
             "<rect x=\"%.2f\" y=\"%.2f\" width=\"%.2f\" height=\"%.2f\"%s><title>%" PRIu64 ": %s</title></rect>\n",
             place_of(steps, i) - wide * 0.4, (double)ARCS + HEIGHT - high, wide * 0.8, high < 2 ? 2 : high, paint,
             s->number, s->damaged ? "it cannot be read" : text_size(s->stored).text);
}

static void put_arc(struct page *page, const struct steps *steps, size_t from, size_t to) {
    const double a = place_of(steps, from), b = place_of(steps, to), top = ARCS - 2;
    const double rise = ARCS * 2 * (double)(to > from ? to - from : from - to) / (double)steps->n;
    page_put(page, "<path d=\"M%.2f %.2fQ%.2f %.2f %.2f %.2f\"/>\n", a, top, (a + b) / 2, top - (rise < 12 ? 12 : rise),
             b, top);
}

/* Columns as high as steps are large, and above them what each is made from. */
static void put_drawing(struct page *page, const struct steps *steps, const struct sums *sums) {
    page_put(page,
             "<section><h2>The run</h2>\n<figure><svg viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"%zu steps, the "
             "largest of %s\">\n<g style=\"fill:none;stroke:var(--rest)\">\n",
             WIDTH, ARCS + HEIGHT, steps->n, text_size(sums->most).text);
    for (size_t i = 0; i < steps->n; i++)
        for (unsigned k = 0; k < steps->step[i].n_bases; k++)
            if (steps->step[i].bases[k].step != NO_STEP) put_arc(page, steps, steps->step[i].bases[k].step, i);
    page_put(page, "</g>\n");
    for (size_t i = 0; i < steps->n; i++) put_column(page, steps, sums, i);
    page_put(page,
             "</svg><figcaption>Columns: bytes stored, the highest is %s. Arcs: what a step is made from. Grey: it "
             "cannot be restored. Pale: it cannot be read.</figcaption></figure></section>\n",
             text_size(sums->most).text);
}

static void put_card(struct page *page, const char *what, const char *value) {
    page_put(page, "<div><dt>%s</dt><dd>%s</dd></div>\n", what, value);
}

static void put_cards(struct page *page, const struct steps *steps, const struct sums *sums) {
    char text[48];
    page_put(page, "<dl class=\"cards\">\n");
    put_card(page, "steps", page_amount(steps->n).text);
    put_card(page, "originals", text_size(sums->original).text);
    put_card(page, "stored", text_size(sums->stored).text);
    snprintf(text, sizeof text, "%.2f&nbsp;%%", text_percent(sums->stored, sums->original));
    put_card(page, "of the originals", text);
    put_card(page, "stand alone", page_amount(sums->alone).text);
    put_card(page, "others needed, at most", page_amount(sums->deepest).text);
    if (sums->damaged) put_card(page, "cannot be read", page_amount(sums->damaged).text);
    page_put(page, "</dl>\n");
}

static void put_row(struct page *page, const struct steps *steps, const struct sums *sums, size_t i) {
    const struct step *s = &steps->step[i];
    page_put(page, "<tr><td>");
    page_put_name(page, s->name);
    page_put(page, "</td><td>%" PRIu64 "</td><td>", s->number);
    if (s->damaged)
        page_put(page, "cannot be read");
    else if (step_missing(s))
        page_put(page, "base missing");
    else if (!s->n_bases)
        page_put(page, "alone");
    else
        for (unsigned k = 0; k < s->n_bases; k++)
            page_put(page, "%s%" PRIu64, k ? ", " : "", steps->step[s->bases[k].step].number);
    page_put(page,
             "</td><td>%zu</td><td data-n=\"%" PRIu64 "\">%s</td><td data-n=\"%" PRIu64
             "\">%s</td><td data-n=\"%.6f\">%.2f&nbsp;%%</td></tr>\n",
             sums->depth[i], s->original, text_size(s->original).text, s->stored, text_size(s->stored).text,
             text_percent(s->stored, s->original), text_percent(s->stored, s->original));
}

static void put_rows(struct page *page, const struct steps *steps, const struct sums *sums) {
    page_put(
        page,
        "<section id=\"tensors\"><h2>Steps</h2>\n<input id=\"filter\" type=\"search\" hidden aria-label=\"Show steps "
        "whose files have this text in their names\" placeholder=\"name has ...\">\n<details open><summary>all "
        "steps</summary>\n<div class=\"scroll\" tabindex=\"0\"><table><thead><tr><th>file</th><th>step</th><th>made "
        "from</th><th>others needed</th><th>original</th><th>stored</th><th>ratio</th></tr></thead><tbody>\n");
    for (size_t i = 0; i < steps->n; i++) put_row(page, steps, sums, i);
    page_put(page, "</tbody></table></div></details></section>\n");
}

static zipnn_status write_page(struct run *run, const struct steps *steps, const struct sums *sums, zipnn_error *err) {
    struct page page = {.err = err};
    const char *folder = run->args->files[0];
    page.st = output_open(run, run->args->html, NULL, NULL, &page.out, err);
    page_begin(&page, run_shown_name(folder), run_shown_name(folder));
    put_cards(&page, steps, sums);
    if (steps->n) put_drawing(&page, steps, sums);
    put_rows(&page, steps, sums);
    page_finish(&page);
    return output_end(&page.out, page.st, err);
}

static void put_json_all(const struct steps *steps, const struct sums *sums) {
    struct json j = {stdout, false};
    json_object(&j, NULL);
    json_number(&j, "steps", steps->n);
    json_number(&j, "original", sums->original);
    json_number(&j, "stored", sums->stored);
    json_number(&j, "alone", sums->alone);
    json_number(&j, "damaged", sums->damaged);
    json_number(&j, "deepest", sums->deepest);
    json_line_end(&j);
}

zipnn_status chain_inspect(struct run *run, const struct steps *steps, zipnn_error *err) {
    struct sums sums;
    sum_up(steps, &sums);
    const zipnn_status st = run->args->html ? write_page(run, steps, &sums, err) : ZIPNN_OK;
    if (run->args->json)
        put_json_all(steps, &sums);
    else if (!run->args->html)
        draw(steps, &sums);
    free(sums.depth);
    return st;
}
