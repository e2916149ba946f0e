# The kernels for GPUs, as bytes of the library (doc/internals/gpu.md).

# Makes a C file with the bytes of a file, and a zero behind them; of none, where the file is "".
function(zipnn_write_kernels file to)
    set(hex "")
    if(file)
        file(READ ${file} hex HEX)
        set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${file})
    endif()
    string(LENGTH "${hex}" digits)
    math(EXPR length "${digits} / 2")
    string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${hex}")
    string(REGEX REPLACE "((0x..,){24})" "\\1\n    " bytes "${bytes}")
    file(CONFIGURE OUTPUT ${to} @ONLY CONTENT [[/* Made by cmake/gpu_kernels.cmake. */
#include "gpu/embedded_kernels.h"

_Alignas(64) const unsigned char zn_gpu_kernels[] = {
    @bytes@0};
const size_t zn_gpu_kernels_len = @length@;
]])
endfunction()

# Sets `found` to the file that ZIPNN_GPU_KERNELS means, or to "".
function(zipnn_find_kernels found)
    set(${found} "" PARENT_SCOPE)
    if(ZIPNN_GPU_KERNELS STREQUAL "OFF")
        return()
    elseif(NOT ZIPNN_GPU_KERNELS STREQUAL "AUTO")
        if(NOT EXISTS ${ZIPNN_GPU_KERNELS})
            message(FATAL_ERROR "ZIPNN_GPU_KERNELS names no file: ${ZIPNN_GPU_KERNELS}. `make gpu` builds build/gpu/zipnn.fatbin; AUTO and OFF need none")
        endif()
        set(${found} ${ZIPNN_GPU_KERNELS} PARENT_SCOPE)
        return()
    endif()
    set(made ${PROJECT_SOURCE_DIR}/build/gpu/zipnn.fatbin)
    if(NOT EXISTS ${made} OR NOT EXISTS ${made}.sources)
        return()
    endif()
    # As tools/build_gpu.sh wrote them.
    set(sums "")
    foreach(name cuda.cuh decode.cu decode_tpl.h device.h shapes.def)
        file(SHA256 ${PROJECT_SOURCE_DIR}/src/gpu/${name} sum)
        string(APPEND sums "${sum}  src/gpu/${name}\n")
    endforeach()
    file(READ ${made}.sources then)
    if(then STREQUAL sums)
        set(${found} ${made} PARENT_SCOPE)
    else()
        message(STATUS "build/gpu/zipnn.fatbin is of other sources and is left out: `make gpu` builds it again")
    endif()
endfunction()
