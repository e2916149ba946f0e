/* Threads that decode the chunks which a program reading from front to back will want next. */
#include <errno.h>
#include <stdlib.h>

#include "mounted_view.h"

enum { MOST_WISHES = 64 };

struct ahead {
    pthread_mutex_t lock;
    pthread_cond_t asked;
    struct wish {
        struct opened *of; /* held */
        uint64_t chunk;
    } wishes[MOST_WISHES];
    unsigned n;
    bool ends;
    unsigned n_threads;
    pthread_t threads[];
};

static void *fulfil(void *user) {
    struct view *view = user;
    struct ahead *a = view->ahead;
    pthread_mutex_lock(&a->lock);
    for (;;) {
        while (!a->n && !a->ends) pthread_cond_wait(&a->asked, &a->lock);
        if (a->ends) break;
        const struct wish wish = a->wishes[0];
        a->n--;
        for (unsigned i = 0; i < a->n; i++) a->wishes[i] = a->wishes[i + 1];
        pthread_mutex_unlock(&a->lock);
        struct chunk *c =
            chunk_is_there(&view->cache, wish.of, wish.chunk) ? NULL : chunk_get(&view->cache, wish.of, wish.chunk);
        if (c) chunk_put(&view->cache, c);
        archives_put(&view->archives, wish.of);
        pthread_mutex_lock(&a->lock);
    }
    pthread_mutex_unlock(&a->lock);
    return NULL;
}

int ahead_start(struct view *view) {
    const unsigned n = view->threads - 1;
    if (!n) return 0;
    struct ahead *a = calloc(1, sizeof *a + n * sizeof a->threads[0]);
    if (!a) return ENOMEM;
    pthread_mutex_init(&a->lock, NULL);
    pthread_cond_init(&a->asked, NULL);
    view->ahead = a;
    while (a->n_threads < n && pthread_create(&a->threads[a->n_threads], NULL, fulfil, view) == 0) a->n_threads++;
    return 0;
}

void ahead_stop(struct view *view) {
    struct ahead *a = view->ahead;
    if (!a) return;
    pthread_mutex_lock(&a->lock);
    a->ends = true;
    pthread_cond_broadcast(&a->asked);
    pthread_mutex_unlock(&a->lock);
    for (unsigned i = 0; i < a->n_threads; i++) pthread_join(a->threads[i], NULL);
    for (unsigned i = 0; i < a->n; i++) archives_put(&view->archives, a->wishes[i].of);
    pthread_mutex_destroy(&a->lock);
    pthread_cond_destroy(&a->asked);
    free(a);
    view->ahead = NULL;
}

void ahead_ask(struct view *view, struct opened *o, uint64_t chunk) {
    struct ahead *a = view->ahead;
    if (!a || chunk >= o->info.n_chunks || chunk_is_there(&view->cache, o, chunk)) return;
    pthread_mutex_lock(&a->lock);
    bool asked = a->n == MOST_WISHES;
    for (unsigned i = 0; i < a->n && !asked; i++) asked = a->wishes[i].of == o && a->wishes[i].chunk == chunk;
    if (!asked) {
        archives_hold(&view->archives, o);
        a->wishes[a->n++] = (struct wish){o, chunk};
        pthread_cond_signal(&a->asked);
    }
    pthread_mutex_unlock(&a->lock);
}
