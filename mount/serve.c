#include "serve.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "drafts.h"
#include "say.h"
#include "store.h"
#include "tree_scan.h"

bool serve_is_possible(void) {
    const int fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);
    if (fd >= 0) {
        close(fd);
        return true;
    }
    if (errno == ENOENT || errno == ENXIO || errno == ENODEV)
        say("/dev/fuse is missing: load the kernel's module (modprobe fuse), or give the container the device "
            "(--device /dev/fuse)");
    else
        say("/dev/fuse cannot be opened: %s; users other than root need chmod 0666 /dev/fuse", strerror(errno));
    return false;
}

/* ---- mounting */

/* What programs make gets the permissions that they ask for: the kernel has applied their masks. */
static bool open_for_writing(struct view *view, const char *source, const struct wishes *wishes) {
    if (view->tree.only) {
        say("%s: --write takes a folder", source);
        return false;
    }
    view->spool = wishes->spool ? open(wishes->spool, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    if (wishes->spool && view->spool < 0) {
        say("%s: cannot be opened as a folder of drafts: %s", wishes->spool, strerror(errno));
        return false;
    }
    view->write = true;
    view->level = wishes->level;
    view->keep_below = wishes->keep_below;
    umask(0);
    needs_init(&view->needs);
    view->archives.needs = &view->needs;
    tree_scan(&view->tree, &view->needs, &view->contexts);
    return true;
}

static bool open_view(struct view *view, const char *source, const struct wishes *wishes) {
    struct stat st;
    view->base_dir.root = -1;
    int fault = source_tree_open(&view->tree, source);
    if (fault) {
        say("%s: cannot be opened: %s", source, strerror(fault));
        return false;
    }
    fault = wishes->base_dir ? source_tree_open(&view->base_dir, wishes->base_dir) : 0;
    if (fault || view->base_dir.only) {
        say("%s: cannot be opened as a folder of bases: %s", wishes->base_dir, strerror(fault ? fault : ENOTDIR));
        return false;
    }
    view->threads = wishes->threads;
    view->verify = wishes->verify;
    view->readahead = wishes->readahead;
    pthread_rwlock_init(&view->names, NULL);
    for (unsigned i = 0; i < N_MAKING; i++) pthread_mutex_init(&view->making[i], NULL);
    contexts_init(&view->contexts, wishes->threads);
    const struct base_places places = {&view->tree, wishes->base_dir ? &view->base_dir : NULL, &view->contexts};
    archives_init(&view->archives, &places);
    if (wishes->write && !open_for_writing(view, source, wishes)) return false;
    chunk_cache_init(&view->cache, &view->contexts, wishes->cache);
    if (fstat(view->tree.root, &st) != 0 || nodes_init(&view->nodes, &st) != 0) {
        say("%s: %s", source, strerror(errno));
        return false;
    }
    return true;
}

/* "-oro,fsname=FOLDER" and so on: commas and backslashes of the name are escaped. */
static char *mount_options(const struct view *view, const struct wishes *wishes) {
    char *options = malloc(2 * strlen(view->tree.path) + 160), *to = options;
    if (!options) return NULL;
    to = stpcpy(to, wishes->write ? "-orw" : "-oro");
    to = stpcpy(to, ",nosuid,nodev,subtype=zipnn,default_permissions");
    if (wishes->allow_other) to = stpcpy(to, ",allow_other");
    to = stpcpy(to, ",fsname=");
    for (const char *from = view->tree.path; *from; from++) {
        if (*from == ',' || *from == '\\') *to++ = '\\';
        *to++ = *from;
    }
    *to = '\0';
    return options;
}

static void say_of_fuse(enum fuse_log_level level, const char *format, va_list args) {
    char text[300];
    if (level > FUSE_LOG_ERR) return;
    vsnprintf(text, sizeof text, format, args);
    text[strcspn(text, "\n")] = '\0';
    say("%s", text);
}

bool serve_mount(struct served *s, const char *source, const char *point, const struct wishes *wishes) {
    char program[] = "zipnn-mount";
    *s = (struct served){.view = calloc(1, sizeof *s->view)};
    if (!s->view || !open_view(s->view, source, wishes)) return false;
    s->point = realpath(point, NULL);
    if (!s->point) {
        say("%s: a view cannot be mounted there: %s", point, strerror(errno));
        return false;
    }
    s->view->point = s->point;
    char *options = mount_options(s->view, wishes);
    char *words[] = {program, options, NULL};
    struct fuse_args args = FUSE_ARGS_INIT(2, words);
    fuse_set_log_func(say_of_fuse);
    if (options) s->session = fuse_session_new(&args, &view_answers, sizeof view_answers, s->view);
    const bool mounted = s->session && fuse_session_mount(s->session, s->point) == 0;
    if (!mounted) say("%s: the view of %s could not be mounted there", point, source);
    fuse_opt_free_args(&args);
    free(options);
    return mounted;
}

/* ---- serving */

/* The kernel takes the length only when it has heard the view's first answer, so the view is asked for one. */
static void *set_readahead(void *user) {
    const struct served *s = user;
    char path[80], text[32];
    struct stat st;
    if (stat(s->point, &st) != 0) return NULL;
    snprintf(path, sizeof path, "/sys/class/bdi/%u:%u/read_ahead_kb", major(st.st_dev), minor(st.st_dev));
    const int len = snprintf(text, sizeof text, "%llu", (unsigned long long)(s->view->readahead >> 10));
    const int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0 || write(fd, text, (size_t)len) != len)
        say("--readahead: %s cannot be written: %s; this takes root, and /sys that is not for reading only", path,
            strerror(errno));
    if (fd >= 0) close(fd);
    return NULL;
}

