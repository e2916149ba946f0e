// A buffer type for the CPU backend of ggml (llama.cpp) in which matrices of bf16 stay packed, as ggml's own CPU_REPACK
// and AMX are buffer types for quantised ones. A GGUF file stays as it is: matrices are packed when they are loaded, and
// multiplied with the packed rows. zipnn/matrix.h does both.
//
//   1. Compile this file with ggml's private headers (ggml/include, ggml/src, ggml/src/ggml-cpu) and link it with a static
//      ggml-cpu and libzipnn. No file of llama.cpp is changed.
//   2. Call packed_buffer_register() before the first model is loaded. llama.cpp then offers the type to each weight,
//      as long as --no-repack (use_extra_bufts = false) is not given.
//
// Where the processor has AVX512_BF16 and rows have a multiple of 64 columns, results have the bits of
// ggml_vec_dot_bf16, so that single tokens are those of llama.cpp, unless its llamafile kernels (GGML_LLAMAFILE) take the
// product. Elsewhere sums are fp32, in the order that zipnn/matrix.h says.
#include "packed_buffer.hpp"

#include <zipnn/matrix.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <memory>
#include <vector>

#include "ggml-cpu-impl.h"
#include "ggml-cpu.h"
#include "ggml-impl.h"
#include "traits.h"

namespace {

std::atomic<size_t> held, plain;

ggml_backend_buffer_type_t buffer_type();

bool is_matrix(const ggml_tensor * t) {
    return t->type == GGML_TYPE_BF16 && ggml_n_dims(t) == 2 && ggml_is_contiguous(t);
}

// One weight. ggml asks its tensor->extra to compute.
class packed : public ggml::cpu::tensor_traits {
  public:
    ~packed() override { forget(); }

    void forget() {
        if (matrix) {
            zipnn_matrix_info info;
            zipnn_matrix_get_info(matrix, &info);
            held -= info.held;
            plain -= 2 * info.n_rows * info.n_columns;
        }
        zipnn_matrix_close(matrix);
        matrix = nullptr;
    }

    void set(zipnn_ctx * ctx, const ggml_tensor * t, const void * rows) {
        zipnn_error err;
        zipnn_matrix_info info;
        forget();
        if (zipnn_matrix_pack(ctx, ZIPNN_BF16, rows, t->ne[1], t->ne[0], &matrix, &err) != ZIPNN_OK) {
            GGML_ABORT("%s: %s", t->name, err.message);
        }
        zipnn_matrix_get_info(matrix, &info);
        held += info.held;
        plain += 2 * info.n_rows * info.n_columns;
        sum = info.has_bf16_pairs ? ZIPNN_SUM_BF16_PAIRS : ZIPNN_SUM_F32;
    }

    void get(const ggml_tensor * t, void * data, size_t offset, size_t size) {
        const size_t row = ggml_row_size(t->type, t->ne[0]), first = offset / row;
        std::vector<char> rows((size ? (offset + size - 1) / row + 1 - first : 0) * row);
        zipnn_error err;
        if (zipnn_matrix_read(nullptr, matrix, first, rows.size() / row, rows.data(), rows.size(), &err) != ZIPNN_OK) {
            GGML_ABORT("%s: %s", t->name, err.message);
        }
        std::copy_n(rows.data() + offset % row, size, static_cast<char *>(data));
    }

    // All vectors of src1, eight by eight, made ready for products.
    bool work_size(int, const ggml_tensor * op, size_t & size) override {
        size = groups(op->src[1]) * group_size(op->src[1]) + 64;
        return op->op == GGML_OP_MUL_MAT;
    }

    // Called by all threads of ggml: they share out the groups of vectors, meet, and share out the rows.
    bool compute_forward(ggml_compute_params * params, ggml_tensor * op) override {
        const ggml_tensor * src = op->src[1];
        if (op->op != GGML_OP_MUL_MAT || !matrix) {
            return false;
        }
        char *       work = reinterpret_cast<char *>((reinterpret_cast<uintptr_t>(params->wdata) + 63) / 64 * 64);
        const size_t size = group_size(src);
        zipnn_error  err;
        for (int64_t g = params->ith; g < groups(src); g += params->nth) {
            const float * values = reinterpret_cast<const float *>(static_cast<const char *>(src->data)) + g * 8 * src->ne[0];
            must(zipnn_vectors_pack(sum, ZIPNN_F32, values, src->ne[0], src->ne[0], vectors(src, g), work + g * size, &err), err);
        }
        ggml_barrier(params->threadpool);
        const int64_t rows = op->ne[0], first = rows * params->ith / params->nth, end = rows * (params->ith + 1) / params->nth;
        for (int64_t g = 0; g < groups(src); g++) {
            float * y = static_cast<float *>(op->data) + g * 8 * rows + first;
            must(zipnn_matrix_multiply(nullptr, matrix, work + g * size, first, end - first, y, rows, &err), err);
        }
        return true;
    }

