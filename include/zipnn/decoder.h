/* zipnn, the decoder alone: for programs without files, threads or a heap, such as boot code, kernels, enclaves and
 * browsers. `cmake -DZIPNN_MINIMAL=ON` makes a library of these functions that needs nothing but memcpy, memmove, memset
 * and memcmp; they are in no other build. The caller reads the archive, from wherever it is, and gives all memory:
 *
 *     zipnn_decoder_read_header     the first 24 bytes
 *     zipnn_decoder_read_trailer    the last 16 bytes: where the index is
 *     zipnn_decoder_read_index      the index: where the frames are, and which bytes of the original each stands for
 *     zipnn_decoder_next_frame      one frame after the other
 *     zipnn_decoder_open_frame      a frame: what its chunk is coded against, if against anything;
 *     zipnn_decoder_next_part       part by part,
 *     zipnn_decoder_make            from the bytes of each
 *     zipnn_decoder_decode          ... and its bytes of the original
 *
 * All bytes may be hostile: every function either succeeds, or fails with what is wrong and where. A chunk that decodes
 * has the right checksum of its stored form. Who restores all of an original should compare its XXH3-128 at the end
 * (zipnn_decoder_digest_...), which also proves the decoder.
 *
 * Functions that take no decoder may be called by any number of threads; a decoder belongs to one thread at a time.
 */
#ifndef ZIPNN_DECODER_H
#define ZIPNN_DECODER_H

#include "zipnn.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct zipnn_decoder zipnn_decoder;

enum { ZIPNN_HEADER_LEN = 24, ZIPNN_TRAILER_LEN = 16 };

typedef struct zipnn_archive_header {
    uint32_t max_chunk;   /* no chunk stands for more bytes; at most 4 MiB */
    int level;            /* 1 .. 9, for information */
    int refers_to_itself; /* 1: chunks may refer to other bytes of this original */
    int refers_to_bases;  /* 1: chunks may refer to bases; frame 0 is their table */
} zipnn_archive_header;

/* Reads the first ZIPNN_HEADER_LEN bytes of an archive; `len` bytes are present. */
ZIPNN_API zipnn_status zipnn_decoder_read_header(const void *bytes, size_t len, zipnn_archive_header *header,
                                                 zipnn_error *err);

/* Reads the last ZIPNN_TRAILER_LEN bytes of an archive of `archive_len` bytes. The index is at [*at, *at + *len). */
ZIPNN_API zipnn_status zipnn_decoder_read_trailer(const void *bytes, uint64_t archive_len, uint64_t *at, uint64_t *len,
                                                  zipnn_error *err);

/* The list of frames. The caller keeps the bytes of the index as long as it is used. */
typedef struct zipnn_frame_list {
    uint64_t original;  /* length of the original */
    uint64_t n_frames;  /* chunks, and perhaps frames that stand for no bytes */
    uint8_t xxh3[16];   /* XXH3-128 of the original, as `xxhsum -H2` prints it */
    const uint8_t *at_; /* private, as all that follows */
    uint64_t next_, off_, place_;
    uint32_t max_chunk_;
} zipnn_frame_list;

/* Verifies and reads the index, bytes[0, len), which is at `at` of the archive. */
ZIPNN_API zipnn_status zipnn_decoder_read_index(const zipnn_archive_header *header, const void *bytes, uint64_t len,
                                                uint64_t at, zipnn_frame_list *list, zipnn_error *err);

typedef struct zipnn_frame {
    uint64_t at;     /* its place in the archive ... */
    uint32_t stored; /* ... and its length there */
    uint32_t length; /* bytes of the original that it stands for; 0: none, and it may be skipped */
    uint64_t offset; /* their place in the original */
    uint64_t check_; /* private */
} zipnn_frame;

/* Gives the next frame. Returns 0 after the last one. */
ZIPNN_API int zipnn_decoder_next_frame(zipnn_frame_list *list, zipnn_frame *frame);

