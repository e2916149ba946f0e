/* Libraries that are looked for when the program runs. */
#ifndef ZN_IO_DYNAMIC_H
#define ZN_IO_DYNAMIC_H

/* Returns a handle of NVIDIA's driver, or NULL if there is none. The program keeps it until it ends. */
void *zn_dynamic_nvidia_driver(void);

/* Returns the address of a function, or NULL if the library has none of that name. */
void *zn_dynamic_find(void *library, const char *name);

#endif
