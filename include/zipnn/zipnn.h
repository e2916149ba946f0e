/* zipnn: lossless compression of AI model weights.
 *
 * This header is the whole public C API; its comments are the manual. C11 and C++11.
 *
 * Rules that hold for every function here
 *  - Whatever can fail returns a zipnn_status and writes results through its last pointers; on failure those results
 * are unspecified and nothing needs freeing.
 *  - The last parameter `err` may be NULL. When given and the call fails, it receives the status, the byte offset
 * concerned (in the input the call was reading) and one English sentence with the numbers in it.
 *  - There is no global state. A context must not be used by two threads at once; two contexts never touch each other.
 *  - Input is untrusted: any bytes lead to success or to an error, never to a crash, a hang or wrong data.
 *  - Sizes are in bytes. "Original" is the data before compression, "archive" the .znn bytes (doc/format.md).
 */
#ifndef ZIPNN_H
#define ZIPNN_H

#include <stddef.h>
#include <stdint.h>

#if defined(_WIN32)
#define ZIPNN_API
#elif defined(__GNUC__)
#define ZIPNN_API __attribute__((visibility("default")))
#else
#define ZIPNN_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

#define ZIPNN_VERSION_MAJOR 1
#define ZIPNN_VERSION_MINOR 1
#define ZIPNN_VERSION_PATCH 0

/* Version of the library in use, "major.minor.patch"; a static string. */
ZIPNN_API const char *zipnn_version(void);

/* ---- status and errors ------------------------------------------------------------------------------------------- */

typedef enum zipnn_status {
    ZIPNN_OK = 0,
    ZIPNN_E_ARGUMENT = 1,    /* the caller broke a rule of this header */
    ZIPNN_E_MEMORY = 2,      /* the allocator returned NULL */
    ZIPNN_E_IO = 3,          /* a source or sink callback failed */
    ZIPNN_E_FORMAT = 4,      /* the input is not a zipnn archive */
    ZIPNN_E_TRUNCATED = 5,   /* the archive ends too early */
    ZIPNN_E_CORRUPT = 6,     /* a checksum, count or stream of the archive is wrong */
    ZIPNN_E_UNSUPPORTED = 7, /* a version, flag, layout or codec this library does not know */
    ZIPNN_E_LIMIT = 8,       /* a size passes a limit of the format or of the options */
    ZIPNN_E_SPACE = 9,       /* the output buffer is too small */
    ZIPNN_E_NOT_FOUND = 10,  /* no tensor of that name or index, or a range outside the original */
    ZIPNN_E_CANCELLED = 11,  /* the progress callback asked to stop */
    ZIPNN_E_BASE = 12        /* the archive is a delta, and its base was not given, or another */
} zipnn_status;

/* Short lower-case name of a status ("corrupt"), "unknown" for other values; a static string. */
ZIPNN_API const char *zipnn_status_name(zipnn_status status);

typedef struct zipnn_error {
    zipnn_status status;
    uint64_t offset;   /* byte offset in the input, or UINT64_MAX when no single place is to blame */
    char message[240]; /* one sentence, NUL-terminated, without a final newline */
} zipnn_error;

/* ---- element types ----------------------------------------------------------------------------------------------- */

/* Element types of tensors. Values are stable within this major version; they never appear in an archive. */
typedef enum zipnn_dtype {
    ZIPNN_DTYPE_UNKNOWN = 0, /* opaque bytes: the element width is measured */
    ZIPNN_BF16 = 1,
    ZIPNN_F16 = 2,
    ZIPNN_F32 = 3,
    ZIPNN_F64 = 4,
    ZIPNN_F8_E4M3 = 5,
    ZIPNN_F8_E5M2 = 6,
    ZIPNN_F8_E4M3FNUZ = 7,
    ZIPNN_F8_E5M2FNUZ = 8,
    ZIPNN_F8_E8M0 = 9,
    ZIPNN_F6_E2M3 = 10,
    ZIPNN_F6_E3M2 = 11,
    ZIPNN_F4_E2M1 = 12,
    ZIPNN_I8 = 13,
    ZIPNN_U8 = 14,
    ZIPNN_I16 = 15,
    ZIPNN_U16 = 16,
    ZIPNN_I32 = 17,
    ZIPNN_U32 = 18,
    ZIPNN_I64 = 19,
    ZIPNN_U64 = 20,
    ZIPNN_BOOL = 21,
    ZIPNN_C64 = 22, /* two F32 */
    /* The block types of GGUF: a fixed number of elements share scales and are stored as one record. */
    ZIPNN_Q4_0 = 23,
    ZIPNN_Q4_1 = 24,
    ZIPNN_Q5_0 = 25,
    ZIPNN_Q5_1 = 26,
    ZIPNN_Q8_0 = 27,
    ZIPNN_Q8_1 = 28,
    ZIPNN_Q2_K = 29,
    ZIPNN_Q3_K = 30,
    ZIPNN_Q4_K = 31,
    ZIPNN_Q5_K = 32,
    ZIPNN_Q6_K = 33,
    ZIPNN_Q8_K = 34,
    ZIPNN_IQ1_S = 35,
    ZIPNN_IQ1_M = 36,
    ZIPNN_IQ2_XXS = 37,
    ZIPNN_IQ2_XS = 38,
    ZIPNN_IQ2_S = 39,
    ZIPNN_IQ3_XXS = 40,
    ZIPNN_IQ3_S = 41,
    ZIPNN_IQ4_NL = 42,
    ZIPNN_IQ4_XS = 43,
    ZIPNN_TQ1_0 = 44,
    ZIPNN_TQ2_0 = 45,
    ZIPNN_MXFP4 = 46,
    ZIPNN_NVFP4 = 47,
    ZIPNN_Q1_0 = 48,
    ZIPNN_Q2_0 = 49,
    ZIPNN_C128 = 50, /* two F64 */
    ZIPNN_C32 = 51   /* two F16 */
} zipnn_dtype;

