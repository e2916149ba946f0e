/* Includes cmocka, and before it the headers that it needs. */
#ifndef ZN_TESTS_UNIT_H
#define ZN_TESTS_UNIT_H

/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
/* clang-format on */

#endif
