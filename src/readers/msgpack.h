/* Reads MessagePack files of models: dictionaries whose arrays are extensions, as Flax writes them, or dictionaries, as
 * the Python package msgpack-numpy does. */
#ifndef ZN_READERS_MSGPACK_H
#define ZN_READERS_MSGPACK_H

#include "plan/plan.h"
#include "readers/view.h"

bool zn_msgpack_knows(const uint8_t *head, size_t len);
zipnn_status zn_msgpack_plan(const struct zn_view *view, struct zn_plan *plan, const char **container,
                             zipnn_error *err);

#endif
