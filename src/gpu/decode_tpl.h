/* The kernel: a warp decodes a chunk. Four of the 128 lanes of a stream belong to each thread: in step s, thread t has the
 * elements 128 s + 4 t .. + 3, so what it loads and stores lies together.
 *
 * This source is the same on a GPU (cuda.cuh) and in the emulation on a processor (tests/gpu/emulator.h); both define
 * the gpu_ functions before it. It is C and C++. Numbers of a shape that are constants where `decode` is called are constants in
 * the loops.
 *
 * What may be damaged are states, renormalisation bytes, escapes and planes. They choose a slot of a table, and how many bytes a
 * thread takes; no address outside a chunk's own memory follows from them. Loads of streams are bounded by the streams'
 * lengths. A damaged chunk ends in a state that `is_at_rest` finds.
 */

enum {
    TURN = 4,            /* steps between which nothing is fetched */
    TURN_TAKES = 4 * 128 /* renormalisation bytes that a turn takes at most */
};

/* ---- renormalisation bytes: a ring in shared memory, filled a unit ahead ------------------------------------------ */

struct feed {
    uint64_t base;         /* aligned down to 16 */
    uint32_t end, fetched; /* offsets from base */
    uint32_t ring;
};

GPU_FN void feed_fetch(struct feed *f, uint32_t lane) {
    const uint32_t at = f->fetched + 16 * lane, slot = f->fetched & (ZN_GPU_RING - 1);
    if (at < f->end) {
        gpu_copy16(f->ring + slot + 16 * lane, f->base + at);
        if (slot == 0 && lane == 0) gpu_copy4(f->ring + ZN_GPU_RING, f->base + at);
    }
    gpu_copy_group();
    f->fetched += ZN_GPU_UNIT;
}

/* The four bytes from `pos` on. */
GPU_FN uint32_t feed_at(const struct feed *f, uint32_t pos) {
    const uint32_t at = f->ring + (pos & (ZN_GPU_RING - 4));
    return gpu_funnel(gpu_shared_load32(at), gpu_shared_load32(at + 4), 8 * (pos & 3));
}

/* ---- streams ------------------------------------------------------------------------------------------------------ */

/* A thread's part of a stream. A state x is kept with a one above its 16 bits, such that x >> slots_log2 is a pair of 16 bits:
 * the quotient, and the factor 1 of the bias. */
struct lanes {
    uint32_t x[4];
    struct feed in;
    uint32_t pos; /* in the feed */
    uint64_t esc;
    uint32_t n_esc, esc_pos;
    uint32_t slots_log2;
};

GPU_FN uint32_t plant_of(const struct lanes *w) {
    return (uint32_t)1 << (16 + w->slots_log2);
}

GPU_FN void open_stream(struct lanes *w, const struct zn_gpu_stream *s, uint32_t slots_log2, uint32_t ring) {
    const uint32_t lane = gpu_lane();
    w->slots_log2 = slots_log2;
    GPU_UNROLL
    for (uint32_t i = 0; i < 2; i++) {
        const uint32_t two = gpu_load32(s->meta + 8 * lane + 4 * i);
        w->x[2 * i] = (two & 0xffff) | plant_of(w);
        w->x[2 * i + 1] = two >> 16 | plant_of(w);
    }
    w->esc = s->meta + s->esc;
    w->n_esc = s->n_esc;
    w->esc_pos = 0;
    w->in.base = s->in & ~(uint64_t)15;
    w->pos = (uint32_t)(s->in & 15);
    w->in.end = w->pos + s->in_len;
    w->in.fetched = 0;
    w->in.ring = ring;
    for (uint32_t i = 0; i < 3; i++) feed_fetch(&w->in, lane);
}

/* Deals out the slots of all tables; a thread does one entry of each. A slot of a table in shared memory:
 * frequency | bias << 8 | symbol << 16 | escape << 24. */
GPU_FN void deal_tables(const struct zn_gpu_stream *s, uint32_t slots_log2, uint32_t tables) {
    for (uint32_t t = 0; t < s->n_tables; t++) {
        const uint32_t e = gpu_load32(s->meta + ZN_GPU_STATES + 4 * (ZN_GPU_RANKS * t + gpu_lane()));
        const uint32_t first = tables + (t << (slots_log2 + 2)) + 4 * (e >> 8 & 255);
        for (uint32_t i = 0; i < (e & 255); i++) gpu_shared_store32(first + 4 * i, (e & 0xffff00ff) | i << 8);
    }
}

