#include "support/seal.h"

#include "format/format.h"
#include "kernels/hash/hash.h"

enum { HEADER_CHECKED = ZN_HEADER_LEN - 8 };

/* Copies the heads of the frames into the entries of the index frame at `index_at`. */
static void list_frames(uint8_t *archive, size_t index_at, size_t body_len) {
    uint8_t *body = archive + index_at + ZN_FRAME_LEN;
    size_t entry = zn_index_head_len(body_len > 1 && (body[1] & ZN_DIGEST_SHA256) != 0);
    for (size_t at = ZN_HEADER_LEN; at < index_at; entry += ZN_ENTRY_LEN) {
        struct zn_frame f;
        zn_frame_read(archive + at, ZN_MAX_CHUNK, at, &f, NULL);
        if (entry > body_len || body_len - entry < ZN_ENTRY_LEN) return;
        zn_entry_write(body + entry, &f);
        at += (size_t)zn_frame_size(&f);
    }
}

size_t zt_seal(uint8_t *archive, size_t len) {
    if (len < ZN_HEADER_LEN) return len;
    zn_put_u64(archive + HEADER_CHECKED, zn_xxh3_64_scalar(archive, HEADER_CHECKED));
    for (size_t at = ZN_HEADER_LEN; len - at > ZN_FRAME_LEN;) {
        uint8_t *frame = archive + at;
        uint32_t body_len = zn_get_u32(frame + 8), orig_len = zn_get_u32(frame + 12);
        if (body_len == 0 || body_len > len - at - ZN_FRAME_LEN) return len;
        const bool index = frame[ZN_FRAME_LEN] == ZN_KIND_INDEX;
        if (index) list_frames(archive, at, body_len);
        zn_frame_seal(frame, body_len, orig_len, zn_xxh3_64_scalar);
        if (index) return at;
        at += ZN_FRAME_LEN + body_len;
    }
    return len;
}
