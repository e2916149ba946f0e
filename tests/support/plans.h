/* Makes plans of files in memory. */
#ifndef ZN_TESTS_SUPPORT_PLANS_H
#define ZN_TESTS_SUPPORT_PLANS_H

#include "readers/readers.h"

/* Plans the file that has these bytes, into a plan that is not initialised. */
zipnn_status zt_plan(const uint8_t *bytes, size_t len, const zipnn_allocator *alloc, struct zn_plan *plan);

/* Does the same with malloc, when only the first `len` bytes of a file can be seen. It must succeed. */
struct zn_plan zt_plan_of(const uint8_t *bytes, size_t len, enum zn_view_end end);

/* Does the same, and pays from a purse. */
struct zn_plan zt_plan_paid(const uint8_t *bytes, size_t len, enum zn_view_end end, struct zn_work *work);

/* Returns an allocator that uses malloc while *left is above 0. Each call decreases *left. */
zipnn_allocator zt_budget(int *left);

#endif
