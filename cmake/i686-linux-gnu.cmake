# 32 bits.
set(target i686-linux-gnu)
set(multiarch i386-linux-gnu)
set(emulator qemu-i386)
set(flags "-msse2 -mfpmath=sse") # the samples of the tests are made with doubles of 64 bits, as everywhere
include(${CMAKE_CURRENT_LIST_DIR}/cross.cmake)
