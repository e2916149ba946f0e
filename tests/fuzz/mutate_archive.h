/* Changes archives knowing what they are: what it makes has frames, an index and a trailer that fit each other. */
#ifndef ZN_TESTS_FUZZ_MUTATE_ARCHIVE_H
#define ZN_TESTS_FUZZ_MUTATE_ARCHIVE_H

#include <stddef.h>
#include <stdint.h>

/* libFuzzer's own. */
size_t LLVMFuzzerMutate(uint8_t *data, size_t len, size_t cap);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t len, size_t cap, unsigned seed);

/* Changes the body or the original length of one frame, repeats one, drops one, or takes any bytes as bytes; returns
 * the new length, at most cap. Checksums stay as they are: zt_seal puts them right. */
size_t zt_mutate_archive(uint8_t *archive, size_t len, size_t cap, unsigned seed);

#endif
