#include "shared/progress.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "shared/json_writer.h"
#include "shared/text.h"

enum { BAR_WIDTH = 16, USUAL_COLUMNS = 80, COLUMNS_WITH_BAR = 100, LEAST_NAME = 8 };

double progress_now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

void progress_init(struct progress *p, enum progress_form form, bool quiet) {
    if (form == PROGRESS_AUTO) form = !quiet && isatty(STDERR_FILENO) ? PROGRESS_LINE : PROGRESS_NONE;
    *p = (struct progress){.form = form, .total = UINT64_MAX};
    pthread_mutex_init(&p->lock, NULL);
}

void progress_files(struct progress *p, size_t n, uint64_t bytes) {
    pthread_mutex_lock(&p->lock);
    p->n_files = n;
    p->all = bytes;
    p->n = 0;
    p->file = NULL;
    pthread_mutex_unlock(&p->lock);
}

void progress_file(struct progress *p, const char *path, uint64_t size) {
    pthread_mutex_lock(&p->lock);
    if (!p->n) p->run_start = progress_now();
    p->n++;
    p->before += p->size;
    p->size = size;
    p->file = path;
    p->done = 0;
    p->total = UINT64_MAX;
    pthread_mutex_unlock(&p->lock);
}

void progress_start(struct progress *p) {
    pthread_mutex_lock(&p->lock);
    p->running = true;
    p->start = p->last = progress_now();
    p->done = 0;
    p->total = UINT64_MAX;
    pthread_mutex_unlock(&p->lock);
}

/* How far: the present operation, or, of several files, the run. */
struct stage {
    uint64_t done, total;
    double seconds;
};

static struct stage stage_of_run(const struct progress *p, double now) {
    const bool known = p->total && p->total != UINT64_MAX;
    const double share = known ? (double)p->done / (double)p->total : 0;
    const uint64_t of_file = (uint64_t)((double)p->size * (share < 1 ? share : 1));
    return (struct stage){p->before + of_file, p->all, now - p->run_start};
}

static struct stage stage_now(const struct progress *p, double now) {
    if (p->n_files > 1) return stage_of_run(p, now);
    return (struct stage){p->done, p->total, now - p->start};
}

static double bytes_per_second(const struct stage *s) {
    return s->seconds > 0 ? (double)s->done / s->seconds : 0;
}

/* Returns the seconds left at the speed so far; below 0: nobody knows. */
static double seconds_left(const struct stage *s) {
    if (s->total == UINT64_MAX || !s->done || s->seconds <= 0) return -1;
    return s->done < s->total ? (double)(s->total - s->done) / bytes_per_second(s) : 0;
}

/* Returns the length of "  42 %, 1.20 GB of 3.40 GB, 812 MB/s, 0:23 left, 3/300". */
static size_t write_numbers(const struct progress *p, const struct stage *s, char *text, size_t cap) {
    const double left = seconds_left(s);
    const uint64_t rate = (uint64_t)bytes_per_second(s);
    int n = 0;
    if (s->total == UINT64_MAX)
        n = snprintf(text, cap, "%s", text_size(s->done).text);
    else
        n = snprintf(text, cap, "%3d %%, %s of %s", (int)text_percent(s->done, s->total), text_size(s->done).text,
                     text_size(s->total).text);
    n += snprintf(text + n, cap - (size_t)n, ", %s/s", text_size(rate).text);
    const unsigned long wait = left < 1e9 ? (unsigned long)(left + 0.5) : 999999999;
    if (left >= 0 && wait < 3600) n += snprintf(text + n, cap - (size_t)n, ", %lu:%02lu left", wait / 60, wait % 60);
    if (left >= 0 && wait >= 3600)
        n += snprintf(text + n, cap - (size_t)n, ", %lu:%02lu:%02lu left", wait / 3600, wait / 60 % 60, wait % 60);
    if (p->n_files > 1) n += snprintf(text + n, cap - (size_t)n, ", file %zu of %zu", p->n, p->n_files);
    return (size_t)n;
}

static void put_bar(const struct stage *s) {
    const double full = text_percent(s->done, s->total) / 100 * (double)BAR_WIDTH;
    char bar[BAR_WIDTH + 1];
    for (int i = 0; i < BAR_WIDTH; i++) bar[i] = i < (int)full ? '#' : '.';
    bar[BAR_WIDTH] = '\0';
    fprintf(stderr, "[%s] ", bar);
}

