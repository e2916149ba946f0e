/* How the chunks of an archive are coded. */
#include "api/archive.h"
#include "chunk/describe.h"

zipnn_status zipnn_archive_coding(const zipnn_archive *a, uint64_t index, zipnn_coding *coding, zipnn_error *err) {
    uint8_t buf[ZN_DESCRIBE_LEN];
    const uint8_t *head;
    ZN_TRY(zn_given("zipnn_archive_coding", a, coding, err));
    if (index >= a->archive.n_places)
        return zn_fail(err, ZIPNN_E_NOT_FOUND, ZN_NOWHERE, "there is no chunk %llu: the archive has %llu",
                       (unsigned long long)index, (unsigned long long)a->archive.n_places);
    const struct zn_place *p = &a->archive.places[index];
    *coding = (zipnn_coding){.layout = "?"};
    if (p->at == ZN_NOWHERE) return ZIPNN_OK;
    const size_t len = (size_t)ZN_MIN(p->frame.body_len, (uint32_t)sizeof buf);
    ZN_TRY(zn_input_at(&a->in, p->at + ZN_FRAME_LEN, len, buf, &head, err));
    zn_chunk_describe(head, len, p->frame.body_len, p->frame.orig_len, coding);
    return ZIPNN_OK;
}

zipnn_status zipnn_archive_chunk_at(const zipnn_archive *a, uint64_t off, uint64_t *index, zipnn_error *err) {
    ZN_TRY(zn_given("zipnn_archive_chunk_at", a, index, err));
    if (a->archive.n_places == 0 || off >= a->original->length)
        return zn_fail(err, ZIPNN_E_NOT_FOUND, off, "no chunk holds byte %llu of an original of %llu",
                       (unsigned long long)off, (unsigned long long)a->original->length);
    *index = zn_archive_chunk_at(&a->archive, off);
    return ZIPNN_OK;
}

zipnn_status zipnn_archive_base(const zipnn_archive *a, unsigned index, zipnn_base_info *info, zipnn_error *err) {
    ZN_TRY(zn_given("zipnn_archive_base", a, info, err));
    if (index >= a->archive.n_bases)
        return zn_fail(err, ZIPNN_E_NOT_FOUND, ZN_NOWHERE, "there is no base %u: the archive has %u", index,
                       a->archive.n_bases);
    const struct zn_base_record *record = &a->archive.records[index];
    *info =
        (zipnn_base_info){.name = record->name, .original = record->length, .at_hand = a->archive.bases[index] != NULL};
    memcpy(info->xxh3, record->xxh3, sizeof info->xxh3);
    return ZIPNN_OK;
}
