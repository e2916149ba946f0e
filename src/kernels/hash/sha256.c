#include "kernels/hash/sha256.h"

#include <string.h>

static const uint32_t round_constants[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static inline uint32_t ror(uint32_t x, unsigned by) {
    return x >> by | x << (32 - by);
}

static inline uint32_t get_big(const uint8_t *p) {
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static inline void put_big(uint8_t *p, uint32_t x) {
    for (unsigned i = 0; i < 4; i++) p[i] = (uint8_t)(x >> (24 - 8 * i));
}

/* The names of the standard: a to h are the state, w the message schedule, of which 16 words are kept. */
static void one_block(uint32_t state[8], const uint8_t *block) {
    uint32_t w[16];
    uint32_t a = state[0], b = state[1], c = state[2], d = state[3];
    uint32_t e = state[4], f = state[5], g = state[6], h = state[7];
    for (unsigned t = 0; t < 64; t++) {
        if (t < 16) {
            w[t] = get_big(block + 4 * (size_t)t);
        } else {
            const uint32_t early = w[(t + 1) % 16], late = w[(t + 14) % 16];
            w[t % 16] += w[(t + 9) % 16] + (ror(early, 7) ^ ror(early, 18) ^ early >> 3) +
                         (ror(late, 17) ^ ror(late, 19) ^ late >> 10);
        }
        const uint32_t t1 =
            h + (ror(e, 6) ^ ror(e, 11) ^ ror(e, 25)) + ((e & f) ^ (~e & g)) + round_constants[t] + w[t % 16];
        const uint32_t t2 = (ror(a, 2) ^ ror(a, 13) ^ ror(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));
        h = g, g = f, f = e, e = d + t1;
        d = c, c = b, b = a, a = t1 + t2;
    }
    state[0] += a, state[1] += b, state[2] += c, state[3] += d;
    state[4] += e, state[5] += f, state[6] += g, state[7] += h;
}

void zn_sha256_blocks_scalar(uint32_t state[8], const uint8_t *blocks, size_t n) {
    for (size_t i = 0; i < n; i++) one_block(state, blocks + i * ZN_SHA256_BLOCK);
}

#if defined(__x86_64__)
#include <immintrin.h>

/* Five times as fast as the portable loop (1.49 and 0.27 GB/s; gcc 12 and clang 14): a compiler finds none of these instructions. They want
 * the state as the words a b e f and c d g h. */
__attribute__((target("sha,sse4.1"))) void zn_sha256_blocks_sha(uint32_t state[8], const uint8_t *blocks, size_t n) {
    const __m128i big = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);
    const __m128i dcba = _mm_loadu_si128((const void *)state), hgfe = _mm_loadu_si128((const void *)(state + 4));
    const __m128i cdab = _mm_shuffle_epi32(dcba, 0xB1), efgh = _mm_shuffle_epi32(hgfe, 0x1B);
    __m128i abef = _mm_alignr_epi8(cdab, efgh, 8), cdgh = _mm_blend_epi16(efgh, cdab, 0xF0);
    for (size_t i = 0; i < n; i++) {
        const __m128i abef_before = abef, cdgh_before = cdgh;
        __m128i w[4];
        for (unsigned t = 0; t < 16; t++) {
            __m128i *now = &w[t % 4];
            if (t < 4) {
                *now = _mm_loadu_si128((const void *)(blocks + i * ZN_SHA256_BLOCK + 16 * (size_t)t));
                *now = _mm_shuffle_epi8(*now, big);
            } else {
                const __m128i last = w[(t + 3) % 4], middle = _mm_alignr_epi8(last, w[(t + 2) % 4], 4);
                *now = _mm_add_epi32(_mm_sha256msg1_epu32(*now, w[(t + 1) % 4]), middle);
                *now = _mm_sha256msg2_epu32(*now, last);
            }
            const __m128i sum = _mm_add_epi32(*now, _mm_loadu_si128((const void *)(round_constants + 4 * (size_t)t)));
            cdgh = _mm_sha256rnds2_epu32(cdgh, abef, sum);
            abef = _mm_sha256rnds2_epu32(abef, cdgh, _mm_shuffle_epi32(sum, 0x0E));
        }
        abef = _mm_add_epi32(abef, abef_before);
        cdgh = _mm_add_epi32(cdgh, cdgh_before);
    }
    const __m128i feba = _mm_shuffle_epi32(abef, 0x1B), dchg = _mm_shuffle_epi32(cdgh, 0xB1);
    _mm_storeu_si128((void *)state, _mm_blend_epi16(feba, dchg, 0xF0));
    _mm_storeu_si128((void *)(state + 4), _mm_alignr_epi8(dchg, feba, 8));
}
#endif

void zn_sha256_begin(struct zn_sha256 *s, zn_sha256_loop *loop) {
    static const uint32_t first[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                      0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
    s->loop = loop;
    s->len = 0;
    memcpy(s->state, first, sizeof first);
}

void zn_sha256_update(struct zn_sha256 *s, const void *data, size_t len) {
    const uint8_t *p = data;
    const size_t held = (size_t)(s->len % ZN_SHA256_BLOCK);
    s->len += len;
    if (held) {
        const size_t room = ZN_SHA256_BLOCK - held, n = len < room ? len : room;
        if (n) memcpy(s->rest + held, p, n);
        if (n < room) return;
        s->loop(s->state, s->rest, 1);
        p += n;
        len -= n;
    }
    const size_t blocks = len / ZN_SHA256_BLOCK, left = len % ZN_SHA256_BLOCK;
    if (blocks) s->loop(s->state, p, blocks);
    if (left) memcpy(s->rest, p + blocks * ZN_SHA256_BLOCK, left);
}

void zn_sha256_digest(struct zn_sha256 *s, uint8_t out[32]) {
    /* A bit, as many zeros as the last block wants, and the length in bits. */
    uint8_t end[2 * ZN_SHA256_BLOCK] = {0x80};
    const uint64_t bits = s->len * 8;
    const size_t held = (size_t)(s->len % ZN_SHA256_BLOCK);
    const size_t pad = held < ZN_SHA256_BLOCK - 8 ? ZN_SHA256_BLOCK - 8 - held : 2 * ZN_SHA256_BLOCK - 8 - held;
    put_big(end + pad, (uint32_t)(bits >> 32));
    put_big(end + pad + 4, (uint32_t)bits);
    zn_sha256_update(s, end, pad + 8);
    for (size_t i = 0; i < 8; i++) put_big(out + 4 * i, s->state[i]);
}
