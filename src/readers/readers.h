/* Turns foreign model files into plans. A reader does not fail if it does not understand something: that part of the
 * file, or all of it, stays opaque. While packing, a reader sees only the first ZN_WINDOW bytes of a file, wherever
 * they come from, so that pipes and files give the same plan. When an archive is opened, it sees the whole original. */
#ifndef ZN_READERS_READERS_H
#define ZN_READERS_READERS_H

#include "plan/plan.h"
#include "readers/view.h"

/* Length of the first bytes of a file, by which formats are told apart. */
enum { ZN_SNIFF_LEN = 16 };

/* The longest directory, pickle or header that is read (safetensors has its own limit). A file with a longer one is
 * treated as opaque bytes. */
enum { ZN_MAX_HEAD = 32 << 20 };

/* Number of bytes from the start that readers see of a file while it is packed. */
enum { ZN_WINDOW = ZN_MAX_HEAD };

/* Fills an initialised plan and finishes it; if the file is not understood, the plan stays empty. All work is paid from
 * view->work, or from a purse of its own; what the purse does not pay for is left out. Fails if there is no memory, or
 * if the view fails. */
zipnn_status zn_reader_plan(const struct zn_view *view, struct zn_plan *plan, zipnn_error *err);

/* Does the same for a file inside another. It adds to a plan whose origin and prefix are set, and does not finish it.
 * If the part is not understood, the plan stays as it was, and *container (NULL allowed) is not set. What was read
 * before a limit was reached stays. */
zipnn_status zn_reader_plan_part(const struct zn_view *part, struct zn_plan *plan, const char **container,
                                 zipnn_error *err);

/* Does the same for a member of an archive, bytes [off, off + len) of the view. Its tensors are named "NAME/TENSOR"; the
 * array of a .npy member has the member's name without that ending, as in numpy. A member more than ZN_MAX_INSIDE
 * archives deep is left out. */
enum { ZN_MAX_INSIDE = 3 };
zipnn_status zn_reader_plan_member(const struct zn_view *view, const char *name, uint64_t off, uint64_t len,
                                   struct zn_plan *plan, zipnn_error *err);

#endif
