#include "format/format.h"

static const uint8_t magic[8] = {0x8F, 'Z', 'N', 'N', 0x0D, 0x0A, 0x1A, 0x0A};
static const uint8_t end_magic[8] = {'Z', 'N', 'N', 'E', 'N', 'D', 0x0A, 0x8F};

enum { HEADER_CHECKED = 16 };

bool zn_is_archive(const uint8_t *in, size_t len) {
    return len >= sizeof magic && memcmp(in, magic, sizeof magic) == 0;
}

void zn_header_write(uint8_t *out, const struct zn_header *header, zn_hash_fn *hash) {
    struct zn_out o = zn_out_of(out, ZN_HEADER_LEN);
    zn_out_bytes(&o, magic, sizeof magic);
    zn_out_u16(&o, ZN_FORMAT_VERSION);
    zn_out_u8(&o, header->flags);
    zn_out_u8(&o, header->level);
    zn_out_u32(&o, header->max_chunk);
    zn_out_u64(&o, hash(out, HEADER_CHECKED));
}

zipnn_status zn_header_read(const uint8_t *in, size_t len, struct zn_header *header, zn_hash_fn *hash,
                            zipnn_error *err) {
    if (len == 0) return zn_fail(err, ZIPNN_E_TRUNCATED, 0, "empty input is not a zipnn archive");
    if (memcmp(in, magic, ZN_MIN(len, sizeof magic)) != 0)
        return zn_fail(err, ZIPNN_E_FORMAT, 0, "not a zipnn archive");
    if (len < ZN_HEADER_LEN)
        return zn_fail(err, ZIPNN_E_TRUNCATED, len, "archive header cut short: %zu of %d bytes", len, ZN_HEADER_LEN);

    struct zn_cur c = zn_cur_of(in + sizeof magic, ZN_HEADER_LEN - sizeof magic);
    uint16_t version = zn_cur_u16(&c);
    header->flags = zn_cur_u8(&c);
    header->level = zn_cur_u8(&c);
    header->max_chunk = zn_cur_u32(&c);
    bool intact = zn_cur_u64(&c) == hash(in, HEADER_CHECKED);
    /* The version comes first: a later one may compute its check otherwise. */
    if (version != ZN_FORMAT_VERSION)
        return zn_fail(err, ZIPNN_E_UNSUPPORTED, 8, "archive format version %u; this library reads version %d", version,
                       ZN_FORMAT_VERSION);
    if (!intact) return zn_fail(err, ZIPNN_E_CORRUPT, 16, "archive header is damaged: its checksum does not match");
    if (header->flags & ~(ZN_FLAG_SELF | ZN_FLAG_BASES))
        return zn_fail(err, ZIPNN_E_UNSUPPORTED, 10, "archive header flags 0x%02x are not supported", header->flags);
    if (header->max_chunk == 0 || header->max_chunk > ZN_MAX_CHUNK)
        return zn_fail(err, ZIPNN_E_LIMIT, 12, "archive allows chunks of %u bytes, 1 to %d are legal",
                       header->max_chunk, ZN_MAX_CHUNK);
    return ZIPNN_OK;
}

void zn_frame_begin(uint8_t *frame, uint32_t body_len, uint32_t orig_len) {
    zn_put_u32(frame + 8, body_len);
    zn_put_u32(frame + 12, orig_len);
}

struct zn_frame zn_frame_end(uint8_t *frame, uint64_t check) {
    zn_put_u64(frame, check);
    return (struct zn_frame){check, zn_get_u32(frame + 8), zn_get_u32(frame + 12)};
}

struct zn_frame zn_frame_seal(uint8_t *frame, uint32_t body_len, uint32_t orig_len, zn_hash_fn *hash) {
    zn_frame_begin(frame, body_len, orig_len);
    return zn_frame_end(frame, hash(frame + ZN_FRAME_CHECKED, ZN_FRAME_LEN - ZN_FRAME_CHECKED + body_len));
}

/* Holds the lengths of a frame against the limits. */
static zipnn_status check_lengths(const struct zn_frame *f, uint32_t max_chunk, uint64_t at, zipnn_error *err) {
    if (f->body_len < 4)
        return zn_fail(err, ZIPNN_E_CORRUPT, at + 8, "frame body of %u bytes, at least 4 are needed", f->body_len);
    if (f->orig_len > max_chunk)
        return zn_fail(err, ZIPNN_E_CORRUPT, at + 12, "chunk of %u original bytes, the header allows %u", f->orig_len,
                       max_chunk);
    if (f->orig_len != 0 && f->body_len > f->orig_len + ZN_CHUNK_GROWTH)
        return zn_fail(err, ZIPNN_E_CORRUPT, at + 8,
                       "chunk body of %u bytes for %u original bytes, at most %d more are legal", f->body_len,
                       f->orig_len, ZN_CHUNK_GROWTH);
    return ZIPNN_OK;
}

struct zn_frame zn_frame_of(const uint8_t in[ZN_FRAME_LEN]) {
    return (struct zn_frame){zn_get_u64(in), zn_get_u32(in + 8), zn_get_u32(in + 12)};
}

zipnn_status zn_frame_read(const uint8_t *in, uint32_t max_chunk, uint64_t at, struct zn_frame *frame,
                           zipnn_error *err) {
    *frame = zn_frame_of(in);
    return check_lengths(frame, max_chunk, at, err);
}

zipnn_status zn_frame_mismatch(const struct zn_frame *frame, uint64_t at, zipnn_error *err) {
    return zn_fail(err, ZIPNN_E_CORRUPT, at, "checksum of the frame of %llu bytes does not match",
                   (unsigned long long)zn_frame_size(frame));
}

