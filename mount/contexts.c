#include "contexts.h"

void contexts_init(struct contexts *all, unsigned most) {
    *all = (struct contexts){.most = most < MAX_CONTEXTS ? most : MAX_CONTEXTS};
    pthread_mutex_init(&all->lock, NULL);
    pthread_cond_init(&all->given, NULL);
}

void contexts_destroy(struct contexts *all) {
    for (unsigned i = 0; i < all->n_idle; i++) zipnn_destroy(all->idle[i]);
    pthread_mutex_destroy(&all->lock);
    pthread_cond_destroy(&all->given);
}

static zipnn_ctx *make(zipnn_error *err) {
    const zipnn_options options = {.size = sizeof options, .threads = 1};
    zipnn_ctx *ctx = NULL;
    return zipnn_create(&options, &ctx, err) == ZIPNN_OK ? ctx : NULL;
}

zipnn_ctx *contexts_take(struct contexts *all, zipnn_error *err) {
    zipnn_ctx *ctx = NULL;
    pthread_mutex_lock(&all->lock);
    for (;;) {
        if (all->n_idle) {
            ctx = all->idle[--all->n_idle];
            break;
        }
        if (all->n_made < all->most) {
            ctx = make(err);
            all->n_made += ctx != NULL;
            if (ctx || all->n_made == 0) break;
        }
        pthread_cond_wait(&all->given, &all->lock);
    }
    pthread_mutex_unlock(&all->lock);
    return ctx;
}

void contexts_give(struct contexts *all, zipnn_ctx *ctx) {
    pthread_mutex_lock(&all->lock);
    all->idle[all->n_idle++] = ctx;
    pthread_cond_signal(&all->given);
    pthread_mutex_unlock(&all->lock);
}
