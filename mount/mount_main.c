/* zipnn-mount: what `zipnn mount`, `zipnn umount` and `zipnn run` start. */
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zipnn/zipnn.h>

#include "run_command.h"
#include "say.h"
#include "serve.h"
#include "umount.h"

enum {
    EXIT_WRONG = 2,
    OPTION_CACHE = 256,
    OPTION_BASE_DIR,
    OPTION_ALLOW_OTHER,
    OPTION_LOG,
    OPTION_WRITE,
    OPTION_LEVEL,
    OPTION_KEEP,
    OPTION_SPOOL,
    OPTION_VERIFY,
    OPTION_READAHEAD
};

static const char help[] =
    "Usage: zipnn mount [OPTION]... FOLDER|ARCHIVE POINT\n"
    "       zipnn umount POINT\n"
    "       zipnn run [OPTION]... [--mount FOLDER[:POINT]]... COMMAND [ARGUMENT]...\n"
    "\n"
    "Shows a folder to programs that know nothing of zipnn: each X.znn appears as X,\n"
    "with the bytes of the original. mount returns when the view is there, and it\n"
    "stays until umount. run shows it to COMMAND only, at FOLDER itself unless told\n"
    "(the current folder unless told), and ends as COMMAND does.\n"
    "\n"
    "  -f, --foreground      mount: stay, and write the log to standard error\n"
    "  -T, --threads N       threads that answer and decode, at most 256; 0: all\n"
    "      --cache SIZE      bytes of decoded chunks to keep (8M); more is slower\n"
    "      --base-dir DIR    where archives that are differences find their bases\n"
    "      --allow-other     let all users see the view, not only this one\n"
    "      --verify          check all of an archive before its first byte is read\n"
    "      --readahead SIZE  what the system reads ahead (128K unless told); more is\n"
    "                        faster from front to back, slower elsewhere; root only\n"
    "      --write           let programs write: what they close is compressed\n"
    "      --level N         with --write: 1, 3 (unless told), 6 or 9\n"
    "      --keep-below SIZE with --write: shorter files stay as they are (64K)\n"
    "      --spool DIR       with --write: where files are while they are written\n"
    "                        (else: in the folder that they are for, without a name)\n"
    "      --log FILE        append the log to FILE (else: the system log)\n"
    "      --mount FOLDER[:POINT]  run: what to show; may be given several times\n"
    "  -h, --help            show this help\n";

struct words {
    struct wishes wishes;
    bool foreground;
    const char *log;
    struct run_mounts mounts;
};

static int wrong(const char *why) {
    say("%s; --help tells more", why);
    return EXIT_WRONG;
}

/* Parses a number, which may end with K, M or G. */
static bool parse_number(const char *text, uint64_t most, uint64_t *number) {
    static const char units[] = "KMG";
    char *end;
    errno = 0;
    *number = strtoull(text, &end, 10);
    const char *unit = *end ? strchr(units, *end) : NULL;
    const unsigned shift = unit ? 10 * (unsigned)(unit - units + 1) : 0;
    if (*text < '0' || *text > '9' || errno || end[unit != NULL] || *number > most >> shift) return false;
    *number <<= shift;
    return true;
}

static bool take(struct words *w, int option, const char *value) {
    uint64_t number = 0;
    switch (option) {
        case 'f':
            w->foreground = true;
            return true;
        case 'T': {
            const bool ok = parse_number(value, 256, &number);
            w->wishes.threads = (unsigned)number;
            return ok;
        }
        case OPTION_CACHE:
            return parse_number(value, UINT64_C(1) << 40, &w->wishes.cache);
        case OPTION_BASE_DIR:
            w->wishes.base_dir = value;
            return true;
        case OPTION_ALLOW_OTHER:
            w->wishes.allow_other = true;
            return true;
        case OPTION_VERIFY:
            w->wishes.verify = true;
            return true;
        case OPTION_READAHEAD:
            return parse_number(value, 64 << 20, &w->wishes.readahead);
        case OPTION_WRITE:
            w->wishes.write = true;
            return true;
        case OPTION_LEVEL: {
            const bool ok = parse_number(value, 9, &number);
            w->wishes.level = (int)number;
            return ok && number > 0;
        }
        case OPTION_KEEP:
            return parse_number(value, UINT64_C(1) << 40, &w->wishes.keep_below);
        case OPTION_SPOOL:
            w->wishes.spool = value;
            return true;
        case OPTION_LOG:
            w->log = value;
            return true;
        case 'm':
            return run_mounts_add(&w->mounts, value);
        default:
            return false;
    }
}

