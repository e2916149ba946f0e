#include "commands/safetensors_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/cli_fail.h"
#include "shared/json_writer.h"

static zipnn_status check_part(const struct part *part, zipnn_error *err) {
    const zipnn_tensor_info *t = &part->tensor;
    if (t->dtype == ZIPNN_DTYPE_UNKNOWN || t->dtype > ZIPNN_C64)
        return cli_fail(err, ZIPNN_E_ARGUMENT,
                        "safetensors has no element type %s, that of \"%.80s\": name the output .npy",
                        zipnn_dtype_name(t->dtype), t->name);
    uint64_t bits = zipnn_dtype_bits(t->dtype) % 8; /* only the remainder counts, which products keep */
    for (uint32_t i = 0; i < t->rank; i++) bits = bits * ((i ? t->shape[i] : part->n) % 8) % 8;
    if (bits % 8 == 0) return ZIPNN_OK;
    return cli_fail(err, ZIPNN_E_ARGUMENT, "safetensors holds whole bytes only");
}

zipnn_status safetensors_check(const struct part *parts, size_t n, zipnn_error *err) {
    zipnn_status st = ZIPNN_OK;
    for (size_t i = 0; i < n && st == ZIPNN_OK; i++) st = check_part(&parts[i], err);
    return st;
}

static void put_json(FILE *to, const struct part *parts, size_t n) {
    struct json j = {to, false};
    uint64_t at = 0;
    json_object(&j, NULL);
    for (size_t p = 0; p < n; p++) {
        const zipnn_tensor_info *t = &parts[p].tensor;
        json_object(&j, t->name);
        json_text(&j, "dtype", zipnn_dtype_name(t->dtype));
        json_list(&j, "shape");
        for (uint32_t i = 0; i < t->rank; i++) json_number(&j, NULL, i ? t->shape[i] : parts[p].n);
        json_list_end(&j);
        json_list(&j, "data_offsets");
        json_number(&j, NULL, at);
        json_number(&j, NULL, at += parts[p].length);
        json_list_end(&j);
        json_object_end(&j);
    }
    json_object_end(&j);
    while (ftell(to) % 8 != 0) putc(' ', to);
}

zipnn_status safetensors_put_head(struct output *out, const struct part *parts, size_t n, zipnn_error *err) {
    char *text = NULL;
    size_t len = 0;
    unsigned char size[8];
    FILE *to = open_memstream(&text, &len);
    if (to) put_json(to, parts, n);
    if (!to || fclose(to) != 0) {
        free(text);
        return cli_fail(err, ZIPNN_E_MEMORY, "no memory for a header");
    }
    for (unsigned i = 0; i < sizeof size; i++) size[i] = (unsigned char)((uint64_t)len >> 8 * i);
    zipnn_status st = output_put(out, size, sizeof size, err);
    if (st == ZIPNN_OK) st = output_put(out, text, len, err);
    free(text);
    return st;
}
