#include "shared/coding_text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { MAX_WAYS = 3, MAX_WAY = 64 };

/* The different ways in which chunks are coded, in the order of first use. When the table is full, further ones are
 * only counted. */
struct ways {
    struct {
        char text[MAX_WAY];
        uint64_t n;
    } way[MAX_WAYS];
    unsigned n;
    uint64_t others;
};

static void describe(const zipnn_coding *coding, char text[MAX_WAY]) {
    size_t n = (size_t)snprintf(text, MAX_WAY, "%s", coding->layout);
    for (unsigned p = 0; p < coding->n_planes && n < MAX_WAY; p++)
        n += (size_t)snprintf(text + n, MAX_WAY - n, "%s%s", p ? ", " : ": ", coding->planes[p].codec);
}

static void count(struct ways *ways, const zipnn_coding *coding) {
    char text[MAX_WAY];
    unsigned i = 0;
    describe(coding, text);
    while (i < ways->n && strcmp(ways->way[i].text, text) != 0) i++;
    if (i == MAX_WAYS) {
        ways->others++;
        return;
    }
    if (i == ways->n) memcpy(ways->way[ways->n++].text, text, sizeof text);
    ways->way[i].n++;
}

static void write_ways(const struct ways *ways, char *text, size_t size) {
    size_t n = 0;
    *text = '\0';
    for (unsigned i = 0; i < ways->n && n < size; i++)
        n += (size_t)snprintf(text + n, size - n, "%s%s x%" PRIu64, i ? "; " : "", ways->way[i].text, ways->way[i].n);
    if (ways->others && n < size) snprintf(text + n, size - n, "; others x%" PRIu64, ways->others);
}

bool coding_is_shared(const zipnn_archive *archive, uint64_t off, uint64_t len) {
    uint64_t first, last;
    zipnn_chunk_info a, b;
    if (len == 0 || zipnn_archive_chunk_at(archive, off, &first, NULL) != ZIPNN_OK ||
        zipnn_archive_chunk_at(archive, off + len - 1, &last, NULL) != ZIPNN_OK ||
        zipnn_archive_chunk(archive, first, &a, NULL) != ZIPNN_OK ||
        zipnn_archive_chunk(archive, last, &b, NULL) != ZIPNN_OK)
        return false;
    return a.offset < off || b.offset + b.length > off + len;
}

zipnn_status coding_of(const zipnn_archive *archive, uint64_t off, uint64_t len, struct coding_text *coding,
                       zipnn_error *err) {
    struct ways ways = {.n = 0};
    zipnn_archive_info info;
    uint64_t chunk;
    zipnn_archive_get_info(archive, &info);
    *coding = (struct coding_text){.n = 0};
    if (len == 0 || zipnn_archive_chunk_at(archive, off, &chunk, NULL) != ZIPNN_OK) return ZIPNN_OK;
    coding->first = chunk;
    coding->shared = coding_is_shared(archive, off, len);
    for (; chunk < info.n_chunks; chunk++) {
        zipnn_chunk_info place;
        zipnn_coding one;
        zipnn_status st = zipnn_archive_chunk(archive, chunk, &place, err);
        if (st == ZIPNN_OK && place.offset >= off && place.offset - off >= len) break;
        if (st == ZIPNN_OK) st = zipnn_archive_coding(archive, chunk, &one, err);
        if (st != ZIPNN_OK) return st;
        count(&ways, &one);
        coding->n++;
    }
    write_ways(&ways, coding->text, sizeof coding->text);
    return ZIPNN_OK;
}
