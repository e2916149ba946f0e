# Compiler and linker flags of everything in this tree. Instruction sets are chosen by function attributes in the
# sources, so there are no flags of single files anywhere.

if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
    set(CMAKE_BUILD_TYPE Release CACHE STRING "Debug, Release, RelWithDebInfo" FORCE)
endif()

set(CMAKE_C_STANDARD 11)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS OFF)
set(CMAKE_C_VISIBILITY_PRESET hidden)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

include(CheckPIESupported)
check_pie_supported(LANGUAGES C)

add_compile_options(-Wall -Wextra -Wpedantic -Wconversion -Wshadow -Wvla -Wundef)
if(ZIPNN_WERROR)
    add_compile_options(-Werror)
endif()

# gcc 12 at -O3 sees writes past the end behind the very check that prevents them (base/out.h).
add_compile_options($<$<C_COMPILER_ID:GNU>:-Wno-stringop-overflow>)

# -O3 in both optimised configurations: the hot loops are written once and vectorised by the compiler.
add_compile_options($<$<CONFIG:RelWithDebInfo>:-O3>)

add_compile_options(-fstack-protector-strong)
if(NOT APPLE AND NOT WIN32)
    add_link_options(LINKER:-z,relro,-z,now,-z,noexecstack)
endif()
if(APPLE) # the few names of POSIX that its headers lack
    include_directories(BEFORE ${PROJECT_SOURCE_DIR}/src/io/macos/include)
endif()
if(WIN32) # files of any length, and the part of POSIX that src/io/windows is
    add_compile_definitions(_FILE_OFFSET_BITS=64)
    include_directories(BEFORE ${PROJECT_SOURCE_DIR}/src/io/windows/include)
endif()

if(ZIPNN_SANITIZE)
    add_compile_options(-fsanitize=${ZIPNN_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
    add_link_options(-fsanitize=${ZIPNN_SANITIZE})
else()
    # The checked libc functions need an optimising build; sanitizers bring their own.
    add_compile_options($<$<CONFIG:Release,RelWithDebInfo,MinSizeRel>:-U_FORTIFY_SOURCE>
                        $<$<CONFIG:Release,RelWithDebInfo,MinSizeRel>:-D_FORTIFY_SOURCE=2>)
endif()

if(ZIPNN_FUZZ)
    add_compile_options(-fsanitize=fuzzer-no-link)
endif()
