/* As many contexts of the library as threads may decode at once; whoever decodes takes one and gives it back. */
#ifndef ZIPNN_MOUNT_CONTEXTS_H
#define ZIPNN_MOUNT_CONTEXTS_H

#include <pthread.h>
#include <zipnn/zipnn.h>

enum { MAX_CONTEXTS = 256 };

struct contexts {
    pthread_mutex_t lock;
    pthread_cond_t given;
    zipnn_ctx *idle[MAX_CONTEXTS];
    unsigned n_idle, n_made, most;
};

void contexts_init(struct contexts *all, unsigned most);
void contexts_destroy(struct contexts *all);

/* Waits until a context is free. NULL: there is no memory for a single one. */
zipnn_ctx *contexts_take(struct contexts *all, zipnn_error *err);
void contexts_give(struct contexts *all, zipnn_ctx *ctx);

#endif
