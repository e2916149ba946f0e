/* Foreign model files -> plans. A reader never fails for what it does not understand: that part of the file, or all of
 * it, stays opaque.
 *
 * A file that is packed is seen up to ZN_WINDOW bytes only, wherever it comes from, so pipes and files give the same
 * plan. An archive that is opened shows the whole original. */
#ifndef ZN_READERS_READERS_H
#define ZN_READERS_READERS_H

#include "plan/plan.h"
#include "readers/view.h"

/* A file's first bytes, by which formats are told apart. */
enum { ZN_SNIFF_LEN = 16 };

/* Longest directory, pickle or header (but for safetensors') that is read; a file with a longer one is taken as opaque
 * bytes. */
enum { ZN_MAX_HEAD = 32 << 20 };

/* Bytes from the start that are seen of a file being packed. */
enum { ZN_WINDOW = ZN_MAX_HEAD };

/* Fills an initialised plan and finishes it; files that are not understood leave it empty. All of it is paid from
 * view->work, or from a purse of its own; what that does not pay for is left out. Fails for lack of memory or when the
 * view does. */
zipnn_status zn_reader_plan(const struct zn_view *view, struct zn_plan *plan, zipnn_error *err);

/* The same for a file inside another: adds to a plan whose origin and prefix are set, which is not finished, and leaves
 * it as it was when the part is not understood; *container, which may be NULL, is then not set either. What was read
 * before a limit stays. */
zipnn_status zn_reader_plan_part(const struct zn_view *part, struct zn_plan *plan, const char **container,
                                 zipnn_error *err);

#endif
