/* Operations on whole updates. zipnn/sync.h says what they do. */
#ifndef ZN_SYNC_UPDATES_H
#define ZN_SYNC_UPDATES_H

#include "sync/update_format.h"

/* What is to be packed. */
struct zn_update_request {
    zipnn_update_form form;
    uint64_t version;
    const void *note;
    uint32_t note_len;
    bool keep_base;
};

zipnn_status zn_update_pack(const struct zn_job *job, zipnn_weights *base, const zipnn_tensor *tensors, size_t n,
                            const struct zn_update_request *request, const struct zn_output *out,
                            zipnn_update_stats *stats, zipnn_error *err);

zipnn_status zn_update_apply(const struct zn_job *job, zipnn_weights *weights, struct zn_input *in,
                             const zipnn_update_listener *listener, zipnn_update_stats *stats, zipnn_error *err);

typedef zipnn_status zn_changes_fn(void *user, const zipnn_changes *changes, zipnn_error *err);

zipnn_status zn_update_changes(const struct zn_job *job, const zipnn_weights *base, struct zn_input *in,
                               const zipnn_update_listener *listener, zn_changes_fn *take, void *user,
                               zipnn_update_stats *stats, zipnn_error *err);

zipnn_status zn_update_merge(const struct zn_job *job, struct zn_input *first, struct zn_input *second,
                             const struct zn_output *out, zipnn_update_stats *stats, zipnn_error *err);

/* Tells the listener what the update says of itself. */
zipnn_status zn_update_tell(const struct zn_update_reader *r, const zipnn_update_listener *listener, zipnn_error *err);

/* ZIPNN_E_BASE unless the weights are those that the update leads from, and it is a DIFFERENCE. */
zipnn_status zn_update_suits(const struct zn_update_head *head, const zipnn_weights *weights, zipnn_error *err);

#endif
