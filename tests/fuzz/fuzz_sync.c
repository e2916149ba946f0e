/* An update of weights that was changed at any places, and one whose steps are any bytes, both with right checksums:
 * applied, told and merged, they are errors or successes, and nothing outside of the tensors is touched. What is a
 * difference or whole leaves each chunk old or new.
 *
 * The input: a byte for the form, one for the way; then places (u16) and bytes to be added there, or the steps. */
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "kernels/hash/hash.h"
#include "zipnn/sync.h"

enum { N = 3, FORMS = 3, CAP = 1 << 16, HEAD = 64, FRAME = 16, CHANGES = 14, END = 40 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static const size_t lens[N] = {1200, 82, 360};

/* Tensors, each with nothing to touch around it. */
struct tensors {
    zipnn_tensor t[N];
    uint64_t shape[N];
};

static void make(struct tensors *all) {
    static const char *const names[N] = {"a", "b", "c"};
    static const zipnn_dtype types[N] = {ZIPNN_BF16, ZIPNN_BF16, ZIPNN_F32};
    for (size_t i = 0; i < N; i++) {
        all->shape[i] = lens[i] / (types[i] == ZIPNN_F32 ? 4 : 2);
        all->t[i] = (zipnn_tensor){names[i], types[i], 1, &all->shape[i], NULL, malloc(lens[i])};
        if (!all->t[i].data) abort();
        for (size_t k = 0; k < lens[i]; k++) ((uint8_t *)all->t[i].data)[k] = (uint8_t)(k * 37 + i);
    }
}

static void train(struct tensors *all) {
    for (size_t i = 0; i < N; i++)
        for (size_t k = i; k < lens[i]; k += 28) ((uint8_t *)all->t[i].data)[k]++;
}

static void drop(struct tensors *all) {
    for (size_t i = 0; i < N; i++) free(all->t[i].data);
}

static bool equal(const struct tensors *a, const struct tensors *b) {
    for (size_t i = 0; i < N; i++)
        if (memcmp(a->t[i].data, b->t[i].data, lens[i]) != 0) return false;
    return true;
}

/* ---- memory as a sink and a source ---- */

struct memory {
    uint8_t bytes[CAP];
    size_t len;
};

static zipnn_status write_to(void *user, const void *buf, size_t len, zipnn_error *err) {
    struct memory *m = user;
    (void)err;
    if (len > CAP - m->len) return ZIPNN_E_IO;
    memcpy(m->bytes + m->len, buf, len);
    m->len += len;
    return ZIPNN_OK;
}

static zipnn_status read_at(void *user, uint64_t off, void *buf, size_t len, zipnn_error *err) {
    const struct memory *m = user;
    (void)err;
    if (off > m->len || len > m->len - off) abort();
    memcpy(buf, m->bytes + off, len);
    return ZIPNN_OK;
}

static zipnn_source source_of(struct memory *m) {
    return (zipnn_source){.read_at = read_at, .length = m->len, .user = m};
}

/* ---- updates ---- */

static void pack(zipnn_ctx *ctx, zipnn_update_form form, struct memory *m) {
    const zipnn_update_options options = {.size = sizeof options, .form = form};
    const zipnn_sink sink = {.write = write_to, .user = m};
    struct tensors all;
    zipnn_weights *w;
    m->len = 0;
    make(&all);
    if (zipnn_weights_open(ctx, all.t, N, 1, 0, &w, NULL) != ZIPNN_OK) abort();
    train(&all);
    if (zipnn_update_pack(ctx, w, all.t, N, &options, &sink, NULL, NULL) != ZIPNN_OK) abort();
    zipnn_weights_close(w);
    drop(&all);
}

/* Gives head and frames the checks of their bytes. */
static void seal(struct memory *m) {
    if (m->len < HEAD) return;
    zn_put_u64(m->bytes + HEAD - 8, zn_xxh3_64_scalar(m->bytes, HEAD - 8));
    for (size_t at = HEAD; at + FRAME <= m->len;) {
        const size_t body = zn_get_u32(m->bytes + at + 8);
        if (body > m->len - at - FRAME) return;
        zn_put_u64(m->bytes + at, zn_xxh3_64_scalar(m->bytes + at + 8, 8 + body));
        at += FRAME + body;
    }
}

static void change(struct memory *m, const uint8_t *data, size_t len) {
    for (; len >= 3; data += 3, len -= 3) {
        uint8_t *at = m->bytes + zn_get_u16(data) % m->len;
        *at = (uint8_t)(*at + data[2]);
    }
}

/* Puts other steps into the first frame of changes, and ends there. */
static void replace_steps(struct memory *m, const uint8_t *data, size_t len) {
    uint8_t end[END];
    const size_t at = HEAD + FRAME + zn_get_u32(m->bytes + HEAD + 8), steps = at + FRAME + CHANGES;
    memcpy(end, m->bytes + m->len - END, END);
    len = ZN_MIN(len, (size_t)CAP - steps - END);
    memcpy(m->bytes + steps, data, len);
    zn_put_u32(m->bytes + at + 8, (uint32_t)(CHANGES + len));
    m->bytes[at + FRAME + 1] = len && data[0] % 4 ? 1 : 2;
    zn_put_u32(end + FRAME + 4, 1);
    memcpy(m->bytes + steps + len, end, END);
    m->len = steps + len + END;
}

static zipnn_status take(void *user, const zipnn_changes *c, zipnn_error *err) {
    (void)user, (void)err;
    for (uint64_t i = 0; i < c->n; i++)
        if (c->indices[i] >= lens[0] || (i && c->indices[i] <= c->indices[i - 1])) abort();
    return ZIPNN_OK;
}

/* Makes an update one that follows itself. */
static void follow(struct memory *m) {
    if (m->len < HEAD + END) return;
    memcpy(m->bytes + 16, m->bytes + 24, 8);
    memcpy(m->bytes + 32, m->bytes + m->len - ZIPNN_DIGEST_LEN, ZIPNN_DIGEST_LEN);
    seal(m);
}

static void use(zipnn_ctx *ctx, zipnn_update_form form, struct memory *m, struct memory *other) {
    static struct memory following;
    following = *m;
    follow(&following);
    const zipnn_source source = source_of(m), again = source_of(&following);
    const zipnn_sink sink = {.write = write_to, .user = other};
    struct tensors mine, new;
    zipnn_weights *w;
    make(&mine);
    make(&new);
    train(&new);
    if (zipnn_weights_open(ctx, mine.t, N, 0, 0, &w, NULL) != ZIPNN_OK) abort();
    (void)zipnn_update_changes(ctx, w, &source, NULL, take, NULL, NULL, NULL);
    (void)zipnn_update_changes(ctx, NULL, &source, NULL, take, NULL, NULL, NULL);
    const zipnn_status status = zipnn_update_apply(ctx, w, &source, NULL, NULL, NULL);
    /* What is in the head, and so in the fuzzer's hands, may make it another form. */
    if (status == ZIPNN_OK && m->bytes[10] == form && form != ZIPNN_UPDATE_VALUES && !equal(&mine, &new)) {
        struct tensors old;
        make(&old);
        if (!equal(&mine, &old)) abort();
        drop(&old);
    }
    other->len = 0;
    (void)zipnn_update_merge(ctx, &source, &again, &sink, NULL, NULL);
    zipnn_weights_close(w);
    drop(&mine);
    drop(&new);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
    static zipnn_ctx *ctx;
    static struct memory m, other;
    if (!ctx && zipnn_create(NULL, &ctx, NULL) != ZIPNN_OK) abort();
    if (len < 2) return 0;
    const zipnn_update_form form = (zipnn_update_form)(data[0] % FORMS);
    pack(ctx, form, &m);
    if (data[1] % 2)
        change(&m, data + 2, len - 2);
    else
        replace_steps(&m, data + 2, len - 2);
    seal(&m);
    use(ctx, form, &m, &other);
    return 0;
}
