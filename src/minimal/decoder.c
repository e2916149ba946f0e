/* The decoder alone (include/zipnn/decoder.h): archives without files, threads or a heap. */
#include "zipnn/decoder.h"

#include <stdalign.h>

#include "delta/casts.h"
#include "delta/delta.h"
#include "format/recipe.h"
#include "format/reference.h"
#include "kernels/hash/hash.h"
#include "kernels/sets.h"

struct zipnn_decoder {
    alignas(ZN_XXH3_STATE_ALIGN) uint8_t digest[ZN_XXH3_STATE_SIZE];
    struct zn_coder coder;
    uint8_t flags;
};

static const struct zn_kernels *const kernels = &ZN_KERNELS_OF_TARGET;

static zipnn_status argument(zipnn_error *err, const char *what) {
    return zn_fail(err, ZIPNN_E_ARGUMENT, ZN_NOWHERE, "%s", what);
}

/* ---- header, trailer, index -------------------------------------------------------------------------------------- */

zipnn_status zipnn_decoder_read_header(const void *bytes, size_t len, zipnn_archive_header *header, zipnn_error *err) {
    struct zn_header h;
    if (!header || (len && !bytes)) return argument(err, "zipnn_decoder_read_header: an argument is NULL");
    ZN_TRY(zn_header_read(bytes, len, &h, kernels->xxh3_64, err));
    *header = (zipnn_archive_header){.max_chunk = h.max_chunk,
                                     .level = h.level,
                                     .refers_to_itself = (h.flags & ZN_FLAG_SELF) != 0,
                                     .refers_to_bases = (h.flags & ZN_FLAG_BASES) != 0};
    return ZIPNN_OK;
}

zipnn_status zipnn_decoder_read_trailer(const void *bytes, uint64_t archive_len, uint64_t *at, uint64_t *len,
                                        zipnn_error *err) {
    if (!bytes || !at || !len) return argument(err, "zipnn_decoder_read_trailer: an argument is NULL");
    if (archive_len < ZN_HEADER_LEN + ZN_TRAILER_LEN)
        return zn_fail(err, ZIPNN_E_TRUNCATED, archive_len, "an archive of %llu bytes is cut short",
                       (unsigned long long)archive_len);
    const uint64_t end = archive_len - ZN_TRAILER_LEN;
    ZN_TRY(zn_trailer_read(bytes, end, len, err));
    if (*len < ZN_FRAME_LEN + ZN_INDEX_LEN || *len > end - ZN_HEADER_LEN)
        return zn_fail(err, ZIPNN_E_CORRUPT, end, "trailer: an index of %llu bytes does not fit",
                       (unsigned long long)*len);
    *at = end - *len;
    return ZIPNN_OK;
}

zipnn_status zipnn_decoder_read_index(const zipnn_archive_header *header, const void *bytes, uint64_t len, uint64_t at,
                                      zipnn_frame_list *list, zipnn_error *err) {
    struct zn_frame frame;
    struct zn_index index;
    if (!header || !bytes || !list) return argument(err, "zipnn_decoder_read_index: an argument is NULL");
    if (len < ZN_FRAME_LEN + ZN_INDEX_LEN) return zn_fail(err, ZIPNN_E_CORRUPT, at, "the index is cut short");
    ZN_TRY(zn_frame_read(bytes, header->max_chunk, at, &frame, err));
    if (zn_frame_size(&frame) != len || frame.orig_len != 0)
        return zn_fail(err, ZIPNN_E_CORRUPT, at, "the index claims %llu bytes and the trailer %llu",
                       (unsigned long long)zn_frame_size(&frame), (unsigned long long)len);
    ZN_TRY(zn_frame_verify(bytes, &frame, at, kernels->xxh3_64, err));
    const uint8_t *body = (const uint8_t *)bytes + ZN_FRAME_LEN;
    ZN_TRY(zn_index_read(body, frame.body_len, header->max_chunk, at, &index, err));
    if (header->refers_to_bases && (index.n_entries == 0 || zn_entry_read(index.entries).orig_len != 0))
        return zn_fail(err, ZIPNN_E_CORRUPT, ZN_HEADER_LEN, "no table of bases where one must be");
    *list = (zipnn_frame_list){.original = index.original,
                               .n_frames = index.n_entries,
                               .at_ = index.entries,
                               .place_ = ZN_HEADER_LEN,
                               .max_chunk_ = header->max_chunk};
    memcpy(list->xxh3, index.xxh3, sizeof list->xxh3);
    return ZIPNN_OK;
}

