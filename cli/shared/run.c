#include "shared/run.h"

#include <inttypes.h>
#include <unistd.h>

#include "shared/cli_fail.h"

void run_init(struct run *run, const struct args *args) {
    *run = (struct run){.args = args};
    progress_init(&run->progress, args->progress, args->verbosity < 0);
    interrupt_start(&run->interrupt, progress_tell, &run->progress);
    run->talks = args->verbosity > 0 || (args->verbosity == 0 && isatty(STDERR_FILENO));
}

unsigned run_threads(const struct args *args) {
    return args->threads ? args->threads : zipnn_available_cpus();
}

zipnn_options run_options(struct run *run) {
    const struct args *args = run->args;
    return (zipnn_options){.size = sizeof(zipnn_options),
                           .level = args->level,
                           .threads = run_threads(args),
                           .cpu = args->cpu,
                           .readers = args->readers,
                           .verify = args->verify ? ZIPNN_VERIFY_DEFAULT : ZIPNN_VERIFY_OFF,
                           .sha256 = args->sha256,
                           .dtype = args->dtype,
                           .max_original = args->max_output,
                           .repeats = args->dedup ? ZIPNN_REPEATS_DEFAULT : ZIPNN_REPEATS_OFF,
                           .progress = progress_tick,
                           .progress_user = &run->progress};
}

zipnn_status run_check_limit(const struct run *run, uint64_t n, zipnn_error *err) {
    const uint64_t most = run->args->max_output;
    if (!most || n <= most) return ZIPNN_OK;
    return cli_fail(err, ZIPNN_E_LIMIT, "%" PRIu64 " bytes are asked for; --max-output allows %" PRIu64, n, most);
}
