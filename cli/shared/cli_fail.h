/* Failures of this program have the form of the library's: a status and a sentence. */
#ifndef ZIPNN_CLI_CLI_FAIL_H
#define ZIPNN_CLI_CLI_FAIL_H

#include "zipnn/zipnn.h"

/* Fills *err, with no offset, and returns `status`; err may be NULL. */
__attribute__((format(printf, 3, 4))) zipnn_status cli_fail(zipnn_error *err, zipnn_status status, const char *format,
                                                            ...);

#endif
