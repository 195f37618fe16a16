/* cmocka with what its header needs before it. Only tests include this. */
#ifndef BASE_CHECK_H
#define BASE_CHECK_H

/* clang-format off */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
/* clang-format on */

#endif
