#include "plan/dtype.h"

#include <stdint.h>
#include <string.h>

struct facts {
    const char *name;
    uint8_t bits;
    uint16_t word, elements; /* elements: of a block; else 0 */
};

static const struct facts table[ZN_N_DTYPES] = {
    [ZIPNN_DTYPE_UNKNOWN] = {"?", 0, 1, 0},
    [ZIPNN_BF16] = {"BF16", 16, 2, 0},
    [ZIPNN_F16] = {"F16", 16, 2, 0},
    [ZIPNN_F32] = {"F32", 32, 4, 0},
    [ZIPNN_F64] = {"F64", 64, 8, 0},
    [ZIPNN_F8_E4M3] = {"F8_E4M3", 8, 1, 0},
    [ZIPNN_F8_E5M2] = {"F8_E5M2", 8, 1, 0},
    [ZIPNN_F8_E4M3FNUZ] = {"F8_E4M3FNUZ", 8, 1, 0},
    [ZIPNN_F8_E5M2FNUZ] = {"F8_E5M2FNUZ", 8, 1, 0},
    [ZIPNN_F8_E8M0] = {"F8_E8M0", 8, 1, 0},
    [ZIPNN_F6_E2M3] = {"F6_E2M3", 6, 1, 0},
    [ZIPNN_F6_E3M2] = {"F6_E3M2", 6, 1, 0},
    [ZIPNN_F4_E2M1] = {"F4", 4, 1, 0},
    [ZIPNN_I8] = {"I8", 8, 1, 0},
    [ZIPNN_U8] = {"U8", 8, 1, 0},
    [ZIPNN_I16] = {"I16", 16, 2, 0},
    [ZIPNN_U16] = {"U16", 16, 2, 0},
    [ZIPNN_I32] = {"I32", 32, 4, 0},
    [ZIPNN_U32] = {"U32", 32, 4, 0},
    [ZIPNN_I64] = {"I64", 64, 8, 0},
    [ZIPNN_U64] = {"U64", 64, 8, 0},
    [ZIPNN_BOOL] = {"BOOL", 8, 1, 0},
    [ZIPNN_C64] = {"C64", 64, 4, 0},
    [ZIPNN_Q4_0] = {"Q4_0", 0, 18, 32},
    [ZIPNN_Q4_1] = {"Q4_1", 0, 20, 32},
    [ZIPNN_Q5_0] = {"Q5_0", 0, 22, 32},
    [ZIPNN_Q5_1] = {"Q5_1", 0, 24, 32},
    [ZIPNN_Q8_0] = {"Q8_0", 0, 34, 32},
    [ZIPNN_Q8_1] = {"Q8_1", 0, 36, 32},
    [ZIPNN_Q2_K] = {"Q2_K", 0, 84, 256},
    [ZIPNN_Q3_K] = {"Q3_K", 0, 110, 256},
    [ZIPNN_Q4_K] = {"Q4_K", 0, 144, 256},
    [ZIPNN_Q5_K] = {"Q5_K", 0, 176, 256},
    [ZIPNN_Q6_K] = {"Q6_K", 0, 210, 256},
    [ZIPNN_Q8_K] = {"Q8_K", 0, 292, 256},
    [ZIPNN_IQ1_S] = {"IQ1_S", 0, 50, 256},
    [ZIPNN_IQ1_M] = {"IQ1_M", 0, 56, 256},
    [ZIPNN_IQ2_XXS] = {"IQ2_XXS", 0, 66, 256},
    [ZIPNN_IQ2_XS] = {"IQ2_XS", 0, 74, 256},
    [ZIPNN_IQ2_S] = {"IQ2_S", 0, 82, 256},
    [ZIPNN_IQ3_XXS] = {"IQ3_XXS", 0, 98, 256},
    [ZIPNN_IQ3_S] = {"IQ3_S", 0, 110, 256},
    [ZIPNN_IQ4_NL] = {"IQ4_NL", 0, 18, 32},
    [ZIPNN_IQ4_XS] = {"IQ4_XS", 0, 136, 256},
    [ZIPNN_TQ1_0] = {"TQ1_0", 0, 54, 256},
    [ZIPNN_TQ2_0] = {"TQ2_0", 0, 66, 256},
    [ZIPNN_MXFP4] = {"MXFP4", 0, 17, 32},
    [ZIPNN_NVFP4] = {"NVFP4", 0, 36, 64},
    [ZIPNN_Q1_0] = {"Q1_0", 0, 18, 128},
    [ZIPNN_Q2_0] = {"Q2_0", 0, 18, 64},
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

unsigned zn_dtype_elements(zipnn_dtype dtype) {
    return facts_of(dtype)->elements;
}

zipnn_dtype zn_dtype_from_safetensors(const char *name, size_t len) {
    for (unsigned i = ZIPNN_DTYPE_UNKNOWN + 1; i <= ZIPNN_C64; i++)
        if (strlen(table[i].name) == len && memcmp(table[i].name, name, len) == 0) return (zipnn_dtype)i;
    return ZIPNN_DTYPE_UNKNOWN;
}
