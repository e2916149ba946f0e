/* The collection of real model files that some tests use when it is there: the folder named by the environment variable
 * ZIPNN_TEST_DATA, otherwise ../shared/data beside the source tree. */
#ifndef ZN_TESTS_SUPPORT_TESTDATA_H
#define ZN_TESTS_SUPPORT_TESTDATA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Calls visit with every file in a folder of the collection, read into memory. Returns false, after one line on
 * standard error, when the folder does not exist. */
bool zt_each_file(const char *folder, void (*visit)(void *arg, const char *name, const uint8_t *data, size_t len),
                  void *arg);

#endif
