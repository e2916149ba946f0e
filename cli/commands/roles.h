/* Sums tensors up by what they are for: "layers.*.mlp.gate_proj.weight" stands for that of every layer. */
#ifndef ZIPNN_CLI_ROLES_H
#define ZIPNN_CLI_ROLES_H

#include "commands/profile.h"

/* All tensors of one type whose names differ in nothing but numbers. Entropies are means, weighted by length. */
struct role {
    char *name;        /* "*" stands for their numbers */
    const char *first; /* the name of the first tensor; the archive owns it */
    zipnn_dtype dtype;
    uint64_t n, parameters, length, stored; /* tensors; elements; bytes */
    uint64_t n_shared;                      /* tensors that share chunks with others: `stored` is reckoned by length */
    uint64_t n_looked;                      /* elements that were looked at */
    unsigned bits, exponent_bits, mantissa_bits;
    double sign, exponent, mantissa, needed;
    uint64_t bins[PROFILE_BINS]; /* as of struct profiler */
};

/* So many are told apart; further ones are summed up in one called "(others)". */
enum { MAX_ROLES = 4096 };

struct roles {
    struct role *role;
    size_t n, cap;
    size_t *slots; /* table of hashes */
};

/* Returns what the tensor is for, which the caller frees: its name with "*" for numbers that no letter is next to. */
char *role_of(const char *name);

/* Adds one tensor to the role called `name`, a string that is freed; `shared`: it shares chunks with others; `bins` are the
 * profiler's. A zeroed struct is empty. */
void roles_add(struct roles *roles, char *name, const struct profile *p, bool shared,
               const uint64_t bins[PROFILE_BINS]);

/* Puts the longest first. Nothing may be added afterwards. */
void roles_sort(struct roles *roles);

/* Returns the number of elements of all tensors. */
uint64_t roles_parameters(const struct roles *roles);

void roles_free(struct roles *roles);

/* Returns what to call the role: if it is one tensor, its name. */
const char *role_name(const struct role *r);

/* Returns the role's `needed` as a share of all bits, 0 to 1. */
double role_share(const struct role *r);

/* Returns the number of elements of a tensor, UINT64_MAX if that is more. */
uint64_t tensor_parameters(const zipnn_tensor_info *t);

/* Finds the number in a name that tells layers apart: the first that no letter is next to. Returns where it begins, NULL
 * for none, and its end. */
const char *name_number(const char *name, const char **end);

#endif
