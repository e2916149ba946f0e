#include <stdio.h>

#include "commands/commands.h"
#include "shared/cli_fail.h"
#include "shared/input.h"
#include "shared/json_writer.h"
#include "shared/run_context.h"
#include "shared/run_report.h"
#include "shared/text.h"

static void put_estimate(struct run *run, const char *path, const zipnn_estimate_info *info, double seconds) {
    run_put_head(run, "  original   estimate   ratio  give or take  compressed for that  name");
    if (!run->args->json) {
        printf("%10s %10s %6.2f%% %12.2f%% %19.1f%%  ", text_size(info->original).text, text_size(info->archive).text,
               text_percent(info->archive, info->original),
               info->original ? text_percent(info->margin, info->original) : 0,
               text_percent(info->sampled, info->original));
        text_put(stdout, run_shown_name(path));
        putchar('\n');
        return;
    }
    struct json j = {stdout, false};
    json_object(&j, NULL);
    json_name(&j, "file", run_shown_name(path));
    json_number(&j, "original", info->original);
    json_number(&j, "stored", info->archive);
    json_number(&j, "estimate", info->archive);
    json_number(&j, "margin", info->margin);
    json_number(&j, "sampled", info->sampled);
    json_number(&j, "n_chunks", info->n_chunks);
    json_real(&j, "seconds", seconds, 3);
    json_line_end(&j);
}

void estimate_file(struct run *run, const char *path) {
    zipnn_file *in = NULL;
    zipnn_source source;
    zipnn_estimate_info info;
    zipnn_error err;
    const double start = progress_now();
    zipnn_status st = input_open(path, &in, &err);
    if (st == ZIPNN_OK) {
        zipnn_file_source(in, &source);
        st = source.read_at ? run_context_for(run, path, NULL, &err)
                            : cli_fail(&err, ZIPNN_E_ARGUMENT, "only a regular file can be sampled");
    }
    if (st == ZIPNN_OK) st = zipnn_estimate(run->ctx, &source, run->args->sample, &info, &err);
    if (st == ZIPNN_OK)
        put_estimate(run, path, &info, progress_now() - start);
    else
        run_report_failure(run, path, &err);
    zipnn_file_close(in);
}
