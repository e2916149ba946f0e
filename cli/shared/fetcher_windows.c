#include "shared/cli_fail.h"
#include "shared/fetcher.h"

zipnn_status fetcher_start(struct fetcher *f, const char *url, zipnn_error *err) {
    *f = (struct fetcher){.fd = -1};
    (void)url;
    return cli_fail(err, ZIPNN_E_IO,
                    "URLs are read by the program " FETCHER_PROGRAM
                    ", which is not for Windows; download the file, or read it by the Python package");
}

void fetcher_end(struct fetcher *f) {
    (void)f;
}

zipnn_status fetcher_ask(struct fetcher *f, uint64_t start, uint64_t end, zipnn_error *err) {
    (void)f, (void)start, (void)end;
    return cli_fail(err, ZIPNN_E_IO, "no URL is open");
}

zipnn_status fetcher_receive(struct fetcher *f, struct fetched *got, zipnn_error *err) {
    *got = (struct fetched){.bytes = NULL};
    return fetcher_ask(f, 0, 0, err);
}