/* Reads the options. Returns 0 or an exit status; -1: help was asked for. */
static int parse(int argc, char **argv, struct words *w) {
    static const struct option options[] = {{"foreground", no_argument, NULL, 'f'},
                                            {"threads", required_argument, NULL, 'T'},
                                            {"cache", required_argument, NULL, OPTION_CACHE},
                                            {"base-dir", required_argument, NULL, OPTION_BASE_DIR},
                                            {"allow-other", no_argument, NULL, OPTION_ALLOW_OTHER},
                                            {"log", required_argument, NULL, OPTION_LOG},
                                            {"verify", no_argument, NULL, OPTION_VERIFY},
                                            {"readahead", required_argument, NULL, OPTION_READAHEAD},
                                            {"write", no_argument, NULL, OPTION_WRITE},
                                            {"level", required_argument, NULL, OPTION_LEVEL},
                                            {"keep-below", required_argument, NULL, OPTION_KEEP},
                                            {"spool", required_argument, NULL, OPTION_SPOOL},
                                            {"mount", required_argument, NULL, 'm'},
                                            {"help", no_argument, NULL, 'h'},
                                            {NULL, 0, NULL, 0}};
    int option;
    *w = (struct words){.wishes = {.cache = 8 << 20, .level = 3, .keep_below = 64 << 10}};
    opterr = 0;
    while ((option = getopt_long(argc, argv, "+:fT:h", options, NULL)) != -1) {
        if (option == 'h') return -1;
        if (option == '?' || option == ':' || !take(w, option, optarg)) {
            say("%s: %s; --help tells more", argv[optind - 1],
                option == '?'   ? "no such option"
                : option == ':' ? "the option needs a value"
                                : "no valid value");
            return EXIT_WRONG;
        }
    }
    if (w->wishes.threads == 0) w->wishes.threads = zipnn_available_cpus();
    return 0;
}

/* ---- mount */

/* A word from the child that the view is served comes with the first answer, so the parent asks for one. */
static int leave_to_child(struct served *s) {
    struct stat st;
    serve_leave(s);
    if (stat(s->point, &st) == 0) return EXIT_SUCCESS;
    say("%s: the view does not answer: %s", s->point, strerror(errno));
    return EXIT_FAILURE;
}

static int serve_in_background(struct served *s, FILE *log) {
    const pid_t child = fork();
    if (child < 0) {
        say("no process can be started: %s", strerror(errno));
        return EXIT_FAILURE;
    }
    if (child > 0) return leave_to_child(s);
    setsid();
    say_to(log);
    if (chdir("/") != 0 || !freopen("/dev/null", "r", stdin) || !freopen("/dev/null", "w", stdout) ||
        !freopen("/dev/null", "w", stderr))
        say("the view keeps its folder or its terminal");
    serve_run(s, -1);
    if (log) fclose(log);
    return EXIT_SUCCESS;
}

static int mount_view(struct words *w, char **operands, int n) {
    static struct served served; /* a process that leaves it to another one frees nothing */
    FILE *log = NULL;
    if (w->mounts.n) return wrong("--mount goes with run");
    if (n != 2) return wrong("mount takes FOLDER or ARCHIVE, and POINT");
    if (!serve_is_possible()) return EXIT_FAILURE;
    if (w->log && !(log = fopen(w->log, "ae"))) {
        say("%s: cannot be opened: %s", w->log, strerror(errno));
        return EXIT_FAILURE;
    }
    if (!serve_mount(&served, operands[0], operands[1], &w->wishes)) {
        if (log) fclose(log);
        return EXIT_FAILURE;
    }
    if (!w->foreground) return serve_in_background(&served, log);
    if (log) say_to(log);
    serve_run(&served, -1);
    return EXIT_SUCCESS;
}

int main(int argc, char **argv) {
    const char *verb = argc > 1 ? argv[1] : "";
    struct words w;
    const bool mounts = strcmp(verb, "mount") == 0, runs = strcmp(verb, "run") == 0;
    if (!mounts && !runs && strcmp(verb, "umount") != 0) {
        fputs(help, stderr);
        return EXIT_WRONG;
    }
    say_as(mounts ? "zipnn mount" : runs ? "zipnn run" : "zipnn umount");
    const int status = parse(argc - 1, argv + 1, &w);
    if (status < 0) return fputs(help, stdout) < 0;
    if (status > 0) return status;
    char **operands = argv + 1 + optind;
    const int n = argc - 1 - optind;
    if (mounts) return mount_view(&w, operands, n);
    if (!runs) return n == 1 ? unmount_view(operands[0]) : wrong("umount takes POINT");
    if (n == 0) return wrong("run needs a COMMAND");
    return run_command(&w.mounts, &w.wishes, w.log, operands);
}