int zipnn_decoder_next_frame(zipnn_frame_list *list, zipnn_frame *frame) {
    if (list->next_ == list->n_frames) return 0;
    const struct zn_frame f = zn_entry_read(list->at_ + list->next_ * ZN_ENTRY_LEN);
    *frame = (zipnn_frame){.at = list->place_,
                           .stored = (uint32_t)zn_frame_size(&f),
                           .length = f.orig_len,
                           .offset = list->off_,
                           .check_ = f.check};
    list->next_++;
    list->place_ += frame->stored;
    list->off_ += frame->length;
    return 1;
}

/* ---- memory ------------------------------------------------------------------------------------------------------ */

enum { ALIGN = 64 };

size_t zipnn_decoder_memory(const zipnn_archive_header *header) {
    struct zn_arena arena = {NULL, 0};
    struct zn_coder coder;
    if (!header || header->max_chunk == 0 || header->max_chunk > ZN_MAX_CHUNK) return 0;
    (void)zn_carve(&arena, sizeof(zipnn_decoder));
    zn_coder_carve(&coder, &arena, header->max_chunk, ZN_USE_DECODE);
    return arena.used + ALIGN;
}

zipnn_status zipnn_decoder_create(const zipnn_archive_header *header, void *memory, size_t len, zipnn_decoder **decoder,
                                  zipnn_error *err) {
    const size_t need = zipnn_decoder_memory(header);
    if (need == 0 || !memory || !decoder) return argument(err, "zipnn_decoder_create: no header, memory or result");
    if (len < need)
        return zn_fail(err, ZIPNN_E_SPACE, ZN_NOWHERE, "a decoder takes %zu bytes of memory, %zu were given", need,
                       len);
    uint8_t *base = memory;
    base += (ALIGN - (uintptr_t)base % ALIGN) % ALIGN;
    struct zn_arena arena = {base, 0};
    zipnn_decoder *d = zn_carve(&arena, sizeof *d);
    memset(d, 0, sizeof *d);
    zn_coder_carve(&d->coder, &arena, header->max_chunk, ZN_USE_DECODE);
    d->flags = (uint8_t)((header->refers_to_itself ? ZN_FLAG_SELF : 0) | (header->refers_to_bases ? ZN_FLAG_BASES : 0));
    ZN_TRY(zn_codec_open(&d->coder.codec, kernels, ZN_USE_DECODE, err));
    zipnn_decoder_digest_begin(d);
    *decoder = d;
    return ZIPNN_OK;
}

/* ---- frames ------------------------------------------------------------------------------------------------------ */

static zipnn_status verify(const zipnn_decoder *d, const zipnn_frame *frame, const uint8_t *bytes, zipnn_error *err) {
    struct zn_frame f;
    if (frame->stored < ZN_LEAST_FRAME) return argument(err, "a frame that no index listed");
    ZN_TRY(zn_frame_read(bytes, d->coder.max_chunk, frame->at, &f, err));
    if (f.check != frame->check_ || zn_frame_size(&f) != frame->stored || f.orig_len != frame->length)
        return zn_fail(err, ZIPNN_E_CORRUPT, frame->at, "frame is not the one that the index lists here");
    return zn_frame_verify(bytes, &f, frame->at, kernels->xxh3_64, err);
}

