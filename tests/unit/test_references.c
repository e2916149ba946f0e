/* Chunks that refer to others: repeated tensors are stored once, differences from bases restore with the bases they
 * were made against and with no other. */
#include <stdio.h>

#include "base/bytes.h"
#include "support/restore.h"
#include "support/samples.h"
#include "support/streams.h"
#include "support/unit.h"

enum { MAX_TENSORS = 16, MAX_FILE = 6 << 20 };

/* A safetensors file in the making. */
struct model {
    uint8_t *data;
    size_t len;
    struct part {
        const char *name, *dtype;
        enum zt_sample kind;
        uint64_t seed;
        size_t len;
        unsigned changed; /* of 1000 words this many are moved by a few units in the last place */
    } part[MAX_TENSORS];
    unsigned n;
};

static void nudge(uint8_t *words, size_t len, unsigned changed) {
    uint64_t random = 77;
    for (size_t i = 0; changed && i + 2 <= len; i += 2) {
        const uint64_t r = zt_random(&random);
        if (r % 1000 < changed) zn_put_u16(words + i, (uint16_t)(zn_get_u16(words + i) + (r >> 32) % 3 - 1));
    }
}

static size_t width_of(const char *dtype) {
    const unsigned digit = (unsigned char)dtype[strlen(dtype) - 1];
    return digit == '8' ? 1 : digit == '6' ? 2 : digit == '2' ? 4 : 8;
}

static void build(struct model *m) {
    char *json = (char *)m->data + 8;
    size_t n = 0, at = 0;
    for (unsigned i = 0; i < m->n; i++) {
        const struct part *p = &m->part[i];
        n += (size_t)sprintf(json + n, "%s\"%s\":{\"dtype\":\"%s\",\"shape\":[%zu],\"data_offsets\":[%zu,%zu]}",
                             i ? "," : "{", p->name, p->dtype, p->len / width_of(p->dtype), at, at + p->len);
        at += p->len;
    }
    json[n++] = '}';
    zn_put_u64(m->data, n);
    at = 8 + n;
    for (unsigned i = 0; i < m->n; i++) {
        zt_sample(m->part[i].kind, m->part[i].seed, m->data + at, m->part[i].len);
        nudge(m->data + at, m->part[i].len, m->part[i].changed);
        at += m->part[i].len;
    }
    assert_true(at <= MAX_FILE);
    m->len = at;
}

static void add(struct model *m, const char *name, uint64_t seed, size_t len, unsigned changed) {
    m->part[m->n++] = (struct part){name, "BF16", ZT_BF16, seed, len, changed};
}

static struct model new_model(void) {
    struct model m = {.data = malloc(MAX_FILE)};
    assert_non_null(m.data);
    return m;
}

/* What is packed, and what a context needs to know for it. */
struct packing {
    uint8_t *archive, *restored;
    size_t len;
};

static struct packing new_packing(void) {
    struct packing p = {malloc(MAX_FILE), malloc(MAX_FILE), 0};
    assert_true(p.archive && p.restored);
    return p;
}

static void free_packing(struct packing *p) {
    free(p->archive);
    free(p->restored);
}

static void pack(struct packing *p, zipnn_options options, const uint8_t *data, size_t len) {
    zipnn_ctx *ctx;
    zipnn_error err;
    options.size = sizeof options;
    assert_int_equal(zipnn_create(&options, &ctx, NULL), ZIPNN_OK);
    if (zipnn_compress(ctx, data, len, p->archive, MAX_FILE, &p->len, &err) != ZIPNN_OK) fail_msg("%s", err.message);
    zipnn_destroy(ctx);
}

