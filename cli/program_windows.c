/* Windows gives a program its arguments in UTF-16. */
#include <stdlib.h>

#define WIN32_LEAN_AND_MEAN
#include <windows.h>

#include "shared/command.h"
#include "shared/text.h"

static char *utf8(const wchar_t *wide) {
    const int n = WideCharToMultiByte(CP_UTF8, 0, wide, -1, NULL, 0, NULL, NULL);
    char *text = text_realloc(NULL, (size_t)n + 1);
    text[0] = '\0';
    (void)WideCharToMultiByte(CP_UTF8, 0, wide, -1, text, n, NULL, NULL);
    return text;
}

int wmain(int argc, wchar_t **wide);

int wmain(int argc, wchar_t **wide) {
    char **argv = text_realloc(NULL, ((size_t)argc + 1) * sizeof *argv);
    for (int i = 0; i < argc; i++) argv[i] = utf8(wide[i]);
    argv[argc] = NULL;
    return zipnn_command(argc, argv);
}
