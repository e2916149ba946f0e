#include "api/context.h"
#include "plan/dtype.h"

const char *zipnn_dtype_name(zipnn_dtype dtype) {
    return zn_dtype_name(dtype);
}

unsigned zipnn_dtype_bits(zipnn_dtype dtype) {
    return zn_dtype_bits(dtype);
}

zipnn_status zipnn_dtype_describe(zipnn_dtype dtype, zipnn_dtype_info *info, zipnn_error *err) {
    static const char *const kinds[] = {
        [ZN_KIND_BYTES] = "bytes",       [ZN_KIND_FLOAT] = "float",     [ZN_KIND_SIGNED] = "signed",
        [ZN_KIND_UNSIGNED] = "unsigned", [ZN_KIND_BOOLEAN] = "boolean", [ZN_KIND_COMPLEX] = "complex",
        [ZN_KIND_BLOCK] = "block"};
    ZN_TRY(zn_given("zipnn_dtype_describe", info, info, err));
    if (info->size != sizeof *info)
        return zn_fail(err, ZIPNN_E_ARGUMENT, ZN_NOWHERE, "a zipnn_dtype_info of %zu bytes, %zu are expected",
                       info->size, sizeof *info);
    if ((unsigned)dtype == ZIPNN_DTYPE_UNKNOWN || (unsigned)dtype >= ZN_N_DTYPES)
        return zn_fail(err, ZIPNN_E_NOT_FOUND, ZN_NOWHERE, "no element type has the number %u", (unsigned)dtype);
    const struct zn_dtype_facts *f = zn_dtype_facts(dtype);
    *info = (zipnn_dtype_info){.size = sizeof *info,
                               .id = f->id,
                               .name = f->name,
                               .kind = kinds[f->kind],
                               .bits = f->bits,
                               .exponent_bits = f->exponent,
                               .block_bytes = f->elements ? f->word : 0,
                               .block_elements = f->elements,
                               .numpy = f->numpy,
                               .ml_dtypes = f->ml_dtypes,
                               .torch = f->torch,
                               .aliases = f->aliases};
    return ZIPNN_OK;
}

zipnn_status zipnn_dtype_find(const char *name, zipnn_dtype *dtype, zipnn_error *err) {
    ZN_TRY(zn_given("zipnn_dtype_find", name, dtype, err));
    if (zn_dtype_from_text(name, dtype)) return ZIPNN_OK;
    return zn_fail(err, ZIPNN_E_NOT_FOUND, ZN_NOWHERE, "no element type is named \"%.60s\"", name);
}
