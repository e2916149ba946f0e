/* The bytes of updates: head, list, frames and end (doc/sync.md). */
#ifndef ZN_SYNC_UPDATE_FORMAT_H
#define ZN_SYNC_UPDATE_FORMAT_H

#include "format/format.h"
#include "sync/weights.h"
#include "workers/ends.h"

enum {
    ZN_UPDATE_VERSION = 1,
    ZN_UPDATE_HEAD_LEN = 64,
    ZN_UPDATE_CHANGES_LEN = 14, /* body of a frame of changes, before its steps */
    ZN_UPDATE_STEP_LEN = 5,     /* step, before its payload */
    ZN_UPDATE_END_LEN = 24,     /* body of the last frame */
    ZN_UPDATE_MAX_STEPS = 64,
    ZN_UPDATE_MAX_BODY = 4 << 20,
    ZN_UPDATE_MAX_NOTE = 16 << 20,
    ZN_UPDATE_MAX_LIST = 64 << 20
};

/* Kinds of frames. */
enum zn_update_kind { ZN_UPDATE_TEXT = 1, ZN_UPDATE_CHANGES = 2, ZN_UPDATE_END = 3 };

/* What a step makes of a chunk. */
enum zn_update_method {
    ZN_STEP_WHOLE,  /* new bytes, whatever there was */
    ZN_STEP_DELTA,  /* the difference from what there was */
    ZN_STEP_VALUES, /* elements at places */
    ZN_N_STEPS
};

struct zn_update_head {
    zipnn_update_form form;
    uint32_t n_tensors;
    struct zn_state base;
    uint64_t to;
    uint32_t list_len, note_len;
};

void zn_update_head_write(uint8_t out[ZN_UPDATE_HEAD_LEN], const struct zn_update_head *head, zn_hash_fn *hash);
zipnn_status zn_update_head_read(const uint8_t in[ZN_UPDATE_HEAD_LEN], struct zn_update_head *head, zn_hash_fn *hash,
                                 zipnn_error *err);

/* A frame of changes: its body was verified. */
struct zn_update_frame {
    unsigned n_steps;
    uint32_t chunk;
    uint32_t len;   /* of the chunk */
    uint64_t check; /* XXH3-64 of the chunk that the steps make of the right base */
    const uint8_t *steps;
    size_t steps_len;
    uint64_t at; /* offset of the frame in the update */
};

/* Writes ZN_UPDATE_CHANGES_LEN bytes. */
void zn_update_changes_write(uint8_t *body, const struct zn_update_frame *c);

/* Reads a body. Length and offset of the frame are there already. */
zipnn_status zn_update_changes_read(const uint8_t *body, size_t len, struct zn_update_frame *c, zipnn_error *err);

/* The last frame. */
struct zn_update_end {
    uint32_t n_frames; /* of changes */
    uint8_t digest[ZIPNN_DIGEST_LEN];
};

/* Reads the next step of a frame. */
struct zn_update_step {
    enum zn_update_method method;
    const uint8_t *payload;
    uint32_t len;
    uint64_t at;
};
zipnn_status zn_update_step_read(struct zn_cur *cur, const struct zn_update_frame *c, struct zn_update_step *step,
                                 zipnn_error *err);
void zn_update_step_write(uint8_t *out, const struct zn_update_step *step);

/* ---- writing ---- */

struct zn_update_writer {
    const struct zn_output *out;
    zn_hash_fn *hash;
    uint64_t at; /* bytes written */
    uint32_t n_frames;
};

/* Write head, list and note; a frame of changes, made in `frame` with ZN_FRAME_LEN bytes before its body; the end. */
zipnn_status zn_update_begin(struct zn_update_writer *w, const struct zn_job *job, const struct zn_update_head *head,
                             const struct zn_roster *roster, const void *note, zipnn_error *err);
zipnn_status zn_update_put(struct zn_update_writer *w, uint8_t *frame, size_t body_len, uint32_t len, zipnn_error *err);
zipnn_status zn_update_finish(struct zn_update_writer *w, const uint8_t digest[ZIPNN_DIGEST_LEN], zipnn_error *err);

/* ---- reading ---- */

struct zn_update_reader {
    struct zn_engine *e;
    struct zn_input *in;
    uint64_t at; /* bytes read */
    struct zn_update_head head;
    struct zn_roster roster;
    uint8_t *note;
    uint32_t n_frames, next_chunk; /* the least number that the next frame may have */
    bool ended;
    struct zn_update_end end;
};

/* Reads the head. Nothing is owned before zn_update_read_list. */
zipnn_status zn_update_open(struct zn_update_reader *r, struct zn_engine *e, struct zn_input *in, zipnn_error *err);

/* Reads list and note. The engine is prepared, and no worker works. zn_update_close frees them. */
zipnn_status zn_update_read_list(struct zn_update_reader *r, zipnn_error *err);
void zn_update_close(struct zn_update_reader *r);

/* Reads and verifies the next frame into room->body. *some is false after the last one, which is then in r->end. */
zipnn_status zn_update_next(struct zn_update_reader *r, struct zn_sync_room *room, struct zn_update_frame *changes,
                            bool *some, zipnn_error *err);

#endif