/* Name of a dtype as safetensors or GGUF spells it ("BF16", "Q4_0"), "?" for unknown; a static string. */
ZIPNN_API const char *zipnn_dtype_name(zipnn_dtype dtype);

/* Size of an element in bits (4 for F4_E2M1), 0 for unknown and for block types. */
ZIPNN_API unsigned zipnn_dtype_bits(zipnn_dtype dtype);

/* What is known of an element type. */
typedef struct zipnn_dtype_info {
    size_t size;      /* of this struct; to be set by the caller */
    const char *id;   /* as in ZIPNN_<id> */
    const char *name; /* of zipnn_dtype_name */
    const char *kind; /* "float", "signed", "unsigned", "boolean", "complex", "block" */
    unsigned bits;    /* of an element, 0 for blocks */
    unsigned exponent_bits;
    unsigned block_bytes, block_elements; /* 0 unless it is a block */
    const char *numpy; /* type in the header of an .npy file; unsigned integers of the same bits where numpy has none */
    const char *ml_dtypes; /* its name in that package, "" for none */
    const char *torch;     /* and in torch */
    const char *aliases;   /* further names, in lower case, with spaces between them */
} zipnn_dtype_info;

/* ZIPNN_E_NOT_FOUND for UNKNOWN and beyond the last type. The strings are static. */
ZIPNN_API zipnn_status zipnn_dtype_describe(zipnn_dtype dtype, zipnn_dtype_info *info, zipnn_error *err);

/* The type of this name in any spelling: id, name, ml_dtypes', torch's or an alias, upper or lower case;
 * ZIPNN_E_NOT_FOUND for none. */
ZIPNN_API zipnn_status zipnn_dtype_find(const char *name, zipnn_dtype *dtype, zipnn_error *err);

/* ---- contexts ---------------------------------------------------------------------------------------------------- */

/* Instruction sets. Every one gives identical bytes, both ways; forcing one is for tests and benchmarks. */
typedef enum zipnn_cpu {
    ZIPNN_CPU_BEST = 0,
    ZIPNN_CPU_SCALAR = 1,
    ZIPNN_CPU_AVX2 = 2,
    ZIPNN_CPU_AVX512 = 3, /* F, BW, VL, DQ, VBMI, VBMI2, BITALG, GFNI */
    ZIPNN_CPU_NEON = 4
} zipnn_cpu;

typedef enum zipnn_verify {
    ZIPNN_VERIFY_DEFAULT = 0, /* pack and compress decode every chunk and compare it before writing it */
    ZIPNN_VERIFY_OFF = 1      /* trust the encoder */
} zipnn_verify;

enum {
    ZIPNN_LEVEL_DEFAULT = 0, /* means level 3 */
    ZIPNN_LEVEL_FAST = 1,
    ZIPNN_LEVEL_HIGH = 6, /* smaller; encoding takes four to six times as long, decoding two to five (AVX-512) */
    ZIPNN_LEVEL_BEST = 9
};

/* Memory hooks. alloc returns `size` bytes aligned as malloc does, or NULL; release accepts NULL. With several threads,
 * or an executor, they are called from worker threads too: they must be as thread-safe as malloc. libzstd and jansson
 * allocate by malloc. */
typedef struct zipnn_allocator {
    void *(*alloc)(void *user, size_t size);
    void (*release)(void *user, void *ptr);
    void *user;
} zipnn_allocator;

/* Tensors that repeat an earlier one byte for byte, such as tied embeddings. */
typedef enum zipnn_repeats {
    ZIPNN_REPEATS_DEFAULT = 0, /* stored once when the source has read_at. An archive with repeats can be restored from
                                  a source with read_at only, not from a pipe */
    ZIPNN_REPEATS_OFF = 1      /* stored each time: every archive can be restored from a pipe */
} zipnn_repeats;

/* Parallel-for hook. run must call task(arg, i) exactly once for each i in [0, n), on any threads, in any order, also
 * one after the other on the calling thread, and return when all calls have returned. */
typedef struct zipnn_executor {
    void (*run)(void *user, size_t n, void (*task)(void *arg, size_t i), void *arg);
    void *user;
} zipnn_executor;

/* Called now and then, never from two threads at once, possibly from a worker thread. `done` original bytes of `total`
 * (UINT64_MAX when unknown) are finished; of a range that is read, about so many. A non-zero answer stops the operation
 * with ZIPNN_E_CANCELLED. */
