/* Looks at what the program needs on this machine, and at what it offers there. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "commands/commands.h"
#include "commands/self_check.h"
#include "line/exits.h"
#include "shared/child.h"
#include "shared/fetcher.h"
#include "shared/helper.h"
#include "shared/json_writer.h"
#include "shared/run_report.h"
#include "shared/text.h"

enum { SAID = 400, SECONDS = 20 };

/* OK; ABSENT: something that is not needed is not there; WRONG: the program must not be trusted here. */
enum state { OK, ABSENT, WRONG };
static const char *const states[] = {"ok", "absent", "WRONG"};

/* What was found about one thing. */
struct finding {
    const char *about;
    enum state state;
    char text[SAID];
    const char *help; /* what to do; "" for nothing */
};

struct doctor {
    struct run *run;
    struct json json; /* a list of findings is open */
};

/* The first line of what a program said, ready to be shown. */
static void keep_first_line(char *said) {
    said[strcspn(said, "\n")] = '\0';
}

static void tell(struct doctor *d, const struct finding *f) {
    if (f->state == WRONG && d->run->exit_code < EXIT_FAILED) d->run->exit_code = EXIT_FAILED;
    if (d->run->args->json) {
        json_object(&d->json, NULL);
        json_text(&d->json, "about", f->about);
        json_text(&d->json, "state", states[f->state]);
        json_text(&d->json, "text", f->text);
        if (f->help[0]) json_text(&d->json, "help", f->help);
        json_object_end(&d->json);
        return;
    }
    printf("%-7s %-18s ", states[f->state], f->about);
    text_put(stdout, f->text);
    putchar('\n');
    if (f->help[0]) printf("%-26s -> %s\n", "", f->help);
    fflush(stdout);
}

static void look_at_build(struct doctor *d) {
    struct finding f = {"program", OK, "", ""};
    struct utsname system;
    const bool known = uname(&system) == 0;
    snprintf(f.text, sizeof f.text, "zipnn %s, built with %s, on %s %s %s", zipnn_version(), "compiler " __VERSION__,
             known ? system.sysname : "an unknown system", known ? system.release : "", known ? system.machine : "");
    tell(d, &f);
}

static void look_at_sets(struct doctor *d) {
    struct finding f = {"instruction sets", OK, "", ""};
    struct self_check check;
    self_check_run(&check);
    f.state = check.wrong ? WRONG : OK;
    if (check.wrong)
        snprintf(f.text, sizeof f.text, "%s: %u of %u samples are wrong: %s", check.sets, check.wrong, check.n,
                 check.first);
    else
        snprintf(f.text, sizeof f.text, "%s: all %u samples are restored, and give the same bytes by each set",
                 check.sets, check.n);
    if (check.wrong) f.help = "do not use this machine or this build; --cpu scalar may do meanwhile; report this";
    tell(d, &f);
}

static void look_at_threads(struct doctor *d) {
    struct finding f = {"threads", OK, "", ""};
    snprintf(f.text, sizeof f.text, "%u of %ld processors, %u threads unless -T says otherwise", zipnn_available_cpus(),
             sysconf(_SC_NPROCESSORS_ONLN), run_threads(d->run->args));
    tell(d, &f);
}

/* The first number of a small file of the system. Returns false if it has none. */
static bool read_number(const char *path, uint64_t *number) {
    FILE *in = fopen(path, "re");
    const bool got = in && fscanf(in, "%" SCNu64, number) == 1;
    if (in) fclose(in);
    return got;
}

