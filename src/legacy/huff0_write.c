/* Encodes huff0 blocks exactly as the Python package's coder did. For equal bytes, its way of building trees, its way
 * of limiting their depth, and its thresholds are part of the format. */
#include "legacy/bits_back.h"
#include "legacy/huff0.h"

enum {
    WANTED_LOG = 11, /* depth of a tree */
    MIN_LOG = 5,
    MIN_BLOCK = 12, /* bytes; four streams are not tried for fewer */
    UNBUILT = 1 << 30,
    NONE = 0xFFFF /* no symbol of that length is left */
};

/* Leaves 0 to n_leaves - 1 are sorted by falling count; inner nodes start at 256. */
struct node {
    uint32_t count;
    uint16_t parent;
    uint8_t symbol, length;
};

struct tree {
    struct node node[512];
    unsigned n_leaves;
};

/* ---- lengths */

/* Sorts leaves by falling count. Of equal counts, the smaller symbol comes first. */
static void sort_leaves(struct tree *t, const uint32_t count[256]) {
    t->n_leaves = 0;
    for (unsigned s = 0; s < 256; s++) {
        unsigned at = t->n_leaves;
        if (count[s] == 0) continue;
        for (; at > 0 && t->node[at - 1].count < count[s]; at--) t->node[at] = t->node[at - 1];
        t->node[at] = (struct node){.count = count[s], .symbol = (uint8_t)s};
        t->n_leaves++;
    }
}

/* Takes the rarer of the next leaf and the next inner node. The leaf is taken only if it is strictly rarer. */
static unsigned take_rarest(const struct tree *t, unsigned *leaves, unsigned *inner) {
    if (*leaves > 0 && t->node[*leaves - 1].count < t->node[*inner].count) return --*leaves;
    return (*inner)++;
}

/* Merges the two rarest nodes until one is left, and counts each leaf's depth. */
static void build_tree(struct tree *t) {
    unsigned leaves = t->n_leaves, inner = 256;
    const unsigned root = 256 + t->n_leaves - 2;
    for (unsigned i = 256; i <= root; i++) t->node[i].count = UNBUILT;
    for (unsigned i = 256; i <= root; i++) {
        /* The first inner node is always made of two leaves. */
        const unsigned a = i == 256 ? --leaves : take_rarest(t, &leaves, &inner);
        const unsigned b = i == 256 ? --leaves : take_rarest(t, &leaves, &inner);
        t->node[i].count = t->node[a].count + t->node[b].count;
        t->node[a].parent = t->node[b].parent = (uint16_t)i;
    }
    t->node[root].length = 0;
    for (unsigned i = root; i-- > 256;) t->node[i].length = (uint8_t)(t->node[t->node[i].parent].length + 1);
    for (unsigned i = 0; i < t->n_leaves; i++) t->node[i].length = (uint8_t)(t->node[t->node[i].parent].length + 1);
}

/* Returns the rank whose last leaf gets longer next. Leaves of rank r have length log - r. */
static unsigned choose_rank(const struct tree *t, const unsigned last[ZN_HUFF0_MAX_LOG + 2], int debt) {
    unsigned r = zn_log2((uint32_t)debt) + 1;
    for (; r > 1; r--) {
        if (last[r] == NONE) continue;
        if (last[r - 1] == NONE || t->node[last[r]].count <= 2 * t->node[last[r - 1]].count) break;
    }
    while (r < ZN_HUFF0_MAX_LOG && last[r] == NONE) r++;
    return r;
}

/* Cuts lengths to `log` and repays the debt of doing so, in units of 2^-log. Returns the longest length. */
static unsigned limit_lengths(struct tree *t, unsigned log) {
    const unsigned longest = t->node[t->n_leaves - 1].length;
    unsigned last[ZN_HUFF0_MAX_LOG + 2], n = t->n_leaves, length = log;
    uint32_t borrowed = 0; /* in units of 2^-longest */
    if (longest <= log) return longest;
    for (; t->node[n - 1].length > log; n--) {
        borrowed += (1u << (longest - log)) - (1u << (longest - t->node[n - 1].length));
        t->node[n - 1].length = (uint8_t)log;
    }
    while (n > 0 && t->node[n - 1].length == log) n--;
    int debt = (int)(borrowed >> (longest - log));
    for (unsigned r = 0; r < ZN_HUFF0_MAX_LOG + 2; r++) last[r] = NONE;
    for (unsigned i = n; i-- > 0;) {
        if (t->node[i].length >= length) continue;
        length = t->node[i].length;
        last[log - length] = i;
    }
    while (debt > 0) {
        const unsigned r = choose_rank(t, last, debt);
        if (last[r] == NONE) break; /* impossible, since a prefix code of `log` bits exists */
        debt -= 1 << (r - 1);
        if (last[r - 1] == NONE) last[r - 1] = last[r];
        t->node[last[r]].length++;
        last[r] = last[r] > 0 && t->node[last[r] - 1].length == log - r ? last[r] - 1 : NONE;
    }
    for (; debt < 0; debt++) {
        if (last[1] == NONE) {
            while (n > 0 && t->node[n - 1].length == log) n--;
            last[1] = n;
        } else {
            last[1]++;
        }
        t->node[last[1]].length--;
    }
    return log;
}