typedef int (*zipnn_progress_fn)(void *user, uint64_t done, uint64_t total);

/* Options of a context. Zero every field you do not set and put sizeof(zipnn_options) in `size`; a longer struct than
 * this library knows is accepted as long as the part it does not know is zero. */
typedef struct zipnn_options {
    size_t size;
    int level; /* 1 .. 9, 0 for the default (3). Levels 1, 3, 6 and 9 (slow both ways) exist; 2, 4, 5 mean 3; 7, 8 mean
                  6 */
    unsigned
        threads;   /* worker threads including the caller; 0 means 1. No more than this many tasks go to `executor` */
    zipnn_cpu cpu; /* ZIPNN_E_UNSUPPORTED when this machine lacks it */
    zipnn_dtype dtype; /* element type of input that no reader recognises; UNKNOWN measures it */
    zipnn_verify verify;
    int sha256;                 /* non-zero: store the SHA-256 of the original too */
    zipnn_allocator allocator;  /* alloc NULL: malloc and free */
    zipnn_executor executor;    /* run NULL: the context's own threads, started on first need */
    zipnn_progress_fn progress; /* may be NULL */
    void *progress_user;
    /* What an old record (see zipnn_unpack) was made against, with read_at and length; NULL for none. The struct is
     * copied; what it points to must outlive the context. */
    const struct zipnn_source *base;
    uint64_t max_original; /* restoring, testing, salvaging and recompressing more bytes is ZIPNN_E_LIMIT, said before
                              the first where the archive is no pipe; 0: any number. A few bytes of archive may stand
                              for megabytes */
    zipnn_repeats repeats;
    /* What archives are, or were, made against: n_bases sources with read_at and length, each a file as it is or an
     * archive. Compressing stores tensors that resemble one of a base as their difference from it. Restoring finds the
     * bases it needs among them by digest, also those that they are themselves made against; more may be given than
     * are needed. The structs are copied; what they point to must outlive the context, and its bytes must not change.
     * No archive may need itself: ZIPNN_E_BASE when an original is to be made from a base that holds the same original,
     * or one of which any archive, given here or as `known`, was made, over any number of steps, from it.
     * base_names, n_bases strings or NULL, are stored to tell people where a base came from. */
    const struct zipnn_source *bases;
    size_t n_bases;
    const char *const *base_names;
    size_t n_direct; /* compressing refers to the first so many bases only, 0 for all: the others are there because
                        these were made against them */
    /* Further archives, n_known sources like those of `bases`, which nothing is made against or restored from: their
     * tables tell who was made from whom. The more are given, the more circles are seen. */
    const struct zipnn_source *known;
    size_t n_known;
    unsigned readers; /* the oldest version that must read what is written, 100 * major + minor: 100 for 1.0, whose
                         archives are larger by 0.3 points of bf16; 0: this version. Others than 100 to this version's
                         are ZIPNN_E_ARGUMENT */
} zipnn_options;

typedef struct zipnn_ctx zipnn_ctx;

/* Creates a context; `options` may be NULL for defaults. The context owns all working memory, about 4 MiB per thread.
 */
ZIPNN_API zipnn_status zipnn_create(const zipnn_options *options, zipnn_ctx **ctx, zipnn_error *err);

/* Frees a context and stops its threads; NULL is accepted. Archives opened with it must be closed before. */
ZIPNN_API void zipnn_destroy(zipnn_ctx *ctx);

/* Name of the instruction set in use: "scalar", "avx2", "avx512" or "neon"; a static string. */
ZIPNN_API const char *zipnn_kernel_name(const zipnn_ctx *ctx);

/* ---- buffers ----------------------------------------------------------------------------------------------------- */

/* The number of the base, among the context's first n_direct ones, that a source with read_at comes nearest to, by a
 * sample of each tensor, and ZIPNN_E_NOT_FOUND when it comes near none: the one to compress it against, of many. Bases
 * that lead back to the source (see zipnn_options.bases) are left out. */
ZIPNN_API zipnn_status zipnn_nearest_base(zipnn_ctx *ctx, const struct zipnn_source *source, size_t *index,
                                          zipnn_error *err);

/* Largest archive that `len` original bytes can become, UINT64_MAX when that does not fit. */
ZIPNN_API uint64_t zipnn_compress_bound(uint64_t len);

/* Compresses src[0, len) into dst[0, cap). The input may be a whole model file (those of zipnn_archive_info.container
 * are recognised) or bare weights (options.dtype says of which type). Never fails for lack of space when cap >=
 * zipnn_compress_bound(len). */
ZIPNN_API zipnn_status zipnn_compress(zipnn_ctx *ctx, const void *src, size_t len, void *dst, size_t cap,
                                      size_t *out_len, zipnn_error *err);

/* Size of the original of the archive src[0, len), from its index, checksum verified. */
ZIPNN_API zipnn_status zipnn_original_size(const void *src, size_t len, uint64_t *original, zipnn_error *err);

