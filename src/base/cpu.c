#include "base/cpu.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

struct zn_cpu zn_cpu_detect(void) {
    struct zn_cpu cpu = {.avx2 = false};
#if defined(__x86_64__)
    __builtin_cpu_init();
    cpu.avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2");
    cpu.avx512 = cpu.avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                 __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
                 __builtin_cpu_supports("avx512vbmi") && __builtin_cpu_supports("avx512vbmi2") &&
                 __builtin_cpu_supports("avx512bitalg") && __builtin_cpu_supports("gfni");
    cpu.fma = cpu.avx2 && __builtin_cpu_supports("fma");
    unsigned a, b, c, d;
    cpu.bf16 = cpu.avx512 && __get_cpuid_count(7, 1, &a, &b, &c, &d) && (a & 1u << 5);
    cpu.sha = __builtin_cpu_supports("sse4.1") && __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b & 1u << 29);
#elif defined(__aarch64__)
    cpu.neon = true;
#endif
    return cpu;
}
