/* What the program tells and asks of interrupts, on every system. */
#include "shared/interrupt.h"

void interrupt_watch(struct interrupt *in, zipnn_file *file) {
    pthread_mutex_lock(&in->lock);
    in->file = file;
    pthread_mutex_unlock(&in->lock);
}

void interrupt_gently(struct interrupt *in) {
    atomic_store(&in->gently, true);
}

bool interrupt_asked(struct interrupt *in) {
    return atomic_load(&in->asked);
}
