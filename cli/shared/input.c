#include "shared/input.h"

#include <string.h>
#include <unistd.h>

#include "line/url.h"
#include "shared/cli_fail.h"

bool input_is_stdin(const char *path) {
    return strcmp(path, "-") == 0;
}

zipnn_status input_open(const char *path, zipnn_file **in, zipnn_error *err) {
    if (url_is_web(path))
        return cli_fail(
            err, ZIPNN_E_ARGUMENT,
            "URLs are read by -d, -l, -t, cat, diff, extract, inspect, salvage and verify alone: download it "
            "first");
    if (url_has_scheme(path) && access(path, F_OK) != 0)
        return cli_fail(err, ZIPNN_E_ARGUMENT,
                        "of URLs, those of http and https are read; the Python package also reads s3, gs, az, hf and "
                        "others (zipnn.open_url)");
    return input_is_stdin(path) ? zipnn_file_from_fd(STDIN_FILENO, "stdin", in, err) : zipnn_file_open(path, in, err);
}
