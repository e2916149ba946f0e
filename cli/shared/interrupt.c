#include "shared/interrupt.h"

#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

/* Ends the program by the signal as if it had not been caught, so that the caller sees it (a shell: 128 + number). */
static void die_of(int signal_number) {
    sigset_t one;
    sigemptyset(&one);
    sigaddset(&one, signal_number);
    signal(signal_number, SIG_DFL);
    raise(signal_number);
    pthread_sigmask(SIG_UNBLOCK, &one, NULL);
    _exit(128 + signal_number);
}

/* After a write to a closed pipe SIGPIPE comes to the thread that wrote, which must not clean up. So it is passed on as
 * this signal. */
static int signal_for_pipe(void) {
    return SIGRTMIN;
}

static void pass_on(int signal_number) {
    (void)signal_number;
    (void)kill(getpid(), signal_for_pipe());
    for (;;) pause();
}

static bool is_noted(struct interrupt *in, int signal_number) {
    const bool asks = signal_number == SIGTERM || signal_number == SIGINT || signal_number == SIGHUP;
    return asks && atomic_load(&in->gently) && !atomic_exchange(&in->asked, true);
}

static void *wait_for_signal(void *arg) {
    struct interrupt *in = arg;
    int signal_number;
    bool goes_on;
    do {
        if (sigwait(&in->signals, &signal_number) != 0) return NULL;
        goes_on = signal_number == SIGUSR1 || is_noted(in, signal_number);
        if (signal_number == SIGUSR1) in->tell(in->user); /* as with dd: how far is it? */
    } while (goes_on);
    pthread_mutex_lock(&in->lock); /* and never unlocked: nothing may be created or closed any more */
    if (in->file) zipnn_file_discard(in->file);
    die_of(signal_number == signal_for_pipe() ? SIGPIPE : signal_number);
    return NULL;
}

static bool is_ignored(int signal_number) {
    struct sigaction now;
    return sigaction(signal_number, NULL, &now) != 0 || now.sa_handler == SIG_IGN;
}

/* A signal that was ignored when we were started (nohup) stays ignored. */
static void choose_signals(sigset_t *signals) {
    static const int wanted[] = {
        SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGALRM, SIGXCPU,
    };
    sigemptyset(signals);
    sigaddset(signals, signal_for_pipe());
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++)
        if (!is_ignored(wanted[i])) sigaddset(signals, wanted[i]);
}

void interrupt_start(struct interrupt *in, void (*tell)(void *user), void *user) {
    pthread_t thread;
    in->tell = tell;
    in->user = user;
    pthread_mutex_init(&in->lock, NULL);
    choose_signals(&in->signals);
    signal(SIGXFSZ, SIG_IGN); /* a write past the limit fails with EFBIG and is reported like any other */
    pthread_sigmask(SIG_BLOCK, &in->signals, NULL);
    if (pthread_create(&thread, NULL, wait_for_signal, in) == 0) {
        pthread_detach(thread);
        if (!is_ignored(SIGPIPE)) signal(SIGPIPE, pass_on);
    } else {
        pthread_sigmask(SIG_UNBLOCK, &in->signals, NULL); /* better to die with a file left over than not at all */
    }
}

/* Replaces the page that is no longer there; the read that failed is then repeated. Any other cause of SIGBUS finds no
 * handler the second time. */
static void replace_page(int signal_number, siginfo_t *info, void *context) {
    const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    void *at = (void *)((uintptr_t)info->si_addr & ~(page - 1));
    (void)context;
    if (info->si_code != BUS_ADRERR || mmap(at, page, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != at)
        signal(signal_number, SIG_DFL);
}

void interrupt_survive_cut_files(void) {
    struct sigaction action = {.sa_sigaction = replace_page, .sa_flags = SA_SIGINFO};
    sigemptyset(&action.sa_mask);
    (void)sigaction(SIGBUS, &action, NULL);
}
