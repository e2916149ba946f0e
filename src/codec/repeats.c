#include "codec/repeats.h"

#include "base/bytes.h"

/* One position in STEP is remembered by a hash of its bytes. STEP consecutive positions that are all looked up must
 * meet a remembered one, if they lie in a repeated stretch. */
enum {
    STEP = 64,
    KEY = 16, /* bytes that must be equal */
    SLOTS_LOG2 = 13,
    N_RUNS = 128,
    SHORTEST = 4096
};

/* Positions by the hash of their bytes, with the bits of the hash that did not choose the slot. Those bits show that
 * most new bytes are new. A chunk has at most 2^22 bytes. */
struct memory {
    uint32_t slots[1 << SLOTS_LOG2];
};

enum { PLACE_BITS = 22, PLACE_MASK = (1 << PLACE_BITS) - 1 };

static uint64_t hash_of(const uint8_t *p) {
    return (zn_get_u64(p) ^ zn_get_u64(p + 8) * 3) * UINT64_C(0x9E3779B97F4A7C15);
}

static uint32_t tag_of(uint64_t hash) {
    return (uint32_t)(hash >> 32) << PLACE_BITS;
}

static size_t step_of(size_t n) {
    size_t step = STEP;
    while (n / step > (size_t)1 << (SLOTS_LOG2 - 1)) step *= 2; /* half the slots stay free */
    return step;
}

static void remember(const uint8_t *p, size_t n, struct memory *m) {
    memset(m, 0xFF, sizeof *m);
    for (size_t at = 0, step = step_of(n); at + KEY <= n; at += step) {
        const uint64_t hash = hash_of(p + at);
        uint32_t *slot = &m->slots[hash >> (64 - SLOTS_LOG2)];
        if (*slot == UINT32_MAX) *slot = tag_of(hash) | (uint32_t)at; /* the first position serves all that repeat it */
    }
}

/* Finds a position before `at` with the same bytes. Returns false when none is known. */
static bool recall(const uint8_t *p, size_t at, const struct memory *m, size_t *place) {
    const uint64_t hash = hash_of(p + at);
    const uint32_t slot = m->slots[hash >> (64 - SLOTS_LOG2)];
    if ((slot & ~(uint32_t)PLACE_MASK) != tag_of(hash)) return false;
    *place = slot & PLACE_MASK;
    return *place < at && memcmp(p + *place, p + at, KEY) == 0;
}

static bool is_repeated(const uint8_t *p, size_t from, size_t step, const struct memory *m) {
    size_t place;
    for (size_t at = from; at < from + step; at++)
        if (recall(p, at, m, &place)) return true;
    return false;
}

size_t zn_repeats_estimate(const uint8_t *p, size_t n) {
    struct memory memory;
    const size_t step = step_of(n);
    size_t repeated = 0;
    if (n < SHORTEST) return 0;
    remember(p, n, &memory);
    const size_t last = n - step - KEY;
    for (size_t run = 0; run < N_RUNS; run += 2) repeated += is_repeated(p, last / N_RUNS * (run + 1), step, &memory);
    if (repeated == 0) return 0;
    for (size_t run = 1; run < N_RUNS; run += 2) repeated += is_repeated(p, last / N_RUNS * (run + 1), step, &memory);
    return n / N_RUNS * repeated;
}

/* Returns the length to which p[from ..] and p[at ..] agree. The earlier stretch ends where the later one begins. */
static size_t agreement(const uint8_t *p, size_t n, size_t from, size_t at) {
    const size_t longest = ZN_MIN(n - at, at - from);
    size_t len = 0;
    while (len + 8 <= longest && zn_get_u64(p + from + len) == zn_get_u64(p + at + len)) len += 8;
    while (len < longest && p[from + len] == p[at + len]) len++;
    return len;
}

/* Returns how many of the bytes before p[from] and p[at] agree, at most `most`, counted backwards. */
static size_t agreement_before(const uint8_t *p, size_t from, size_t at, size_t most) {
    size_t len = 0;
    while (len + 8 <= most && zn_get_u64(p + from - len - 8) == zn_get_u64(p + at - len - 8)) len += 8;
    while (len < most && p[from - len - 1] == p[at - len - 1]) len++;
    return len;
}

size_t zn_repeats_find(const uint8_t *p, size_t n, size_t head, size_t grain, size_t shortest,
                       struct zn_repeat *repeats, size_t max) {
    struct memory memory;
    size_t n_found = 0, end = head; /* end of the bytes that were looked at or taken */
    if (n < SHORTEST) return 0;
    remember(p, n, &memory);
    for (size_t at = head; at + KEY <= n && n_found < max;) {
        size_t from;
        if (!recall(p, at, &memory, &from)) {
            at += grain;
            continue;
        }
        const size_t before = agreement_before(p, from, at, ZN_MIN(at - end, from)) / grain * grain;
        const size_t start = at - before;
        from -= before;
        const size_t len = agreement(p, n, from, start) / grain * grain;
        if (len < shortest) {
            at += grain;
            continue;
        }
        repeats[n_found++] = (struct zn_repeat){(uint32_t)start, (uint32_t)len, (uint32_t)from};
        at = end = start + len;
    }
    return n_found;
}