/* Restores the archive src[0, len) into dst[0, cap). Every chunk's checksum is verified. On failure dst holds
 * unspecified bytes. Fastest when dst is memory that has been written before (no page faults). The digest of the whole
 * original is not recomputed here, since that costs a second pass over memory: zipnn_unpack and zipnn_test do it. */
ZIPNN_API zipnn_status zipnn_decompress(zipnn_ctx *ctx, const void *src, size_t len, void *dst, size_t cap,
                                        size_t *out_len, zipnn_error *err);

/* ---- sources and sinks ------------------------------------------------------------------------------------------- */

/* Where bytes come from. `read` (sequential) or `read_at` (positioned) must be set; read_at wins when both are. They
 * return ZIPNN_OK or ZIPNN_E_IO (other values are passed on) and may explain themselves in `err`.
 *  - read: puts up to cap bytes at buf, their number in *got; 0 means the end. Short reads are fine. One thread at a
 * time.
 *  - read_at: fills exactly len bytes from offset off; called by several threads at once. Needs `length`.
 *  - view: optional beside read_at, NULL otherwise: points at the same bytes in memory instead of copying them. They
 * stay valid and unchanged as long as the source is in use. */
typedef struct zipnn_source {
    zipnn_status (*read)(void *user, void *buf, size_t cap, size_t *got, zipnn_error *err);
    zipnn_status (*read_at)(void *user, uint64_t off, void *buf, size_t len, zipnn_error *err);
    uint64_t length; /* total bytes; UINT64_MAX when unknown (then read only) */
    void *user;
    zipnn_status (*view)(void *user, uint64_t off, size_t len, const void **bytes, zipnn_error *err);
} zipnn_source;

/* Where bytes go. `write` takes all len bytes in order, one thread at a time. `write_at` is optional: when set and the
 * operation knows the offsets, several threads call it at once with disjoint ranges that together cover the output. */
typedef struct zipnn_sink {
    zipnn_status (*write)(void *user, const void *buf, size_t len, zipnn_error *err);
    zipnn_status (*write_at)(void *user, uint64_t off, const void *buf, size_t len, zipnn_error *err);
    void *user;
} zipnn_sink;

typedef struct zipnn_stats {
    uint64_t original; /* bytes */
    uint64_t archive;  /* bytes */
    uint64_t n_chunks;
    uint8_t xxh3[16];   /* XXH3-128 of the original, canonical (big-endian) order as xxhsum prints it */
    uint8_t sha256[32]; /* zero when not asked for */
    int has_sha256;
    int unverified;       /* non-zero: an old record was restored, which holds no digest; xxh3 is of what came out */
    uint64_t n_unchecked; /* zipnn_test: chunks whose base was not given. Their checksums are right; they, and the
                             digests of the whole, could not be verified further */
} zipnn_stats;

/* Compresses everything the source gives into an archive written in order to sink->write. Memory is bounded, whatever
 * the size; the bytes are the same for a pipe and a file unless tensors repeat (zipnn_repeats). `stats` may be NULL. */
ZIPNN_API zipnn_status zipnn_pack(zipnn_ctx *ctx, const zipnn_source *source, const zipnn_sink *sink,
                                  zipnn_stats *stats, zipnn_error *err);

/* What compressing would give. */
typedef struct zipnn_estimate_info {
    uint64_t original; /* bytes */
    uint64_t archive;  /* bytes it would become, about */
    uint64_t margin;   /* by which `archive` may be wrong, with 95 % confidence; 0 when all of it was compressed */
    uint64_t sampled;  /* original bytes that were compressed for that */
    uint64_t n_chunks; /* of the archive it would be */
} zipnn_estimate_info;

/* Compresses a sample of the source's chunks, some from each stretch of each element type, about max_sampled bytes (0:
 * 96 MiB) or all of it, and writes nothing. The same source gives the same answer. Needs read_at. */
ZIPNN_API zipnn_status zipnn_estimate(zipnn_ctx *ctx, const zipnn_source *source, uint64_t max_sampled,
                                      zipnn_estimate_info *info, zipnn_error *err);

/* Old records, written by the Python package zipnn 0.3.1 to 0.5.4, are read as well: by zipnn_decompress, zipnn_unpack,
 * zipnn_test, zipnn_original_size and zipnn_archive_*, both as files of their own ("X.znn") and as the tensors of
 * "X.znn.safetensors", which is restored to a plain safetensors file. They hold no checksum: damage is found only where
 * it makes a record malformed. A pipe that brings them is read into memory, 1 GiB at most. */

/* Restores an archive. With source->read_at and sink->write_at chunks go to their places from all threads, otherwise in
 * order. The XXH3-128 of the whole original is verified at the end, and so is its SHA-256 if there is one and the
 * source has read_at (a pipe tells only at its end that there is one): output is good only when ZIPNN_OK is returned.
 */
ZIPNN_API zipnn_status zipnn_unpack(zipnn_ctx *ctx, const zipnn_source *source, const zipnn_sink *sink,
                                    zipnn_stats *stats, zipnn_error *err);

/* Non-zero when an archive of which these are the first bytes (24 tell it) takes a source with read_at to be restored,
 * because chunks of it refer to others. */
ZIPNN_API int zipnn_needs_read_at(const void *head, size_t len);

