/* Threads that store drafts: programs wait for them at close and fsync, other programs do not. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "handles.h"
#include "say.h"
#include "store.h"

enum { MOST_STORING = 2 };

struct task {
    struct task *next;
    enum store_task what;
    struct node *node;
    struct handle *h;
    fuse_req_t request;
};

struct stores {
    pthread_mutex_t lock;
    pthread_cond_t asked;
    struct task *first, **last;
    bool ends;
    unsigned n_threads;
    pthread_t threads[MOST_STORING];
    zipnn_ctx *ctx[MOST_STORING + 1]; /* of each thread, and of stores_rest */
    pthread_mutex_t own;              /* of the last */
};

static zipnn_ctx *make_context(const struct view *view) {
    const zipnn_options options = {.size = sizeof options, .threads = view->threads, .level = view->level};
    zipnn_ctx *ctx = NULL;
    return zipnn_create(&options, &ctx, NULL) == ZIPNN_OK ? ctx : NULL;
}

/* Stores a draft, if there is one. */
static int store_of(struct view *view, zipnn_ctx *ctx, struct node *node, enum durability how) {
    struct draft *d = draft_get(view, node);
    if (!d) return how == STORE_SYNCED ? store_sync(view, node) : 0;
    pthread_mutex_lock(&d->lock);
    const int fault = store_draft(view, ctx, node, d, how);
    pthread_mutex_unlock(&d->lock);
    draft_put(view, d);
    return fault;
}

static bool is_open(struct view *view, const struct node *node) {
    pthread_mutex_lock(&view->nodes.lock);
    const bool open = node->n_handles != 0;
    pthread_mutex_unlock(&view->nodes.lock);
    return open;
}

/* What failed at close is not tried again: the program was told. Its node would go on showing what was written. Who has
 * opened the file again meanwhile may be writing, and closes it later. */
static void finish(struct view *view, zipnn_ctx *ctx, struct node *node) {
    struct draft *d = draft_get(view, node);
    if (d) pthread_mutex_lock(&d->lock);
    if (d && !is_open(view, node)) {
        if (d->dirty && !d->fault) (void)store_draft(view, ctx, node, d, STORE_CACHED);
        if (d->dirty) nodes_lose(&view->nodes, node);
    }
    if (d) pthread_mutex_unlock(&d->lock);
    draft_put(view, d);
    drafts_drop(view, node);
    nodes_forget(&view->nodes, node, 1);
}

static void perform(struct view *view, zipnn_ctx *ctx, const struct task *t) {
    if (t->what == DO_FINISH) {
        finish(view, ctx, t->node);
        return;
    }
    const int fault = store_of(view, ctx, t->node, t->what == DO_SYNC ? STORE_SYNCED : STORE_CACHED);
    if (fault || t->what != DO_TRUNCATE)
        fuse_reply_err(t->request, fault);
    else
        view_reply_attributes(t->request, t->node);
    if (t->h) handle_put(view, t->h);
}

static void *serve_tasks(void *user) {
    struct view *view = user;
    struct stores *s = view->stores;
    pthread_mutex_lock(&s->lock);
    zipnn_ctx *ctx = s->ctx[s->n_threads];
    s->n_threads++;
    pthread_cond_broadcast(&s->asked);
    for (;;) {
        while (!s->first && !s->ends) pthread_cond_wait(&s->asked, &s->lock);
        struct task *t = s->first;
        if (!t) break;
        s->first = t->next;
        if (!s->first) s->last = &s->first;
        pthread_mutex_unlock(&s->lock);
        perform(view, ctx, t);
        free(t);
        pthread_mutex_lock(&s->lock);
    }
    pthread_mutex_unlock(&s->lock);
    return NULL;
}

int stores_start(struct view *view) {
    struct stores *s = calloc(1, sizeof *s);
    if (!s) return ENOMEM;
    pthread_mutex_init(&s->lock, NULL);
    pthread_mutex_init(&s->own, NULL);
    pthread_cond_init(&s->asked, NULL);
    s->last = &s->first;
    view->stores = s;
    for (unsigned i = 0; i < MOST_STORING + 1; i++)
        if (!(s->ctx[i] = make_context(view))) return ENOMEM;
    for (unsigned i = 0; i < MOST_STORING; i++) {
        const int fault = pthread_create(&s->threads[i], NULL, serve_tasks, view);
        if (fault) return fault;
        pthread_mutex_lock(&s->lock);
        while (s->n_threads <= i) pthread_cond_wait(&s->asked, &s->lock);
        pthread_mutex_unlock(&s->lock);
    }
    return 0;
}

void stores_ask(struct view *view, enum store_task what, struct node *node, struct handle *h, fuse_req_t request) {
    struct stores *s = view->stores;
    struct task *t = malloc(sizeof *t);
    const struct task now = {.what = what, .node = node, .h = h, .request = request};
    if (!t) {
        pthread_mutex_lock(&s->own);
        perform(view, s->ctx[MOST_STORING], &now);
        pthread_mutex_unlock(&s->own);
        return;
    }
    *t = now;
    pthread_mutex_lock(&s->lock);
    *s->last = t;
    s->last = &t->next;
    pthread_cond_signal(&s->asked);
    pthread_mutex_unlock(&s->lock);
}

static bool has_closed(struct view *view) {
    bool found = false;
    pthread_mutex_lock(&view->nodes.lock);
    for (const struct node *n = view->nodes.drafted; n; n = n->next_drafted) found |= n->n_handles == 0;
    pthread_mutex_unlock(&view->nodes.lock);
    return found;
}

void stores_settle(struct view *view) {
    const struct timespec moment = {.tv_nsec = 2000000};
    while (has_closed(view)) nanosleep(&moment, NULL);
}

void stores_stop(struct view *view) {
    struct stores *s = view->stores;
    if (!s) return;
    pthread_mutex_lock(&s->lock);
    s->ends = true;
    pthread_cond_broadcast(&s->asked);
    pthread_mutex_unlock(&s->lock);
    for (unsigned i = 0; i < s->n_threads; i++) pthread_join(s->threads[i], NULL);
}

/* At the end the kernel sends no more releases: whatever was open is closed. */
void stores_rest(struct view *view) {
    struct stores *s = view->stores;
    if (!s) return;
    for (struct node *n = drafts_any(view); n; n = drafts_any(view)) {
        pthread_mutex_lock(&view->nodes.lock);
        n->n_handles = 0;
        n->lookups++;
        pthread_mutex_unlock(&view->nodes.lock);
        finish(view, s->ctx[MOST_STORING], n);
    }
    for (unsigned i = 0; i < MOST_STORING + 1; i++) zipnn_destroy(s->ctx[i]);
    pthread_mutex_destroy(&s->lock);
    pthread_mutex_destroy(&s->own);
    pthread_cond_destroy(&s->asked);
    free(s);
    view->stores = NULL;
}

void stores_say_lost(struct view *view) {
    pthread_mutex_lock(&view->nodes.lock);
    for (const struct node *n = view->nodes.drafted; n; n = n->next_drafted)
        if (n->draft->dirty && !n->gone)
            say("%s: it was still being written when the view ended; the folder has it as it was before", n->name);
    pthread_mutex_unlock(&view->nodes.lock);
}