GPU_FN bool needs_bytes(const struct lanes *w) {
    return w->pos + TURN_TAKES + 3 > w->in.fetched - ZN_GPU_UNIT;
}

/* Puts the byte of an escape in the place of its symbol, which is at bit `shift` of the four. */
GPU_FN uint32_t unescape(const struct lanes *w, uint32_t sym, uint32_t escapes, uint32_t shift, uint32_t at) {
    const uint32_t e = at < w->n_esc ? gpu_load8(w->esc + at) : 0;
    const uint32_t k = escapes >> shift >> 1 & 127;
    const uint32_t s = ((sym >> shift) + e + (e >= 128 ? k : 0)) & 255;
    return (sym & ~((uint32_t)255 << shift)) | s << shift;
}

/* Replaces the escapes among the symbols of this step. `who` are the threads that have one. Rarely a thread has several. */
GPU_FN uint32_t take_escapes(struct lanes *w, uint32_t sym, uint32_t escapes, uint32_t who, uint32_t below) {
    const uint32_t marks = escapes & 0x01010101;
    if (!gpu_any((marks & (marks - 1)) != 0)) {
        const uint32_t at = w->esc_pos + gpu_count(who & below);
        w->esc_pos += gpu_count(who);
        return marks ? unescape(w, sym, escapes, gpu_lowest(marks), at) : sym;
    }
    uint32_t at = w->esc_pos;
    for (uint32_t shift = 0; shift < 32; shift += 8) {
        const uint32_t m = gpu_ballot((marks >> shift & 1) != 0);
        at += gpu_count(m & below);
        w->esc_pos += gpu_count(m);
    }
    for (uint32_t shift = 0; shift < 32; shift += 8)
        if (marks >> shift & 1) sym = unescape(w, sym, escapes, shift, at++);
    return sym;
}

/* One step: the four symbols of this thread, one a byte. `left` symbols are left in the stream; full: at least 128. */
GPU_FN uint32_t step(struct lanes *w, const uint32_t table[4], bool full, uint32_t left) {
    const uint32_t lane = gpu_lane(), below = ((uint32_t)1 << lane) - 1;
    uint32_t e[4];
    bool need[4];
    GPU_UNROLL
    for (uint32_t j = 0; j < 4; j++) {
        const bool on = full || 4 * lane + j < left;
        const uint32_t slot = w->x[j] & (((uint32_t)1 << w->slots_log2) - 1);
        e[j] = gpu_shared_load32(table[j] | slot << 2);
        const uint32_t x = gpu_dot2(w->x[j] >> w->slots_log2, e[j], plant_of(w)); /* frequency * quotient + bias */
        if (on) w->x[j] = x;
        if (!on) e[j] = 0;
        need[j] = on && x < plant_of(w) + 256;
    }
    /* Bytes are handed out in the order of symbols. */
    const uint32_t m0 = gpu_ballot(need[0]), m1 = gpu_ballot(need[1]), m2 = gpu_ballot(need[2]),
                   m3 = gpu_ballot(need[3]);
    uint32_t bytes = feed_at(
        &w->in, w->pos + gpu_count(m0 & below) + gpu_count(m1 & below) + gpu_count(m2 & below) + gpu_count(m3 & below));
    w->pos += gpu_count(m0) + gpu_count(m1) + gpu_count(m2) + gpu_count(m3);
    GPU_UNROLL
    for (uint32_t j = 0; j < 4; j++) {
        if (!need[j]) continue;
        w->x[j] = gpu_bytes(w->x[j], bytes, 0x3204); /* the next byte, and the state's own above it */
        bytes >>= 8;
    }
    const uint32_t a = gpu_bytes(e[0], e[1], 0x7632), b = gpu_bytes(e[2], e[3], 0x7632);
    const uint32_t sym = gpu_bytes(a, b, 0x6420), escapes = gpu_bytes(a, b, 0x7531);
    const uint32_t who = gpu_ballot(escapes != 0);
    return who ? take_escapes(w, sym, escapes, who, below) : sym;
}

/* Whether this thread's lanes are at rest and both streams used up. */
GPU_FN bool is_at_rest(const struct lanes *w) {
    bool rest = w->pos == w->in.end && w->esc_pos == w->n_esc;
    for (uint32_t j = 0; j < 4; j++) rest = rest && w->x[j] == (plant_of(w) | 256);
    return rest;
}

/* ---- planes below the symbols ------------------------------------------------------------------------------------- */

/* Four numbers of a thread lie in `bits` / 2 bytes: a part of two aligned words. */
struct plane {
    uint64_t at;
    uint32_t shift, stride; /* stride: bytes of a step */
};

