#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "shared/console.h"
#include "shared/text.h"

#define WIN32_LEAN_AND_MEAN
#include <windows.h>

int _setmode(int fd, int mode); /* <io.h> has names of POSIX with other types */
enum { BINARY = 0x8000 };

static UINT code_page_before;

static void restore_code_page(void) {
    (void)SetConsoleOutputCP(code_page_before);
}

/* Messages are UTF-8, and the line of progress is cleared by a control sequence. */
static void set_up_console(void) {
    DWORD mode;
    const HANDLE console = GetStdHandle(STD_ERROR_HANDLE);
    code_page_before = GetConsoleOutputCP();
    if (code_page_before && SetConsoleOutputCP(CP_UTF8)) (void)atexit(restore_code_page);
    if (GetConsoleMode(console, &mode)) (void)SetConsoleMode(console, mode | ENABLE_VIRTUAL_TERMINAL_PROCESSING);
}

/* Where temporary files go is asked as elsewhere, by TMPDIR. */
static void name_temporary_folder(void) {
    wchar_t folder[MAX_PATH + 1] = L"";
    const DWORD n = getenv("TMPDIR") ? 0 : GetTempPathW(MAX_PATH + 1, folder);
    if (n && n <= MAX_PATH) (void)_wputenv_s(L"TMPDIR", folder);
}

/* No name of a file, and hardly another argument, holds a \\ that does not stand between folders. */
static void turn_slashes(int argc, char **argv) {
    for (int i = 1; i < argc; i++)
        for (char *at = argv[i]; *at; at++)
            if (*at == '\\') *at = '/';
}

void console_begin(int argc, char **argv) {
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) == 0) (void)_setmode(fd, BINARY);
    set_up_console();
    name_temporary_folder();
    turn_slashes(argc, argv);
}
