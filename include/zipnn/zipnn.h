/* zipnn: lossless compression of AI model weights.
 *
 * This header is the public C API, and its comments are the manual; zipnn/file.h adds files, and is included at the
 * end. Both work with C11 and C++11.
 *
 *     zipnn_ctx *ctx;
 *     zipnn_error err;
 *     size_t cap = (size_t)zipnn_compress_bound(len), archive_len, restored_len;
 *     if (zipnn_create(NULL, &ctx, &err) != ZIPNN_OK ||
 *         zipnn_compress(ctx, weights, len, archive, cap, &archive_len, &err) != ZIPNN_OK ||
 *         zipnn_decompress(ctx, archive, archive_len, restored, len, &restored_len, &err) != ZIPNN_OK)
 *         fprintf(stderr, "%s\n", err.message);
 *     zipnn_destroy(ctx);
 *
 * Words
 *  - The "original" is the data before compression; the "archive" is the .znn bytes (doc/format.md).
 *  - Buffers are compressed and decompressed; streams are packed and unpacked. The archives are the same.
 *  - A "base" is a file that an archive stores differences from; a "delta" is an archive that needs one.
 *  - A "record" is what the Python package zipnn 0.x wrote: see "the format of zipnn 0.x".
 *
 * Rules that hold for every function here
 *  - A function that can fail returns a zipnn_status and writes its results through its last pointers. After a failure
 *    the results are unspecified, and nothing needs to be freed.
 *  - The last parameter `err` may be NULL. If it is given and the call fails, it receives the status, the byte offset
 *    concerned (in the input that the call was reading) and one English sentence with the numbers in it.
 *  - There is no global state. Two threads must not use one context at the same time. Two contexts never touch each
 *    other. An opened archive does not change: any number of threads may read it at the same time, each with its own
 *    context (zipnn_archive_read_in).
 *  - Input is untrusted. Any bytes lead to success or to an error, never to a crash, a hang or wrong data.
 *  - Sizes are in bytes. A flag of type int is false if it is 0 and true otherwise.
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

/* Returns the version of the library in use, "major.minor.patch"; a static string. */
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
    ZIPNN_E_UNSUPPORTED = 7, /* the archive uses a version, flag, layout or codec that this library does not know */
    ZIPNN_E_LIMIT = 8,       /* a size passes a limit of the format or of the options */
    ZIPNN_E_SPACE = 9,       /* the output buffer is too small */
    ZIPNN_E_NOT_FOUND = 10,  /* no tensor has that name or index, or a range is outside the original */
    ZIPNN_E_CANCELLED = 11,  /* the progress callback asked to stop */
    ZIPNN_E_BASE = 12        /* the archive is a delta, and its base was not given, or is another file */
} zipnn_status;

/* Returns the short lower-case name of a status ("corrupt"), "unknown" for other values; a static string. */
ZIPNN_API const char *zipnn_status_name(zipnn_status status);

