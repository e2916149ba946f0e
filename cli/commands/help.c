/* zipnn help and zipnn --version */
#include <stdio.h>

#include "commands/commands.h"
#include "line/usage.h"

void help_run(struct run *run) {
    usage_print(run->args->topic);
}

void version_run(struct run *run) {
    (void)run;
    printf("zipnn %s\n", zipnn_version());
}