/* By every way and with one and three threads. */
static void expect(struct packing *p, zipnn_options options, const uint8_t *data, size_t len, zipnn_status expected) {
    enum { FLAGS_AT = 10, REFERS_TO_ITSELF = 2 };
    options.size = sizeof options;
    for (options.threads = 1; options.threads <= 3; options.threads += 2) {
        zipnn_ctx *ctx;
        assert_int_equal(zipnn_create(&options, &ctx, NULL), ZIPNN_OK);
        for (const struct zt_way *way = zt_ways; way < zt_ways + ZT_N_WAYS; way++) {
            size_t got = 0;
            zipnn_error err = {ZIPNN_OK, 0, ""};
            memset(p->restored, 0xEE, len);
            const zipnn_status status = way->restore(ctx, p->archive, p->len, p->restored, MAX_FILE, &got, &err);
            const bool refused = way->pipe && p->archive[FLAGS_AT] & REFERS_TO_ITSELF;
            if (status != (refused ? ZIPNN_E_UNSUPPORTED : expected))
                fail_msg("%s: flags %u, %s, %s", way->name, p->archive[FLAGS_AT], zipnn_status_name(status),
                         err.message);
            if (status == ZIPNN_OK) assert_true(got == len && memcmp(p->restored, data, len) == 0);
        }
        zipnn_destroy(ctx);
    }
}

static void repeated_tensors_are_stored_once(void **state) {
    (void)state;
    struct model m = new_model();
    add(&m, "a", 1, 700000, 0);
    add(&m, "b", 2, 200002, 0);
    add(&m, "a.again", 1, 700000, 0);
    add(&m, "c", 3, 32768, 0);
    add(&m, "c.again", 3, 32768, 0);
    add(&m, "b.nearly", 2, 200002, 1);
    add(&m, "b.again", 2, 200002, 0);
    add(&m, "a.once.more", 1, 700000, 0);
    m.part[m.n++] = (struct part){"zeros", "BF16", ZT_ZERO, 0, 100000, 0};
    m.part[m.n++] = (struct part){"zeros.again", "BF16", ZT_ZERO, 0, 100000, 0};
    build(&m);
    struct packing once = new_packing(), each = new_packing();
    pack(&once, (zipnn_options){0}, m.data, m.len);
    pack(&each, (zipnn_options){.repeats = ZIPNN_REPEATS_OFF}, m.data, m.len);
    expect(&once, (zipnn_options){0}, m.data, m.len, ZIPNN_OK);
    expect(&each, (zipnn_options){0}, m.data, m.len, ZIPNN_OK);
    assert_true(once.archive[10] == 2 && each.archive[10] == 0);
    const size_t tensors = 2 * 700000 + 200002 + 32768;
    assert_true(once.len + tensors / 100 * 60 < each.len);
    struct packing threads = new_packing();
    pack(&threads, (zipnn_options){.threads = 4}, m.data, m.len);
    assert_true(threads.len == once.len && memcmp(threads.archive, once.archive, once.len) == 0);
    free_packing(&threads);
    free_packing(&once);
    free_packing(&each);
    free(m.data);
}

/* First moments are coded given the second ones; what repeats is a copy, and what is copied no difference. */
static void moments_refer_to_each_other(void **state) {
    (void)state;
    struct model m = new_model();
    static const char *const names[] = {"0.exp_avg", "0.exp_avg_sq", "1.exp_avg",  "1.exp_avg_sq", "exp_avg.x",
                                        "y.m",       "y.v",          "exp_avg_sq", "z.mu",         "z.nu"};
    for (unsigned i = 0; i < sizeof names / sizeof *names; i++)
        m.part[m.n++] = (struct part){names[i], "F32", ZT_F32, i / 2 % 4, 200000, i % 2 ? 0 : 1000};
    build(&m);
    struct packing on = new_packing(), off = new_packing();
    pack(&on, (zipnn_options){.threads = 2}, m.data, m.len);
    pack(&off, (zipnn_options){.repeats = ZIPNN_REPEATS_OFF}, m.data, m.len);
    assert_true(on.archive[10] == 2 && on.len < off.len);
    expect(&on, (zipnn_options){0}, m.data, m.len, ZIPNN_OK);
    free_packing(&on);
    free_packing(&off);
    free(m.data);
}

/* Tensors that nearly repeat another one are differences from it; so is what repeats them. */
static void near_copies_are_differences(void **state) {
    (void)state;
    struct model m = new_model();
    static const char *const names[] = {"a.0", "a.1", "a.2", "a.3"};
    for (unsigned i = 0; i < 4; i++) add(&m, names[i], 1, 700000, 10 * i);
    add(&m, "a.3.again", 1, 700000, 30);
    add(&m, "other", 9, 700000, 0);
    build(&m);
    struct packing p = new_packing();
    pack(&p, (zipnn_options){.threads = 3}, m.data, m.len);
    if (p.len > 2 * 7000 * 68 + 4 * 7000 * 5) fail_msg("%zu bytes", p.len);
    expect(&p, (zipnn_options){0}, m.data, m.len, ZIPNN_OK);
    free_packing(&p);
    free(m.data);
}

