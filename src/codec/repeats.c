#include "codec/repeats.h"

#include "base/bytes.h"

/* One place in STEP is remembered by a hash of its bytes. A run of STEP places in a row that looks at them all must
 * meet one of them if it lies in a repeated stretch. */
enum {
    STEP = 64,
    KEY = 16, /* bytes that must agree */
    SLOTS_LOG2 = 13,
    N_RUNS = 128,
    SHORTEST = 4096
};

static unsigned slot_of(const uint8_t *p) {
    return (unsigned)((zn_get_u64(p) ^ zn_get_u64(p + 8) * 3) * UINT64_C(0x9E3779B97F4A7C15) >> (64 - SLOTS_LOG2));
}

static void remember(const uint8_t *p, size_t n, size_t step, uint32_t *places) {
    memset(places, 0xFF, sizeof *places << SLOTS_LOG2);
    for (size_t at = 0; at + KEY <= n; at += step) {
        uint32_t *place = &places[slot_of(p + at)];
        if (*place == UINT32_MAX) *place = (uint32_t)at; /* the first one serves all that repeat it */
    }
}

static int is_repeated(const uint8_t *p, size_t from, size_t step, const uint32_t *places) {
    for (size_t at = from; at < from + step; at++) {
        const uint32_t place = places[slot_of(p + at)];
        if (place < at && memcmp(p + place, p + at, KEY) == 0) return 1;
    }
    return 0;
}

size_t zn_repeats_estimate(const uint8_t *p, size_t n) {
    uint32_t places[1 << SLOTS_LOG2];
    size_t step = STEP, repeated = 0;
    if (n < SHORTEST) return 0;
    while (n / step > (size_t)1 << (SLOTS_LOG2 - 1)) step *= 2; /* half the slots stay free */
    remember(p, n, step, places);
    const size_t last = n - step - KEY;
    for (size_t run = 0; run < N_RUNS; run++) repeated += (size_t)is_repeated(p, last / N_RUNS * (run + 1), step, places);
    return n / N_RUNS * repeated;
}
