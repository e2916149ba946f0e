#include "shared/input.h"

#include <string.h>
#include <unistd.h>

bool input_is_stdin(const char *path) {
    return strcmp(path, "-") == 0;
}

zipnn_status input_open(const char *path, zipnn_file **in, zipnn_error *err) {
    return input_is_stdin(path) ? zipnn_file_from_fd(STDIN_FILENO, "stdin", in, err) : zipnn_file_open(path, in, err);
}
