/* Reads what torch.export says of the weights in a .pt2 file: a member of JSON names the members that hold tensors. */
#ifndef ZN_READERS_PT2_H
#define ZN_READERS_PT2_H

#include "readers/zip.h"

/* Returns whether a member lists weights or constants. */
bool zn_pt2_is_list(const struct zn_member *m);

/* Adds the tensors that the list names. `by_name` has the members in the order of zn_zip_find. Members that are in the
 * plan then are done. A list that is not understood adds nothing. */
zipnn_status zn_pt2_plan(const struct zn_view *view, const struct zn_member *list, struct zn_member *const *by_name,
                         size_t n, struct zn_plan *plan, zipnn_error *err);

#endif
