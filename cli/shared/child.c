#include "shared/child.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shared/progress.h"

/* So shells, and systems that run this program by an emulator, tell that there is no such program. */
enum { NO_PROGRAM = 127 };

extern char **environ;

/* A child inherits which signals are blocked; we block those that a thread of ours waits for. The group of its own lets
 * its children be killed with it. */
static bool start(char *const argv[], int to, pid_t *pid) {
    posix_spawn_file_actions_t files;
    posix_spawnattr_t how;
    sigset_t none;
    sigemptyset(&none);
    posix_spawn_file_actions_init(&files);
    posix_spawnattr_init(&how);
    posix_spawnattr_setsigmask(&how, &none);
    posix_spawnattr_setpgroup(&how, 0);
    posix_spawnattr_setflags(&how, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP);
    posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&files, to, STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&files, to, STDERR_FILENO);
    const bool started = posix_spawnp(pid, argv[0], &files, &how, argv, environ) == 0;
    posix_spawnattr_destroy(&how);
    posix_spawn_file_actions_destroy(&files);
    return started;
}

/* Reads until the end, or until the time is over. Returns whether the end came. */
static bool read_all(int from, double until, char *said, size_t cap) {
    char rest[512];
    size_t n = 0;
    for (;;) {
        const double left = until - progress_now();
        struct pollfd wait = {.fd = from, .events = POLLIN};
        if (left <= 0 || poll(&wait, 1, (int)(left * 1000) + 1) <= 0) return false;
        const ssize_t got = n + 1 < cap ? read(from, said + n, cap - 1 - n) : read(from, rest, sizeof rest);
        if (got <= 0) return true;
        if (n + 1 < cap) n += (size_t)got;
        said[n] = '\0';
    }
}

enum child_end child_run(char *const argv[], int seconds, char *said, size_t cap) {
    int ends[2], status = 0;
    pid_t pid;
    said[0] = '\0';
    if (pipe2(ends, O_CLOEXEC) != 0) return CHILD_MISSING;
    const bool started = start(argv, ends[1], &pid);
    close(ends[1]);
    const bool ended = started && read_all(ends[0], progress_now() + seconds, said, cap);
    close(ends[0]);
    if (!started) return CHILD_MISSING;
    if (!ended) (void)kill(-pid, SIGKILL);
    if (waitpid(pid, &status, 0) != pid) return CHILD_FAILED;
    if (!ended) return CHILD_TOO_LONG;
    if (WIFEXITED(status) && WEXITSTATUS(status) == NO_PROGRAM) return CHILD_MISSING;
    return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? CHILD_DONE : CHILD_FAILED;
}
