/* Recomputes the checksums of an archive that was changed, so that the code behind the checks is reached. */
#ifndef ZN_TESTS_SUPPORT_SEAL_H
#define ZN_TESTS_SUPPORT_SEAL_H

#include <stddef.h>
#include <stdint.h>

/* Recomputes the check of the header and of every frame inside the archive, with the lengths that it finds, and copies
 * the heads of the frames into as many entries as the index has. Returns the offset of the index frame, or len when the
 * frames lead past the end. */
size_t zt_seal(uint8_t *archive, size_t len);

#endif
