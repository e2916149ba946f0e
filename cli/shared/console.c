#include "shared/console.h"

#include <fcntl.h>
#include <unistd.h>

/* If a standard stream is closed, the next file that is opened would get its number, and our messages would go there.
 * So /dev/null gets the number, opened the wrong way round: using the stream still fails. */
static void occupy_standard_streams(void) {
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0) (void)open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY);
}

void console_begin(int argc, char **argv) {
    (void)argc, (void)argv;
    occupy_standard_streams();
}