static zipnn_status check_kind(const zipnn_decoder *d, uint8_t kind, const zipnn_frame *frame, zipnn_error *err) {
    const bool chunk = kind == ZN_KIND_CHUNK || kind == ZN_KIND_REFERENCE;
    const bool table = frame->at == ZN_HEADER_LEN && d->flags & ZN_FLAG_BASES;
    if (frame->length != 0 ? chunk : kind >= ZN_KIND_ANCILLARY || (kind == ZN_KIND_BASES && table)) return ZIPNN_OK;
    if (kind > ZN_KIND_BASES && kind < ZN_KIND_ANCILLARY)
        return zn_fail(err, ZIPNN_E_UNSUPPORTED, frame->at, "frame kind %u is not supported", kind);
    return zn_fail(err, ZIPNN_E_CORRUPT, frame->at, "a frame of kind %u claims %u original bytes", kind, frame->length);
}

static zipnn_status read_reference(const zipnn_decoder *d, const zipnn_frame *frame, const uint8_t *body,
                                   struct zn_reference *ref, zipnn_error *err) {
    const uint64_t at = frame->at + ZN_FRAME_LEN;
    ZN_TRY(zn_reference_read(body, frame->stored - ZN_FRAME_LEN, frame->length, at, ref, err));
    if (!(d->flags & (ref->source == ZN_SOURCE_SELF ? ZN_FLAG_SELF : ZN_FLAG_BASES)))
        return zn_fail(err, ZIPNN_E_CORRUPT, at, "the archive's header knows of no references such as this chunk's");
    return ZIPNN_OK;
}

/* ---- references -------------------------------------------------------------------------------------------------- */

/* Begins a recipe, or stands for one of a single range. */
static zipnn_status list_parts(const struct zn_reference *ref, const uint8_t *body, size_t len, uint64_t at,
                               zipnn_needs *needs, zipnn_error *err) {
    *needs = (zipnn_needs){
        .length = ref->len, .source = ref->source, .left = 1, .next_ = ref->off, .at_ = at, .end_ = body + len};
    if (!zn_method_makes(ref->method)) return ZIPNN_OK;
    struct zn_cur cur = zn_cur_of(body + ZN_REFERENCE_LEN, len - ZN_REFERENCE_LEN);
    needs->left = zn_cur_u16(&cur);
    needs->recipe_ = body + ZN_REFERENCE_LEN + ZN_RECIPE_HEAD;
    if (!zn_cur_ok(&cur) || needs->left == 0 || needs->left > ZN_MAX_PARTS)
        return zn_fail(err, ZIPNN_E_CORRUPT, at, "a reference of %u parts, 1 to %d are legal", needs->left,
                       ZN_MAX_PARTS);
    if (ref->source == ZN_SOURCE_SELF && needs->left > 1)
        return zn_fail(err, ZIPNN_E_CORRUPT, at, "a chunk refers to %u parts of its own archive", needs->left);
    return ZIPNN_OK;
}

zipnn_status zipnn_decoder_next_part(zipnn_needs *needs, zipnn_part *part, zipnn_error *err) {
    struct zn_part p = {.form = ZN_FORM_RANGE, .len = needs->length, .off = needs->next_};
    if (needs->left == 0) return zn_fail(err, ZIPNN_E_NOT_FOUND, ZN_NOWHERE, "there are no more parts");
    if (needs->recipe_) {
        struct zn_cur cur = zn_cur_of(needs->recipe_, (size_t)(needs->end_ - needs->recipe_));
        ZN_TRY(zn_part_read(&cur, needs->length - needs->made_, needs->at_, &needs->next_, &p, err));
        needs->recipe_ = cur.at;
    }
    const bool sees = p.form == ZN_FORM_COLUMNS || p.form == ZN_FORM_TURNED;
    if (sees && needs->source == ZN_SOURCE_SELF)
        return zn_fail(err, ZIPNN_E_CORRUPT, needs->at_, "a chunk refers to a view of its own archive");
    *part = (zipnn_part){.length = (uint32_t)zn_part_reads(&p),
                         .makes = p.len,
                         .at = needs->made_,
                         .form_ = p.form,
                         .offset = p.off,
                         .row_ = p.row,
                         .stride_ = p.stride,
                         .skip_ = p.skip,
                         .width_ = p.width};
    needs->left--;
    needs->made_ += p.len;
    if (needs->left || needs->made_ == needs->length) return ZIPNN_OK;
    return zn_fail(err, ZIPNN_E_CORRUPT, needs->at_, "the parts of a reference make %u bytes of %u", needs->made_,
                   needs->length);
}

