#include "base/sha256.h"

#if ZN_WITH_SHA256

#include <openssl/evp.h>

zipnn_status zn_sha256_begin(struct zn_sha256 *s, zipnn_error *err) {
    s->md = EVP_MD_CTX_new();
    if (s->md && EVP_DigestInit_ex(s->md, EVP_sha256(), NULL) == 1) return ZIPNN_OK;
    zn_sha256_end(s);
    return zn_fail(err, ZIPNN_E_MEMORY, ZN_NOWHERE, "libcrypto cannot start a SHA-256");
}

void zn_sha256_update(struct zn_sha256 *s, const void *data, size_t len) {
    EVP_DigestUpdate(s->md, data, len);
}

void zn_sha256_digest(struct zn_sha256 *s, uint8_t out[32]) {
    EVP_DigestFinal_ex(s->md, out, NULL);
}

void zn_sha256_end(struct zn_sha256 *s) {
    EVP_MD_CTX_free(s->md);
    s->md = NULL;
}

#else

#include <string.h>

zipnn_status zn_sha256_begin(struct zn_sha256 *s, zipnn_error *err) {
    s->md = NULL;
    return zn_fail(err, ZIPNN_E_UNSUPPORTED, ZN_NOWHERE,
                   "SHA-256 is not supported: this library was built without libcrypto");
}

void zn_sha256_update(struct zn_sha256 *s, const void *data, size_t len) {
    (void)s;
    (void)data;
    (void)len;
}

void zn_sha256_digest(struct zn_sha256 *s, uint8_t out[32]) {
    (void)s;
    memset(out, 0, 32);
}

void zn_sha256_end(struct zn_sha256 *s) {
    (void)s;
}

#endif
