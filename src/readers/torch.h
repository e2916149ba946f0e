/* PyTorch's checkpoints: a pickle whose tensors name storages, and the storages' bytes elsewhere. */
#ifndef ZN_READERS_TORCH_H
#define ZN_READERS_TORCH_H

#include "plan/plan.h"
#include "readers/pickle.h"

/* The place of a storage's bytes. */
struct zn_stored {
    const char *key;   /* its name in the pickle */
    uint64_t off, len; /* in the file */
    const char *name;  /* names the bytes that no contiguous tensor of it covers */
    bool big_endian;
};

/* Adds the arrays of a pickle that was read to the plan: tensors in `stored`, which is sorted by key, and arrays inside
 * the pickle. Of a storage, what no contiguous tensor covers is added under the storage's name. Tensors that are views
 * of bytes which others have, or not row after row, are added as aliases. */
zipnn_status zn_torch_add(struct zn_pickle *p, const struct zn_stored *stored, size_t n, struct zn_plan *plan,
                          zipnn_error *err);

/* Sorts storages by key, as zn_torch_add needs them. */
void zn_torch_sort(struct zn_stored *stored, size_t n);

/* Collects every storage that the pickle names, once, sorted and without a place. Free the result with zn_free. */
#define ZN_UNPLACED UINT64_MAX
zipnn_status zn_torch_list(struct zn_pickle *p, struct zn_stored **stored, size_t *n, zipnn_error *err);

/* Returns the storage of a key, or NULL. */
struct zn_stored *zn_torch_find(const struct zn_stored *stored, size_t n, const char *key);

/* Drops the storages without a place. Returns how many remain. */
size_t zn_torch_drop_unplaced(struct zn_stored *stored, size_t n);

/* Reads files of PyTorch before 1.6: five pickles (magic number, version, system, object, keys of storages), then of
 * each storage its number of elements and their bytes. */
bool zn_torch_knows_old(const uint8_t *head, size_t len);
zipnn_status zn_torch_plan_old(const struct zn_view *view, struct zn_plan *plan, const char **container,
                               zipnn_error *err);

/* Reads any other pickle, for the arrays of numpy in it. */
bool zn_torch_knows_pickle(const uint8_t *head, size_t len);
zipnn_status zn_torch_plan_pickle(const struct zn_view *view, struct zn_plan *plan, const char **container,
                                  zipnn_error *err);

#endif