/* What is loaded of a plane for a step: two words; of masks, a byte of each. */
struct row {
    uint32_t lo, hi, mid;
};

GPU_FN struct plane open_plane(uint64_t at, uint32_t bits) {
    const uint32_t lane = gpu_lane();
    struct plane p;
    if (bits == ZN_GPU_MASKS) { /* 24 bytes for 64 elements: 8 of each mask */
        p.at = at + 24 * (lane >> 4) + (lane >> 1 & 7);
        p.shift = 4 * (lane & 1);
        p.stride = 48;
        return p;
    }
    const uint64_t first = at + (bits * lane >> 1);
    p.at = first & ~(uint64_t)3;
    p.shift = 8 * (uint32_t)(first & 3) + 4 * (bits * lane & 1);
    p.stride = 16 * bits;
    return p;
}

GPU_FN struct row load_row(const struct plane *p, uint32_t bits, uint32_t step_no) {
    const uint64_t at = p->at + step_no * p->stride;
    struct row r;
    r.mid = bits == ZN_GPU_MASKS ? gpu_load8(at + 8) : 0;
    r.lo = bits == ZN_GPU_MASKS ? gpu_load8(at) : gpu_load32(at);
    r.hi = bits == ZN_GPU_MASKS ? gpu_load8(at + 16) : gpu_load32(at + 4);
    return r;
}

/* Bits 0 .. 3 to the low bits of four bytes. */
GPU_FN uint32_t spread(uint32_t nibble) {
    return ((nibble & 15) * 0x00204081u) & 0x01010101u;
}

/* Four numbers of `bits` bits to four bytes. */
GPU_FN uint32_t four_of(const struct plane *p, const struct row *r, uint32_t bits) {
    if (bits == ZN_GPU_MASKS)
        return spread(r->lo >> p->shift) << 2 | spread(r->mid >> p->shift) << 1 | spread(r->hi >> p->shift);
    const uint32_t v = gpu_funnel(r->lo, r->hi, p->shift);
    if (bits == 8) return v;
    const uint32_t m = ((uint32_t)1 << bits) - 1;
    return (v & m) | (v >> bits & m) << 8 | (v >> 2 * bits & m) << 16 | (v >> 3 * bits & m) << 24;
}

/* ---- elements ----------------------------------------------------------------------------------------------------- */

/* Four elements while they are made. Of one byte: in a[0]. Of two: two in a[0], two in a[1]. Of four: a has their lower halves, b
 * the upper ones. */
struct four {
    uint32_t a[2], b[2];
};

/* Adds four numbers, one a byte, shifted to their places. */
GPU_FN void put(struct four *f, struct zn_gpu_shape s, uint32_t numbers, uint32_t shift) {
    if (s.width == 1) {
        f->a[0] += numbers << shift;
        return;
    }
    const uint32_t lo = gpu_bytes(numbers, 0, 0x4140), hi = gpu_bytes(numbers, 0, 0x4342);
    if (shift < 16) {
        f->a[0] += lo << shift;
        f->a[1] += hi << shift;
    } else {
        f->b[0] += lo << (shift - 16);
        f->b[1] += hi << (shift - 16);
    }
}

/* Adds to the upper byte of two halves where that is not 0. */
GPU_FN uint32_t add_base(uint32_t halves, uint32_t base) {
    return halves + (halves & 0xff000000 ? base & 0xff000000 : 0) + (halves & 0xff00 ? base & 0xff00 : 0);
}

/* Completes the words: v[0, width). */
GPU_FN void complete(struct four *f, struct zn_gpu_shape s, const struct zn_gpu_chunk *c, uint32_t v[4]) {
    if (s.width == 1) {
        const uint32_t w = f->a[0] ^ c->fixed;
        v[0] = s.rotated ? (w >> 1 & 0x7f7f7f7f) | (w << 7 & 0x80808080) : w;
        return;
    }
    for (uint32_t i = 0; i < 2 && s.based; i++) {
        if (s.width == 2) f->a[i] = add_base(f->a[i], c->base);
        if (s.width == 4) f->b[i] = add_base(f->b[i], c->base);
    }
    if (s.width == 2) {
        for (uint32_t i = 0; i < 2; i++) {
            const uint32_t w = f->a[i] ^ c->fixed;
            v[i] = s.rotated ? (w >> 1 & 0x7fff7fff) | (w << 15 & 0x80008000) : w;
        }
        return;
    }
    for (uint32_t i = 0; i < 4; i++) {
        const uint32_t w = gpu_bytes(f->a[i / 2], f->b[i / 2], i & 1 ? 0x7632 : 0x5410) ^ c->fixed;
        v[i] = s.rotated ? gpu_funnel(w, w, 1) : w;
    }
}