void zipnn_decoder_make(const zipnn_part *part, const void *bytes, void *reference) {
    uint8_t *to = (uint8_t *)reference + part->at;
    if (part->form_ == ZN_FORM_ZEROS)
        memset(to, 0, part->makes);
    else if (part->form_ == ZN_FORM_RANGE)
        memcpy(to, bytes, part->makes);
    else if (part->form_ == ZN_FORM_COLUMNS || part->form_ == ZN_FORM_TURNED)
        zn_part_see(&(struct zn_part){.form = (uint8_t)part->form_,
                                      .len = part->makes,
                                      .row = part->row_,
                                      .stride = part->stride_,
                                      .skip = part->skip_,
                                      .width = (uint8_t)part->width_},
                    bytes, to);
    else
        zn_cast((enum zn_cast)(part->form_ - ZN_FORM_CAST), bytes,
                part->makes / zn_casts[part->form_ - ZN_FORM_CAST].to, to);
}

zipnn_status zipnn_decoder_open_frame(zipnn_decoder *d, const zipnn_frame *frame, const void *bytes, zipnn_needs *needs,
                                      zipnn_error *err) {
    struct zn_reference ref;
    if (!d || !frame || !bytes || !needs) return argument(err, "zipnn_decoder_open_frame: an argument is NULL");
    const uint8_t *body = (const uint8_t *)bytes + ZN_FRAME_LEN;
    *needs = (zipnn_needs){.length = 0};
    ZN_TRY(verify(d, frame, bytes, err));
    ZN_TRY(check_kind(d, body[0], frame, err));
    if (body[0] != ZN_KIND_REFERENCE) return ZIPNN_OK;
    ZN_TRY(read_reference(d, frame, body, &ref, err));
    return list_parts(&ref, body, frame->stored - ZN_FRAME_LEN, frame->at + ZN_FRAME_LEN, needs, err);
}

/* Returns where the payload of a delta begins: after the recipe, if there is one. */
static zipnn_status find_payload(const struct zn_reference *ref, const uint8_t *body, size_t len, uint64_t at,
                                 size_t *used, zipnn_error *err) {
    zipnn_needs needs;
    zipnn_part part;
    ZN_TRY(list_parts(ref, body, len, at, &needs, err));
    while (needs.left) ZN_TRY(zipnn_decoder_next_part(&needs, &part, err));
    *used = needs.recipe_ ? (size_t)(needs.recipe_ - body) : ZN_REFERENCE_LEN;
    if (zn_method_copies(ref->method) && *used != len)
        return zn_fail(err, ZIPNN_E_CORRUPT, at, "bytes follow the recipe of a copy");
    return ZIPNN_OK;
}

static zipnn_status decode_reference(zipnn_decoder *d, const zipnn_frame *frame, const uint8_t *body,
                                     const uint8_t *reference, uint8_t *out, zipnn_error *err) {
    struct zn_reference ref;
    size_t used;
    const uint64_t at = frame->at + ZN_FRAME_LEN;
    const size_t len = frame->stored - ZN_FRAME_LEN;
    ZN_TRY(read_reference(d, frame, body, &ref, err));
    ZN_TRY(find_payload(&ref, body, len, at, &used, err));
    if (!reference) return argument(err, "the chunk refers to bytes that were not given");
    if (kernels->xxh3_64(reference, ref.len) != ref.ref_check)
        return zn_fail(err, ZIPNN_E_CORRUPT, at, "the bytes that the chunk refers to have another checksum");
    if (zn_method_copies(ref.method)) {
        memcpy(out, reference, ref.len);
        return ZIPNN_OK;
    }
    const struct zn_chunk_body payload = {.data = body + used, .len = len - used, .at = at + used};
    const struct zn_delta_reference given = {reference, ref.len};
    ZN_TRY(zn_delta_decode(&d->coder, &payload, given, out, ZN_STORE_CACHED, err));
    if (kernels->xxh3_64(out, ref.len) == ref.orig_check) return ZIPNN_OK;
    return zn_fail(err, ZIPNN_E_CORRUPT, at, "a chunk decoded by its reference has another checksum");
}

