/* Reads the JSON header of a safetensors file in one pass. Texts are kept as they are written and never interpreted, so
 * names and metadata keep their very bytes in a restored file. */
#include "base/cur.h"
#include "legacy/tensor_file.h"

#define OWN_KEY "\"znn_compressed_vectors\""

struct scan {
    struct zn_cur cur;
    struct zn_tensor_file *f;
    zipnn_status status;
    zipnn_error *err;
};

static bool text_is(const struct zn_old_text *t, const char *literal) {
    return t->len == strlen(literal) && memcmp(t->at, literal, t->len) == 0;
}

/* Returns the next byte that is not white space, and stays before it; 0 at the end. */
static char peek(struct zn_cur *c) {
    while (c->at < c->end && (*c->at == ' ' || *c->at == '\t' || *c->at == '\n' || *c->at == '\r')) c->at++;
    return c->at < c->end ? (char)*c->at : '\0';
}

static bool take_char(struct zn_cur *c, char expected) {
    if (peek(c) != expected) return false;
    c->at++;
    return true;
}

/* Takes a string with its quotes. */
static bool take_string(struct zn_cur *c, struct zn_old_text *t) {
    if (peek(c) != '"') return false;
    const uint8_t *start = c->at++;
    while (c->at < c->end && *c->at != '"') c->at += *c->at == '\\' && c->end - c->at > 1 ? 2 : 1;
    if (c->at >= c->end) return false;
    c->at++;
    *t = (struct zn_old_text){(const char *)start, (size_t)(c->at - start)};
    return true;
}

static bool take_u64(struct zn_cur *c, uint64_t *value) {
    const char first = peek(c);
    if (first < '0' || first > '9') return false;
    for (*value = 0; c->at < c->end && *c->at >= '0' && *c->at <= '9'; c->at++)
        if (!zn_mul(*value, 10, value) || !zn_add(*value, (uint64_t)(*c->at - '0'), value)) return false;
    return true;
}

/* Takes an array of numbers: their number, and the first two of them. */
static bool take_numbers(struct zn_cur *c, size_t *n, uint64_t values[2], struct zn_old_text *t) {
    uint64_t value;
    *n = 0;
    if (!take_char(c, '[')) return false;
    t->at = (const char *)c->at - 1;
    if (peek(c) != ']') {
        do {
            if (!take_u64(c, &value)) return false;
            if (*n < 2) values[*n] = value;
            ++*n;
        } while (take_char(c, ','));
    }
    if (!take_char(c, ']')) return false;
    t->len = (size_t)((const char *)c->at - t->at);
    return true;
}

/* ---- a tensor */

static bool take_field(struct zn_cur *c, struct zn_old_tensor *t, unsigned *seen) {
    struct zn_old_text key, span;
    uint64_t values[2];
    size_t n;
    if (!take_string(c, &key) || !take_char(c, ':')) return false;
    if (text_is(&key, "\"dtype\"")) {
        *seen |= 1;
        return take_string(c, &t->dtype);
    }
    if (text_is(&key, "\"shape\"")) {
        *seen |= 2;
        if (!take_numbers(c, &n, values, &t->shape)) return false;
        t->one_dim = n == 1;
        return true;
    }
    *seen |= 4;
    if (!text_is(&key, "\"data_offsets\"") || !take_numbers(c, &n, values, &span)) return false;
    if (n != 2 || values[0] > values[1]) return false;
    t->at = values[0];
    t->len = values[1] - values[0];
    return true;
}

static bool take_tensor(struct scan *s, const struct zn_old_text *name) {
    struct zn_tensor_file *f = s->f;
    struct zn_old_tensor t = {.name = *name};
    unsigned seen = 0;
    if (!take_char(&s->cur, '{')) return false;
    do {
        if (!take_field(&s->cur, &t, &seen)) return false;
    } while (take_char(&s->cur, ','));
    if (!take_char(&s->cur, '}') || seen != 7) return false;
    void *tensors = f->tensors;
    s->status = zn_grow(&f->alloc, &tensors, &f->tensors_cap, f->n_tensors + 1, sizeof t, s->err);
    f->tensors = tensors;
    if (s->status != ZIPNN_OK) return false;
    f->tensors[f->n_tensors++] = t;
    return true;
}