static void no_repeats_change_nothing(void **state) {
    (void)state;
    struct model m = new_model();
    for (unsigned i = 0; i < 8; i++) add(&m, &"abcdefgh"[i], i, 100000, 0);
    build(&m);
    struct packing on = new_packing(), off = new_packing();
    pack(&on, (zipnn_options){0}, m.data, m.len);
    pack(&off, (zipnn_options){.repeats = ZIPNN_REPEATS_OFF}, m.data, m.len);
    assert_true(on.len == off.len && memcmp(on.archive, off.archive, on.len) == 0);
    free_packing(&on);
    free_packing(&off);
    free(m.data);
}

/* ---- bases */

struct lineage {
    struct model base, other, next;
    struct packing base_archive, delta;
    struct zt_input in[3];
    zipnn_source source[3]; /* base, base as an archive, another model of the same shapes */
};

/* Renamed, reordered, added, dropped, unchanged and changed tensors. */
static struct lineage new_lineage(void) {
    struct lineage l = {new_model(), new_model(), new_model(), new_packing(), new_packing(), {{0}}, {{0}}};
    add(&l.base, "w1", 1, 600000, 0);
    add(&l.base, "n1", 2, 600, 0);
    add(&l.base, "w2", 3, 300000, 0);
    add(&l.base, "w3", 4, 300000, 0);
    add(&l.base, "dropped", 5, 50000, 0);
    add(&l.base, "w4", 6, 70000, 0);
    l.other = (struct model){.data = l.other.data, .n = l.base.n};
    memcpy(l.other.part, l.base.part, sizeof l.base.part);
    for (unsigned i = 0; i < l.other.n; i++) l.other.part[i].seed += 100;
    add(&l.next, "added", 9, 90000, 0);
    add(&l.next, "w1", 1, 600000, 30);
    add(&l.next, "n1", 2, 600, 100);
    add(&l.next, "renamed", 4, 300000, 200);
    add(&l.next, "w2", 3, 300000, 0);
    add(&l.next, "w4", 60, 70000, 0);
    build(&l.base);
    build(&l.other);
    build(&l.next);
    pack(&l.base_archive, (zipnn_options){0}, l.base.data, l.base.len);
    return l;
}

static void open_sources(struct lineage *l) {
    l->in[0] = (struct zt_input){.data = l->base.data, .len = l->base.len};
    l->in[1] = (struct zt_input){.data = l->base_archive.archive, .len = l->base_archive.len};
    l->in[2] = (struct zt_input){.data = l->other.data, .len = l->other.len};
    for (unsigned i = 0; i < 3; i++) l->source[i] = zt_file(&l->in[i]);
}

static void free_lineage(struct lineage *l) {
    free(l->base.data);
    free(l->other.data);
    free(l->next.data);
    free_packing(&l->base_archive);
    free_packing(&l->delta);
}

/* Copies, deltas and plain chunks: each is named as what it is. */
static void codings_of_differences_have_names(void **state) {
    (void)state;
    struct lineage l = new_lineage();
    open_sources(&l);
    pack(&l.delta, (zipnn_options){.bases = l.source, .n_bases = 1}, l.next.data, l.next.len);
    struct zt_input in = {.data = l.delta.archive, .len = l.delta.len};
    const zipnn_source source = zt_file(&in);
    const zipnn_options options = {.size = sizeof options};
    zipnn_archive *archive;
    zipnn_archive_info info;
    zipnn_ctx *ctx;
    unsigned n_copies = 0, n_deltas = 0;
    assert_int_equal(zipnn_create(&options, &ctx, NULL), ZIPNN_OK);
    assert_int_equal(zipnn_archive_open(ctx, &source, &archive, NULL), ZIPNN_OK);
    zipnn_archive_get_info(archive, &info);
    for (uint64_t i = 0; i < info.n_chunks; i++) {
        zipnn_coding coding;
        assert_int_equal(zipnn_archive_coding(archive, i, &coding, NULL), ZIPNN_OK);
        const bool copy = strcmp(coding.layout, "copy") == 0, delta = strcmp(coding.layout, "delta") == 0;
        assert_true(coding.layout[0] != '?' && (coding.n_planes == 0) == copy);
        for (unsigned p = 0; p < coding.n_planes; p++) assert_true(coding.planes[p].codec[0] != '?');
        if (delta) assert_true(strchr("dsg", coding.planes[0].codec[0]) && coding.planes[0].stored > 4);
        n_copies += copy;
        n_deltas += delta;
    }
    assert_true(n_copies > 0 && n_deltas > 0);
    zipnn_archive_close(archive);
    zipnn_destroy(ctx);
    free_lineage(&l);
}

