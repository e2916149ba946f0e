#include "mutate_archive.h"

#include <stdlib.h>
#include <string.h>

#include "format/format.h"

enum { MAX_FRAMES = 64, ORIG_LEN = 12 /* where a frame says it */ };

enum change { BYTES, BODY, BODY_TOO, BODY_AGAIN, LENGTH, REPEAT, DROP, N_CHANGES };

struct part {
    const uint8_t *at;
    size_t len;
};

/* The frames before the index, and what of the index comes before its entries. */
struct parts {
    struct part frames[MAX_FRAMES], head;
    unsigned n;
};

static struct parts take_apart(const uint8_t *archive, size_t len) {
    struct parts p = {.n = 0};
    for (size_t at = ZN_HEADER_LEN; len > at && len - at > ZN_FRAME_LEN + 1;) {
        const size_t body_len = zn_get_u32(archive + at + 8);
        const uint8_t *body = archive + at + ZN_FRAME_LEN;
        if (body_len > len - at - ZN_FRAME_LEN) break;
        if (body_len > 1 && body[0] == ZN_KIND_INDEX) {
            p.head = (struct part){body, ZN_MIN(body_len, zn_index_head_len((body[1] & ZN_DIGEST_SHA256) != 0))};
            break;
        }
        if (p.n == MAX_FRAMES) break;
        p.frames[p.n++] = (struct part){archive + at, ZN_FRAME_LEN + body_len};
        at += ZN_FRAME_LEN + body_len;
    }
    return p;
}

/* A frame with another body. */
static void put_changed(struct zn_out *o, struct part frame, size_t most) {
    uint8_t *to = zn_out_room(o, frame.len + most);
    if (!to) return;
    memcpy(to, frame.at, frame.len);
    const size_t len = LLVMFuzzerMutate(to + ZN_FRAME_LEN, frame.len - ZN_FRAME_LEN, frame.len - ZN_FRAME_LEN + most);
    zn_put_u32(to + 8, (uint32_t)len);
    o->at = to + ZN_FRAME_LEN + len;
}

static void put_lengthened(struct zn_out *o, struct part frame) {
    uint8_t *to = zn_out_room(o, frame.len);
    if (!to) return;
    memcpy(to, frame.at, frame.len);
    LLVMFuzzerMutate(to + ORIG_LEN, 4, 4);
    to[ORIG_LEN + 3] = 0; /* lengths that are legal are few among all */
}

/* The index and the trailer of the frames from `first` to where `o` is. */
static void put_index(struct zn_out *o, const uint8_t *first, struct part head) {
    const uint8_t *frames_end = o->at;
    uint8_t *frame = zn_out_room(o, ZN_FRAME_LEN);
    uint64_t original = 0;
    zn_out_bytes(o, head.at, head.len);
    for (const uint8_t *at = first; at < frames_end; at += ZN_FRAME_LEN + zn_get_u32(at + 8)) {
        zn_out_bytes(o, at + 8, 8);
        zn_out_bytes(o, at, 8);
        original += zn_get_u32(at + ORIG_LEN);
    }
    const size_t index_len = (size_t)(o->at - frames_end);
    zn_out_room(o, ZN_TRAILER_LEN);
    if (o->full) return;
    zn_put_u32(frame + 8, (uint32_t)(index_len - ZN_FRAME_LEN));
    if (head.len >= 12) zn_put_u64(frame + ZN_FRAME_LEN + 4, original);
    zn_trailer_write(o->at - ZN_TRAILER_LEN, index_len);
}

size_t zt_mutate_archive(uint8_t *archive, size_t len, size_t cap, unsigned seed) {
    const struct parts p = take_apart(archive, len);
    const enum change change = seed % N_CHANGES;
    if (p.n == 0 || p.head.len == 0 || change == BYTES) return LLVMFuzzerMutate(archive, len, cap);

    uint8_t *room = malloc(cap);
    if (!room) return len;
    struct zn_out o = zn_out_of(room, cap);
    const unsigned chosen = seed / N_CHANGES % p.n, place = seed / N_CHANGES / p.n % p.n;
    zn_out_bytes(&o, archive, ZN_HEADER_LEN);
    for (unsigned i = 0; i < p.n; i++) {
        if (change == REPEAT && i == place) zn_out_bytes(&o, p.frames[chosen].at, p.frames[chosen].len);
        if (i != chosen || change == REPEAT)
            zn_out_bytes(&o, p.frames[i].at, p.frames[i].len);
        else if (change == LENGTH)
            put_lengthened(&o, p.frames[i]);
        else if (change != DROP)
            put_changed(&o, p.frames[i], 64);
    }
    put_index(&o, room + ZN_HEADER_LEN, p.head);
    const size_t got = zn_out_len(&o);
    if (!o.full) memcpy(archive, room, got);
    free(room);
    return o.full ? LLVMFuzzerMutate(archive, len, cap) : got;
}
