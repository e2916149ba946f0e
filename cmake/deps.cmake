# What this build links: ZIPNN_DEPS (targets) and ZIPNN_XXHASH_INCLUDE_DIR.
include(zipnn-deps)

set(THREADS_PREFER_PTHREAD_FLAG ON)
find_package(Threads REQUIRED)
zipnn_require_dep(zstd zstd.h zstd)
zipnn_require_dep(jansson jansson.h jansson)
find_path(ZIPNN_XXHASH_INCLUDE_DIR xxhash.h)
mark_as_advanced(ZIPNN_XXHASH_INCLUDE_DIR)
if(NOT ZIPNN_XXHASH_INCLUDE_DIR)
    message(FATAL_ERROR "xxhash.h not found: tools/install_deps.sh installs it on Debian")
endif()
set(ZIPNN_DEPS zipnn::dep_zstd zipnn::dep_jansson Threads::Threads)
