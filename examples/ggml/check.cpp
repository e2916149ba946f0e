// Multiplies a matrix of bf16 in the packed buffer and in a plain one, by ggml's CPU backend, for 1 to 21 vectors and 1 to
// 3 threads. Where the processor has AVX512_BF16, columns are a multiple of 64 and ggml has no llamafile kernels, both give
// the same bits, which "identical" demands; elsewhere they agree to rounding.
//
//   check ROWS COLUMNS [identical]
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "ggml-alloc.h"
#include "ggml-backend.h"
#include "ggml-cpu.h"
#include "ggml.h"
#include "packed_buffer.hpp"

static uint64_t state = 88172645463325252u;

// Numbers whose sizes spread as those of weights do.
static float any() {
    state ^= state << 13, state ^= state >> 7, state ^= state << 17;
    const float uniform = (float) (int32_t) (state >> 32) / 2147483648.0F;
    return uniform * uniform * uniform;
}

static std::vector<float> product(ggml_backend_buffer_type_t type, int64_t rows, int64_t columns, int n, int n_threads,
                                  const std::vector<ggml_bf16_t> & weights, const std::vector<float> & x) {
    ggml_init_params params = { 16 * ggml_tensor_overhead() + ggml_graph_overhead(), nullptr, true };
    ggml_context * const w_ctx = ggml_init(params), *const ctx = ggml_init(params);
    ggml_tensor *        w     = ggml_new_tensor_2d(w_ctx, GGML_TYPE_BF16, columns, rows);
    ggml_tensor *        v     = ggml_new_tensor_2d(ctx, GGML_TYPE_F32, columns, n);
    ggml_backend_buffer_t w_buffer = ggml_backend_alloc_ctx_tensors_from_buft(w_ctx, type);
    ggml_backend_tensor_set(w, weights.data(), 0, ggml_nbytes(w));
    std::vector<ggml_bf16_t> back(weights.size());
    ggml_backend_tensor_get(w, back.data(), 0, ggml_nbytes(w));
    if (memcmp(back.data(), weights.data(), ggml_nbytes(w)) != 0) {
        puts("the weights do not come back");
        exit(1);
    }
    ggml_tensor *    y     = ggml_mul_mat(ctx, w, v);
    ggml_cgraph *    graph = ggml_new_graph(ctx);
    ggml_backend_t   cpu   = ggml_backend_cpu_init();
    ggml_backend_cpu_set_n_threads(cpu, n_threads);
    ggml_build_forward_expand(graph, y);
    ggml_backend_buffer_t buffer = ggml_backend_alloc_ctx_tensors(ctx, cpu);
    if (!ggml_backend_supports_op(cpu, y)) {
        puts("the backend does not take the product");
        exit(1);
    }
    ggml_backend_tensor_set(v, x.data(), 0, ggml_nbytes(v));
    ggml_backend_graph_compute(cpu, graph);
    std::vector<float> result(rows * n);
    ggml_backend_tensor_get(y, result.data(), 0, ggml_nbytes(y));
    ggml_backend_buffer_free(buffer);
    ggml_backend_buffer_free(w_buffer);
    ggml_backend_free(cpu);
    ggml_free(ctx);
    ggml_free(w_ctx);
    return result;
}

int main(int argc, char ** argv) {
    const int64_t rows = argc > 1 ? atoll(argv[1]) : 1000, columns = argc > 2 ? atoll(argv[2]) : 4096;
    ggml_backend_buffer_type_t packed = packed_buffer_register();
    std::vector<ggml_bf16_t>   weights(rows * columns);
    std::vector<float>         x(columns * 21);
    for (auto & w : weights) {
        w = ggml_fp32_to_bf16(0.02F * any());
    }
    for (auto & f : x) {
        f = any();
    }
    size_t different = 0, all = 0;
    double worst = 0;
    for (int n : { 1, 2, 3, 8, 9, 21 }) {
        for (int n_threads = 1; n_threads <= 3; n_threads++) {
            const auto a = product(packed, rows, columns, n, n_threads, weights, x);
            const auto b = product(ggml_backend_cpu_buffer_type(), rows, columns, n, n_threads, weights, x);
            for (size_t i = 0; i < a.size(); i++, all++) {
                different += memcmp(&a[i], &b[i], sizeof a[i]) != 0;
                worst = std::fmax(worst, std::fabs((double) a[i] - b[i]));
            }
        }
    }
    printf("%zu of %zu results differ from ggml's, by %g at most\n", different, all, worst);
    size_t plain;
    if (packed_buffer_held(&plain) != 0 || plain != 0) {
        puts("matrices are still held");
        return 1;
    }
    const bool identical = argc > 3 && strcmp(argv[3], "identical") == 0;
    return worst < 1e-4 && !(identical && different) ? 0 : 1;
}
