/* Zip archives: PyTorch's checkpoints and TorchScript, npz, zips of model files, and several archives in a row as
 * torch.distributed.checkpoint writes them. Only members that are stored, not compressed, are looked into. */
#ifndef ZN_READERS_ZIP_H
#define ZN_READERS_ZIP_H

#include "plan/plan.h"
#include "readers/view.h"

bool zn_zip_knows(const uint8_t *head, size_t len);

/* Adds what the members hold. Of an archive whose end is out of sight only what its beginning tells. */
zipnn_status zn_zip_plan(const struct zn_view *view, struct zn_plan *plan, const char **container, zipnn_error *err);

/* ---- inside: zip.c finds members, zip_members.c looks into them; zip_front.c does with the beginning alone */

struct zn_member {
    const char *name;  /* NUL-terminated; of members in one directory, in its order */
    size_t folder_len; /* of what the name begins with up to its last slash */
    uint64_t header;   /* offset of its local header in the view; UINT64_MAX for one that is not stored */
    uint64_t off, len;
    bool stored;     /* and its place makes sense */
    bool superseded; /* a later member has this name */
    bool done;       /* planned, or part of what was */
};

/* `members` are in the order of their offsets. */
zipnn_status zn_zip_plan_members(const struct zn_view *view, struct zn_member *members, size_t n, struct zn_plan *plan,
                                 const char **container, zipnn_error *err);

/* One that is not part of a checkpoint. */
zipnn_status zn_zip_plan_member(const struct zn_view *view, const struct zn_member *m, struct zn_plan *plan,
                                zipnn_error *err);

/* Of an archive whose end is out of sight. */
zipnn_status zn_zip_plan_front(const struct zn_view *view, struct zn_plan *plan, const char **container,
                               zipnn_error *err);

#endif