static void *answer(void *user) {
    struct served *s = user;
    struct fuse_buf buf = {.mem = NULL};
    while (!fuse_session_exited(s->session)) {
        const int got = fuse_session_receive_buf(s->session, &buf);
        if (got == -EINTR) continue;
        if (got <= 0) break;
        fuse_session_process_buf(s->session, &buf);
    }
    free(buf.mem);
    kill(getpid(), SIGUSR2); /* the view is gone: ends wait_for_end */
    return NULL;
}

/* Waits for a signal, for the end of a process, or until a thread tells that the view was unmounted. Returns whether it
 * is still mounted. */
static bool wait_for_end(const sigset_t *signals, int while_runs) {
    const struct timespec moment = {.tv_nsec = 20000000};
    for (;;) {
        siginfo_t info;
        const int got = while_runs < 0 ? sigwaitinfo(signals, &info) : sigtimedwait(signals, &info, &moment);
        if (got > 0) return got != SIGUSR2;
        struct pollfd ends = {.fd = while_runs, .events = POLLIN};
        if (while_runs >= 0 && poll(&ends, 1, 0) > 0) return true;
    }
}

/* A page that is no longer there, since somebody cut the file short, is replaced by one of zeros; the read that failed is
 * repeated, and its check fails. Any other cause of SIGBUS finds no handler the second time. */
static void replace_page(int number, siginfo_t *info, void *context) {
    const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    void *at = (void *)((uintptr_t)info->si_addr & ~(page - 1));
    (void)context;
    opened_cut_begins();
    if (info->si_code != BUS_ADRERR || mmap(at, page, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != at)
        signal(number, SIG_DFL);
    opened_cut_ends();
}

static void survive_cut_files(void) {
    struct sigaction action = {.sa_sigaction = replace_page, .sa_flags = SA_SIGINFO};
    sigemptyset(&action.sa_mask);
    (void)sigaction(SIGBUS, &action, NULL);
}

/* Takes the view away. Returns whether programs still use it: then what they have open fails from now on. */
static bool unmount_used(struct served *s) {
    if (umount2(s->point, UMOUNT_NOFOLLOW) == 0) return false;
    if (umount2(s->point, MNT_DETACH | UMOUNT_NOFOLLOW) != 0) fuse_session_unmount(s->session);
    return true;
}

/* Ends a view that is taken away while its threads may wait for the kernel. What was closed is stored. */
static void end_now(struct served *s) {
    const bool used = unmount_used(s);
    if (s->view->stores) {
        stores_stop(s->view);
        if (used)
            stores_say_lost(s->view);
        else
            stores_rest(s->view);
    }
    _exit(0);
}

void serve_run(struct served *s, int while_runs) {
    pthread_t threads[MAX_CONTEXTS];
    unsigned n = 0;
    sigset_t signals;
    mallopt(M_ARENA_MAX, 2);
    mallopt(M_MMAP_THRESHOLD, 256 << 10);
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGUSR2);
    if (while_runs < 0) sigaddset(&signals, SIGINT);
    if (while_runs < 0) sigaddset(&signals, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &signals, NULL);
    survive_cut_files();
    (void)ahead_start(s->view);
    if (s->view->write && stores_start(s->view) != 0) say("no thread can be started that stores files");
    const unsigned most = s->view->threads < MAX_CONTEXTS ? s->view->threads : MAX_CONTEXTS;
    while (n < most && pthread_create(&threads[n], NULL, answer, s) == 0) n++;
    if (n == 0) say("no thread can be started");
    pthread_t helper;
    if (n && s->view->readahead && pthread_create(&helper, NULL, set_readahead, s) == 0) pthread_detach(helper);
    if (n && wait_for_end(&signals, while_runs)) end_now(s);
    for (unsigned i = 0; i < n; i++) pthread_join(threads[i], NULL);
    ahead_stop(s->view);
    stores_stop(s->view);
    stores_rest(s->view);
    fuse_session_unmount(s->session); /* closes the device; sees that the view is gone */
    fuse_session_destroy(s->session);
    nodes_destroy(&s->view->nodes);
    chunk_cache_destroy(&s->view->cache);
    archives_destroy(&s->view->archives);
    contexts_destroy(&s->view->contexts);
    source_tree_close(&s->view->tree);
    source_tree_close(&s->view->base_dir);
    if (s->view->write && s->view->spool >= 0) close(s->view->spool);
    if (s->view->write) needs_destroy(&s->view->needs);
    free(s->view);
    free(s->point);
}

void serve_leave(struct served *s) {
    close(fuse_session_fd(s->session));
}
