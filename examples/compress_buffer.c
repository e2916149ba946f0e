/* Compresses a buffer of bf16 numbers, restores it and compares.
 *
 *   cc compress_buffer.c $(pkg-config --cflags --libs zipnn) -o compress_buffer
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zipnn/zipnn.h>

enum { N_WEIGHTS = 1 << 20, LEN = 2 * N_WEIGHTS };

/* Something that looks like trained weights: bf16 is the upper half of a float. */
static void fill(unsigned char *bytes) {
    uint64_t seed = 1;
    for (size_t i = 0; i < N_WEIGHTS; i++) {
        float sum = -2;
        for (int k = 0; k < 4; k++) {
            seed = seed * 6364136223846793005u + 1442695040888963407u;
            sum += (float)(seed >> 40) * 0x1p-24f;
        }
        float weight = 0.02f * sum;
        uint32_t bits;
        memcpy(&bits, &weight, sizeof bits);
        bytes[2 * i] = (unsigned char)(bits >> 16);
        bytes[2 * i + 1] = (unsigned char)(bits >> 24);
    }
}

int main(void) {
    static unsigned char weights[LEN], restored[LEN];
    fill(weights);

    zipnn_error err;
    zipnn_ctx *ctx = NULL;
    zipnn_options options = {.size = sizeof options, .dtype = ZIPNN_BF16};
    size_t cap = (size_t)zipnn_compress_bound(LEN), archive_len = 0, len = 0;
    unsigned char *archive = malloc(cap);
    int ok = archive && zipnn_create(&options, &ctx, &err) == ZIPNN_OK &&
             zipnn_compress(ctx, weights, LEN, archive, cap, &archive_len, &err) == ZIPNN_OK &&
             zipnn_decompress(ctx, archive, archive_len, restored, LEN, &len, &err) == ZIPNN_OK;
    if (!ok) fprintf(stderr, "%s\n", archive ? err.message : "out of memory");
    zipnn_destroy(ctx);
    free(archive);
    if (!ok) return EXIT_FAILURE;

    int same = len == LEN && memcmp(weights, restored, LEN) == 0;
    printf("%d bytes, compressed to %zu (%.1f %%), restored: %s\n", LEN, archive_len, 100.0 * (double)archive_len / LEN,
           same ? "identical" : "DIFFERENT");
    return same ? EXIT_SUCCESS : EXIT_FAILURE;
}