/* ---- codes */

/* Assigns the codes. Among codes of one length the smaller symbol comes first, and the longest codes come lowest. */
static void assign_codes(const struct tree *t, unsigned log, struct zn_huff0_code *code) {
    uint16_t n_of[ZN_HUFF0_MAX_LOG + 1] = {0}, next[ZN_HUFF0_MAX_LOG + 1] = {0}, at = 0;
    memset(code, 0, sizeof *code);
    for (unsigned i = 0; i < t->n_leaves; i++) {
        code->length[t->node[i].symbol] = t->node[i].length;
        n_of[t->node[i].length]++;
    }
    for (unsigned length = log; length > 0; length--) {
        next[length] = at;
        at = (uint16_t)((at + n_of[length]) >> 1);
    }
    for (unsigned s = 0; s < 256; s++)
        if (code->length[s]) code->code[s] = next[code->length[s]]++;
}

/* Returns the depth that is worth its description for n bytes of symbols up to `last`. */
static unsigned wanted_log(size_t n, unsigned last) {
    const unsigned least = ZN_MIN(zn_log2((uint32_t)n) + 1, zn_log2(last) + 2);
    unsigned log = zn_log2((uint32_t)n - 1) - 1;
    log = ZN_MAX(ZN_MIN(log, (unsigned)WANTED_LOG), least);
    return ZN_MIN(ZN_MAX(log, (unsigned)MIN_LOG), (unsigned)ZN_HUFF0_MAX_LOG);
}

/* ---- streams */

/* Writes from the last byte to the first, since streams are read from their end. */
static uint8_t *write_stream(const struct zn_huff0_code *code, const uint8_t *src, size_t n, uint8_t *dst) {
    struct zn_bits_out b = {dst, 0, 0};
    size_t i = n;
    for (; i % 4; i--) zn_bits_out_add(&b, code->code[src[i - 1]], code->length[src[i - 1]]);
    zn_bits_out_flush(&b);
    for (; i > 0; i -= 4) {
        for (size_t k = 1; k <= 4; k++) zn_bits_out_add(&b, code->code[src[i - k]], code->length[src[i - k]]);
        zn_bits_out_flush(&b);
    }
    return zn_bits_out_close(&b);
}

static uint8_t *write_streams(const struct zn_huff0_code *code, const uint8_t *src, size_t n, uint8_t *dst) {
    const size_t each = (n + 3) / 4;
    uint8_t *jump = dst;
    dst += 6;
    for (size_t k = 0; k < 4; k++) {
        uint8_t *end = write_stream(code, src + k * each, k < 3 ? each : n - 3 * each, dst);
        if (k < 3) zn_put_u16(jump + 2 * k, (uint16_t)(end - dst));
        dst = end;
    }
    return dst;
}

bool zn_huff0_encode(struct zn_huff0_code *code, const uint8_t *src, size_t n, uint8_t *dst, size_t *len) {
    uint32_t count[256] = {0}, most = 0;
    unsigned last = 0;
    struct tree tree;
    if (n == 0 || n > ZN_HUFF0_MAX_BLOCK) return false;
    for (size_t i = 0; i < n; i++) count[src[i]]++;
    for (unsigned s = 0; s < 256; s++) {
        most = ZN_MAX(most, count[s]);
        last = count[s] ? s : last;
    }
    if (most == n) {
        dst[0] = src[0];
        *len = 1;
        return true;
    }
    if (most <= (n >> 7) + 4) return false;
    sort_leaves(&tree, count);
    build_tree(&tree);
    const unsigned log = limit_lengths(&tree, wanted_log(n, last));
    assign_codes(&tree, log, code);
    if (!zn_huff0_write_tree(code, log, last, dst, len) || *len + 12 >= n || n < MIN_BLOCK) return false;
    *len = (size_t)(write_streams(code, src, n, dst + *len) - dst);
    return *len < n - 1;
}
