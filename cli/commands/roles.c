#include "commands/roles.h"

#include <stdlib.h>
#include <string.h>

#include "shared/text.h"

enum { N_SLOTS = 4 * MAX_ROLES };

uint64_t tensor_parameters(const zipnn_tensor_info *t) {
    uint64_t n = 1;
    for (uint32_t i = 0; i < t->rank; i++) {
        if (t->shape[i] && n > UINT64_MAX / t->shape[i]) return UINT64_MAX;
        n *= t->shape[i];
    }
    return n;
}

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

static bool is_letter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

const char *name_number(const char *name, const char **end) {
    char before = '\0';
    while (*name) {
        const char *first = name;
        while (is_digit(*name)) name++;
        *end = name;
        if (name > first && !is_letter(before) && !is_letter(*name)) return first;
        if (*name) before = *name++;
    }
    return NULL;
}

char *role_of(const char *name) {
    char *pattern = text_realloc(NULL, strlen(name) + 1), *to = pattern;
    const char *end, *number;
    while ((number = name_number(name, &end)) != NULL) {
        memcpy(to, name, (size_t)(number - name));
        to += number - name;
        *to++ = '*';
        name = end;
    }
    memcpy(to, name, strlen(name) + 1);
    return pattern;
}

static size_t hash(const char *text, zipnn_dtype dtype) {
    uint64_t h = 1469598103934665603U + (unsigned)dtype; /* FNV-1a */
    for (; *text; text++) h = (h ^ (unsigned char)*text) * 1099511628211U;
    return (size_t)(h % N_SLOTS);
}

/* Returns the role of this pattern, which it takes over; a new one is empty. */
static struct role *find(struct roles *roles, char *pattern, zipnn_dtype dtype) {
    if (!roles->slots) {
        roles->slots = text_realloc(NULL, N_SLOTS * sizeof roles->slots[0]);
        memset(roles->slots, 0, N_SLOTS * sizeof roles->slots[0]);
    }
    size_t slot = hash(pattern, dtype);
    for (; roles->slots[slot]; slot = (slot + 1) % N_SLOTS) {
        struct role *r = &roles->role[roles->slots[slot] - 1];
        if (r->dtype != dtype || strcmp(r->name, pattern) != 0) continue;
        free(pattern);
        return r;
    }
    if (roles->n == roles->cap) {
        roles->cap = roles->cap ? 2 * roles->cap : 64;
        roles->role = text_realloc(roles->role, roles->cap * sizeof roles->role[0]);
    }
    roles->slots[slot] = roles->n + 1;
    roles->role[roles->n] = (struct role){.name = pattern, .dtype = dtype};
    return &roles->role[roles->n++];
}

/* The mean over `before` bytes and `length` more. */
static void mean(double *of, double value, double before, double length) {
    if (before + length > 0) *of = (*of * before + value * length) / (before + length);
}

void roles_add(struct roles *roles, char *name, const struct profile *p, bool shared,
               const uint64_t bins[PROFILE_BINS]) {
    const zipnn_tensor_info *t = &p->tensor;
    const bool full = roles->n >= MAX_ROLES; /* there are few types, so few roles come after that */
    if (full) free(name);
    struct role *r = find(roles, full ? text_join("(others)", "", "") : name, t->dtype);
    const double before = (double)r->length, length = p->n_elements ? (double)t->length : 0;
    const uint64_t parameters = tensor_parameters(t);
    mean(&r->sign, p->sign, before, length);
    mean(&r->exponent, p->exponent, before, length);
    mean(&r->mantissa, p->mantissa, before, length);
    mean(&r->needed, p->needed, before, length);
    r->parameters = parameters > UINT64_MAX - r->parameters ? UINT64_MAX : r->parameters + parameters;
    if (r->n++ == 0) r->first = t->name;
    r->n_shared += shared;
    r->length += t->length;
    r->stored += t->stored;
    r->n_looked += p->n_elements;
    if (p->n_elements == 0) return;
    r->bits = p->bits;
    r->exponent_bits = p->exponent_bits;
    r->mantissa_bits = p->mantissa_bits;
    for (unsigned b = 0; b < PROFILE_BINS; b++) r->bins[b] += bins[b];
}

const char *role_name(const struct role *r) {
    return r->n == 1 ? r->first : r->name;
}

double role_share(const struct role *r) {
    return r->bits ? r->needed / r->bits : 1;
}

static int longest_first(const void *a, const void *b) {
    const struct role *x = a, *y = b;
    if (x->length != y->length) return x->length > y->length ? -1 : 1;
    const int order = strcmp(x->name, y->name);
    return order ? order : (x->dtype > y->dtype) - (x->dtype < y->dtype);
}

void roles_sort(struct roles *roles) {
    if (roles->n) qsort(roles->role, roles->n, sizeof roles->role[0], longest_first);
}

uint64_t roles_parameters(const struct roles *roles) {
    uint64_t n = 0;
    for (size_t i = 0; i < roles->n; i++) {
        const uint64_t more = roles->role[i].parameters;
        n = more > UINT64_MAX - n ? UINT64_MAX : n + more;
    }
    return n;
}

void roles_free(struct roles *roles) {
    for (size_t i = 0; i < roles->n; i++) free(roles->role[i].name);
    free(roles->role);
    free(roles->slots);
    *roles = (struct roles){.n = 0};
}
