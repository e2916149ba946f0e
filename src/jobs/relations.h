/* What the encoder knows about bytes that resemble others: links, and the bases they lead to. It is known before the
 * first chunk. */
#ifndef ZN_JOBS_RELATIONS_H
#define ZN_JOBS_RELATIONS_H

#include "archive/original.h"
#include "plan/links.h"
#include "workers/job.h"

struct zn_relations {
    struct zn_links links;
    const struct zn_original *bases[ZN_MAX_BASES]; /* by link.source - 1 */
    struct zn_base_record *records;                /* as many; of the caller */
    unsigned n_bases;
};

/* Finds tensors that repeat an earlier one, byte for byte, and links them. The input is random-access. This takes a few
 * reads for each pair of equally long tensors, and a pass over those that look the same. */
zipnn_status zn_relate_repeats(const struct zn_engine *e, const struct zn_plan *plan, const struct zn_input *in,
                               struct zn_links *links, zipnn_error *err);

/* Readies the workers for encoding by these relations; NULL for none. */
zipnn_status zn_relations_prepare(struct zn_engine *e, const struct zn_relations *relations, zipnn_error *err);

/* Links the first moments of an optimiser's state, known by their names, to the second ones. Call it after
 * zn_relate_repeats; it leaves the links found there alone. */
zipnn_status zn_relate_moments(const struct zn_engine *e, const struct zn_plan *plan, uint64_t file_len,
                               struct zn_links *links, zipnn_error *err);

/* Links tensors that resemble another one of the file, and slices of stacked ones, to that one. What is linked to by such
 * a link is linked to nothing in this file. Call it last: it leaves the links found before alone, but that repeats of a
 * tensor that is linked now are linked to the same place; and it links a tensor that resembles a base only if another
 * one is much nearer. This takes four short reads for each tensor of 16 KiB or more that is not the only one of its type
 * and length. */
zipnn_status zn_relate_similar(const struct zn_engine *e, const struct zn_plan *plan, const struct zn_input *in,
                               struct zn_links *links, zipnn_error *err);

/* Links floats that are casts of others of the file to those: weights of 16 bits to their masters. Call it last; it leaves
 * the links found before alone. This takes a short read for each tensor of 16 KiB or more whose number of elements a
 * tensor of another type has, too. */
zipnn_status zn_relate_casts(const struct zn_engine *e, const struct zn_plan *plan, const struct zn_input *in,
                             struct zn_links *links, zipnn_error *err);

/* A model whose bytes can be read one range after the other. */
struct zn_model {
    const struct zn_plan *plan;
    uint64_t length;
    zipnn_status (*read)(void *user, uint64_t off, size_t len, uint8_t *dst, zipnn_error *err);
    void *user;
};

/* The best matches found so far for the tensors of a model. */
struct zn_matches {
    zipnn_allocator alloc;
    const struct zn_model *model;
    struct zn_match {
        uint64_t len;      /* length inside the file */
        uint64_t ref_off;  /* offset of the bytes that [at, at + run) of it resemble */
        uint64_t at, run;  /* the whole tensor, unless rows were added to it */
        uint32_t distance; /* distance to them; NOT_MATCHED: none */
        uint8_t source;    /* 0: nothing */
        uint8_t *samples;  /* NULL: the tensor is too short */
        struct zn_match_cast {
            uint8_t number, from, to; /* as in struct zn_link */
        } cast;
        struct zn_match_view {
            uint8_t form, width;
            uint32_t row, stride;
        } view;
    } * match;             /* one per tensor of the plan */
    void *memory;          /* memory of the samples */
    bool with_parts;       /* chunks may refer to parts of a base, and to bytes that are cast */
    struct zn_links parts; /* what was found elsewhere in the bases, byte by byte */
};

/* Samples the model's tensors; with parts also small ones. zn_matches_end accepts a zeroed struct. */
zipnn_status zn_matches_begin(const zipnn_allocator *alloc, const struct zn_model *model, bool parts,
                              struct zn_matches *m, zipnn_error *err);
void zn_matches_end(struct zn_matches *m);

/* Looks in a base for the tensor that resembles each tensor of the model most: by name, then by type, length and
 * content. A match that is nearer than those in earlier bases replaces them. */
zipnn_status zn_matches_add(struct zn_matches *m, const struct zn_model *base, uint8_t source, zipnn_error *err);

/* What resembles no base yet: tensors, parts of tensors, or the whole of a file without tensors. */
struct zn_gaps {
    zipnn_allocator alloc;
    struct zn_gap {
        uint64_t off, len;
        zipnn_dtype dtype;
    } * gap; /* in ascending order, not overlapping; zn_free it */
    size_t n, cap;
};

/* Lists the gaps after the last zn_matches_add. */
zipnn_status zn_matches_gaps(struct zn_matches *m, struct zn_gaps *gaps, zipnn_error *err);

/* Looks in a base for the bytes of the gaps, wherever they are: rows of another tensor, a tensor within a longer one, a
 * file without tensors. What is found is no gap any more. Takes a pass over the base, and at most one over the gaps. */
zipnn_status zn_matches_add_parts(struct zn_matches *m, const struct zn_model *base, uint8_t source,
                                  struct zn_gaps *gaps, zipnn_error *err);

/* Forgets what was found in the bases. */
void zn_matches_reset(struct zn_matches *m);

/* Returns how much the tensors have in common with the bases: the sum of their bytes, weighted by nearness; 0 if
 * nothing is near. */
uint64_t zn_matches_gain(const struct zn_matches *m);

/* Links each tensor to what it was found to be like, if it is likely to gain. */
zipnn_status zn_matches_link(const struct zn_matches *m, struct zn_links *links, zipnn_error *err);

#endif