/* Brings memory[0, len), which holds the one base that an archive was made against, to the archive's original where it
 * is: the weights of a running model, say. The source needs read_at; base and original are of one length and have their
 * bytes at the same places (ZIPNN_E_UNSUPPORTED otherwise), as successive states of a model do. Before anything is
 * changed, every chunk of the memory that was made against the base is found to be the base's or already the result's;
 * ZIPNN_E_BASE otherwise: updates out of order are refused. A chunk is verified before it takes its place. After any
 * other failure some chunks are the base's and some the result's, never anything between: the same call may be
 * repeated, and does nothing where it was done. Other threads see chunks change one by one. */
ZIPNN_API zipnn_status zipnn_apply(zipnn_ctx *ctx, const zipnn_source *source, void *memory, size_t len,
                                   zipnn_stats *stats, zipnn_error *err);

/* Does all that zipnn_unpack does except writing. Without the bases of an archive it verifies what it can, and says in
 * stats->n_unchecked what it could not: then nobody knows whether the archive can be restored, and zipnn_unpack is
 * ZIPNN_E_BASE. */
ZIPNN_API zipnn_status zipnn_test(zipnn_ctx *ctx, const zipnn_source *source, zipnn_stats *stats, zipnn_error *err);

/* Writes another archive of the same original, of the context's level: chunks are decoded and encoded again, the
 * original is never whole in memory. A SHA-256 of the old archive is in the new one too. The source needs read_at.
 * Verified at the end: the sink's bytes are good only when ZIPNN_OK is returned. Old records are taken as well; deltas
 * against a base are not (ZIPNN_E_BASE). Uses a second context's memory and threads meanwhile. `stats` may be NULL. */
ZIPNN_API zipnn_status zipnn_recompress(zipnn_ctx *ctx, const zipnn_source *source, const zipnn_sink *sink,
                                        zipnn_stats *stats, zipnn_error *err);

/* The two forms of the Python package's files. */
typedef enum zipnn_old_form {
    ZIPNN_OLD_RECORD = 0,     /* "X.znn": the source as one record of elements of options.dtype, BF16 when unknown */
    ZIPNN_OLD_SAFETENSORS = 1 /* "X.znn.safetensors": a safetensors file whose floating tensors are records */
} zipnn_old_form;

/* Writes what the Python package zipnn 0.5 reads; a record is, byte for byte, what version 0.5.3 writes, and a delta
 * when options.base is set. For those who still run that package: the format has no checksums and no random access, and
 * is larger. The source needs read_at; memory is bounded. stats->xxh3 stays zero. */
ZIPNN_API zipnn_status zipnn_pack_old(zipnn_ctx *ctx, zipnn_old_form form, const zipnn_source *source,
                                      const zipnn_sink *sink, zipnn_stats *stats, zipnn_error *err);

/* ---- archives: listing and random access ------------------------------------------------------------------------- */

typedef struct zipnn_archive zipnn_archive;

typedef struct zipnn_archive_info {
    uint64_t original; /* bytes */
    uint64_t archive;  /* bytes */
    uint64_t n_chunks;
    uint64_t n_tensors;    /* 0 when the original is not a model file this library reads */
    const char *container; /* "safetensors", "gguf", "npy", "torch", "pickle", "zip", "onnx", "tflite", "hdf5", "ggml"
                              or "raw", "zipnn 0.x" for old records, "damaged" when the chunks that hold the original's
                              header are; static string */
    uint8_t xxh3[16];
    uint8_t sha256[32];
    int has_sha256;
    int level;        /* the level it was written with */
    int unverified;   /* non-zero: an old record or a plain file, without level, chunks and digests */
    unsigned n_bases; /* other originals that chunks refer to: without them those chunks cannot be read */
    int has_repeats;  /* non-zero: chunks refer to others of this archive: see zipnn_needs_read_at */
} zipnn_archive_info;

typedef struct zipnn_tensor_info {
    const char *name; /* as in the file, UTF-8 if it keeps its rules, NUL-terminated, zeros in it as "\u0000"; no two
                         tensors have one: the first keeps it, others are NAME#1, NAME#2 ...; owned by the archive */
    zipnn_dtype dtype;
    uint32_t rank;
    const uint64_t *shape; /* `rank` entries; owned by the archive */
    uint64_t offset;       /* of its first byte in the original; of one in pieces, of the first of them */
    uint64_t length;       /* bytes in the original from there on; of one in pieces, of all of them */
    uint64_t stored;       /* its share of archive bytes: a chunk shared by tensors is divided in proportion */
} zipnn_tensor_info;

/* How the bytes of a tensor are its values. */
enum {
    ZIPNN_TENSOR_BIG_ENDIAN = 1,   /* each element is, of complex types each part */
    ZIPNN_TENSOR_COLUMN_MAJOR = 2, /* the first index runs fastest, as in Fortran */
    ZIPNN_TENSOR_CONJUGATE = 4,  /* the values are the conjugates of the bytes, as PyTorch's lazy conj() leaves them */
    ZIPNN_TENSOR_NEGATIVE = 8,   /* ... or their negatives */
    ZIPNN_TENSOR_STRIDED = 16,   /* a step of `strides` elements leads from one index to the next */
    ZIPNN_TENSOR_IN_PIECES = 32, /* cut into pieces that lie anywhere, such as the chunks of HDF5 */
    ZIPNN_TENSOR_FILTERED = 64,  /* compressed by the file's own format: the values cannot be read here */
    ZIPNN_TENSOR_SHARED = 128    /* some of its bytes are those of tensors before it, such as tied embeddings */
};

