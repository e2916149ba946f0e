/* Ctrl-C, Ctrl-Break, closing the window and logging off: Windows calls a function in a thread of its own. */
#include "shared/interrupt.h"

#define WIN32_LEAN_AND_MEAN
#include <windows.h>

static struct interrupt *watched; /* that function is given nothing by which it could be found */

static BOOL WINAPI end_program(DWORD event) {
    enum { ENDED_BY_CONTROL_C = (int)0xC000013A };
    const bool asks = event == CTRL_C_EVENT || event == CTRL_BREAK_EVENT; /* after others the process has seconds */
    if (asks && atomic_load(&watched->gently) && !atomic_exchange(&watched->asked, true)) return TRUE;
    pthread_mutex_lock(&watched->lock); /* and never unlocked: nothing may be created or closed any more */
    if (watched->file) zipnn_file_discard(watched->file);
    TerminateProcess(GetCurrentProcess(), (UINT)ENDED_BY_CONTROL_C);
    return TRUE;
}

void interrupt_start(struct interrupt *in, void (*tell)(void *user), void *user) {
    in->tell = tell;
    in->user = user;
    pthread_mutex_init(&in->lock, NULL);
    watched = in;
    (void)SetConsoleCtrlHandler(end_program, TRUE);
}

/* A file that is mapped cannot be cut here. */
void interrupt_survive_cut_files(void) {}