static void differences_restore_with_their_base(void **state) {
    (void)state;
    struct lineage l = new_lineage();
    struct packing alone = new_packing(), same = new_packing();
    open_sources(&l);
    const char *const names[] = {"/some/where/base.safetensors"};
    pack(&alone, (zipnn_options){0}, l.next.data, l.next.len);
    pack(&l.delta, (zipnn_options){.bases = l.source, .n_bases = 1, .base_names = names}, l.next.data, l.next.len);
    pack(&same, (zipnn_options){.bases = l.source + 1, .n_bases = 1, .base_names = names, .threads = 3}, l.next.data,
         l.next.len);
    assert_true(same.len == l.delta.len && memcmp(same.archive, l.delta.archive, same.len) == 0);
    assert_true(l.delta.len + 150000 < alone.len); /* w2 alone takes more */
    for (unsigned first = 0; first < 2; first++)
        for (unsigned n = 1; n <= 3 - first; n++)
            expect(&l.delta, (zipnn_options){.bases = l.source + first, .n_bases = n}, l.next.data, l.next.len,
                   ZIPNN_OK);
    expect(&l.delta, (zipnn_options){0}, l.next.data, l.next.len, ZIPNN_E_BASE);
    expect(&l.delta, (zipnn_options){.bases = l.source + 2, .n_bases = 1}, l.next.data, l.next.len, ZIPNN_E_BASE);
    free_packing(&alone);
    free_packing(&same);
    free_lineage(&l);
}

static void a_test_without_the_base_checks_what_it_can(void **state) {
    (void)state;
    struct lineage l = new_lineage();
    zipnn_stats stats;
    zipnn_ctx *ctx;
    open_sources(&l);
    pack(&l.delta, (zipnn_options){.bases = l.source, .n_bases = 1}, l.next.data, l.next.len);
    const zipnn_options options = {.size = sizeof options, .threads = 2};
    assert_int_equal(zipnn_create(&options, &ctx, NULL), ZIPNN_OK);
    for (unsigned damaged = 0; damaged < 2; damaged++) {
        struct zt_input in = {.data = l.delta.archive, .len = l.delta.len};
        const zipnn_source sources[] = {zt_file(&in), zt_pipe(&in)};
        l.delta.archive[l.delta.len / 2] ^= (uint8_t)damaged;
        for (unsigned i = 0; i < 2; i++) {
            in.pos = 0;
            assert_int_equal(zipnn_test(ctx, &sources[i], &stats, NULL), damaged ? ZIPNN_E_CORRUPT : ZIPNN_OK);
            if (!damaged) assert_true(stats.n_unchecked > 0);
        }
    }
    zipnn_destroy(ctx);
    free_lineage(&l);
}

static void unrelated_bases_are_not_used(void **state) {
    (void)state;
    struct lineage l = new_lineage();
    struct packing alone = new_packing();
    open_sources(&l);
    pack(&alone, (zipnn_options){0}, l.next.data, l.next.len);
    pack(&l.delta, (zipnn_options){.bases = l.source + 2, .n_bases = 1}, l.next.data, l.next.len);
    assert_true(alone.len == l.delta.len && memcmp(alone.archive, l.delta.archive, alone.len) == 0);
    free_packing(&alone);
    free_lineage(&l);
}

