/* make_model FILE [LAYERS]: writes a synthetic bf16 safetensors file with the tensors of a small Llama.
 *
 * 16 layers (the default) give 300 MB. The weights are Gaussian rows of sigma 0.02 with a log-normal scale (0.3) for
 * each row, as trained matrices roughly are; norms lie near 1. The same arguments give the same weights.
 */
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HIDDEN = 768, KV = 256, MLP = 2048, VOCAB = 32000, MAX_LAYERS = 1000, PER_LAYER = 9 };

struct tensor {
    const char *name;    /* printf pattern with the layer's number in it, or none */
    uint32_t rows, cols; /* rows 0: a vector of norms */
};

static const struct tensor outer[] = {
    {"lm_head.weight", VOCAB, HIDDEN}, {"model.embed_tokens.weight", VOCAB, HIDDEN}, {"model.norm.weight", 0, HIDDEN}};

static const struct tensor layer[PER_LAYER] = {
    {"input_layernorm", 0, HIDDEN},       {"mlp.down_proj", HIDDEN, MLP},          {"mlp.gate_proj", MLP, HIDDEN},
    {"mlp.up_proj", MLP, HIDDEN},         {"post_attention_layernorm", 0, HIDDEN}, {"self_attn.k_proj", KV, HIDDEN},
    {"self_attn.o_proj", HIDDEN, HIDDEN}, {"self_attn.q_proj", HIDDEN, HIDDEN},    {"self_attn.v_proj", KV, HIDDEN}};

static size_t n_elements(const struct tensor *t) {
    return (size_t)(t->rows ? t->rows : 1) * t->cols;
}

/* ---- random numbers ---------------------------------------------------------------------------------------------- */

/* quantile[o][s] is the normal quantile of the upper tail 2^-(o + 2) * (1 + s / 64): as fine far out in the tail as in
 * the middle. Between two of them, a straight line. */
enum { OCTAVES = 32, STEPS = 64 };

struct rng {
    uint64_t state;
    float quantile[OCTAVES][STEPS + 1];
};

/* Newton's method on the logarithm of the tail. */
static double tail_quantile(double p) {
    double x = 0, step = 1;
    for (int i = 0; i < 50 && fabs(step) > 1e-12; i++) {
        double tail = 0.5 * erfc(x / sqrt(2)), density = exp(-x * x / 2) / sqrt(2 * acos(-1));
        step = (log(tail) - log(p)) * tail / density;
        x += step;
    }
    return x;
}

static void rng_init(struct rng *r, uint64_t seed) {
    r->state = seed;
    for (int o = 0; o < OCTAVES; o++)
        for (int s = 0; s <= STEPS; s++) r->quantile[o][s] = (float)tail_quantile(ldexp(1 + s / (double)STEPS, -o - 2));
}

/* splitmix64 */
static uint64_t next_u64(struct rng *r) {
    uint64_t z = r->state += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

/* A standard normal number of 32 random bits: one for the sign, the others choose a tail probability. */
static float normal(const struct rng *r, uint32_t bits) {
    uint32_t tail = bits << 1 | 1;
    int octave = __builtin_clz(tail);
    uint32_t within = tail << octave << 1; /* position between two powers of two, 32 bits */
    const float *q = r->quantile[octave] + (within >> 26);
    float x = q[0] + (q[1] - q[0]) * (float)(within & 0x3ffffff) * 0x1p-26f;
    return bits >> 31 ? -x : x;
}

static uint16_t bf16_of(float x) {
    uint32_t b;
    memcpy(&b, &x, sizeof b);
    return (uint16_t)((b + 0x7fff + (b >> 16 & 1)) >> 16);
}

/* cols is even for every tensor here. */
static void fill_row(struct rng *r, uint16_t *row, size_t cols, float mean, float sigma) {
    for (size_t i = 0; i < cols; i += 2) {
        uint64_t bits = next_u64(r);
        row[i] = bf16_of(mean + sigma * normal(r, (uint32_t)bits));
        row[i + 1] = bf16_of(mean + sigma * normal(r, (uint32_t)(bits >> 32)));
    }
}

/* ---- the file ---------------------------------------------------------------------------------------------------- */

struct header {
    char text[MAX_LAYERS * PER_LAYER * 140 + 1000]; /* an entry of the longest name and numbers has 131 bytes */
    size_t len;
    uint64_t off; /* of the next tensor's data */
};

__attribute__((format(printf, 2, 3))) static void append(struct header *h, const char *format, ...) {
    va_list args;
    va_start(args, format);
    int n = vsnprintf(h->text + h->len, sizeof h->text - h->len, format, args);
    va_end(args);
    h->len += (size_t)n;
}

static void describe(struct header *h, const struct tensor *t, int at_layer) {
    uint64_t end = h->off + 2 * n_elements(t);
    append(h, ",\"");
    if (at_layer < 0)
        append(h, "%s", t->name);
    else
        append(h, "model.layers.%d.%s.weight", at_layer, t->name);
    append(h, "\":{\"dtype\":\"BF16\",\"shape\":[");
    if (t->rows) append(h, "%" PRIu32 ",", t->rows);
    append(h, "%" PRIu32 "],\"data_offsets\":[%" PRIu64 ",%" PRIu64 "]}", t->cols, h->off, end);
    h->off = end;
}

static void write_tensor(FILE *f, struct rng *r, const struct tensor *t) {
    uint16_t row[MLP];
    for (uint32_t i = 0; i < (t->rows ? t->rows : 1); i++) {
        float scale = expf(0.3f * normal(r, (uint32_t)next_u64(r)));
        fill_row(r, row, t->cols, t->rows ? 0 : 1, t->rows ? 0.02f * scale : 0.05f);
        fwrite(row, 2, t->cols, f);
    }
}

static void write_header(FILE *f, struct header *h, int n_layers) {
    append(h, "{\"__metadata__\":{\"format\":\"pt\"}");
    for (size_t i = 0; i < sizeof outer / sizeof *outer; i++) describe(h, &outer[i], -1);
    for (int l = 0; l < n_layers; l++)
        for (int i = 0; i < PER_LAYER; i++) describe(h, &layer[i], l);
    append(h, "}");
    while (h->len % 8) append(h, " ");
    for (int i = 0; i < 8; i++) fputc((int)(h->len >> 8 * i & 255), f);
    fwrite(h->text, 1, h->len, f);
}

static void write_data(FILE *f, struct rng *r, int n_layers) {
    for (size_t i = 0; i < sizeof outer / sizeof *outer; i++) write_tensor(f, r, &outer[i]);
    for (int l = 0; l < n_layers; l++)
        for (int i = 0; i < PER_LAYER; i++) write_tensor(f, r, &layer[i]);
}

int main(int argc, char **argv) {
    int n_layers = argc == 3 ? atoi(argv[2]) : 16;
    if (argc < 2 || argc > 3 || n_layers < 0 || n_layers > MAX_LAYERS) {
        fprintf(stderr, "usage: make_model FILE [LAYERS]\n");
        return 2;
    }
    struct header *h = calloc(1, sizeof *h);
    struct rng *r = calloc(1, sizeof *r);
    FILE *f = fopen(argv[1], "wb");
    if (!h || !r || !f) {
        perror(argv[1]);
        return 1;
    }
    rng_init(r, 2411);
    write_header(f, h, n_layers);
    write_data(f, r, n_layers);
    int failed = ferror(f);
    failed |= fclose(f);
    if (failed) perror(argv[1]);
    free(r);
    free(h);
    return failed != 0;
}