/* Stores the first n of four elements. `aligned`: dst is a multiple of all four's length. */
GPU_FN void store(uint64_t dst, uint32_t width, bool aligned, uint32_t n, const uint32_t v[4]) {
    if (aligned && n == 4) {
        if (width == 1) gpu_store32(dst, v[0]);
        if (width == 2) gpu_store64(dst, v[0], v[1]);
        if (width == 4) gpu_store128(dst, v[0], v[1], v[2], v[3]);
        return;
    }
    const bool whole = (dst & (width - 1)) == 0;
    GPU_UNROLL
    for (uint32_t j = 0; j < 4; j++) {
        if (j >= n) continue;
        const uint32_t w = width == 4 ? v[j] : width == 2 ? v[j / 2] >> 16 * (j & 1) : v[0] >> 8 * j;
        const uint64_t at = dst + width * j;
        if (whole && width == 2) gpu_store16(at, w);
        if (whole && width == 4) gpu_store32(at, w);
        if (whole && width != 1) continue;
        for (uint32_t k = 0; k < width; k++) gpu_store8(at + k, w >> 8 * k);
    }
}

/* ---- a chunk ------------------------------------------------------------------------------------------------------ */

/* All that a thread has in its hands. */
struct work {
    const struct zn_gpu_chunk *c;
    struct zn_gpu_shape s;
    uint32_t mem;
    struct lanes top, second;
    uint32_t tables, maps; /* of the step whose number, modulo 32, is this thread's */
    struct plane plane[ZN_GPU_PLANES];
    uint64_t dst;
    bool aligned;
};

GPU_FN void store_edges(const struct zn_gpu_chunk *c, uint32_t width, uint64_t to) {
    for (uint32_t i = gpu_lane(); i < c->head + c->tail; i += 32)
        gpu_store8(to + i + (i < c->head ? 0 : (uint64_t)c->n * width), gpu_load8(c->edges + i));
}

GPU_FN void begin(struct work *w, uint64_t to) {
    const struct zn_gpu_chunk *c = w->c;
    const uint32_t lane = gpu_lane();
    open_stream(&w->top, &c->top, w->s.slots_log2, w->mem + w->c->shared.ring);
    deal_tables(&c->top, w->s.slots_log2, w->mem);
    w->tables = w->mem;
    if (w->s.second) {
        open_stream(&w->second, &c->second, 6, w->mem + w->c->shared.second_ring);
        deal_tables(&c->second, 6, w->mem + w->c->shared.second);
        w->maps = w->mem + w->c->shared.maps;
        for (uint32_t i = 4 * lane; i < ZN_GPU_MAP * (uint32_t)c->second.n_models; i += 128)
            gpu_shared_store32(w->maps + i, gpu_load32(c->second.meta + c->second.maps + i));
    }
    GPU_UNROLL
    for (uint32_t p = 0; p < ZN_GPU_PLANES; p++)
        if (p < w->s.n_planes) w->plane[p] = open_plane(c->plane[p], w->s.bits[p]);
    w->dst = to + c->head + 4 * w->s.width * lane;
    w->aligned = ((to + c->head) & (4 * (uint32_t)w->s.width - 1)) == 0;
    gpu_copy_wait_all();
    gpu_barrier();
}

/* Each thread looks up table and map of one of the next 32 steps. */
GPU_FN void look_up_ids(struct work *w, uint32_t from, uint32_t steps) {
    const struct zn_gpu_stream *a = &w->c->top, *b = &w->c->second;
    const uint32_t mine = from + gpu_lane();
    if (mine >= steps) return;
    if (a->ids)
        w->tables = w->mem + (gpu_load8(a->meta + a->ids + (mine >> (a->block_log2 - 7))) << (w->s.slots_log2 + 2));
    if (w->s.second && b->ids)
        w->maps = w->mem + w->c->shared.maps + ZN_GPU_MAP * gpu_load8(b->meta + b->ids + (mine >> (b->block_log2 - 7)));
}

/* Fetches what the next turn may take and is not there yet. */
GPU_FN void refill(struct work *w) {
    const bool a = needs_bytes(&w->top), b = w->s.second && needs_bytes(&w->second);
    if (!a && !b) return;
    gpu_barrier(); /* all threads have read what will be overwritten */
    if (a) feed_fetch(&w->top.in, gpu_lane());
    if (b) feed_fetch(&w->second.in, gpu_lane());
    if (w->s.second)
        gpu_copy_wait_all(); /* two feeds share the groups */
    else
        gpu_copy_wait_but_one();
    gpu_barrier();
}