typedef struct zipnn_tensor_layout {
    size_t size;             /* of this struct; to be set by the caller */
    unsigned flags;          /* ZIPNN_TENSOR_*; 0: row after row, little-endian, in one run */
    const uint64_t *strides; /* `rank` entries, in elements, if STRIDED, else NULL; owned by the archive */
    uint64_t values;         /* bytes that the values take, row after row */
} zipnn_tensor_layout;

typedef struct zipnn_chunk_info {
    uint64_t offset;         /* of its first byte in the original */
    uint64_t length;         /* original bytes */
    uint64_t archive_offset; /* of its frame in the archive */
    uint64_t stored;         /* bytes of its frame */
    uint64_t check;          /* XXH3-64 of the stored chunk */
} zipnn_chunk_info;

/* Opens an archive on a source with read_at; reads and verifies header and index, and the original's own header if it
 * is a model file. The source struct is copied; what it points to must outlive the archive. One thread at a time per
 * context. */
ZIPNN_API zipnn_status zipnn_archive_open(zipnn_ctx *ctx, const zipnn_source *source, zipnn_archive **archive,
                                          zipnn_error *err);

/* Opens a model file that is not compressed behind the same face, so that its tensors can be listed and read. It has no
 * chunks and no digests; a file that no reader recognises has no tensors. */
ZIPNN_API zipnn_status zipnn_model_open(zipnn_ctx *ctx, const zipnn_source *source, zipnn_archive **archive,
                                        zipnn_error *err);
ZIPNN_API void zipnn_archive_close(zipnn_archive *archive);

ZIPNN_API void zipnn_archive_get_info(const zipnn_archive *archive, zipnn_archive_info *info);

/* How many entries of the original's directory are not among the tensors: they overlap another, are not in the file as
 * they are, make no sense or are of an unknown type; or they are too many for the bytes present, and then this counts
 * fewer of them than there are. 0: all is listed. */
ZIPNN_API uint64_t zipnn_archive_n_left_out(const zipnn_archive *archive);
ZIPNN_API zipnn_status zipnn_archive_chunk(const zipnn_archive *archive, uint64_t index, zipnn_chunk_info *info,
                                           zipnn_error *err);
ZIPNN_API zipnn_status zipnn_archive_tensor(const zipnn_archive *archive, uint64_t index, zipnn_tensor_info *info,
                                            zipnn_error *err);

/* How the bytes of a tensor are its values. */
ZIPNN_API zipnn_status zipnn_archive_tensor_layout(const zipnn_archive *archive, uint64_t index,
                                                   zipnn_tensor_layout *layout, zipnn_error *err);

typedef struct zipnn_base_info {
    const char *name;  /* of the file that was given when the archive was made, for people; owned by the archive */
    uint64_t original; /* its bytes */
    uint8_t xxh3[16];  /* and their digest, by which it is found */
    int at_hand;       /* non-zero: it is among the context's bases, with all that it is itself made against */
} zipnn_base_info;

/* The index-th of the info.n_bases bases that an archive was made against. */
ZIPNN_API zipnn_status zipnn_archive_base(const zipnn_archive *archive, unsigned index, zipnn_base_info *info,
                                          zipnn_error *err);

/* Index of the tensor with exactly this name; ZIPNN_E_NOT_FOUND otherwise. */
ZIPNN_API zipnn_status zipnn_archive_find(const zipnn_archive *archive, const char *name, uint64_t *index,
                                          zipnn_error *err);

/* How a chunk is coded: its bytes fall apart into planes, each coded on its own (doc/format.md, section 5). */
typedef struct zipnn_coding {
    const char *layout; /* "16R", "records" ..., as doc/format.md names it, "copy" or "delta" for a chunk that refers to
                           other bytes, or "?"; static string */
    unsigned n_planes;  /* 0 when the layout is unknown, and for copies; 1 for a delta, and for chunks of chunks */
    struct {
        const char *codec; /* "raw", "R16", "zstd" ...; of a delta "dense", "sparse" or "given"; "chunks"; or "?";
                              static string */
        uint64_t original; /* bytes before coding */
        uint64_t stored;   /* and after */
    } planes[16];
} zipnn_coding;

/* Reads the first bytes of a chunk and decodes nothing. Damage is not noticed here. */
ZIPNN_API zipnn_status zipnn_archive_coding(const zipnn_archive *archive, uint64_t chunk, zipnn_coding *coding,
                                            zipnn_error *err);

/* Index of the chunk that holds the original's byte `off`. */
ZIPNN_API zipnn_status zipnn_archive_chunk_at(const zipnn_archive *archive, uint64_t off, uint64_t *chunk,
                                              zipnn_error *err);

