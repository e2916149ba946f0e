#include "plan/dtype.h"

#include <stdint.h>
#include <string.h>

struct facts {
    const char *name;
    uint8_t bits, word;
};

static const struct facts table[ZN_N_DTYPES] = {
    [ZIPNN_DTYPE_UNKNOWN] = {"?", 0, 1},
    [ZIPNN_BF16] = {"BF16", 16, 2},
    [ZIPNN_F16] = {"F16", 16, 2},
    [ZIPNN_F32] = {"F32", 32, 4},
    [ZIPNN_F64] = {"F64", 64, 8},
    [ZIPNN_F8_E4M3] = {"F8_E4M3", 8, 1},
    [ZIPNN_F8_E5M2] = {"F8_E5M2", 8, 1},
    [ZIPNN_F8_E4M3FNUZ] = {"F8_E4M3FNUZ", 8, 1},
    [ZIPNN_F8_E5M2FNUZ] = {"F8_E5M2FNUZ", 8, 1},
    [ZIPNN_F8_E8M0] = {"F8_E8M0", 8, 1},
    [ZIPNN_F6_E2M3] = {"F6_E2M3", 6, 1},
    [ZIPNN_F6_E3M2] = {"F6_E3M2", 6, 1},
    [ZIPNN_F4_E2M1] = {"F4", 4, 1},
    [ZIPNN_I8] = {"I8", 8, 1},
    [ZIPNN_U8] = {"U8", 8, 1},
    [ZIPNN_I16] = {"I16", 16, 2},
    [ZIPNN_U16] = {"U16", 16, 2},
    [ZIPNN_I32] = {"I32", 32, 4},
    [ZIPNN_U32] = {"U32", 32, 4},
    [ZIPNN_I64] = {"I64", 64, 8},
    [ZIPNN_U64] = {"U64", 64, 8},
    [ZIPNN_BOOL] = {"BOOL", 8, 1},
    [ZIPNN_C64] = {"C64", 64, 4},
};

static const struct facts *facts_of(zipnn_dtype dtype) {
    return &table[(unsigned)dtype < ZN_N_DTYPES ? (unsigned)dtype : ZIPNN_DTYPE_UNKNOWN];
}

const char *zn_dtype_name(zipnn_dtype dtype) {
    return facts_of(dtype)->name;
}

unsigned zn_dtype_bits(zipnn_dtype dtype) {
    return facts_of(dtype)->bits;
}

unsigned zn_dtype_word(zipnn_dtype dtype) {
    return facts_of(dtype)->word;
}

zipnn_dtype zn_dtype_from_safetensors(const char *name, size_t len) {
    for (unsigned i = ZIPNN_DTYPE_UNKNOWN + 1; i < ZN_N_DTYPES; i++)
        if (strlen(table[i].name) == len && memcmp(table[i].name, name, len) == 0) return (zipnn_dtype)i;
    return ZIPNN_DTYPE_UNKNOWN;
}