/* A base that changed in one byte is another base; one that is cut short is no base of that length. */
static void damaged_bases_are_refused(void **state) {
    (void)state;
    struct lineage l = new_lineage();
    open_sources(&l);
    pack(&l.delta, (zipnn_options){.bases = l.source, .n_bases = 1}, l.next.data, l.next.len);
    l.base.data[l.base.len - 1] ^= 1;
    expect(&l.delta, (zipnn_options){.bases = l.source, .n_bases = 1}, l.next.data, l.next.len, ZIPNN_E_BASE);
    l.base.data[l.base.len - 1] ^= 1;
    l.source[0].length--;
    expect(&l.delta, (zipnn_options){.bases = l.source, .n_bases = 1}, l.next.data, l.next.len, ZIPNN_E_BASE);
    l.base_archive.archive[l.base_archive.len / 2] ^= 1; /* the archive of the base: its chunk's check fails */
    expect(&l.delta, (zipnn_options){.bases = l.source + 1, .n_bases = 1}, l.next.data, l.next.len, ZIPNN_E_CORRUPT);
    free_lineage(&l);
}

/* Step k against step k - 1, down to the first. */
static void chains_restore_through_all_their_steps(void **state) {
    (void)state;
    enum { STEPS = 6 };
    struct model m[STEPS];
    struct packing p[STEPS];
    struct zt_input in[STEPS];
    zipnn_source source[STEPS];
    for (unsigned i = 0; i < STEPS; i++) {
        m[i] = new_model();
        p[i] = new_packing();
        add(&m[i], "w", 1, 600000, i);
        add(&m[i], "u", 3, 100000, i / 2);
        add(&m[i], "v", 2, 100000 + 2 * i, 0);
        add(&m[i], "t", 4, 50000, 0);
        build(&m[i]);
        struct zt_input *const slot = &in[STEPS - 1 - i];
        zipnn_source *const newest = source + STEPS - i;
        pack(&p[i], (zipnn_options){.bases = newest, .n_bases = i, .n_direct = 1}, m[i].data, m[i].len);
        *slot = (struct zt_input){.data = p[i].archive, .len = p[i].len};
        newest[-1] = zt_file(slot);
    }
    for (unsigned i = 1; i < STEPS; i++) {
        zipnn_options options = {.bases = source, .n_bases = STEPS};
        expect(&p[i], options, m[i].data, m[i].len, ZIPNN_OK);
        options.n_bases--; /* the first step, which all need */
        expect(&p[i], options, m[i].data, m[i].len, ZIPNN_E_BASE);
    }
    for (unsigned i = 0; i < STEPS; i++) {
        free(m[i].data);
        free_packing(&p[i]);
    }
}

/* ---- without memory */

struct memory {
    size_t calls, failing_call, live;
};

static void *allocate(void *user, size_t size) {
    struct memory *m = user;
    if (++m->calls == m->failing_call) return NULL;
    m->live++;
    return malloc(size);
}

static void release(void *user, void *block) {
    struct memory *m = user;
    m->live--;
    free(block);
}

/* Packs against the base, restores, applies in place, verifies: the first that fails. */
static zipnn_status there_and_back(struct memory *m, const zipnn_source *base, const struct model *next,
                                   struct packing *p, uint8_t *memory) {
    const zipnn_options options = {
        .size = sizeof options, .allocator = {allocate, release, m}, .bases = base, .n_bases = 1};
    zipnn_ctx *ctx;
    size_t got;
    zipnn_status status = zipnn_create(&options, &ctx, NULL);
    if (status != ZIPNN_OK) return status;
    status = zipnn_compress(ctx, next->data, next->len, p->archive, MAX_FILE, &p->len, NULL);
    if (status == ZIPNN_OK) status = zipnn_decompress(ctx, p->archive, p->len, p->restored, MAX_FILE, &got, NULL);
    struct zt_input in = {.data = p->archive, .len = p->len};
    const zipnn_source source = zt_file(&in);
    if (status == ZIPNN_OK) status = zipnn_apply(ctx, &source, memory, next->len, NULL, NULL);
    zipnn_archive *archive = NULL;
    if (status == ZIPNN_OK) status = zipnn_archive_open(ctx, &source, &archive, NULL);
    if (status == ZIPNN_OK) status = zipnn_archive_verify(archive, NULL, NULL, NULL, NULL);
    zipnn_archive_close(archive);
    zipnn_destroy(ctx);
    return status;
}