/* Reads original bytes [off, off + len) into dst, decoding only the chunks they touch. */
ZIPNN_API zipnn_status zipnn_archive_read(zipnn_archive *archive, uint64_t off, uint64_t len, void *dst,
                                          zipnn_error *err);

/* Reads the values of a whole tensor, row after row, little-endian, whatever its layout is; cap must be at least
 * layout.values, which is the tensor's length unless it is strided or in pieces. Besides dst, memory is taken for the
 * bytes of a tensor that is strided, in pieces, or of which rows are asked for that lie apart. */
ZIPNN_API zipnn_status zipnn_archive_read_tensor(zipnn_archive *archive, uint64_t index, void *dst, size_t cap,
                                                 zipnn_error *err);

/* Reads rows [first, first + n) of a tensor likewise, along its first dimension; cap must be at least what they take,
 * their share of layout.values. */
ZIPNN_API zipnn_status zipnn_archive_read_rows(zipnn_archive *archive, uint64_t index, uint64_t first, uint64_t n,
                                               void *dst, size_t cap, zipnn_error *err);

/* Puts them in order to sink->write instead: a few bytes of a file may stand for values without end. */
ZIPNN_API zipnn_status zipnn_archive_write_rows(zipnn_archive *archive, uint64_t index, uint64_t first, uint64_t n,
                                                const zipnn_sink *sink, zipnn_error *err);

/* ---- archives: damage -------------------------------------------------------------------------------------------- */

/* A stretch of the original that cannot be restored. */
typedef struct zipnn_damage {
    uint64_t offset, length; /* in the original; length 0 when a frame is damaged that holds none of it */
    uint64_t first_tensor; /* the tensors that have bytes there are among these, numbered as for zipnn_archive_tensor */
    uint64_t n_tensors;
    const zipnn_error *error; /* why; its offset is one in the archive. Valid during the call */
} zipnn_damage;

/* Called in order, never from two threads at once, possibly from a worker thread. A non-zero answer stops the operation
 * with ZIPNN_E_CANCELLED. */
typedef int (*zipnn_damage_fn)(void *user, const zipnn_damage *damage);

typedef struct zipnn_verified {
    uint64_t original;  /* bytes; as far as that is known */
    uint64_t intact;    /* of them, those that were decoded and whose checks hold */
    uint64_t n_damaged; /* stretches that were reported */
    uint64_t unplaced;  /* further bytes that are intact, but nobody knows where they belong */
    int length_unknown; /* non-zero: the original was longer, nobody knows by how much */
    int has_digests;    /* non-zero: the original's own digest was there to compare with */
    uint8_t xxh3[16];   /* XXH3-128 of the intact bytes */
    uint64_t unchecked; /* verifying: bytes of chunks whose base was not given; their checksums are right */
} zipnn_verified;

/* Decodes everything and verifies every check and digest. Goes on after damage: each damaged stretch is reported, at
 * most one per chunk. ZIPNN_OK when all is right, ZIPNN_E_CORRUPT or why the archive could not be opened otherwise.
 * `report` and `result` may be NULL. */
ZIPNN_API zipnn_status zipnn_archive_verify(zipnn_archive *archive, zipnn_damage_fn report, void *user,
                                            zipnn_verified *result, zipnn_error *err);

/* Does the same and writes the original in order to sink->write, zeros where it is damaged. A stretch is reported
 * before its zeros are written. */
ZIPNN_API zipnn_status zipnn_archive_salvage(zipnn_archive *archive, const zipnn_sink *sink, zipnn_damage_fn report,
                                             void *user, zipnn_verified *result, zipnn_error *err);

/* Opens an archive even if its header, index or end is damaged or missing: its frames are then walked, and what is
 * found can be listed, read, verified and salvaged. The work is bounded by a multiple of the source's length. Without
 * an index, bytes that follow a gap can be placed only if the original's own header tells how long it is, and that is
 * believed for 64 MiB and 1024 bytes for each byte of the source. */
ZIPNN_API zipnn_status zipnn_archive_open_damaged(zipnn_ctx *ctx, const zipnn_source *source, zipnn_archive **archive,
                                                  zipnn_error *err);

/* Why zipnn_archive_open would have failed on this archive, NULL if it would not; owned by the archive. */
ZIPNN_API const zipnn_error *zipnn_archive_fault(const zipnn_archive *archive);

/* ---- files ------------------------------------------------------------------------------------------------------- */

/* A file, pipe or terminal as a source or a sink. A file that is written appears under its name only when
 * zipnn_file_commit says so; until then its bytes are in a private temporary file of the same folder, which has no
 * name where the system can do that. Memory is from
 * malloc. Faults of the operating system are ZIPNN_E_IO, and the sentence names the file. */
typedef struct zipnn_file zipnn_file;

enum {
    ZIPNN_FILE_REPLACE = 1, /* an existing file, or a symbolic link itself, may be replaced */
    ZIPNN_FILE_SYNC = 2     /* commit returns when the file and its name are on the device */
};

/* Opens an existing file for reading. */
ZIPNN_API zipnn_status zipnn_file_open(const char *path, zipnn_file **file, zipnn_error *err);

