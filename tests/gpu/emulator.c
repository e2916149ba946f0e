#include "gpu/emulator.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

enum { WARP = 32, STACK = 128 << 10, MAX_SHARED = 64 << 10, MAX_BUFFERS = 512, MAX_COPIES = 16 };

enum state { RUNNABLE, WAITING, ENDED };

struct copy {
    uint32_t shared;
    uint64_t global;
    unsigned len, group;
};

struct thread {
    ucontext_t at;
    enum state state;
    enum emu_meeting what;
    int line;
    uint32_t value, from, result;
    struct copy copies[MAX_COPIES];
    unsigned n_copies, group;
};

struct buffer {
    uint64_t at;
    size_t len;
    uint8_t *stored; /* NULL: for loads */
};

/* Who touched a byte of shared memory, and how many barriers came before. NOBODY, ONE thread by its number, or MANY. */
struct touched {
    uint32_t writer, reader, write_time, read_time;
    bool in_flight; /* by a copy that was not waited for */
};

enum { NOBODY = 100, MANY };

/* One kernel runs at a time. */
static struct {
    struct thread thread[WARP];
    char *stacks;
    ucontext_t home;
    uint32_t current, time, shared;
    uint64_t seed;
    void (*kernel)(void *);
    void *arg;
    struct buffer buffer[MAX_BUFFERS];
    unsigned n_buffers;
    uint8_t mark; /* of a byte that is stored */
    uint8_t mem[MAX_SHARED];
    struct touched touched[MAX_SHARED];
    bool faulted;
    char fault[200];
} emu = {.mark = 1};

/* ---- faults ------------------------------------------------------------------------------------------------------ */

/* Notes the first fault and leaves the kernel: this thread and all others end where they are. */
static void fault(int line, const char *what, unsigned long long value) {
    snprintf(emu.fault, sizeof emu.fault, "line %d, thread %u: %s %llu", line, emu.current, what, value);
    emu.faulted = true;
    setcontext(&emu.home);
    abort();
}

/* ---- threads ----------------------------------------------------------------------------------------------------- */

static uint32_t random_number(void) {
    emu.seed = emu.seed * UINT64_C(6364136223846793005) + 1442695040888963407u;
    return (uint32_t)(emu.seed >> 33);
}

/* Returns the next thread that can run, from a random one on, or WARP. */
static uint32_t pick(void) {
    const uint32_t first = random_number() % WARP;
    for (uint32_t i = 0; i < WARP; i++)
        if (emu.thread[(first + i) % WARP].state == RUNNABLE) return (first + i) % WARP;
    return WARP;
}

/* Lets another thread run until this one can go on. */
static void pass_on(void) {
    struct thread *self = &emu.thread[emu.current];
    const uint32_t next = pick();
    if (next == WARP) {
        for (uint32_t t = 0; t < WARP; t++)
            if (emu.thread[t].state == WAITING)
                fault(emu.thread[t].line, "waits for threads that have ended, thread", t);
        setcontext(&emu.home);
    }
    emu.current = next;
    if (&emu.thread[next] == self) return;
    if (self->state == ENDED)
        setcontext(&emu.thread[next].at);
    else
        swapcontext(&self->at, &emu.thread[next].at);
}

static void run_thread(void) {
    emu.kernel(emu.arg);
    emu.thread[emu.current].state = ENDED;
    pass_on();
}

uint32_t emu_lane(void) {
    return emu.current;
}

/* ---- meetings ---------------------------------------------------------------------------------------------------- */

static bool all_wait(void) {
    for (uint32_t t = 0; t < WARP; t++)
        if (emu.thread[t].state != WAITING) return false;
    return true;
}

/* Gives every thread its result and lets all go on. */
static void hold_meeting(const struct thread *last) {
    uint32_t votes = 0;
    for (uint32_t t = 0; t < WARP; t++) {
        const struct thread *o = &emu.thread[t];
        if (o->what != last->what || o->line != last->line)
            fault(last->line, "threads meet in different places, another one in line", (unsigned)o->line);
        votes |= (uint32_t)(o->value != 0) << t;
    }
    for (uint32_t t = 0; t < WARP; t++) {
        struct thread *o = &emu.thread[t];
        o->result = o->what == EMU_SHUFFLE ? emu.thread[o->from % WARP].value : votes;
        o->state = RUNNABLE;
    }
    emu.time += last->what == EMU_BARRIER;
}

uint32_t emu_meet(enum emu_meeting what, uint32_t value, uint32_t from, int line) {
    struct thread *self = &emu.thread[emu.current];
    self->what = what;
    self->value = value;
    self->from = from;
    self->line = line;
    self->state = WAITING;
    if (all_wait()) hold_meeting(self);
    pass_on();
    return self->result;
}

/* ---- global memory ----------------------------------------------------------------------------------------------- */

static const struct buffer *buffer_of(uint64_t at, unsigned len, bool store, int line) {
    if (at % len) fault(line, "misaligned address in global memory, modulo its length:", at % len);
    for (unsigned i = 0; i < emu.n_buffers; i++) {
        const struct buffer *b = &emu.buffer[i];
        if (at >= b->at && at - b->at <= b->len && len <= b->len - (at - b->at) && (b->stored != NULL) == store)
            return b;
    }
    fault(line, store ? "stores outside its buffers at" : "loads outside its buffers from", at);
    return NULL;
}

uint32_t emu_load(uint64_t at, unsigned len, int line) {
    uint32_t v = 0;
    buffer_of(at, len, false, line);
    memcpy(&v, (const void *)(uintptr_t)at, len);
    return v;
}

