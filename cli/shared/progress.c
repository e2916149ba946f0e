#include "shared/progress.h"

#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "shared/text.h"

enum { BAR_WIDTH = 24 };

double progress_now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

void progress_init(struct progress *p, bool quiet) {
    *p = (struct progress){.wanted = !quiet && isatty(STDERR_FILENO)};
}

void progress_start(struct progress *p) {
    p->running = p->wanted;
    if (p->wanted) p->start = p->last = progress_now();
}

static void draw(uint64_t done, uint64_t total, double seconds) {
    struct text_size speed = text_size((uint64_t)((double)done / seconds)), now = text_size(done);
    if (total == UINT64_MAX) {
        fprintf(stderr, "\r%s, %s/s\033[K", now.text, speed.text);
    } else {
        double share = text_percent(done, total) / 100;
        char bar[BAR_WIDTH + 1];
        for (int i = 0; i < BAR_WIDTH; i++) bar[i] = i < (int)(share * BAR_WIDTH) ? '#' : '.';
        bar[BAR_WIDTH] = '\0';
        fprintf(stderr, "\r[%s] %3d %%, %s of %s, %s/s\033[K", bar, (int)(share * 100), now.text, text_size(total).text,
                speed.text);
    }
    fflush(stderr);
}

int progress_tick(void *user, uint64_t done, uint64_t total) {
    struct progress *p = user;
    if (!p->running) return 0;
    double now = progress_now();
    if (now - p->start < 1 || now - p->last < 0.1) return 0;
    p->last = now;
    p->shown = true;
    draw(done, total, now - p->start);
    return 0;
}

void progress_end(struct progress *p) {
    if (p->shown) fputs("\r\033[K", stderr);
    p->running = p->shown = false;
}