/* Reads or writes an open descriptor from its current position on. The descriptor stays the caller's and open; `name`
 * is copied and used in messages only ("stdin"). The capacity of a pipe is set to 512 KiB where the system allows
 * it. */
ZIPNN_API zipnn_status zipnn_file_from_fd(int fd, const char *name, zipnn_file **file, zipnn_error *err);

/* Starts a new file at `path`. With `like`, a regular file opened for reading (NULL allowed), the new file gets its
 * permissions and times, and its owner and group as far as the process may give them; in another group, that group and
 * all others get only what both were to have. `flags` are ZIPNN_FILE_* bits.
 * Without ZIPNN_FILE_REPLACE an existing file is an error here and at commit, also in a race (unless the file system
 * can refuse neither a rename nor a link). A symbolic link at `path` is never followed. A device or FIFO at `path`, or
 * behind a link there, is written directly: no temporary, no commit needed (a block device only with
 * ZIPNN_FILE_REPLACE). */
ZIPNN_API zipnn_status zipnn_file_create(const char *path, const zipnn_file *like, unsigned flags, zipnn_file **file,
                                         zipnn_error *err);

/* Maps a regular file opened for reading, so that its source has `view` and archives are decoded straight from the page
 * cache. A file that another process cut short is noticed before each chunk, but when that happens while a chunk is
 * being decoded, the read raises SIGBUS, as with every mapping; and one that changes it changes the bytes under the
 * reader: for files that nobody writes to. */
ZIPNN_API zipnn_status zipnn_file_map(zipnn_file *file, zipnn_error *err);

/* Whether the page cache holds a regular file opened for reading, by a sample of its pages; non-zero where the system
 * does not tell. */
ZIPNN_API int zipnn_file_is_cached(const zipnn_file *file);

/* Starts four threads that read a regular file ahead of its source's read_at, past the page cache where the system
 * allows it, in a window of 12 MiB: for a file that the page cache does not hold and that is read front to back. Ranges
 * elsewhere are read as usual. The threads end when the file is closed; a child of fork must not use it. */
ZIPNN_API zipnn_status zipnn_file_read_ahead(zipnn_file *file, zipnn_error *err);

/* The file as a source: a regular file has read_at and length, anything else only read. Valid until it is closed. */
ZIPNN_API void zipnn_file_source(zipnn_file *file, zipnn_source *source);

/* The file as a sink: a new regular file has write and write_at, anything else only write. Use one of the two. Long
 * stretches of zeros become holes in a new file. */
ZIPNN_API void zipnn_file_sink(zipnn_file *file, zipnn_sink *sink);

/* Announces that a new file will have `len` bytes, so that a full device shows now; a hint that does nothing where the
 * system has no such call. Worth it when several threads write. */
ZIPNN_API zipnn_status zipnn_file_reserve(zipnn_file *file, uint64_t len, zipnn_error *err);

/* ZIPNN_E_IO when a regular file's size or modification time is no longer what it was when it was opened. */
ZIPNN_API zipnn_status zipnn_file_unchanged(const zipnn_file *file, zipnn_error *err);

/* Gives a new file its name. After a failure the name is as it was before, and zipnn_file_close removes the bytes; only
 * when syncing the folder fails, the file is there and complete. */
ZIPNN_API zipnn_status zipnn_file_commit(zipnn_file *file, zipnn_error *err);

/* Opens a regular file once more, to see whether the device has it: of a new file before its commit all that has been
 * written so far, after it what has the file's name, which is ZIPNN_E_IO if that is another file by now; also a file
 * that was opened by its name for reading. It and its name are synced before, and its pages are let go from the cache,
 * so that what is read comes from the device where the system allows it. The file given stays open as it is. */
ZIPNN_API zipnn_status zipnn_file_read_back(const zipnn_file *written, zipnn_file **file, zipnn_error *err);

/* ZIPNN_E_IO when another program has a regular file opened for reading open, or mapped, for writing, as far as the
 * system tells (Linux, to the file's owner): its changes need not show in the modification time. Likewise when the
 * system's own time of the last change, of contents, owner, permissions or links, is no longer what it was when the
 * file was opened: programs cannot put that back. A program that opens the file for writing during the call makes the
 * system send SIGURG to this one, which is ignored unless it has a handler. Lets go of the file's cached pages as well,
 * so that what is read next comes from the device. */
ZIPNN_API zipnn_status zipnn_file_at_rest(const zipnn_file *file, zipnn_error *err);

/* Removes the name a file was opened by, if it still leads to that file; the folder is held meanwhile. */
ZIPNN_API zipnn_status zipnn_file_remove(const zipnn_file *file, zipnn_error *err);

/* Gives up a new file: a temporary that has a name is removed at once, and a later commit fails. May be called from a
 * signal handler or by another thread while the file is written. */
ZIPNN_API void zipnn_file_discard(zipnn_file *file);

/* Closes; a new file that was not committed is gone. NULL is accepted. */
ZIPNN_API void zipnn_file_close(zipnn_file *file);

/* Processors this process may run on, at least 1: a good number of threads. */
ZIPNN_API unsigned zipnn_available_cpus(void);

#ifdef __cplusplus
}
#endif
#endif
