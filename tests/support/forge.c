#include "support/forge.h"

#include <stdio.h>
#include <stdlib.h>

#include "format/body.h"
#include "kernels/hash/hash.h"

static uint8_t *room(struct zt_forge *f, size_t len) {
    if (f->len + len > f->cap) {
        f->cap = 2 * f->cap + len;
        f->data = realloc(f->data, f->cap);
        if (!f->data) {
            fputs("forge: out of memory\n", stderr);
            exit(2);
        }
    }
    f->len += len;
    return f->data + f->len - len;
}

void zt_forge_begin(struct zt_forge *f, uint8_t flags, uint32_t max_chunk) {
    *f = (struct zt_forge){.max_chunk = max_chunk};
    zn_header_write(room(f, ZN_HEADER_LEN), &(struct zn_header){3, max_chunk, flags}, zn_xxh3_64_scalar);
}

void zt_forge_free(struct zt_forge *f) {
    free(f->data);
    free(f->entries);
    *f = (struct zt_forge){.data = NULL};
}

void zt_forge_frame(struct zt_forge *f, const uint8_t *body, size_t body_len, uint32_t orig_len) {
    uint8_t *frame = room(f, ZN_FRAME_LEN + body_len);
    memcpy(frame + ZN_FRAME_LEN, body, body_len);
    const struct zn_frame head = zn_frame_seal(frame, (uint32_t)body_len, orig_len, zn_xxh3_64_scalar);
    if ((f->n_entries & (f->n_entries + 1)) == 0) /* the array doubles at 2^n - 1 entries */
        f->entries = realloc(f->entries, 2 * (f->n_entries + 1) * ZN_ENTRY_LEN);
    if (!f->entries) exit(2);
    zn_entry_write(f->entries + f->n_entries++ * ZN_ENTRY_LEN, &head);
    f->original += orig_len;
}

void zt_forge_constant(struct zt_forge *f, uint8_t value, uint32_t len) {
    const uint8_t body[] = {ZN_KIND_CHUNK, ZN_LAYOUT_8, 0, 0, 1, 1, 0, 0, 0, value};
    zt_forge_frame(f, body, sizeof body, len);
}

void zt_forge_raw(struct zt_forge *f, const void *bytes, uint32_t len) {
    uint8_t *body = malloc(ZN_CHUNK_LEN + ZN_PLANE_LEN + (size_t)len);
    if (!body) exit(2);
    memcpy(body, (const uint8_t[]){ZN_KIND_CHUNK, ZN_LAYOUT_8, 0, 0, 0}, 5);
    zn_put_u32(body + 5, len);
    memcpy(body + 9, bytes, len);
    zt_forge_frame(f, body, ZN_CHUNK_LEN + ZN_PLANE_LEN + (size_t)len, len);
    free(body);
}

void zt_forge_copy(struct zt_forge *f, uint8_t source, uint64_t off, uint32_t len, uint64_t check) {
    uint8_t body[ZN_REFERENCE_LEN];
    zn_reference_write(body, &(struct zn_reference){ZN_METHOD_COPY, source, len, off, check, check});
    zt_forge_frame(f, body, sizeof body, len);
}

void zt_forge_base(struct zt_forge *f, const uint8_t xxh3[16], uint64_t length, const char *name) {
    struct zn_base_record record = {.length = length, .name_len = (uint8_t)strlen(name)};
    uint8_t body[ZN_BASES_LEN + ZN_BASE_LEN + ZN_MAX_BASE_NAME];
    memcpy(record.xxh3, xxh3, sizeof record.xxh3);
    memcpy(record.name, name, record.name_len);
    zn_bases_write(body, &record, 1);
    zt_forge_frame(f, body, zn_bases_len(&record, 1), 0);
}

void zt_forge_list_as(struct zt_forge *f, uint32_t orig_len) {
    uint8_t *listed = f->entries + (f->n_entries - 1) * ZN_ENTRY_LEN + 4;
    f->original = f->original - zn_get_u32(listed) + orig_len;
    zn_put_u32(listed, orig_len);
}

void zt_forge_end(struct zt_forge *f, const uint8_t xxh3[16]) {
    struct zn_index index = {.original = f->original};
    const size_t body_len = ZN_INDEX_LEN + f->n_entries * ZN_ENTRY_LEN;
    if (xxh3) memcpy(index.xxh3, xxh3, sizeof index.xxh3);
    uint8_t *frame = room(f, ZN_FRAME_LEN + body_len);
    zn_index_head_write(frame + ZN_FRAME_LEN, &index);
    if (f->n_entries) memcpy(frame + ZN_FRAME_LEN + ZN_INDEX_LEN, f->entries, f->n_entries * ZN_ENTRY_LEN);
    zn_frame_seal(frame, (uint32_t)body_len, 0, zn_xxh3_64_scalar);
    zn_trailer_write(room(f, ZN_TRAILER_LEN), ZN_FRAME_LEN + body_len);
}

uint64_t zt_check_of(const void *bytes, size_t len) {
    return zn_xxh3_64_scalar(bytes, len);
}

void zt_digest_of(const void *bytes, size_t len, uint8_t xxh3[16]) {
    static _Alignas(ZN_XXH3_STATE_ALIGN) uint8_t state[ZN_XXH3_STATE_SIZE];
    zn_xxh3_128_reset(state);
    zn_xxh3_update_scalar(state, bytes, len);
    zn_xxh3_128_digest(state, xxh3);
}
