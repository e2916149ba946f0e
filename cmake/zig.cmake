# Cross build with `zig cc`, which has the C libraries of all its targets (PyPI: ziglang). ZIPNN_ZIG is a folder with the programs cc,
# ar and ranlib for one target, which packaging/dist.py writes, ZIPNN_ZIG_TARGET the target's name.
list(APPEND CMAKE_TRY_COMPILE_PLATFORM_VARIABLES ZIPNN_ZIG ZIPNN_ZIG_TARGET)
string(REGEX MATCH "^[^-]+" CMAKE_SYSTEM_PROCESSOR "${ZIPNN_ZIG_TARGET}")
if(ZIPNN_ZIG_TARGET MATCHES linux)
    set(CMAKE_SYSTEM_NAME Linux)
elseif(ZIPNN_ZIG_TARGET MATCHES windows)
    set(CMAKE_SYSTEM_NAME Windows)
elseif(ZIPNN_ZIG_TARGET MATCHES macos)
    set(CMAKE_SYSTEM_NAME Darwin)
elseif(ZIPNN_ZIG_TARGET MATCHES wasi)
    set(CMAKE_SYSTEM_NAME Generic)
    set(CMAKE_TRY_COMPILE_TARGET_TYPE STATIC_LIBRARY)
endif()
set(CMAKE_C_COMPILER ${ZIPNN_ZIG}/cc)
# Without functions that nobody calls and symbols that no linker needs.
set(CMAKE_C_FLAGS_INIT "-ffunction-sections -fdata-sections")
foreach(kind EXE SHARED MODULE)
    set(CMAKE_${kind}_LINKER_FLAGS_INIT "-s -Wl,--gc-sections")
endforeach()
set(CMAKE_AR ${ZIPNN_ZIG}/ar)
set(CMAKE_RANLIB ${ZIPNN_ZIG}/ranlib)

# Of the build machine, programs are used, and nothing else.
set(CMAKE_FIND_ROOT_PATH ${ZIPNN_ZIG}/none)
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)

# Manual page and completions are printed by a program of the build.
if(CMAKE_SYSTEM_NAME STREQUAL CMAKE_HOST_SYSTEM_NAME AND CMAKE_SYSTEM_PROCESSOR STREQUAL CMAKE_HOST_SYSTEM_PROCESSOR
   AND ZIPNN_ZIG_TARGET MATCHES musl)
    set(CMAKE_CROSSCOMPILING_EMULATOR env)
endif()