typedef struct zipnn_error {
    zipnn_status status;
    uint64_t offset;   /* byte offset in the input, or UINT64_MAX if no single place is to blame */
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

/* Returns the name of a dtype as safetensors or GGUF spells it ("BF16", "Q4_0"), "?" for unknown; a static string. */
ZIPNN_API const char *zipnn_dtype_name(zipnn_dtype dtype);

/* Returns the size of an element in bits (4 for F4_E2M1), 0 for unknown and for block types. */
ZIPNN_API unsigned zipnn_dtype_bits(zipnn_dtype dtype);

/* What is known of an element type. The strings are static. */
typedef struct zipnn_dtype_info {
    size_t size;      /* of this struct; the caller sets it */
    const char *id;   /* as in ZIPNN_<id> */
    const char *name; /* as zipnn_dtype_name returns it */
    const char *kind; /* "float", "signed", "unsigned", "boolean", "complex" or "block" */
    unsigned bits;    /* of an element, 0 for blocks */
    unsigned exponent_bits;
    unsigned block_bytes, block_elements; /* 0 unless it is a block */
    const char *numpy; /* type in the header of an .npy file; unsigned integers of the same bits where numpy has none */
    const char *ml_dtypes; /* its name in the package ml_dtypes, "" if it has none */
    const char *torch;     /* its name in torch, "" if it has none */
    const char *aliases;   /* further names, in lower case, separated by spaces */
} zipnn_dtype_info;

/* Describes an element type. Returns ZIPNN_E_NOT_FOUND for UNKNOWN and for values after the last type. */
ZIPNN_API zipnn_status zipnn_dtype_describe(zipnn_dtype dtype, zipnn_dtype_info *info, zipnn_error *err);

/* Finds the type that has this id, name, ml_dtypes name, torch name or alias, in upper or lower case. Returns
 * ZIPNN_E_NOT_FOUND if there is none. */
ZIPNN_API zipnn_status zipnn_dtype_find(const char *name, zipnn_dtype *dtype, zipnn_error *err);

/* ---- contexts ---------------------------------------------------------------------------------------------------- */

/* Instruction sets. All give identical bytes, both ways; choosing one is for tests and benchmarks. */
typedef enum zipnn_cpu {
    ZIPNN_CPU_BEST = 0,
    ZIPNN_CPU_SCALAR = 1,
    ZIPNN_CPU_AVX2 = 2,
    ZIPNN_CPU_AVX512 = 3, /* F, BW, VL, DQ, VBMI, VBMI2, BITALG, GFNI */
    ZIPNN_CPU_NEON = 4
} zipnn_cpu;

typedef enum zipnn_verify {
    ZIPNN_VERIFY_DEFAULT = 0, /* while compressing, every chunk is decoded and compared before it is written */
    ZIPNN_VERIFY_OFF = 1      /* the encoder is trusted */
} zipnn_verify;

enum {
    ZIPNN_LEVEL_DEFAULT = 0, /* means level 3 */
    ZIPNN_LEVEL_FAST = 1,
    ZIPNN_LEVEL_HIGH = 6, /* smaller; encoding takes three to six times as long, decoding 1.2 to five (AVX-512) */
    ZIPNN_LEVEL_FINE = 8, /* smaller again, for bf16 and fp32: finer probabilities; decoding takes twice as long */
    ZIPNN_LEVEL_BEST = 9  /* smallest, for floats: a hundred times slower, both ways; integers and blocks as level 6 */
};

/* Memory hooks. alloc returns `size` bytes aligned as malloc does, or NULL; release accepts NULL. With several threads,
 * or an executor, worker threads call them too: they must be as thread-safe as malloc. libzstd and jansson allocate by
 * malloc. */
typedef struct zipnn_allocator {
    void *(*alloc)(void *user, size_t size);
    void (*release)(void *user, void *ptr);
    void *user;
} zipnn_allocator;

/* How tensors are stored that repeat another one byte for byte, such as tied embeddings, or nearly, such as experts. */
typedef enum zipnn_repeats {
    ZIPNN_REPEATS_DEFAULT =
        0, /* stored once, or as differences, if the source has read_at. An archive with repeats can be restored from
                                  a source with read_at only, not from a pipe */
    ZIPNN_REPEATS_OFF = 1 /* stored each time: every archive can be restored from a pipe */
} zipnn_repeats;

/* Parallel-for hook. run must call task(arg, i) exactly once for each i in [0, n), on any threads, in any order (also
 * one after the other on the calling thread), and return when all calls have returned. */
typedef struct zipnn_executor {
    void (*run)(void *user, size_t n, void (*task)(void *arg, size_t i), void *arg);
    void *user;
} zipnn_executor;

/* Receives progress. It is called now and then, never from two threads at once, possibly from a worker thread. `done`
 * original bytes of `total` (UINT64_MAX if unknown) are finished; when a range is read, both are approximate. If it
 * returns non-zero, the operation stops with ZIPNN_E_CANCELLED. */
typedef int (*zipnn_progress_fn)(void *user, uint64_t done, uint64_t total);

/* Options of a context. Zero every field that you do not set and put sizeof(zipnn_options) in `size`. A longer struct
 * than this library knows is accepted if the part that it does not know is zero. */
typedef struct zipnn_options {
    size_t size;
    int level;         /* 1, 3, 6, 8 or 9; 0 means 3; 2, 4 and 5 mean 3; 7 means 6. Level 9 is slow both ways */
    unsigned threads;  /* worker threads, the caller included; 0 means 1. `executor` gets no more tasks than this */
    zipnn_cpu cpu;     /* zipnn_create returns ZIPNN_E_UNSUPPORTED if this machine lacks it */
    zipnn_dtype dtype; /* element type of input that no reader recognises; UNKNOWN: it is measured */
    zipnn_verify verify;
    int sha256;                 /* flag: store the SHA-256 of the original too */
    zipnn_allocator allocator;  /* alloc NULL: malloc and free */
    zipnn_executor executor;    /* run NULL: the context's own threads, started when they are first needed */
    zipnn_progress_fn progress; /* may be NULL */
    void *progress_user;
    /* The base of a record that is a delta (see "the format of zipnn 0.x"), with read_at and length; NULL for none. The
     * struct is copied; what it points to must outlive the context. */
    const struct zipnn_source *base;
    uint64_t max_original; /* restoring, testing, salvaging or recompressing more bytes than this is ZIPNN_E_LIMIT,
                              before the first byte unless the archive is a pipe; 0: no limit. A few bytes of an archive
                              may stand for megabytes */
    zipnn_repeats repeats;
    /* The bases: n_bases sources with read_at and length. Each is a file as it is, or an archive of it.
     * Compressing stores tensors that resemble one of a base as their difference from it. Restoring finds the bases
     * that it needs by digest, among them also those that bases were made against; more may be given than are needed.
     * The structs are copied; what they point to must outlive the context, and its bytes must not change.
     * No archive may need itself. Compressing returns ZIPNN_E_BASE if a base holds the same original, or if the
     * archives given here and in `known` show that a base was made, over any number of steps, from the original.
     * base_names, n_bases strings or NULL, are stored to tell people where a base came from: the last part of a path, or
     * all of one that begins with "./". */
    const struct zipnn_source *bases;
    size_t n_bases;
    const char *const *base_names;
    size_t n_direct; /* compress against the first n_direct bases only (0: all). The remaining ones are needed to read
                        those */
    /* Further archives, n_known sources like `bases`. Nothing is made against or restored from them: they only tell
     * which archive was made from which. The more are given, the more circles are seen. */
    const struct zipnn_source *known;
    size_t n_known;
    unsigned readers; /* the oldest version that must read what is written, 100 * major + minor: 100 for 1.0, whose
                         archives of bf16 are larger by 0.3 % of the original, those of quantised weights by 1.5 to 6 %;
                         0: this version. A value below 100 or above this version is ZIPNN_E_ARGUMENT */
} zipnn_options;

typedef struct zipnn_ctx zipnn_ctx;

/* Creates a context; `options` may be NULL for defaults. The context owns all working memory, about 4 MiB a thread. */
ZIPNN_API zipnn_status zipnn_create(const zipnn_options *options, zipnn_ctx **ctx, zipnn_error *err);

/* Frees a context and stops its threads; NULL is accepted. Close the archives that were opened with it before. */
ZIPNN_API void zipnn_destroy(zipnn_ctx *ctx);

/* Returns the name of the instruction set in use: "scalar", "avx2", "avx512" or "neon"; a static string. */
ZIPNN_API const char *zipnn_kernel_name(const zipnn_ctx *ctx);

/* Returns how many processors this process may run on, at least 1: a good value for zipnn_options.threads. */
ZIPNN_API unsigned zipnn_available_cpus(void);

/* ---- buffers ----------------------------------------------------------------------------------------------------- */

/* Returns the size of the largest archive that `len` original bytes can become, UINT64_MAX if that does not fit. */
ZIPNN_API uint64_t zipnn_compress_bound(uint64_t len);

/* Compresses src[0, len) into dst[0, cap). The input may be a whole model file (zipnn_archive_info.container lists
 * those that are recognised) or bare weights (options.dtype says of which type). If cap >= zipnn_compress_bound(len),
 * the space is always enough. */
ZIPNN_API zipnn_status zipnn_compress(zipnn_ctx *ctx, const void *src, size_t len, void *dst, size_t cap,
                                      size_t *out_len, zipnn_error *err);

/* Finds the size of the original of the archive src[0, len). It stands in the index, whose checksum is verified. */
ZIPNN_API zipnn_status zipnn_original_size(const void *src, size_t len, uint64_t *original, zipnn_error *err);

/* Restores the archive src[0, len) into dst[0, cap). The checksum of every chunk is verified. After a failure dst holds
 * unspecified bytes. This is fastest if dst is memory that has been written before (no page faults). The digest of the
 * whole original is not computed here, since that takes a second pass over memory; zipnn_unpack and zipnn_test do it.
 * */
ZIPNN_API zipnn_status zipnn_decompress(zipnn_ctx *ctx, const void *src, size_t len, void *dst, size_t cap,
                                        size_t *out_len, zipnn_error *err);

/* ---- streams ----------------------------------------------------------------------------------------------------- */

/* Where bytes come from. `read` (sequential) or `read_at` (positioned) must be set; if both are, read_at is used. They
 * return ZIPNN_OK or ZIPNN_E_IO (other values are passed on) and may explain a failure in `err`.
 *  - read: puts up to cap bytes at buf and their number in *got; 0 means the end. Short reads are fine. One thread
 *    calls it at a time.
 *  - read_at: fills exactly len bytes from offset off. Several threads call it at once. Needs `length`.
 *  - view: optional beside read_at, NULL otherwise. It points at the same bytes in memory instead of copying them. They
 *    must stay valid and unchanged as long as the source is in use. */
typedef struct zipnn_source {
    zipnn_status (*read)(void *user, void *buf, size_t cap, size_t *got, zipnn_error *err);
    zipnn_status (*read_at)(void *user, uint64_t off, void *buf, size_t len, zipnn_error *err);
    uint64_t length; /* total bytes; UINT64_MAX if unknown (then only `read` can be used) */
    void *user;
    zipnn_status (*view)(void *user, uint64_t off, size_t len, const void **bytes, zipnn_error *err);
} zipnn_source;

/* Where bytes go. `write` takes all len bytes in order; one thread calls it at a time. `write_at` is optional: if it is
 * set and the operation knows the offsets, several threads call it at once with disjoint ranges that together cover the
 * output. */
typedef struct zipnn_sink {
    zipnn_status (*write)(void *user, const void *buf, size_t len, zipnn_error *err);
    zipnn_status (*write_at)(void *user, uint64_t off, const void *buf, size_t len, zipnn_error *err);
    void *user;
} zipnn_sink;

typedef struct zipnn_stats {
    uint64_t original; /* bytes */
    uint64_t archive;  /* bytes */
    uint64_t n_chunks;
    uint8_t xxh3[16];   /* XXH3-128 of the original, in canonical (big-endian) order as xxhsum prints it */
    uint8_t sha256[32]; /* zero if it was not asked for */
    int has_sha256;
    int unverified; /* flag: a record of zipnn 0.x was restored, which holds no digest; xxh3 is of what came out */
    uint64_t n_unchecked; /* zipnn_test: chunks whose base was not given. Their checksums are right; the chunks and the
                             digests of the whole could not be verified further */
} zipnn_stats;

/* Compresses all bytes that the source gives, and writes the archive in order to sink->write. Memory is bounded,
 * whatever the size. A pipe and a file give the same archive unless tensors repeat (zipnn_repeats) or resemble others.
 * `stats` may be NULL, here and below. */
ZIPNN_API zipnn_status zipnn_pack(zipnn_ctx *ctx, const zipnn_source *source, const zipnn_sink *sink,
                                  zipnn_stats *stats, zipnn_error *err);

/* Restores an archive. With source->read_at and sink->write_at all threads write chunks to their places, otherwise
 * chunks are written in order. At the end the XXH3-128 of the whole original is verified, and its SHA-256 if there is
 * one and the source has read_at (a pipe tells only at its end that there is one). The output is good only if ZIPNN_OK
 * is returned. */
ZIPNN_API zipnn_status zipnn_unpack(zipnn_ctx *ctx, const zipnn_source *source, const zipnn_sink *sink,
                                    zipnn_stats *stats, zipnn_error *err);

/* Does all that zipnn_unpack does except writing. If the bases of an archive are not given, it verifies what it can and
 * counts in stats->n_unchecked what it could not. Whether such an archive can be restored is then unknown, and
 * zipnn_unpack returns ZIPNN_E_BASE. */
ZIPNN_API zipnn_status zipnn_test(zipnn_ctx *ctx, const zipnn_source *source, zipnn_stats *stats, zipnn_error *err);

/* Returns non-zero if the archive that starts with these bytes (24 suffice) can only be restored from a source with
 * read_at, because chunks of it refer to other chunks: repeated tensors are stored once. */
ZIPNN_API int zipnn_needs_read_at(const void *head, size_t len);

/* ---- archives: tensors and random access ------------------------------------------------------------------------- */

typedef struct zipnn_archive zipnn_archive;

typedef struct zipnn_archive_info {
    uint64_t original; /* bytes */
    uint64_t archive;  /* bytes */
    uint64_t n_chunks;
    uint64_t n_tensors;    /* 0 if the original is not a model file that this library reads */
    const char *container; /* "safetensors", "gguf", "npy", "torch", "pickle", "zip", "onnx", "tflite", "hdf5", "ggml",
                              "tar", "msgpack" or "raw"; "zipnn 0.x" for records; "damaged" if the chunks that hold the original's header
                              are damaged; a static string */
    uint8_t xxh3[16];      /* of the original */
    uint8_t sha256[32];    /* of the original, if has_sha256 */
    int has_sha256;
    int level;        /* that the archive was written with */
    int unverified;   /* flag: a record or a plain file, without level, chunks and digests */
    unsigned n_bases; /* bases that chunks refer to: without them these chunks cannot be read */
    int has_repeats;  /* flag: chunks refer to other chunks of this archive; see zipnn_needs_read_at */
} zipnn_archive_info;

typedef struct zipnn_tensor_info {
    const char
        *name; /* as in the file, NUL-terminated; a zero in it is shown as "\u0000". It is UTF-8 if the file keeps
                         its own rules. Names are unique: the first tensor of a name keeps it, the others are called
                         NAME#1, NAME#2 ... The archive owns the string */
    zipnn_dtype dtype;
    uint32_t rank;
    const uint64_t *shape; /* `rank` entries; the archive owns them */
    uint64_t offset;       /* of its first byte in the original; if it is in pieces, of the first piece */
    uint64_t length;       /* bytes in the original from there on; if it is in pieces, of all pieces */
    uint64_t stored;       /* its share of the archive: a chunk that several tensors share is divided in proportion */
} zipnn_tensor_info;

/* How the bytes of a tensor differ from its values in row-major, little-endian order: bits of
 * zipnn_tensor_layout.flags. */
enum {
    ZIPNN_TENSOR_BIG_ENDIAN = 1,   /* each element is big-endian; of complex types each part */
    ZIPNN_TENSOR_COLUMN_MAJOR = 2, /* the first index runs fastest, as in Fortran */
    ZIPNN_TENSOR_CONJUGATE = 4,  /* the values are the conjugates of the bytes, as PyTorch's lazy conj() stores them */
    ZIPNN_TENSOR_NEGATIVE = 8,   /* the values are the negatives of the bytes */
    ZIPNN_TENSOR_STRIDED = 16,   /* a step of `strides` elements leads from one index to the next */
    ZIPNN_TENSOR_IN_PIECES = 32, /* the tensor is cut into pieces that lie anywhere, such as the chunks of HDF5 */
    ZIPNN_TENSOR_FILTERED =
        64,                   /* the file's own format compresses it, or spells it as text: the values cannot be read */
    ZIPNN_TENSOR_SHARED = 128 /* some of its bytes are also those of earlier tensors, such as tied embeddings */
};

typedef struct zipnn_tensor_layout {
    size_t size;             /* of this struct; the caller sets it */
    unsigned flags;          /* ZIPNN_TENSOR_*; 0: row after row, little-endian, in one run */
    const uint64_t *strides; /* `rank` entries, in elements, if STRIDED, else NULL; the archive owns them */
    uint64_t values;         /* bytes that the values take, row after row */
} zipnn_tensor_layout;

typedef struct zipnn_chunk_info {
    uint64_t offset;         /* of its first byte in the original */
    uint64_t length;         /* original bytes */
    uint64_t archive_offset; /* of its frame in the archive */
    uint64_t stored;         /* bytes of its frame */
    uint64_t check;          /* XXH3-64 of the stored chunk */
} zipnn_chunk_info;

/* Opens an archive on a source with read_at. Header and index are read and verified, and the original's own header if
 * it is a model file. This takes two reads, of the first and the last 64 KiB, a third one if the index is larger, and
 * those of the chunks that hold the original's header. The source struct is copied; what it points to, and the context,
 * must outlive the archive. A function below that takes an archive which is not const uses the context that opened it: one
 * thread at a time may do so. */
ZIPNN_API zipnn_status zipnn_archive_open(zipnn_ctx *ctx, const zipnn_source *source, zipnn_archive **archive,
                                          zipnn_error *err);

/* Opens a model file that is not compressed as if it were an archive, so that its tensors can be listed and read. It
 * has no chunks and no digests. A file that no reader recognises has no tensors. */
ZIPNN_API zipnn_status zipnn_model_open(zipnn_ctx *ctx, const zipnn_source *source, zipnn_archive **archive,
                                        zipnn_error *err);

/* Frees an archive; NULL is accepted. */
ZIPNN_API void zipnn_archive_close(zipnn_archive *archive);

ZIPNN_API void zipnn_archive_get_info(const zipnn_archive *archive, zipnn_archive_info *info);

/* Describes the tensor `index`, which counts from 0 to info.n_tensors - 1. */
ZIPNN_API zipnn_status zipnn_archive_tensor(const zipnn_archive *archive, uint64_t index, zipnn_tensor_info *info,
                                            zipnn_error *err);

/* Finds the tensor with exactly this name. Returns ZIPNN_E_NOT_FOUND if there is none. */
ZIPNN_API zipnn_status zipnn_archive_find(const zipnn_archive *archive, const char *name, uint64_t *index,
                                          zipnn_error *err);

/* Tells how the bytes of a tensor are to be read. */
ZIPNN_API zipnn_status zipnn_archive_tensor_layout(const zipnn_archive *archive, uint64_t index,
                                                   zipnn_tensor_layout *layout, zipnn_error *err);

/* Reads the values of a whole tensor, row after row, little-endian, whatever its layout is. cap must be at least
 * layout.values, which is the tensor's length unless it is strided or in pieces. Besides dst, memory is taken for the
 * bytes of a tensor that is strided, in pieces, or whose rows lie apart. */
ZIPNN_API zipnn_status zipnn_archive_read_tensor(zipnn_archive *archive, uint64_t index, void *dst, size_t cap,
                                                 zipnn_error *err);

/* Reads rows [first, first + n) of a tensor in the same way, along its first dimension. cap must be at least their
 * share of layout.values. */
ZIPNN_API zipnn_status zipnn_archive_read_rows(zipnn_archive *archive, uint64_t index, uint64_t first, uint64_t n,
                                               void *dst, size_t cap, zipnn_error *err);

/* Writes the same values in order to sink->write. Use it for files from strangers: a few bytes of a file may stand for
 * values without end. */
ZIPNN_API zipnn_status zipnn_archive_write_rows(zipnn_archive *archive, uint64_t index, uint64_t first, uint64_t n,
                                                const zipnn_sink *sink, zipnn_error *err);

/* Reads original bytes [off, off + len) into dst. Only the chunks that hold them are decoded. */
ZIPNN_API zipnn_status zipnn_archive_read(zipnn_archive *archive, uint64_t off, uint64_t len, void *dst,
                                          zipnn_error *err);

/* These four do the same with any context: its threads, memory and progress function. So several threads read one
 * archive at the same time, each with its own context; functions that take a const archive may be called meanwhile.
 * Bases are those of the context that opened the archive. */
ZIPNN_API zipnn_status zipnn_archive_read_in(zipnn_ctx *ctx, const zipnn_archive *archive, uint64_t off, uint64_t len,
                                             void *dst, zipnn_error *err);
ZIPNN_API zipnn_status zipnn_archive_read_tensor_in(zipnn_ctx *ctx, const zipnn_archive *archive, uint64_t index,
                                                    void *dst, size_t cap, zipnn_error *err);
ZIPNN_API zipnn_status zipnn_archive_read_rows_in(zipnn_ctx *ctx, const zipnn_archive *archive, uint64_t index,
                                                  uint64_t first, uint64_t n, void *dst, size_t cap, zipnn_error *err);
ZIPNN_API zipnn_status zipnn_archive_write_rows_in(zipnn_ctx *ctx, const zipnn_archive *archive, uint64_t index,
                                                   uint64_t first, uint64_t n, const zipnn_sink *sink,
                                                   zipnn_error *err);

/* Returns how many entries of the original's directory are not among the tensors, because they overlap another, are not
 * in the file as they are, make no sense, or are of an unknown type. If there are too many for the bytes present, it
 * returns fewer than there are. 0: all are listed. */
ZIPNN_API uint64_t zipnn_archive_n_left_out(const zipnn_archive *archive);

/* Describes the chunk `index`, which counts from 0 to info.n_chunks - 1. */
ZIPNN_API zipnn_status zipnn_archive_chunk(const zipnn_archive *archive, uint64_t index, zipnn_chunk_info *info,
                                           zipnn_error *err);

/* Finds the chunk that holds the original's byte `off`. */
ZIPNN_API zipnn_status zipnn_archive_chunk_at(const zipnn_archive *archive, uint64_t off, uint64_t *chunk,
                                              zipnn_error *err);

/* How a chunk is coded: its bytes are divided into planes, and each plane is coded on its own (doc/format.md,
 * section 5). The strings are static. */
typedef struct zipnn_coding {
    const char *layout; /* "16R", "records" ..., as doc/format.md names it; "copy" or "delta" for a chunk that refers to
                           other bytes; "?" if it is unknown */
    unsigned n_planes;  /* 0 if the layout is unknown, and for copies; 1 for a delta, and for chunks of chunks */
    struct {
        const char *codec; /* "raw", "R16", "zstd" ...; of a delta "dense", "sparse" or "given"; "chunks"; or "?" */
        uint64_t original; /* bytes before coding */
        uint64_t stored;   /* bytes after coding */
    } planes[16];
} zipnn_coding;

/* Tells how a chunk is coded. It reads the first bytes of the chunk and decodes nothing, so damage is not noticed. */
ZIPNN_API zipnn_status zipnn_archive_coding(const zipnn_archive *archive, uint64_t chunk, zipnn_coding *coding,
                                            zipnn_error *err);

/* ---- archives: bytes that the caller fetches --------------------------------------------------------------------- */

/* A run of bytes of a source. Source 0 is the archive's own; source i + 1 is options.bases[i] of the context that
 * opened the archive. */
typedef struct zipnn_range {
    unsigned source;
    uint64_t offset;
    uint64_t length;
} zipnn_range;

typedef struct zipnn_piece {
    zipnn_range range;
    const void *bytes; /* range.length of them; the caller owns them, and they must not change during the call */
} zipnn_piece;

typedef struct zipnn_fetched {
    size_t size;               /* of this struct; the caller sets it */
    const zipnn_piece *pieces; /* ascending by source, then by offset. They may overlap, and hold more than is needed */
    size_t n_pieces;
    zipnn_range *missing; /* room for `cap` ranges, at least one */
    size_t cap;
    size_t n_missing; /* result: ranges still to be fetched, in the order of pieces; 0: dst is filled. If there was no
                         room for all of them, the next call tells the others */
} zipnn_fetched;

/* For schedulers, remote readers and loaders with queues of their own. Lists which bytes of the archive a read of
 * original bytes [off, off + len) needs: one range for each chunk, in order. *n is their number; the first `cap` are
 * stored, and with cap 0 `ranges` may be NULL. Nothing is read. If chunks refer to other bytes (info.n_bases,
 * info.has_repeats), only the chunks themselves tell what else is needed: zipnn_archive_decode lists that. Of a model
 * file that is not compressed the range itself is listed. Records are ZIPNN_E_UNSUPPORTED: they have no index. */
ZIPNN_API zipnn_status zipnn_archive_ranges(const zipnn_archive *archive, uint64_t off, uint64_t len,
                                            zipnn_range *ranges, size_t cap, size_t *n, zipnn_error *err);

/* Does what zipnn_archive_read_in does, with the same checks and errors, from bytes that the caller fetched. It does no
 * I/O and uses no thread but the one that calls. If bytes are missing, ZIPNN_OK is returned all the same,
 * fetched->n_missing is not 0, and dst holds anything: fetch what is missing, add it to the pieces, and call again. One
 * call is enough if no chunk refers to other bytes and all ranges of zipnn_archive_ranges are given; otherwise each
 * archive that references lead through may take one more. */
ZIPNN_API zipnn_status zipnn_archive_decode(zipnn_ctx *ctx, const zipnn_archive *archive, uint64_t off, uint64_t len,
                                            void *dst, zipnn_fetched *fetched, zipnn_error *err);

/* ---- bases and deltas -------------------------------------------------------------------------------------------- */

/* Finds which of the context's first n_direct bases resembles the source most, by a sample of each tensor, and stores
 * its index: the base to compress the source against. Returns ZIPNN_E_NOT_FOUND if none is similar. Bases that lead
 * back to the source (see zipnn_options.bases) are left out. The source needs read_at. */
ZIPNN_API zipnn_status zipnn_nearest_base(zipnn_ctx *ctx, const struct zipnn_source *source, size_t *index,
                                          zipnn_error *err);

typedef struct zipnn_base_info {
    const char *name;  /* of the file that was given when the archive was made, for people; the archive owns it */
    uint64_t original; /* its bytes */
    uint8_t xxh3[16];  /* its digest, by which it is found */
    int at_hand;       /* flag: it is among the context's bases, with all that it was itself made against */
} zipnn_base_info;

/* Describes the base `index`, which counts from 0 to info.n_bases - 1, of those that an archive was made against. */
ZIPNN_API zipnn_status zipnn_archive_base(const zipnn_archive *archive, unsigned index, zipnn_base_info *info,
                                          zipnn_error *err);

/* Updates memory in place: before the call memory[0, len) holds the one base that a delta archive was made against,
 * afterwards its original. It is meant for weights that are in use.
 *  - The source needs read_at. Base and original must have the same length, with their bytes at the same places, as
 *    successive states of a model do; ZIPNN_E_UNSUPPORTED otherwise.
 *  - Before anything is changed, every chunk of the memory that the archive refers to is compared with what it should
 *    be, the base's bytes or already the result's; ZIPNN_E_BASE otherwise. So updates out of order are refused.
 *  - A chunk is verified before it is put in place. After any other failure some chunks are the base's and some the
 *    result's, never a mixture. The same call may be repeated; chunks that are done already stay as they are.
 *  - Other threads see the chunks change one by one. */
ZIPNN_API zipnn_status zipnn_apply(zipnn_ctx *ctx, const zipnn_source *source, void *memory, size_t len,
                                   zipnn_stats *stats, zipnn_error *err);

/* ---- damage ------------------------------------------------------------------------------------------------------ */

/* A stretch of the original that cannot be restored. */
typedef struct zipnn_damage {
    uint64_t offset, length; /* in the original; length 0 if the damaged frame holds none of it */
    uint64_t first_tensor;   /* the tensors concerned are among the n_tensors from this one on (zipnn_archive_tensor) */
    uint64_t n_tensors;
    const zipnn_error *error; /* the reason; its offset is one in the archive. Valid during the call */
} zipnn_damage;

/* Receives damage in order of offsets, never from two threads at once, possibly from a worker thread. If it returns
 * non-zero, the operation stops with ZIPNN_E_CANCELLED. */
typedef int (*zipnn_damage_fn)(void *user, const zipnn_damage *damage);

typedef struct zipnn_verified {
    uint64_t original;  /* bytes, as far as that is known */
    uint64_t intact;    /* bytes that were decoded and whose checksums are right */
    uint64_t n_damaged; /* stretches that were reported */
    uint64_t unplaced;  /* further bytes that are intact but whose place is unknown */
    int length_unknown; /* flag: the original was longer; by how much is unknown */
    int has_digests;    /* flag: the original's own digest was there to compare with */
    uint8_t xxh3[16];   /* XXH3-128 of the intact bytes */
    uint64_t unchecked; /* zipnn_archive_verify: bytes of chunks whose base was not given; their checksums are right */
} zipnn_verified;

/* Decodes the whole archive and verifies every checksum and digest. It goes on after damage and reports each damaged
 * stretch, at most one per chunk. Returns ZIPNN_OK if all is right; otherwise ZIPNN_E_CORRUPT, or the reason why
 * zipnn_archive_open would have failed. `report` and `result` may be NULL. */
ZIPNN_API zipnn_status zipnn_archive_verify(zipnn_archive *archive, zipnn_damage_fn report, void *user,
                                            zipnn_verified *result, zipnn_error *err);

/* Does the same and writes the original in order to sink->write, with zeros where it is damaged. A stretch is reported
 * before its zeros are written. */
ZIPNN_API zipnn_status zipnn_archive_salvage(zipnn_archive *archive, const zipnn_sink *sink, zipnn_damage_fn report,
                                             void *user, zipnn_verified *result, zipnn_error *err);

/* Opens an archive even if its header, index or end is damaged or missing. Its frames are then searched for, and those
 * found can be listed, read, verified and salvaged. The work is bounded by a multiple of the source's length. Without
 * an index, bytes after a gap can be placed only if the original's own header tells how long the original is; that
 * length is believed up to 64 MiB plus 1024 bytes for each byte of the source. */
ZIPNN_API zipnn_status zipnn_archive_open_damaged(zipnn_ctx *ctx, const zipnn_source *source, zipnn_archive **archive,
                                                  zipnn_error *err);

/* Returns why zipnn_archive_open would have failed on this archive, NULL if it would not; the archive owns it. */
ZIPNN_API const zipnn_error *zipnn_archive_fault(const zipnn_archive *archive);

/* ---- estimating and recompressing -------------------------------------------------------------------------------- */

/* What compressing would give. */
typedef struct zipnn_estimate_info {
    uint64_t original; /* bytes */
    uint64_t archive;  /* bytes that it would become, about */
    uint64_t margin;   /* by which `archive` may be wrong, with 95 % confidence; 0 if the whole source was compressed */
    uint64_t sampled;  /* original bytes that were compressed for the estimate */
    uint64_t n_chunks; /* of the archive that it would be */
} zipnn_estimate_info;

/* Estimates what compressing would give: compresses about max_sampled bytes (0: 96 MiB) of the source, some chunks from
 * each stretch of each element type, or all of it, and writes nothing. The same source gives the same estimate. The
 * source needs read_at. */
ZIPNN_API zipnn_status zipnn_estimate(zipnn_ctx *ctx, const zipnn_source *source, uint64_t max_sampled,
                                      zipnn_estimate_info *info, zipnn_error *err);

/* Writes another archive of the same original, with the context's level. Chunks are decoded and encoded again; the
 * original is never whole in memory. If the old archive has a SHA-256, the new one has it too. The source needs
 * read_at. The result is verified at the end: the sink's bytes are good only if ZIPNN_OK is returned. Records of zipnn
 * 0.x are taken too; deltas are not (ZIPNN_E_BASE). The call uses a second context's memory and threads. */
ZIPNN_API zipnn_status zipnn_recompress(zipnn_ctx *ctx, const zipnn_source *source, const zipnn_sink *sink,
                                        zipnn_stats *stats, zipnn_error *err);

/* ---- the format of zipnn 0.x ------------------------------------------------------------------------------------- */

/* Records, written by the Python package zipnn 0.3.1 to 0.5.4, are read by zipnn_decompress, zipnn_unpack, zipnn_test,
 * zipnn_original_size and zipnn_archive_*: both as files of their own ("X.znn") and as the tensors of
 * "X.znn.safetensors", which is restored to a plain safetensors file. They hold no checksum: damage is found only where
 * it makes a record malformed. A record from a pipe is read into memory, 1 GiB at most. */

/* The two forms of that package's files. */
typedef enum zipnn_old_form {
    ZIPNN_OLD_RECORD = 0,     /* "X.znn": the source as one record of elements of options.dtype, BF16 if unknown */
    ZIPNN_OLD_SAFETENSORS = 1 /* "X.znn.safetensors": a safetensors file whose floating tensors are records */
} zipnn_old_form;

/* Writes what the Python package zipnn 0.5 reads. A record is, byte for byte, what version 0.5.3 writes, and a delta if
 * options.base is set. This is for people who still run that package: the format has no checksums and no random access,
 * and is larger. The source needs read_at; memory is bounded. stats->xxh3 stays zero. */
ZIPNN_API zipnn_status zipnn_pack_old(zipnn_ctx *ctx, zipnn_old_form form, const zipnn_source *source,
                                      const zipnn_sink *sink, zipnn_stats *stats, zipnn_error *err);

#ifdef __cplusplus
}
#endif

#include "file.h" /* IWYU pragma: export */

#endif
