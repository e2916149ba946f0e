# A library that a program finds as NVIDIA's driver: its kernels run under emulation. For the tests of C, and those of Python
# (tools/test_python.sh), so not part of what is built for users.
add_library(zipnn_fake_driver SHARED EXCLUDE_FROM_ALL
    ${PROJECT_SOURCE_DIR}/tests/gpu/fake_driver.c
    ${PROJECT_SOURCE_DIR}/tests/gpu/emulated.c
    ${PROJECT_SOURCE_DIR}/tests/gpu/emulator.c)
target_include_directories(zipnn_fake_driver PRIVATE
    ${PROJECT_SOURCE_DIR}/src ${PROJECT_SOURCE_DIR}/tests ${PROJECT_SOURCE_DIR}/include)
target_link_libraries(zipnn_fake_driver PRIVATE zipnn)
set_target_properties(zipnn_fake_driver PROPERTIES OUTPUT_NAME cuda SOVERSION 1
    LIBRARY_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/driver)