zipnn_status zn_frame_verify(const uint8_t *in, const struct zn_frame *frame, uint64_t at, zn_hash_fn *hash,
                             zipnn_error *err) {
    uint64_t check = hash(in + ZN_FRAME_CHECKED, (size_t)zn_frame_size(frame) - ZN_FRAME_CHECKED);
    return check == frame->check ? ZIPNN_OK : zn_frame_mismatch(frame, at, err);
}

void zn_entry_write(uint8_t out[ZN_ENTRY_LEN], const struct zn_frame *frame) {
    zn_put_u32(out, frame->body_len);
    zn_put_u32(out + 4, frame->orig_len);
    zn_put_u64(out + 8, frame->check);
}

struct zn_frame zn_entry_read(const uint8_t in[ZN_ENTRY_LEN]) {
    return (struct zn_frame){zn_get_u64(in + 8), zn_get_u32(in), zn_get_u32(in + 4)};
}

size_t zn_index_head_len(bool has_sha256) {
    return (size_t)ZN_INDEX_LEN + (has_sha256 ? ZN_SHA256_LEN : 0);
}

void zn_index_head_write(uint8_t *out, const struct zn_index *index) {
    struct zn_out o = zn_out_of(out, zn_index_head_len(index->has_sha256));
    zn_out_u8(&o, ZN_KIND_INDEX);
    zn_out_u8(&o, (uint8_t)(ZN_DIGEST_XXH3 | (index->has_sha256 ? ZN_DIGEST_SHA256 : 0)));
    zn_out_u16(&o, 0);
    zn_out_u64(&o, index->original);
    zn_out_bytes(&o, index->xxh3, sizeof index->xxh3);
    if (index->has_sha256) zn_out_bytes(&o, index->sha256, sizeof index->sha256);
}

/* Whether the entries are legal and add up to the index's own position and to the length of the original. */
static zipnn_status check_entries(const struct zn_index *index, uint32_t max_chunk, uint64_t at, zipnn_error *err) {
    uint64_t stored = ZN_HEADER_LEN, original = 0; /* fewer than 2^28 terms below 2^33: no overflow */
    for (uint64_t i = 0; i < index->n_entries; i++) {
        struct zn_frame f = zn_entry_read(index->entries + i * ZN_ENTRY_LEN);
        ZN_TRY(check_lengths(&f, max_chunk, at, err));
        if (f.orig_len == 0 && f.body_len > ZN_MAX_ANCILLARY)
            return zn_fail(err, ZIPNN_E_CORRUPT, at, "ancillary frame of %u bytes, at most %d are legal", f.body_len,
                           ZN_MAX_ANCILLARY);
        stored += zn_frame_size(&f);
        original += f.orig_len;
    }
    if (stored != at)
        return zn_fail(err, ZIPNN_E_CORRUPT, at, "index lists %llu bytes of frames, %llu precede it",
                       (unsigned long long)stored, (unsigned long long)at);
    if (original != index->original)
        return zn_fail(err, ZIPNN_E_CORRUPT, at, "index lists %llu original bytes in chunks and %llu in total",
                       (unsigned long long)original, (unsigned long long)index->original);
    return ZIPNN_OK;
}

zipnn_status zn_index_read(const uint8_t *body, size_t len, uint32_t max_chunk, uint64_t at, struct zn_index *index,
                           zipnn_error *err) {
    struct zn_cur c = zn_cur_of(body, len);
    uint8_t kind = zn_cur_u8(&c);
    uint8_t digests = zn_cur_u8(&c);
    uint16_t reserved = zn_cur_u16(&c);
    index->original = zn_cur_u64(&c);
    const uint8_t *xxh3 = zn_cur_take(&c, sizeof index->xxh3);
    index->has_sha256 = (digests & ZN_DIGEST_SHA256) != 0;
    const uint8_t *sha256 = index->has_sha256 ? zn_cur_take(&c, ZN_SHA256_LEN) : NULL;
    if (!zn_cur_ok(&c)) return zn_fail(err, ZIPNN_E_CORRUPT, at, "index of %zu bytes is too short", len);
    if (kind != ZN_KIND_INDEX)
        return zn_fail(err, ZIPNN_E_CORRUPT, at, "frame kind %u where the index should be", kind);
    if (digests & ~(ZN_DIGEST_XXH3 | ZN_DIGEST_SHA256) || reserved != 0)
        return zn_fail(err, ZIPNN_E_UNSUPPORTED, at, "index flags 0x%02x%04x are not supported", digests, reserved);
    if (!(digests & ZN_DIGEST_XXH3)) return zn_fail(err, ZIPNN_E_CORRUPT, at, "index without a digest of the original");
    memcpy(index->xxh3, xxh3, sizeof index->xxh3);
    if (sha256) memcpy(index->sha256, sha256, ZN_SHA256_LEN);
    if (zn_cur_left(&c) % ZN_ENTRY_LEN != 0)
        return zn_fail(err, ZIPNN_E_CORRUPT, at, "index of %zu bytes ends inside an entry", len);
    index->entries = c.at;
    index->n_entries = zn_cur_left(&c) / ZN_ENTRY_LEN;
    return check_entries(index, max_chunk, at, err);
}

void zn_trailer_write(uint8_t out[ZN_TRAILER_LEN], uint64_t index_len) {
    zn_put_u64(out, index_len);
    memcpy(out + 8, end_magic, sizeof end_magic);
}

zipnn_status zn_trailer_read(const uint8_t in[ZN_TRAILER_LEN], uint64_t at, uint64_t *index_len, zipnn_error *err) {
    if (memcmp(in + 8, end_magic, sizeof end_magic) != 0)
        return zn_fail(err, ZIPNN_E_TRUNCATED, at,
                       "archive does not end with a trailer: it is cut short, or something was appended");
    *index_len = zn_get_u64(in);
    return ZIPNN_OK;
}