/* ---- metadata */

/* Writes a string's text without its escapes, for counting only: a character that is not ASCII becomes "?". */
static size_t unescape(const struct zn_old_text *t, char *to) {
    size_t n = 0;
    for (size_t i = 1; i + 1 < t->len; i++) {
        char c = t->at[i];
        if (c == '\\' && i + 2 < t->len) {
            c = t->at[++i];
            if (c == 'u') {
                const bool ascii = i + 4 < t->len && memcmp(t->at + i + 1, "00", 2) == 0;
                const bool quote = ascii && memcmp(t->at + i + 3, "22", 2) == 0;
                i += ZN_MIN((size_t)4, t->len - 2 - i);
                c = quote ? '"' : '?';
            } else if (c == 'n' || c == 't' || c == 'r') {
                c = ' ';
            }
        }
        to[n++] = c;
    }
    return n;
}

/* Counts the names in {"name": {"dtype": "...", "shape": "..."}, ...}. */
static bool count_names(struct zn_cur *c, size_t *n) {
    struct zn_old_text key, value;
    *n = 0;
    if (!take_char(c, '{')) return false;
    if (take_char(c, '}')) return true;
    do {
        if (!take_string(c, &key) || !take_char(c, ':') || !take_char(c, '{')) return false;
        do {
            if (!take_string(c, &key) || !take_char(c, ':') || !take_string(c, &value)) return false;
        } while (take_char(c, ','));
        if (!take_char(c, '}')) return false;
        ++*n;
    } while (take_char(c, ','));
    return take_char(c, '}');
}

/* Reads the package's own list. */
static bool read_list(struct scan *s, const struct zn_old_text *value) {
    struct zn_tensor_file *f = s->f;
    char *plain = zn_alloc(&f->alloc, value->len);
    if (!plain) {
        s->status = zn_fail(s->err, ZIPNN_E_MEMORY, ZN_NOWHERE, "out of memory for a list of %zu bytes", value->len);
        return false;
    }
    struct zn_cur c = zn_cur_of(plain, unescape(value, plain));
    const bool valid = count_names(&c, &f->n_listed);
    zn_free(&f->alloc, plain);
    f->listed = true;
    return valid;
}

static bool take_pair(struct scan *s) {
    struct zn_tensor_file *f = s->f;
    struct zn_old_text key, value;
    if (!take_string(&s->cur, &key) || !take_char(&s->cur, ':') || !take_string(&s->cur, &value)) return false;
    if (text_is(&key, OWN_KEY)) return read_list(s, &value);
    void *metadata = f->metadata;
    s->status = zn_grow(&f->alloc, &metadata, &f->metadata_cap, f->n_metadata + 2, sizeof key, s->err);
    f->metadata = metadata;
    if (s->status != ZIPNN_OK) return false;
    f->metadata[f->n_metadata++] = key;
    f->metadata[f->n_metadata++] = value;
    return true;
}

static bool take_metadata(struct scan *s) {
    if (!take_char(&s->cur, '{')) return false;
    if (take_char(&s->cur, '}')) return true;
    do {
        if (!take_pair(s)) return false;
    } while (take_char(&s->cur, ','));
    return take_char(&s->cur, '}');
}

bool zn_tensor_header_read(struct zn_tensor_file *f, zipnn_status *status, zipnn_error *err) {
    struct scan s = {.cur = zn_cur_of(f->text, f->text_len), .f = f, .status = ZIPNN_OK, .err = err};
    struct zn_old_text name;
    bool valid = take_char(&s.cur, '{');
    if (valid && peek(&s.cur) != '}') {
        do {
            valid = take_string(&s.cur, &name) && take_char(&s.cur, ':') &&
                    (text_is(&name, "\"__metadata__\"") ? take_metadata(&s) : take_tensor(&s, &name));
        } while (valid && take_char(&s.cur, ','));
    }
    *status = s.status;
    return valid && take_char(&s.cur, '}') && peek(&s.cur) == 0 && zn_cur_left(&s.cur) == 0;
}