static void want_of_memory_is_reported_and_nothing_leaks(void **state) {
    (void)state;
    struct model a = new_model(), b = new_model();
    struct packing p = new_packing();
    for (unsigned i = 0; i < 2; i++) {
        add(i ? &b : &a, "w", 1, 60000, 20 * i);
        add(i ? &b : &a, "v", 2, 20000, 0);
        add(i ? &b : &a, "v.again", 2, 20000, 0);
    }
    build(&a);
    build(&b);
    struct packing archived = new_packing();
    pack(&archived, (zipnn_options){0}, a.data, a.len);
    struct zt_input in = {.data = archived.archive, .len = archived.len};
    const zipnn_source base = zt_file(&in);
    uint8_t *memory = malloc(a.len);
    assert_non_null(memory);
    zipnn_status status = ZIPNN_E_MEMORY;
    for (size_t n = 1; status != ZIPNN_OK; n++) {
        struct memory m = {.failing_call = n};
        memcpy(memory, a.data, a.len);
        status = there_and_back(&m, &base, &b, &p, memory);
        if (status != ZIPNN_OK && status != ZIPNN_E_MEMORY) fail_msg("call %zu: %s", n, zipnn_status_name(status));
        assert_int_equal(m.live, 0);
        assert_true(n < 1000);
    }
    assert_memory_equal(memory, b.data, b.len);
    free(memory);
    free(a.data);
    free(b.data);
    free_packing(&p);
    free_packing(&archived);
}

/* ---- in place */

/* Steps of one shape: weights that change a little, one tensor that stays, one that repeats another. */
static void build_step(struct model *m, unsigned step) {
    *m = (struct model){.data = m->data};
    add(m, "w", 1, 600000, 10 * step);
    add(m, "same", 2, 300000, 0);
    add(m, "v", 3, 400000, 500 + step);
    add(m, "v.again", 3, 400000, 500 + step);
    add(m, "u", step ? 4 + step : 4, 50000, 0);
    build(m);
}

static void memory_follows_a_run_step_by_step(void **state) {
    (void)state;
    enum { STEPS = 4 };
    struct model m[STEPS];
    struct packing p[STEPS];
    struct zt_input in[STEPS], base;
    zipnn_source source[STEPS];
    zipnn_ctx *ctx;
    zipnn_stats stats;
    const zipnn_options options = {.size = sizeof options, .threads = 3};
    assert_int_equal(zipnn_create(&options, &ctx, NULL), ZIPNN_OK);
    for (unsigned i = 0; i < STEPS; i++) {
        m[i] = new_model();
        p[i] = new_packing();
        build_step(&m[i], i);
        base = (struct zt_input){.data = m[i ? i - 1 : 0].data, .len = m[0].len};
        const zipnn_source plain = zt_file(&base);
        pack(&p[i], (zipnn_options){.bases = &plain, .n_bases = i > 0}, m[i].data, m[i].len);
        in[i] = (struct zt_input){.data = p[i].archive, .len = p[i].len};
        source[i] = zt_file(&in[i]);
    }
    uint8_t *memory = malloc(m[0].len);
    assert_non_null(memory);
    memcpy(memory, m[0].data, m[0].len);
    for (unsigned i = 1; i < STEPS; i++) {
        assert_int_equal(zipnn_apply(ctx, &source[i], memory, m[0].len - 1, &stats, NULL), ZIPNN_E_UNSUPPORTED);
        for (unsigned k = i + 1; k < STEPS; k++) /* out of order: refused, and nothing touched */
            assert_int_equal(zipnn_apply(ctx, &source[k], memory, m[0].len, &stats, NULL), ZIPNN_E_BASE);
        assert_memory_equal(memory, m[i - 1].data, m[0].len);
        for (unsigned twice = 0; twice < 2; twice++) {
            assert_int_equal(zipnn_apply(ctx, &source[i], memory, m[0].len, &stats, NULL), ZIPNN_OK);
            assert_memory_equal(memory, m[i].data, m[0].len);
        }
    }
    zipnn_destroy(ctx);
    free(memory);
    for (unsigned i = 0; i < STEPS; i++) {
        free(m[i].data);
        free_packing(&p[i]);
    }
}

