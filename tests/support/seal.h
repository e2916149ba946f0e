/* Puts right checksums after an archive was changed, so that the code behind them is reached. */
#ifndef ZN_TESTS_SUPPORT_SEAL_H
#define ZN_TESTS_SUPPORT_SEAL_H

#include <stddef.h>
#include <stdint.h>

/* Recomputes the check of the header and of every frame that lies inside the archive, taking lengths as they are found,
 * and copies the heads of the frames into as many entries as the index has. Answers the offset of the index frame, or
 * len when the frames lead past the end. */
size_t zt_seal(uint8_t *archive, size_t len);

#endif
