# Cross build for Linux with Debian's cross compilers; programs run under qemu's user mode. Included with `target` set to
# the GNU triplet and `emulator` to the program that runs it; `multiarch`, where it differs, names Debian's folders of
# libraries, and `flags` may hold more for the compiler. The libraries come from the folder that tools/cross_sysroot.sh
# fills.
set(CMAKE_SYSTEM_NAME Linux)
if(NOT multiarch)
    set(multiarch ${target})
endif()
string(REGEX MATCH "^[^-]+" CMAKE_SYSTEM_PROCESSOR ${target})
set(CMAKE_C_COMPILER ${target}-gcc)
set(CMAKE_LIBRARY_ARCHITECTURE ${multiarch})

get_filename_component(sysroot ${CMAKE_CURRENT_LIST_DIR}/../build/${CMAKE_SYSTEM_PROCESSOR}-sysroot ABSOLUTE)
set(CMAKE_FIND_ROOT_PATH ${sysroot})
# Where Debian keeps those headers that differ between architectures.
set(CMAKE_C_FLAGS_INIT "-isystem ${sysroot}/usr/include/${multiarch} ${flags}")
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)

set(CMAKE_CROSSCOMPILING_EMULATOR ${emulator} -L /usr/${target} -E LD_LIBRARY_PATH=${sysroot}/usr/lib/${multiarch})