/* A chunk that is damaged leaves the others done or not done, and the sound archive finishes the work. */
static void an_interrupted_apply_is_taken_up(void **state) {
    (void)state;
    struct model a = new_model(), b = new_model();
    struct packing p = new_packing();
    zipnn_ctx *ctx;
    const zipnn_options options = {.size = sizeof options};
    assert_int_equal(zipnn_create(&options, &ctx, NULL), ZIPNN_OK);
    build_step(&a, 1);
    build_step(&b, 2);
    struct zt_input base = {.data = a.data, .len = a.len};
    const zipnn_source plain = zt_file(&base);
    pack(&p, (zipnn_options){.bases = &plain, .n_bases = 1}, b.data, b.len);
    struct zt_input in = {.data = p.archive, .len = p.len};
    const zipnn_source source = zt_file(&in);
    uint8_t *memory = malloc(a.len);
    assert_non_null(memory);
    for (size_t part = 1; part < 8; part++) {
        const size_t at = p.len * part / 8;
        memcpy(memory, a.data, a.len);
        p.archive[at] ^= 1;
        assert_int_not_equal(zipnn_apply(ctx, &source, memory, a.len, NULL, NULL), ZIPNN_OK);
        p.archive[at] ^= 1;
        assert_int_equal(zipnn_apply(ctx, &source, memory, a.len, NULL, NULL), ZIPNN_OK);
        assert_memory_equal(memory, b.data, b.len);
    }
    zipnn_destroy(ctx);
    free(memory);
    free(a.data);
    free(b.data);
    free_packing(&p);
}

/* Random edits of random bytes, as model files and as nothing known. */
static void random_differences_restore(void **state) {
    (void)state;
    uint64_t random = 3;
    struct model a = new_model(), b = new_model();
    struct packing p = new_packing();
    for (unsigned round = 0; round < 12; round++) {
        a.n = b.n = 0;
        for (unsigned i = 0; i < 5; i++) {
            const enum zt_sample kind = (enum zt_sample)(zt_random(&random) % ZT_N_SAMPLES);
            const size_t len = (size_t)(zt_random(&random) % 150000 & ~(uint64_t)7);
            static const char *const dtypes[] = {"BF16", "F32", "U8", "F16", "I64"};
            const struct part part = {&"abcde"[i], dtypes[zt_random(&random) % 5], kind, i, len, 0};
            a.part[a.n++] = b.part[b.n++] = part;
        }
        build(&a);
        build(&b);
        for (unsigned i = 0; i < 1u << round; i++)
            b.data[600 + zt_random(&random) % (b.len - 600)] ^= (uint8_t)(1u << i % 8);
        struct zt_input in = {.data = a.data, .len = a.len};
        const zipnn_source source = zt_file(&in);
        pack(&p, (zipnn_options){.bases = &source, .n_bases = 1}, b.data, b.len);
        expect(&p, (zipnn_options){.bases = &source, .n_bases = 1}, b.data, b.len, ZIPNN_OK);
    }
    free(a.data);
    free(b.data);
    free_packing(&p);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(repeated_tensors_are_stored_once),
        cmocka_unit_test(moments_refer_to_each_other),
        cmocka_unit_test(near_copies_are_differences),
        cmocka_unit_test(no_repeats_change_nothing),
        cmocka_unit_test(codings_of_differences_have_names),
        cmocka_unit_test(differences_restore_with_their_base),
        cmocka_unit_test(a_test_without_the_base_checks_what_it_can),
        cmocka_unit_test(unrelated_bases_are_not_used),
        cmocka_unit_test(damaged_bases_are_refused),
        cmocka_unit_test(chains_restore_through_all_their_steps),
        cmocka_unit_test(want_of_memory_is_reported_and_nothing_leaks),
        cmocka_unit_test(memory_follows_a_run_step_by_step),
        cmocka_unit_test(an_interrupted_apply_is_taken_up),
        cmocka_unit_test(random_differences_restore),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