/* The end of the name, as much as the columns take. */
static void put_name(const char *name, size_t columns) {
    const char *tail = text_tail(name, columns > 3 ? columns - 3 : 0);
    fputs(tail == name ? "" : "...", stderr);
    text_put(stderr, tail);
}

static size_t terminal_columns(void) {
    struct winsize size;
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return USUAL_COLUMNS;
    return size.ws_col;
}

static void draw(const struct progress *p, double now) {
    char numbers[160];
    const struct stage s = stage_now(p, now);
    const size_t columns = terminal_columns();
    const bool bar = s.total != UINT64_MAX && columns >= COLUMNS_WITH_BAR;
    const size_t used = write_numbers(p, &s, numbers, sizeof numbers) + (bar ? BAR_WIDTH + 3 : 0) + 3;
    fputs("\r", stderr);
    if (bar) put_bar(&s);
    if (used > columns) numbers[columns > 1 ? columns - 1 : 0] = '\0';
    fputs(numbers, stderr);
    if (p->file && used + LEAST_NAME < columns) {
        fputs(", ", stderr);
        put_name(p->file, columns - used);
    }
    fputs("\033[K", stderr);
    fflush(stderr);
}

/* {"file": "a", "n": 3, "of": 300, "done": 1, "total": 2, "run_done": 3, "run_total": 4, "seconds": 1.5, "left": 2.0} */
static void put_json(const struct progress *p, double now) {
    struct json j = {stderr, false};
    const struct stage s = stage_now(p, now), run = stage_of_run(p, now);
    json_object(&j, NULL);
    json_text(&j, "event", "progress");
    if (p->file) json_name(&j, "file", p->file);
    if (p->n) json_number(&j, "n", p->n);
    if (p->n_files) json_number(&j, "of", p->n_files);
    json_number(&j, "done", p->done);
    if (p->total != UINT64_MAX) json_number(&j, "total", p->total);
    if (p->n_files) json_number(&j, "run_done", run.done);
    if (p->n_files) json_number(&j, "run_total", run.total);
    json_real(&j, "seconds", s.seconds, 1);
    if (seconds_left(&s) >= 0) json_real(&j, "left", seconds_left(&s), 1);
    json_line_end(&j);
}

static void show(struct progress *p, double now) {
    p->last = now;
    if (p->form == PROGRESS_JSON) put_json(p, now);
    if (p->form != PROGRESS_LINE) return;
    p->shown = true;
    draw(p, now);
}

int progress_tick(void *user, uint64_t done, uint64_t total) {
    struct progress *p = user;
    pthread_mutex_lock(&p->lock);
    const double now = progress_now();
    if (p->running) {
        p->done = done;
        p->total = total;
        if (now - p->start >= 1 && now - p->last >= (p->form == PROGRESS_LINE ? 0.1 : 0.5)) show(p, now);
    }
    pthread_mutex_unlock(&p->lock);
    return 0;
}

static void clear_line(struct progress *p) {
    if (p->shown) fputs("\r\033[K", stderr);
    p->shown = false;
}

void progress_end(struct progress *p) {
    pthread_mutex_lock(&p->lock);
    clear_line(p);
    if (p->running && p->form == PROGRESS_JSON) put_json(p, progress_now());
    p->running = false;
    pthread_mutex_unlock(&p->lock);
}

void progress_tell(void *user) {
    struct progress *p = user;
    char numbers[160];
    pthread_mutex_lock(&p->lock);
    const struct stage s = stage_now(p, progress_now());
    clear_line(p);
    fputs("zipnn: ", stderr);
    if (p->running && write_numbers(p, &s, numbers, sizeof numbers)) fputs(numbers + strspn(numbers, " "), stderr);
    if (!p->running) fprintf(stderr, "file %zu of %zu", p->n, p->n_files);
    if (p->file) fputs(", ", stderr);
    if (p->file) text_put(stderr, strcmp(p->file, "-") == 0 ? "stdin" : p->file);
    putc('\n', stderr);
    fflush(stderr);
    pthread_mutex_unlock(&p->lock);
}