void emu_store(uint64_t at, unsigned len, const uint32_t *v, int line) {
    const struct buffer *b = buffer_of(at, len, true, line);
    uint8_t *stored = b->stored + (at - b->at);
    for (unsigned i = 0; i < len; i++)
        if (stored[i] == emu.mark)
            fault(line, "stores a byte twice, at", at + i);
        else
            stored[i] = emu.mark;
    memcpy((void *)(uintptr_t)at, v, len);
}

/* ---- shared memory ----------------------------------------------------------------------------------------------- */

static bool is_another(uint32_t who) {
    return who != NOBODY && who != emu.current;
}

static void note_load(struct touched *t) {
    const bool before = t->read_time == emu.time && is_another(t->reader);
    t->reader = before ? (uint32_t)MANY : emu.current;
    t->read_time = emu.time;
}

static void note_store(struct touched *t, uint32_t at, int line) {
    if (t->read_time == emu.time && is_another(t->reader))
        fault(line, "stores what another thread has read since the last barrier, at", at);
    t->writer = emu.current;
    t->write_time = emu.time;
}

static void touch(uint32_t at, unsigned len, bool store, int line) {
    if (at % len) fault(line, "misaligned address in shared memory:", at);
    if (at > emu.shared || len > emu.shared - at) fault(line, "outside shared memory:", at);
    for (uint32_t i = at; i < at + len; i++) {
        struct touched *t = &emu.touched[i];
        if (t->write_time == emu.time && is_another(t->writer))
            fault(line, "another thread has stored here since the last barrier, at", i);
        if (!store && t->in_flight) fault(line, "loads what is still being copied, at", i);
        if (store)
            note_store(t, i, line);
        else
            note_load(t);
        t->in_flight = false;
    }
}

uint32_t emu_shared_load(uint32_t at, unsigned len, int line) {
    uint32_t v = 0;
    touch(at, len, false, line);
    memcpy(&v, emu.mem + at, len);
    return v;
}

void emu_shared_store(uint32_t at, uint32_t v, int line) {
    touch(at, sizeof v, true, line);
    memcpy(emu.mem + at, &v, sizeof v);
}

/* ---- asynchronous copies ----------------------------------------------------------------------------------------- */

void emu_copy(uint32_t shared, uint64_t global, unsigned len, int line) {
    struct thread *self = &emu.thread[emu.current];
    buffer_of(global, len, false, line);
    touch(shared, len, true, line);
    for (uint32_t i = shared; i < shared + len; i++) emu.touched[i].in_flight = true;
    if (self->n_copies == MAX_COPIES) fault(line, "copies that were never waited for:", MAX_COPIES);
    self->copies[self->n_copies++] = (struct copy){shared, global, len, self->group};
}

void emu_copy_group(void) {
    emu.thread[emu.current].group++;
}

void emu_copy_wait(unsigned but) {
    struct thread *self = &emu.thread[emu.current];
    unsigned left = 0;
    for (unsigned i = 0; i < self->n_copies; i++) {
        const struct copy c = self->copies[i];
        if (c.group + but >= self->group) {
            self->copies[left++] = c;
            continue;
        }
        touch(c.shared, c.len, true, 0); /* others see it after a barrier only */
        memcpy(emu.mem + c.shared, (const void *)(uintptr_t)c.global, c.len);
    }
    self->n_copies = left;
}

/* ---- kernels ----------------------------------------------------------------------------------------------------- */

void emu_forget(void) {
    emu.n_buffers = 0;
}

void emu_mark_stores(uint8_t mark) {
    emu.mark = mark;
}

void emu_allow_loads(const void *at, size_t len) {
    if (emu.n_buffers < MAX_BUFFERS) emu.buffer[emu.n_buffers++] = (struct buffer){(uintptr_t)at, len, NULL};
}

void emu_allow_stores(void *at, size_t len, uint8_t *stored) {
    if (emu.n_buffers < MAX_BUFFERS) emu.buffer[emu.n_buffers++] = (struct buffer){(uintptr_t)at, len, stored};
}

static void prepare_thread(uint32_t t) {
    struct thread *self = &emu.thread[t];
    self->state = RUNNABLE;
    self->n_copies = self->group = 0;
    getcontext(&self->at);
    self->at.uc_stack.ss_sp = emu.stacks + (size_t)t * STACK;
    self->at.uc_stack.ss_size = STACK;
    self->at.uc_link = NULL;
    makecontext(&self->at, run_thread, 0);
}

const char *emu_run(void (*kernel)(void *), void *arg, uint32_t shared, uint64_t seed) {
    if (!emu.stacks) emu.stacks = malloc((size_t)WARP * STACK);
    if (!emu.stacks || shared > MAX_SHARED) return "no memory for the emulation";
    emu.kernel = kernel;
    emu.arg = arg;
    emu.shared = shared;
    emu.seed = seed;
    emu.time = 1;
    emu.faulted = false;
    memset(emu.mem, 0xA5, shared);
    for (uint32_t i = 0; i < shared; i++) emu.touched[i] = (struct touched){NOBODY, NOBODY, 0, 0, false};
    for (uint32_t t = 0; t < WARP; t++) prepare_thread(t);
    volatile bool begun = false;
    getcontext(&emu.home);
    if (!begun) {
        begun = true;
        emu.current = random_number() % WARP;
        setcontext(&emu.thread[emu.current].at);
    }
    return emu.faulted ? emu.fault : NULL;
}
