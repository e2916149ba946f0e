/* What tests tell the driver that is none. */
#ifndef ZN_TESTS_GPU_FAKE_DRIVER_H
#define ZN_TESTS_GPU_FAKE_DRIVER_H

#define FAKE_API __attribute__((visibility("default")))

#define FAKE_CODE "kernels under emulation" /* the only code that it loads */

#define FAKE_OLD_CODE "kernels of another version" /* it loads this, too, and finds no kernel in it */

/* Makes the call of that number fail, counted from now on; 0: none. */
FAKE_API void fake_fail_at(unsigned call);

/* Returns how many things were made and not freed. */
FAKE_API unsigned fake_live(void);

#endif