  private:
    static int64_t  groups(const ggml_tensor * src) { return (ggml_nrows(src) + 7) / 8; }
    static unsigned vectors(const ggml_tensor * src, int64_t g) { return std::min<int64_t>(8, ggml_nrows(src) - 8 * g); }
    static size_t   group_size(const ggml_tensor * src) {
        return (zipnn_vectors_size(src->ne[0], vectors(src, 0)) + 63) / 64 * 64;
    }
    static void must(zipnn_status status, const zipnn_error & err) {
        if (status != ZIPNN_OK) {
            GGML_ABORT("%s", err.message);
        }
    }

    zipnn_matrix * matrix = nullptr;
    zipnn_sum      sum    = ZIPNN_SUM_F32;
};

// ---- a buffer: places of 64 bytes for tensors, whose matrices have memory of their own ------------------------------

struct room {
    char *                               memory;
    zipnn_ctx *                          ctx;
    std::vector<std::unique_ptr<packed>> weights;
};

room * room_of(ggml_backend_buffer_t buffer) {
    return static_cast<room *>(buffer->context);
}

void free_buffer(ggml_backend_buffer_t buffer) {
    room * r = room_of(buffer);
    r->weights.clear();
    zipnn_destroy(r->ctx);
    std::free(r->memory);
    delete r;
}

void * get_base(ggml_backend_buffer_t buffer) {
    return room_of(buffer)->memory;
}

ggml_status init_tensor(ggml_backend_buffer_t buffer, ggml_tensor * t) {
    GGML_ASSERT(is_matrix(t) && !t->view_src);
    room_of(buffer)->weights.push_back(std::make_unique<packed>());
    t->extra = room_of(buffer)->weights.back().get();
    return GGML_STATUS_SUCCESS;
}

void set_tensor(ggml_backend_buffer_t buffer, ggml_tensor * t, const void * data, size_t offset, size_t size) {
    GGML_ASSERT(offset == 0 && size == ggml_nbytes(t));
    static_cast<packed *>(t->extra)->set(room_of(buffer)->ctx, t, data);
}

void get_tensor(ggml_backend_buffer_t, const ggml_tensor * t, void * data, size_t offset, size_t size) {
    static_cast<packed *>(t->extra)->get(t, data, offset, size);
}

void clear(ggml_backend_buffer_t, uint8_t) {}  // there is nothing but what set_tensor packs

ggml_backend_buffer_t alloc_buffer(ggml_backend_buffer_type_t type, size_t size) {
    auto        r = std::make_unique<room>();
    zipnn_error err;
    r->memory = static_cast<char *>(std::aligned_alloc(64, (size + 64) / 64 * 64));
    if (!r->memory || zipnn_create(nullptr, &r->ctx, &err) != ZIPNN_OK) {
        std::free(r->memory);
        return nullptr;
    }
    ggml_backend_buffer_i iface = {};
    iface.free_buffer           = free_buffer;
    iface.get_base              = get_base;
    iface.init_tensor           = init_tensor;
    iface.set_tensor            = set_tensor;
    iface.get_tensor            = get_tensor;
    iface.clear                 = clear;
    return ggml_backend_buffer_init(type, iface, r.release(), size);
}

// ---- its type --------------------------------------------------------------------------------------------------------

class products : public ggml::cpu::extra_buffer_type {
    bool supports_op(ggml_backend_dev_t, const ggml_tensor * op) override {
        const ggml_tensor *w = op->src[0], *x = op->src[1];
        return op->op == GGML_OP_MUL_MAT && w->buffer && w->buffer->buft == buffer_type() && is_matrix(w) &&
               x->type == GGML_TYPE_F32 && ggml_is_contiguous(x) && ggml_is_contiguous(op) &&
               (!x->buffer || ggml_backend_buft_is_host(x->buffer->buft));
    }

    ggml::cpu::tensor_traits * get_tensor_traits(const ggml_tensor * op) override {
        const ggml_tensor * w = op->op == GGML_OP_MUL_MAT ? op->src[0] : nullptr;
        return w && w->buffer && w->buffer->buft == buffer_type() ? static_cast<packed *>(w->extra) : nullptr;
    }
};

ggml_backend_buffer_type_t buffer_type() {
    static products              context;
    static ggml_backend_buffer_type type = [] {
        ggml_backend_buffer_type t = {};
        t.iface.get_name           = [](ggml_backend_buffer_type_t) { return "CPU_ZIPNN"; };
        t.iface.alloc_buffer       = alloc_buffer;
        t.iface.get_alignment      = [](ggml_backend_buffer_type_t) { return size_t{ 64 }; };
        t.iface.get_alloc_size     = [](ggml_backend_buffer_type_t, const ggml_tensor *) { return size_t{ 64 }; };
        t.device                   = ggml_backend_reg_dev_get(ggml_backend_cpu_reg(), 0);
        t.context                  = static_cast<ggml::cpu::extra_buffer_type *>(&context);
        return t;
    }();
    return &type;
}

}  // namespace

ggml_backend_buffer_type_t packed_buffer_register() {
    auto & types = ggml_backend_cpu_get_extra_buffer_types();
    if (std::find(types.begin(), types.end(), buffer_type()) == types.end()) {
        types.insert(types.begin(), buffer_type());
    }
    return buffer_type();
}

size_t packed_buffer_held(size_t * unpacked) {
    *unpacked = plain;
    return held;
}