/* Returns how many bytes of memory a decoder for archives with such a header takes. */
ZIPNN_API size_t zipnn_decoder_memory(const zipnn_archive_header *header);

/* Makes a decoder inside of memory[0, len), which stays the caller's and is in use until its last call. */
ZIPNN_API zipnn_status zipnn_decoder_create(const zipnn_archive_header *header, void *memory, size_t len,
                                            zipnn_decoder **decoder, zipnn_error *err);

/* What a chunk is coded against: a reference of as many bytes as the chunk, which parts make. */
typedef struct zipnn_needs {
    uint32_t length; /* of the reference; 0: the chunk needs none */
    unsigned source; /* where all parts come from. 0: the archive's own original; n: the n-th base of its table */
    uint32_t left;   /* parts that zipnn_decoder_next_part gives yet */
    uint32_t made_;  /* private, as all that follows */
    uint64_t next_, at_;
    const uint8_t *recipe_, *end_;
} zipnn_needs;

/* Bytes of an original that the caller has to provide. */
typedef struct zipnn_part {
    uint32_t length; /* 0: none, the part is zeros */
    uint32_t makes;  /* bytes of the reference that they make, and where: [at, at + makes) */
    uint32_t at;
    unsigned form_; /* private */
    uint64_t offset;
    uint32_t row_, stride_, skip_, width_; /* private */
} zipnn_part;

/* Bytes of the archive's own original that a chunk needs are one part, and lie in at most so many chunks; refuse more. */
enum { ZIPNN_MAX_REFERRED = 16 };

/* Verifies the frame bytes[0, frame->stored) and tells what its chunk needs. If that is bytes of the archive's own
 * original, decode the chunks that hold them first; refuse such a chunk if it needs bytes of the archive's own original,
 * too: then there is no circle, and no depth. `bytes` stay as they are until its parts were given. */
ZIPNN_API zipnn_status zipnn_decoder_open_frame(zipnn_decoder *decoder, const zipnn_frame *frame, const void *bytes,
                                                zipnn_needs *needs, zipnn_error *err);

/* Gives the next part, of needs->left. */
ZIPNN_API zipnn_status zipnn_decoder_next_part(zipnn_needs *needs, zipnn_part *part, zipnn_error *err);

/* Makes reference[part->at, part->at + part->makes) from bytes[0, part->length). */
ZIPNN_API void zipnn_decoder_make(const zipnn_part *part, const void *bytes, void *reference);

/* Verifies the frame and decodes it into out[0, frame->length). `reference` is NULL if the chunk needs none. On failure
 * `out` holds anything. */
ZIPNN_API zipnn_status zipnn_decoder_decode(zipnn_decoder *decoder, const zipnn_frame *frame, const void *bytes,
                                            const void *reference, void *out, zipnn_error *err);

/* A base, by what it holds. */
typedef struct zipnn_decoder_base {
    uint8_t xxh3[16]; /* XXH3-128 of the whole original of the base */
    uint64_t length;  /* of that original */
    char name[256];   /* tells people where it came from; never use it as a path */
} zipnn_decoder_base;

/* Verifies the frame, a table of bases (frame 0 of an archive that refers to bases), and reads the index-th base of it.
 * ZIPNN_E_NOT_FOUND after the last. */
ZIPNN_API zipnn_status zipnn_decoder_read_base(zipnn_decoder *decoder, const zipnn_frame *frame, const void *bytes,
                                               unsigned index, zipnn_decoder_base *base, zipnn_error *err);

/* Computes the XXH3-128 of an original whose bytes come in order: begin, any number of updates, and compare with the
 * digest of the index. */
ZIPNN_API void zipnn_decoder_digest_begin(zipnn_decoder *decoder);
ZIPNN_API void zipnn_decoder_digest_update(zipnn_decoder *decoder, const void *bytes, size_t len);
ZIPNN_API zipnn_status zipnn_decoder_digest_compare(zipnn_decoder *decoder, const zipnn_frame_list *list,
                                                    zipnn_error *err);

#ifdef __cplusplus
}
#endif

#endif