static void look_at_memory(struct doctor *d) {
    struct finding f = {"memory", OK, "", ""};
    const long page = sysconf(_SC_PAGESIZE), pages = sysconf(_SC_PHYS_PAGES);
    struct rlimit limit = {RLIM_INFINITY, RLIM_INFINITY};
    uint64_t group = 0;
    int n = snprintf(f.text, sizeof f.text, "%s, pages of %ld bytes", text_size((uint64_t)pages * (uint64_t)page).text,
                     page);
    if (getrlimit(RLIMIT_AS, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY)
        n += snprintf(f.text + n, sizeof f.text - (size_t)n, ", this process may use %s",
                      text_size(limit.rlim_cur).text);
    if (read_number("/sys/fs/cgroup/memory.max", &group))
        snprintf(f.text + n, sizeof f.text - (size_t)n, ", its group %s", text_size(group).text);
    tell(d, &f);
}

/* Makes a view that ends at once: it needs /dev/fuse, and user namespaces or fusermount3. */
static void try_view(char *helper, struct finding *f) {
    const char *home = getenv("TMPDIR");
    char *folder = text_join(home && *home ? home : "/tmp", "/zipnn-doctor-XXXXXX", "");
    char run[] = "run", mount[] = "--mount", nothing[] = "true", said[SAID] = "there is no room for a folder to show";
    char *const words[] = {helper, run, mount, folder, nothing, NULL};
    enum child_end end = CHILD_FAILED;
    if (mkdtemp(folder)) {
        end = child_run(words, SECONDS, said, sizeof said);
        (void)rmdir(folder);
    }
    free(folder);
    keep_first_line(said);
    if (end == CHILD_DONE)
        *f = (struct finding){f->about, OK, "a view was made and taken away", ""};
    else
        snprintf(f->text, sizeof f->text, "%s", end == CHILD_TOO_LONG ? "a view does not come up" : said);
    if (end != CHILD_DONE)
        f->help = "views need /dev/fuse, and user namespaces or fusermount3 (Debian: apt-get install fuse3)";
}

static void look_at_views(struct doctor *d) {
    struct finding f = {"mount, run", ABSENT, "the program zipnn-mount is not installed",
                        "build zipnn where libfuse 3 is (Debian: apt-get install libfuse3-dev fuse3)"};
    char path[HELPER_PATH];
    if (helper_find("run", path)) try_view(path, &f);
    tell(d, &f);
}

static void look_at_urls(struct doctor *d) {
    struct finding f = {"URLs", ABSENT, "the program " FETCHER_PROGRAM " is not installed",
                        "build zipnn where libcurl is (Debian: apt-get install libcurl4-openssl-dev)"};
    char path[HELPER_PATH];
    if (helper_program(FETCHER_PROGRAM, path)) f = (struct finding){"URLs", OK, "http and https are read", ""};
    tell(d, &f);
}

static void look_at_python(struct doctor *d) {
    struct finding f = {"Python package", OK, "", ""};
    char said[SAID], python[] = "python3", option[] = "-c";
    char code[] =
        "import sys, zipnn; print(zipnn.__version__, 'for Python', sys.version.split()[0], 'in', zipnn.__file__)";
    char *const words[] = {python, option, code, NULL};
    const enum child_end end = child_run(words, SECONDS, said, sizeof said);
    keep_first_line(said);
    snprintf(f.text, sizeof f.text, "%s",
             end == CHILD_DONE      ? said
             : end == CHILD_MISSING ? "python3 is not here"
                                    : "python3 does not import zipnn");
    if (end != CHILD_DONE) f.state = ABSENT;
    if (end == CHILD_FAILED) f.help = "pip install ./python from the sources, in the environment that is to use it";
    tell(d, &f);
}

/* A driver of a GPU is looked at from outside: loading it could end this program. */
static void look_at_gpu(struct doctor *d) {
    struct finding f = {"GPU", ABSENT, "none is needed: this program decodes on processors", ""};
    FILE *in = fopen("/proc/driver/nvidia/version", "re");
    char said[200];
    if (in && fgets(said, sizeof said, in)) {
        keep_first_line(said);
        f.state = OK;
        snprintf(f.text, sizeof f.text, "%s; this program does not use it (Python and C do: doc/internals/gpu.md)",
                 said);
    }
    if (in) fclose(in);
    tell(d, &f);
}

/* The instruction set that --cpu asks for is there. */
static void check_wish(struct run *run) {
    const zipnn_options options = run_options(run);
    zipnn_ctx *ctx = NULL;
    zipnn_error err;
    if (zipnn_create(&options, &ctx, &err) != ZIPNN_OK) run_report_fault(run, "doctor", &err);
    zipnn_destroy(ctx);
}

void doctor_run(struct run *run) {
    struct doctor d = {run, {stdout, false}};
    check_wish(run);
    if (run->args->json) {
        json_object(&d.json, NULL);
        json_text(&d.json, "version", zipnn_version());
        json_list(&d.json, "findings");
    }
    look_at_build(&d);
    look_at_sets(&d);
    look_at_threads(&d);
    look_at_memory(&d);
    look_at_views(&d);
    look_at_urls(&d);
    look_at_python(&d);
    look_at_gpu(&d);
    if (!run->args->json) return;
    json_list_end(&d.json);
    json_line_end(&d.json);
}
