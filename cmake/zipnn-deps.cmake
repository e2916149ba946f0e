# The libraries that libzipnn needs, as imported targets zipnn::dep_NAME. Used by this build and, installed next to the
# package file, by users of the static library. xxHash is used header-only and leaves no trace in the installed package.

# zipnn_find_dep(NAME HEADER LIBRARY): defines zipnn::dep_NAME when both are found.
function(zipnn_find_dep name header library)
    if(TARGET zipnn::dep_${name})
        return()
    endif()
    find_path(ZIPNN_${name}_INCLUDE_DIR ${header})
    find_library(ZIPNN_${name}_LIBRARY ${library})
    mark_as_advanced(ZIPNN_${name}_INCLUDE_DIR ZIPNN_${name}_LIBRARY)
    if(ZIPNN_${name}_INCLUDE_DIR AND ZIPNN_${name}_LIBRARY)
        add_library(zipnn::dep_${name} UNKNOWN IMPORTED)
        set_target_properties(zipnn::dep_${name} PROPERTIES
            IMPORTED_LOCATION ${ZIPNN_${name}_LIBRARY}
            INTERFACE_INCLUDE_DIRECTORIES ${ZIPNN_${name}_INCLUDE_DIR})
    endif()
endfunction()

# zipnn_require_dep(NAME HEADER LIBRARY): the same, and a fatal error when it is missing.
function(zipnn_require_dep name header library)
    zipnn_find_dep(${name} ${header} ${library})
    if(NOT TARGET zipnn::dep_${name})
        message(FATAL_ERROR "${name} not found (${header}, lib${library}): tools/install_deps.sh installs it on Debian")
    endif()
endfunction()
