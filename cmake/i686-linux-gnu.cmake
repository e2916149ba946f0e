# 32 bits.
set(target i686-linux-gnu)
set(multiarch i386-linux-gnu)
set(emulator qemu-i386)
set(flags "-msse2 -mfpmath=sse") # the samples of the tests are made with doubles of 64 bits, as everywhere
include(${CMAKE_CURRENT_LIST_DIR}/cross.cmake)

# A processor and a kernel that run such programs by themselves do it faster, and qemu hangs in reading folders.
set(loader /usr/${target}/lib/ld-linux.so.2)
execute_process(COMMAND ${loader} --version RESULT_VARIABLE unable OUTPUT_QUIET ERROR_QUIET)
if(unable EQUAL 0)
    set(CMAKE_CROSSCOMPILING_EMULATOR ${loader} --library-path ${sysroot}/usr/lib/i386-linux-gnu:/usr/${target}/lib)
endif()
