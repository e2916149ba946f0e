/* Reads zip archives: PyTorch's checkpoints and TorchScript, npz, zips of model files, and several archives in a row as
 * torch.distributed.checkpoint writes them. Only stored members are looked into, not compressed ones. */
#ifndef ZN_READERS_ZIP_H
#define ZN_READERS_ZIP_H

#include "plan/plan.h"
#include "readers/view.h"

bool zn_zip_knows(const uint8_t *head, size_t len);

/* Adds the contents of the members. If the archive's end is out of sight, only what its beginning shows is added. */
zipnn_status zn_zip_plan(const struct zn_view *view, struct zn_plan *plan, const char **container, zipnn_error *err);

/* ---- inside: zip.c finds members, zip_members.c looks into them, zip_front.c plans from the beginning alone ---- */

struct zn_member {
    const char *name;  /* ends with a zero; names of one directory lie in its order */
    size_t folder_len; /* length of the name up to and with its last slash */
    uint64_t header;   /* offset of its local header in the view; UINT64_MAX if it is not stored */
    uint64_t off, len;
    bool stored;     /* its bytes are stored, and their place makes sense */
    bool superseded; /* a later member has this name */
    bool done;       /* it is in the plan, or is part of something that is */
};

/* `members` are in the order of their offsets. */
zipnn_status zn_zip_plan_members(const struct zn_view *view, struct zn_member *members, size_t n, struct zn_plan *plan,
                                 const char **container, zipnn_error *err);

/* Adds a member that is not part of a checkpoint. */
zipnn_status zn_zip_plan_member(const struct zn_view *view, const struct zn_member *m, struct zn_plan *plan,
                                zipnn_error *err);

/* Finds the member `base` in the folder of another one. `by_name` has all members in the order of folder and name. */
struct zn_member *zn_zip_find(struct zn_member *const *by_name, size_t n, const struct zn_member *beside,
                              const char *base, size_t len);

/* Adds what the beginning of an archive shows, when its end is out of sight. */
zipnn_status zn_zip_plan_front(const struct zn_view *view, struct zn_plan *plan, const char **container,
                               zipnn_error *err);

#endif
