# `cmake --install`: CLI, both libraries, header, pkg-config file, CMake package.
include(CMakePackageConfigHelpers)

install(TARGETS zipnn zipnn_shared EXPORT zipnn-targets)
set(headers include/zipnn/zipnn.h include/zipnn/file.h include/zipnn/stdio.h include/zipnn/tiles.h include/zipnn/matrix.h include/zipnn/gpu.h
    include/zipnn/joined.h include/zipnn/digests.h include/zipnn/sync.h)
install(FILES ${headers} DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/zipnn)
# What the README links to, where its links lead.
install(FILES LICENSE README.md NEWS.md STABILITY.md SECURITY.md CONVENTIONS.md DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(DIRECTORY doc examples DESTINATION ${CMAKE_INSTALL_DOCDIR} PATTERN man EXCLUDE)
install(FILES python/README.md DESTINATION ${CMAKE_INSTALL_DOCDIR}/python)
install(FILES ${headers} include/zipnn/decoder.h DESTINATION ${CMAKE_INSTALL_DOCDIR}/include/zipnn)
if(TARGET zipnn_cli)
    install(TARGETS zipnn_cli COMPONENT command)
    # What desktops and file(1) call an archive.
    install(FILES packaging/mime/zipnn.xml DESTINATION ${CMAKE_INSTALL_DATADIR}/mime/packages)
    install(FILES packaging/mime/zipnn.magic DESTINATION ${CMAKE_INSTALL_DATADIR}/zipnn)
    # As gunzip and zcat beside gzip: the program looks at the name by which it was called.
    foreach(name unzipnn zipnncat)
        install(CODE "file(CREATE_LINK zipnn \"\$ENV{DESTDIR}\${CMAKE_INSTALL_PREFIX}/${CMAKE_INSTALL_BINDIR}/${name}\" SYMBOLIC)" COMPONENT command)
        install(CODE "file(CREATE_LINK zipnn.1 \"\$ENV{DESTDIR}\${CMAKE_INSTALL_PREFIX}/${CMAKE_INSTALL_MANDIR}/man1/${name}.1\" SYMBOLIC)" COMPONENT command)
    endforeach()
endif()

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/zipnn)
install(EXPORT zipnn-targets NAMESPACE zipnn:: DESTINATION ${package_dir})
configure_package_config_file(cmake/zipnn-config.cmake.in zipnn-config.cmake INSTALL_DESTINATION ${package_dir})
write_basic_package_version_file(zipnn-config-version.cmake COMPATIBILITY SameMajorVersion)
install(FILES ${PROJECT_BINARY_DIR}/zipnn-config.cmake ${PROJECT_BINARY_DIR}/zipnn-config-version.cmake
              cmake/zipnn-deps.cmake
        DESTINATION ${package_dir})

set(pc_requires "")
if(NOT ZIPNN_BUNDLED)
    set(pc_requires "libzstd, jansson")
endif()
foreach(dir LIBDIR INCLUDEDIR)
    if(IS_ABSOLUTE "${CMAKE_INSTALL_${dir}}")
        set(pc_${dir} "${CMAKE_INSTALL_${dir}}")
    else()
        set(pc_${dir} "\${prefix}/${CMAKE_INSTALL_${dir}}")
    endif()
endforeach()
configure_file(cmake/zipnn.pc.in zipnn.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/zipnn.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
