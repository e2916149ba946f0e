#ifndef ZN_WINDOWS_DIRENT_H
#define ZN_WINDOWS_DIRENT_H

#include <sys/types.h>

struct dirent {
    char d_name[260 * 3 + 1]; /* UTF-8 */
};

typedef struct zn_win32_folder DIR;

DIR *opendir(const char *path) ZN_WINDOWS(opendir);
struct dirent *readdir(DIR *folder) ZN_WINDOWS(readdir);
int closedir(DIR *folder) ZN_WINDOWS(closedir);

#endif
