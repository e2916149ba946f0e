/* SHA-256 (FIPS 180-4) by OpenSSL's libcrypto, when the library was built with it. */
#ifndef ZN_BASE_SHA256_H
#define ZN_BASE_SHA256_H

#include "base/err.h"

struct zn_sha256 {
    void *md; /* NULL: not in use */
};

/* ZIPNN_E_UNSUPPORTED in a build without libcrypto. zn_sha256_end accepts a zeroed struct. */
zipnn_status zn_sha256_begin(struct zn_sha256 *s, zipnn_error *err);
void zn_sha256_update(struct zn_sha256 *s, const void *data, size_t len);
void zn_sha256_digest(struct zn_sha256 *s, uint8_t out[32]);
void zn_sha256_end(struct zn_sha256 *s);

#endif
