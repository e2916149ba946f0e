#include "run_command.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "say.h"

/* As the shell has it. */
enum { STATUS_NOT_EXECUTABLE = 126, STATUS_NOT_FOUND = 127 };

bool run_mounts_add(struct run_mounts *mounts, const char *word) {
    if (mounts->n == MOST_MOUNTS) return false;
    mounts->words[mounts->n++] = word;
    return true;
}

/* ---- a namespace of its own */

static bool write_file(const char *path, const char *text) {
    const int fd = open(path, O_WRONLY | O_CLOEXEC);
    const bool ok = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
    if (fd >= 0) close(fd);
    return ok;
}

/* In a user namespace the user stays who it is. */
static bool map_user(uid_t user, gid_t group) {
    char users[64], groups[64];
    snprintf(users, sizeof users, "%u %u 1", (unsigned)user, (unsigned)user);
    snprintf(groups, sizeof groups, "%u %u 1", (unsigned)group, (unsigned)group);
    return write_file("/proc/self/setgroups", "deny") && write_file("/proc/self/uid_map", users) &&
           write_file("/proc/self/gid_map", groups);
}

static bool enter_namespace(void) {
    const uid_t user = geteuid();
    const gid_t group = getegid();
    bool ok = unshare(CLONE_NEWNS) == 0;
    if (!ok && errno == EPERM) ok = unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0 && map_user(user, group);
    if (!ok) {
        say("no mount namespace can be made: %s; this takes root (CAP_SYS_ADMIN) or user namespaces, which are missing "
            "here (sysctl user.max_user_namespaces; containers often forbid them)",
            strerror(errno));
        return false;
    }
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0) return true;
    say("the mount namespace cannot be made private: %s", strerror(errno));
    return false;
}

/* ---- the processes */

/* Serves one view until the command has ended. */
static void start_server(struct served *s, int command, const char *log) {
    const pid_t server = fork();
    if (server != 0) return;
    setsid();
    if (log) {
        FILE *to = fopen(log, "ae");
        if (to) say_to(to);
    }
    serve_run(s, command);
    _exit(0);
}

static bool mount_one(const char *word, const struct wishes *wishes, struct served *s) {
    struct stat st;
    char *folder = strdup(word), *point = folder ? strrchr(folder, ':') : NULL;
    if (!folder) return false;
    if (point && stat(word, &st) != 0)
        *point++ = '\0';
    else
        point = folder;
    const bool ok = serve_mount(s, folder, point, wishes);
    free(folder);
    return ok;
}

/* The command waits here for its views; then it finds its folder again, which may be below one. */
static void become_command(int go, char **command) {
    char *folder = getcwd(NULL, 0), byte;
    if (read(go, &byte, 1) != 1) _exit(EXIT_FAILURE);
    if (folder && chdir(folder) != 0) say("%s: %s", folder, strerror(errno));
    execvp(command[0], command);
    const int fault = errno;
    say("%s: cannot be started: %s", command[0], strerror(fault));
    _exit(fault == ENOENT ? STATUS_NOT_FOUND : STATUS_NOT_EXECUTABLE);
}

/* What may end or stop the command, and news of it. */
static sigset_t signals_for_it(void) {
    static const int numbers[] = {SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGALRM, SIGCONT, SIGCHLD};
    sigset_t set;
    sigemptyset(&set);
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) sigaddset(&set, numbers[i]);
    return set;
}

/* Ends as the command ended. */
static int end_as(int status) {
    if (!WIFSIGNALED(status)) return WEXITSTATUS(status);
    const struct rlimit no_core = {0, 0};
    sigset_t one;
    sigemptyset(&one);
    sigaddset(&one, WTERMSIG(status));
    setrlimit(RLIMIT_CORE, &no_core);
    signal(WTERMSIG(status), SIG_DFL);
    sigprocmask(SIG_UNBLOCK, &one, NULL);
    raise(WTERMSIG(status));
    return 128 + WTERMSIG(status);
}

/* Waits for the command, then for the servers, which end by themselves. What a terminal sends goes to the command
 * anyway; what somebody sends to this process is passed on. */
static int wait_for_all(pid_t command, const sigset_t *signals) {
    int status = 0, other;
    siginfo_t info;
    while (waitpid(command, &status, WNOHANG) == 0) {
        const int number = sigwaitinfo(signals, &info);
        if (number > 0 && number != SIGCHLD && info.si_code <= 0) (void)kill(command, number);
    }
    while (wait(&other) > 0 || errno == EINTR) continue;
    return status;
}

int run_command(const struct run_mounts *mounts, const struct wishes *wishes, const char *log, char **command) {
    static const struct run_mounts here = {{"."}, 1};
    static struct served served[MOST_MOUNTS];
    int go[2];
    struct stat st;
    if (!mounts->n) mounts = &here;
    const bool possible = serve_is_possible();
    if (!enter_namespace() || !possible || pipe2(go, O_CLOEXEC) != 0) return EXIT_FAILURE;
    for (unsigned i = 0; i < mounts->n; i++)
        if (!mount_one(mounts->words[i], wishes, &served[i])) return EXIT_FAILURE;
    const pid_t child = fork();
    if (child < 0) return say("no process can be started: %s", strerror(errno)), EXIT_FAILURE;
    if (child == 0) {
        close(go[1]);
        for (unsigned i = 0; i < mounts->n; i++) serve_leave(&served[i]);
        become_command(go[0], command);
    }
    const int pidfd = (int)syscall(SYS_pidfd_open, child, 0);
    close(go[0]);
    for (unsigned i = 0; i < mounts->n; i++) start_server(&served[i], pidfd, log);
    for (unsigned i = 0; i < mounts->n; i++) serve_leave(&served[i]);
    const sigset_t signals = signals_for_it();
    sigprocmask(SIG_BLOCK, &signals, NULL);
    bool ok = pidfd >= 0;
    for (unsigned i = 0; i < mounts->n && ok; i++) ok = stat(served[i].point, &st) == 0;
    if (!ok) say("the view does not answer: %s", strerror(errno));
    if (ok && write(go[1], "", 1) != 1) say("the command cannot be started: %s", strerror(errno));
    close(go[1]);
    const int status = wait_for_all(child, &signals);
    return end_as(status);
}