zipnn_status zipnn_decoder_decode(zipnn_decoder *d, const zipnn_frame *frame, const void *bytes, const void *reference,
                                  void *out, zipnn_error *err) {
    if (!d || !frame || !bytes || !out) return argument(err, "zipnn_decoder_decode: an argument is NULL");
    const uint8_t *body = (const uint8_t *)bytes + ZN_FRAME_LEN;
    ZN_TRY(verify(d, frame, bytes, err));
    ZN_TRY(check_kind(d, body[0], frame, err));
    if (frame->length == 0) return ZIPNN_OK;
    if (body[0] == ZN_KIND_REFERENCE) return decode_reference(d, frame, body, reference, out, err);
    const struct zn_chunk_body chunk = {
        .data = body, .len = frame->stored - ZN_FRAME_LEN, .at = frame->at + ZN_FRAME_LEN};
    return zn_chunk_decode(&d->coder, &chunk, out, frame->length, ZN_STORE_CACHED, err);
}

zipnn_status zipnn_decoder_read_base(zipnn_decoder *d, const zipnn_frame *frame, const void *bytes, unsigned index,
                                     zipnn_decoder_base *base, zipnn_error *err) {
    unsigned n;
    if (!d || !frame || !bytes || !base) return argument(err, "zipnn_decoder_read_base: an argument is NULL");
    const uint8_t *body = (const uint8_t *)bytes + ZN_FRAME_LEN;
    ZN_TRY(verify(d, frame, bytes, err));
    ZN_TRY(check_kind(d, body[0], frame, err));
    if (body[0] != ZN_KIND_BASES) return zn_fail(err, ZIPNN_E_CORRUPT, frame->at, "this frame is no table of bases");
    const size_t mark = zn_scratch_mark(&d->coder.scratch);
    struct zn_base_record *records = zn_scratch_take(&d->coder.scratch, ZN_MAX_BASES * sizeof *records);
    zipnn_status status = zn_bases_read(body, frame->stored - ZN_FRAME_LEN, frame->at, records, &n, err);
    if (status == ZIPNN_OK && index >= n)
        status = zn_fail(err, ZIPNN_E_NOT_FOUND, ZN_NOWHERE, "there is no base %u: the table lists %u", index, n);
    if (status == ZIPNN_OK) {
        *base = (zipnn_decoder_base){.length = records[index].length};
        memcpy(base->xxh3, records[index].xxh3, sizeof base->xxh3);
        memcpy(base->name, records[index].name, records[index].name_len);
    }
    zn_scratch_back(&d->coder.scratch, mark);
    return status;
}

/* ---- the digest of all ------------------------------------------------------------------------------------------- */

void zipnn_decoder_digest_begin(zipnn_decoder *d) {
    zn_xxh3_128_reset(d->digest);
}

void zipnn_decoder_digest_update(zipnn_decoder *d, const void *bytes, size_t len) {
    kernels->xxh3_update(d->digest, bytes, len);
}

zipnn_status zipnn_decoder_digest_compare(zipnn_decoder *d, const zipnn_frame_list *list, zipnn_error *err) {
    uint8_t xxh3[16];
    zn_xxh3_128_digest(d->digest, xxh3);
    if (memcmp(xxh3, list->xxh3, sizeof xxh3) == 0) return ZIPNN_OK;
    return zn_fail(err, ZIPNN_E_CORRUPT, ZN_NOWHERE, "the restored bytes have another XXH3-128 than the original");
}