/* Decodes, makes and stores the elements of step `no`. */
GPU_FN void do_step(struct work *w, uint32_t no, bool full, const struct row *rows) {
    const uint32_t left = w->c->n - 128 * no, lane = gpu_lane();
    const uint32_t t = gpu_shuffle(w->tables, no & 31);
    const uint32_t tables[4] = {t, t, t, t};
    const uint32_t sym = step(&w->top, tables, full, left);
    struct four f = {{0, 0}, {0, 0}};
    put(&f, w->s, sym, w->s.top_shift);
    if (w->s.second) {
        const uint32_t map = gpu_shuffle(w->maps, no & 31);
        uint32_t given[4];
        for (uint32_t j = 0; j < 4; j++)
            given[j] = w->mem + w->c->shared.second + (gpu_shared_load8(map + (sym >> 8 * j & 255)) << 8);
        put(&f, w->s, step(&w->second, given, full, left), w->s.second_shift);
    }
    GPU_UNROLL
    for (uint32_t p = 0; p < ZN_GPU_PLANES; p++)
        if (p < w->s.n_planes) put(&f, w->s, four_of(&w->plane[p], &rows[p], w->s.bits[p]), w->s.shift[p]);
    uint32_t v[4];
    complete(&f, w->s, w->c, v);
    const uint32_t mine = full || left >= 4 * lane + 4 ? 4 : left <= 4 * lane ? 0 : left - 4 * lane;
    store(w->dst + (uint64_t)128 * w->s.width * no, w->s.width, w->aligned, mine, v);
}

GPU_FN void load_rows(const struct work *w, uint32_t no, struct row rows[ZN_GPU_PLANES]) {
    GPU_UNROLL
    for (uint32_t p = 0; p < ZN_GPU_PLANES; p++)
        if (p < w->s.n_planes) rows[p] = load_row(&w->plane[p], w->s.bits[p], no);
}

/* Whole turns, with the planes of the next turn on their way meanwhile. Returns the number of steps done. */
GPU_FN uint32_t do_turns(struct work *w, uint32_t steps) {
    const uint32_t whole = (w->c->n >> 7) & ~(uint32_t)(TURN - 1);
    struct row ahead[TURN][ZN_GPU_PLANES];
    if (whole == 0) return 0;
    GPU_UNROLL
    for (uint32_t i = 0; i < TURN; i++) load_rows(w, i, ahead[i]);
    GPU_NO_UNROLL
    for (uint32_t no = 0; no < whole; no += TURN) {
        struct row now[TURN][ZN_GPU_PLANES];
        if ((no & 31) == 0) look_up_ids(w, no, steps);
        refill(w);
        GPU_UNROLL
        for (uint32_t i = 0; i < TURN; i++) {
            GPU_UNROLL
            for (uint32_t p = 0; p < ZN_GPU_PLANES; p++)
                if (p < w->s.n_planes) now[i][p] = ahead[i][p];
            load_rows(w, no + TURN + i, ahead[i]);
        }
        GPU_UNROLL
        for (uint32_t i = 0; i < TURN; i++) do_step(w, no + i, true, now[i]);
    }
    return whole;
}

/* Decodes a chunk of shape s to dst + its own offset, with mem[0, c->shared.size) of shared memory. Returns 0, or 1 if the chunk is damaged. */
GPU_FN uint32_t decode(const struct zn_gpu_chunk *c, struct zn_gpu_shape s, uint32_t mem, uint64_t dst) {
    const uint32_t steps = (c->n + 127) >> 7;
    struct work w;
    w.c = c;
    w.s = s;
    w.mem = mem;
    begin(&w, dst + c->dst);
    store_edges(c, s.width, dst + c->dst);
    uint32_t no = do_turns(&w, steps);
    if ((no & 31) == 0) look_up_ids(&w, no, steps);
    if (no < steps) refill(&w);
    GPU_NO_UNROLL
    for (; no < steps; no++) {
        struct row rows[ZN_GPU_PLANES];
        load_rows(&w, no, rows);
        do_step(&w, no, false, rows);
    }
    gpu_copy_wait_all();
    const bool rest = is_at_rest(&w.top) && (!s.second || is_at_rest(&w.second));
    return gpu_all(rest) ? 0 : 1;
}
