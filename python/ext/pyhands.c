#include "pyhands.h"

#include <pthread.h>
#include <string.h>

struct hands {
    void (*work)(void *arg);
    void *arg;
};

static void *hand_main(void *arg) {
    const struct hands *h = arg;
    h->work(h->arg);
    return NULL;
}

void pyz_run_hands(uintptr_t parallel, unsigned n, void (*work)(void *arg), void *arg) {
    struct hands h = {work, arg};
    pthread_t threads[PYZ_MOST_HANDS];
    unsigned started = 1;
    if (n > PYZ_MOST_HANDS) n = PYZ_MOST_HANDS;
    if (parallel && n > 1) {
        void (*run)(void (*)(void *), void *, unsigned, unsigned);
        memcpy(&run, &parallel, sizeof run);
        run(work, arg, n, 0);
        return;
    }
    while (started < n && pthread_create(&threads[started], NULL, hand_main, &h) == 0) started++;
    work(arg);
    for (unsigned i = 1; i < started; i++) pthread_join(threads[i], NULL);
}
