/* What the machine has, and what it is called. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "io/windows/system.h"

long sysconf(int what) {
    SYSTEM_INFO machine;
    MEMORYSTATUSEX memory = {.dwLength = sizeof memory};
    GetSystemInfo(&machine);
    if (what == _SC_PAGESIZE) return (long)machine.dwPageSize;
    if (what == _SC_NPROCESSORS_ONLN) return (long)GetActiveProcessorCount(ALL_PROCESSOR_GROUPS);
    if (what == _SC_PHYS_PAGES && GlobalMemoryStatusEx(&memory))
        return (long)(memory.ullTotalPhys / machine.dwPageSize);
    return zn_win32_fail_with(EINVAL);
}

int getentropy(void *to, size_t len) {
    const NTSTATUS st = BCryptGenRandom(NULL, to, (ULONG)len, BCRYPT_USE_SYSTEM_PREFERRED_RNG);
    return st == 0 ? 0 : zn_win32_fail_with(EIO);
}

int poll(struct pollfd *one, unsigned long n, int milliseconds) {
    (void)one, (void)milliseconds;
    return (int)n;
}

int ioctl(int fd, int request, struct winsize *size) {
    CONSOLE_SCREEN_BUFFER_INFO is;
    const HANDLE h = zn_win32_handle(fd);
    if (request != TIOCGWINSZ || h == INVALID_HANDLE_VALUE || !GetConsoleScreenBufferInfo(h, &is))
        return zn_win32_fail_with(ENOTTY);
    size->ws_col = (unsigned short)(is.srWindow.Right - is.srWindow.Left + 1);
    size->ws_row = (unsigned short)(is.srWindow.Bottom - is.srWindow.Top + 1);
    return 0;
}

int getrlimit(int which, struct rlimit *limit) {
    (void)which, (void)limit;
    return zn_win32_fail_with(ENOSYS);
}

/* GetVersionEx would name the version for which the program was made. */
int uname(struct utsname *system) {
    typedef LONG(WINAPI * version_fn)(OSVERSIONINFOW *);
    OSVERSIONINFOW version = {.dwOSVersionInfoSize = sizeof version};
    const HMODULE nt = GetModuleHandleW(L"ntdll.dll");
    const FARPROC found = nt ? GetProcAddress(nt, "RtlGetVersion") : NULL;
    version_fn ask;
    memcpy(&ask, &found, sizeof ask);
    if (!found || ask(&version) != 0) return zn_win32_fail_with(ENOSYS);
    snprintf(system->sysname, sizeof system->sysname, "Windows");
    snprintf(system->release, sizeof system->release, "%lu.%lu.%lu", version.dwMajorVersion, version.dwMinorVersion,
             version.dwBuildNumber);
    snprintf(system->machine, sizeof system->machine, "%s", sizeof(void *) == 8 ? "x86_64" : "x86");
    return 0;
}

int strerror_r(int number, char *to, size_t cap) {
    return strerror_s(to, cap, number);
}
