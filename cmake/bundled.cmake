# The foreign libraries from their sources, inside of libzipnn: nothing else is needed to link or run it. ZIPNN_BUNDLED is the
# folder that packaging/fetch_sources.sh makes; an sdist holds it. Their symbols are hidden, so another copy of the same library in
# a program does not meet this one.
foreach(file zstd/zstd.h jansson/jansson.h xxhash/xxhash.h)
    if(NOT EXISTS ${ZIPNN_BUNDLED}/${file})
        message(FATAL_ERROR "${ZIPNN_BUNDLED} has no ${file}: packaging/fetch_sources.sh ${ZIPNN_BUNDLED} makes it")
    endif()
endforeach()

set(json_inline inline)
set(json_have_long_long 1)
set(json_have_localeconv 1)
set(json_have_atomic_builtins 1)
set(json_have_sync_builtins 1)
configure_file(${ZIPNN_BUNDLED}/jansson/jansson_config.h.in ${PROJECT_BINARY_DIR}/bundled/jansson_config.h @ONLY)
file(WRITE ${PROJECT_BINARY_DIR}/bundled/jansson_private_config.h "") # what it would say is among the definitions below

# The program has functions json_... of its own: the names of jansson get a prefix.
file(READ ${ZIPNN_BUNDLED}/jansson/jansson.h declarations)
string(REGEX MATCHALL "json_[a-z0-9_]+\\(" calls "${declarations}")
list(REMOVE_DUPLICATES calls)
set(renames "")
foreach(call ${calls})
    string(REPLACE "(" "" name ${call})
    string(APPEND renames "#define ${name} zn_dep_${name}\n")
endforeach()
file(CONFIGURE OUTPUT ${PROJECT_BINARY_DIR}/bundled/renames.h CONTENT "${renames}")
set(renamed "SHELL:-include ${PROJECT_BINARY_DIR}/bundled/renames.h")

file(GLOB sources ${ZIPNN_BUNDLED}/zstd/*/*.c ${ZIPNN_BUNDLED}/jansson/*.c)
add_library(zipnn_bundled OBJECT ${sources})
target_include_directories(zipnn_bundled PRIVATE ${PROJECT_BINARY_DIR}/bundled)
target_compile_definitions(zipnn_bundled PRIVATE ZSTD_DISABLE_ASM XXH_NAMESPACE=ZSTD_ ZSTDLIB_VISIBLE= ZSTDERRORLIB_VISIBLE=
                                                 HAVE_STDINT_H HAVE_UNISTD_H HAVE_SYS_TIME_H HAVE_SYS_TYPES_H)
# Foreign code: its warnings are its authors'. The libraries rely on GNU's dialect.
target_compile_options(zipnn_bundled PRIVATE -w ${renamed}
    $<$<CONFIG:Release>:-O2>) # as their authors build them; -O3 makes them a third larger
set_target_properties(zipnn_bundled PROPERTIES C_EXTENSIONS ON)

set(ZIPNN_BUNDLED_OBJECTS $<TARGET_OBJECTS:zipnn_bundled>)
foreach(name zstd jansson)
    add_library(zipnn::dep_${name} INTERFACE IMPORTED)
    target_include_directories(zipnn::dep_${name} INTERFACE ${ZIPNN_BUNDLED}/${name} ${PROJECT_BINARY_DIR}/bundled)
    list(APPEND ZIPNN_DEPS $<BUILD_INTERFACE:zipnn::dep_${name}>)
endforeach()
target_compile_options(zipnn::dep_jansson INTERFACE ${renamed})
set(ZIPNN_XXHASH_INCLUDE_DIR ${ZIPNN_BUNDLED}/xxhash)
