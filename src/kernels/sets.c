#include "kernels/sets.h"

#include "base/cpu.h"

const struct zn_kernels *zn_kernels_at(unsigned index) {
    const struct zn_cpu cpu = zn_cpu_detect();
    const struct zn_kernels *sets[4] = {NULL};
    unsigned n = 0;
#if defined(__x86_64__)
    if (cpu.avx512) sets[n++] = &zn_kernels_avx512;
    if (cpu.avx2) sets[n++] = &zn_kernels_avx2;
#elif defined(__aarch64__)
    if (cpu.neon) sets[n++] = &zn_kernels_neon;
#elif defined(__wasm_simd128__)
    (void)cpu;
    sets[n++] = &zn_kernels_simd128;
#else
    (void)cpu;
#endif
    sets[n++] = &zn_kernels_scalar;
    return index < n ? sets[index] : NULL;
}

zn_sha256_loop *zn_kernels_sha256(const struct zn_kernels *k) {
#if defined(__x86_64__)
    if (k != &zn_kernels_scalar && zn_cpu_detect().sha) return zn_sha256_blocks_sha;
#endif
    (void)k;
    return zn_sha256_blocks_scalar;
}

const struct zn_product_loops *zn_kernels_products(const struct zn_kernels *k) {
    const struct zn_cpu cpu = zn_cpu_detect();
#if defined(__x86_64__)
    if (k == &zn_kernels_avx512 && cpu.fma) return cpu.bf16 ? &zn_product_loops_avx512_pairs : &zn_product_loops_avx512;
    if (k == &zn_kernels_avx2 && cpu.fma) return &zn_product_loops_avx2;
#elif defined(__aarch64__)
    if (k == &zn_kernels_neon && cpu.neon) return &zn_product_loops_neon;
#endif
    (void)k, (void)cpu;
    return &zn_product_loops_scalar;
}
