/* A WebAssembly module has no program of its own: its exports are the functions of zipnn/decoder.h. */
typedef int zn_reactor_is_no_program;
