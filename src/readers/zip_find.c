#include "readers/zip.h"

struct zn_member *zn_zip_find(struct zn_member *const *by_name, size_t n, const struct zn_member *beside,
                              const char *base, size_t len) {
    const size_t folder = beside->folder_len;
    size_t lo = 0, hi = n;
    while (lo < hi) {
        const size_t mid = lo + (hi - lo) / 2;
        const struct zn_member *m = by_name[mid];
        int order = folder < m->folder_len ? -1 : folder > m->folder_len;
        if (order == 0) order = memcmp(beside->name, m->name, folder);
        if (order == 0) order = strncmp(base, m->name + folder, len);
        if (order == 0) order = m->name[folder + len] == '\0' ? 0 : -1;
        if (order == 0 && !m->superseded) return by_name[mid];
        if (order >= 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return NULL;
}
