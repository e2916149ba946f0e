#include "base_search.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* MAX_SEEN files are looked at, so that a tree without end cannot hold up the view. */
enum { MAX_WANTED = 64, MAX_DEPTH = 32, MAX_SEEN = 200000 };

struct wanted {
    uint64_t length;
    uint8_t xxh3[16];
    bool found; /* an archive of it: plain files are candidates only */
};

struct search {
    const struct base_places *places;
    struct base_set *found;
    struct wanted wanted[MAX_WANTED];
    size_t n_wanted;
    unsigned n_seen;
};

static bool is_satisfied(const struct search *s) {
    for (size_t i = 0; i < s->n_wanted; i++)
        if (!s->wanted[i].found) return false;
    return true;
}

static void want_bases(struct search *s, const struct opened *o) {
    zipnn_base_info base;
    for (unsigned i = 0; i < o->info.n_bases && s->n_wanted < MAX_WANTED; i++) {
        bool known = false;
        if (zipnn_archive_base(o->archive, i, &base, NULL) != ZIPNN_OK) continue;
        for (size_t k = 0; k < s->n_wanted; k++) known |= memcmp(s->wanted[k].xxh3, base.xxh3, sizeof base.xxh3) == 0;
        if (known) continue;
        struct wanted *w = &s->wanted[s->n_wanted++];
        *w = (struct wanted){.length = base.original};
        memcpy(w->xxh3, base.xxh3, sizeof w->xxh3);
    }
}

static bool is_listed(const struct search *s, const struct stat *st) {
    const struct stamp stamp = stamp_of(st);
    for (size_t i = 0; i < s->found->n; i++)
        if (stamp_same_file(&s->found->stamp[i], &stamp)) return true;
    return false;
}

static void add(struct search *s, int fd, const char *path) {
    zipnn_error err;
    const int own = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (own >= 0) (void)base_set_add(s->found, own, path, &err);
}

/* An archive is a base if its original has the right length and digest; what it was made against is wanted too. */
static void try_archive(struct search *s, int fd, const char *path) {
    zipnn_error err;
    const int own = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    struct opened *o = own >= 0 ? opened_new(own, path, s->places->contexts, &err) : NULL;
    for (size_t i = 0; o && i < s->n_wanted; i++) {
        struct wanted *w = &s->wanted[i];
        if (w->found || w->length != o->info.original || memcmp(w->xxh3, o->info.xxh3, sizeof w->xxh3) != 0) continue;
        w->found = true;
        add(s, fd, path);
        want_bases(s, o);
        break;
    }
    if (o) opened_free(o);
}

static void try_file(struct search *s, int fd, const struct stat *st, const char *path) {
    bool needs_bases;
    if (is_listed(s, st)) return;
    if (begins_like_archive(fd, &needs_bases)) {
        try_archive(s, fd, path);
        return;
    }
    for (size_t i = 0; i < s->n_wanted; i++) {
        if (s->wanted[i].found || s->wanted[i].length != (uint64_t)st->st_size) continue;
        add(s, fd, path);
        return;
    }
}

enum search_depth { THIS_FOLDER, BELOW_IT };

static void search_folder(struct search *s, int folder, enum search_depth how, unsigned depth);

static void try_entry(struct search *s, int folder, const struct dirent *entry, enum search_depth how, unsigned depth) {
    const bool may_be_folder = entry->d_type == DT_DIR || entry->d_type == DT_UNKNOWN;
    struct stat st;
    if (!may_be_folder && entry->d_type != DT_REG) return;
    if (entry->d_name[0] == '.' && (!entry->d_name[1] || (entry->d_name[1] == '.' && !entry->d_name[2]))) return;
    const int fd = openat(folder, entry->d_name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0) return;
    const int known = fstat(fd, &st);
    if (known == 0 && S_ISREG(st.st_mode)) try_file(s, fd, &st, entry->d_name);
    if (known == 0 && S_ISDIR(st.st_mode) && how == BELOW_IT && depth < MAX_DEPTH)
        search_folder(s, fd, how, depth + 1);
    else
        close(fd);
}

/* Closes `folder`. */
static void search_folder(struct search *s, int folder, enum search_depth how, unsigned depth) {
    const struct dirent *entry;
    DIR *dir = fdopendir(folder);
    if (!dir) {
        close(folder);
        return;
    }
    while (!is_satisfied(s) && s->n_seen < MAX_SEEN && (entry = readdir(dir)) != NULL) {
        s->n_seen++;
        try_entry(s, folder, entry, how, depth);
    }
    closedir(dir);
}

/* Bases of bases are wanted as they become known, so a place is searched until that finds nothing more. */
static void search_place(struct search *s, const struct source_tree *tree, const char *path, enum search_depth how) {
    size_t before;
    do {
        before = s->n_wanted;
        const int folder = source_tree_at(tree, path, O_RDONLY | O_DIRECTORY);
        if (folder < 0) return;
        search_folder(s, folder, how, 0);
    } while (s->n_wanted > before && !is_satisfied(s));
}

/* Returns the file of the tree that a way ("./original/model.safetensors") leads to from `folder`, which the caller frees. Names
 * come from strangers: NULL if it goes up elsewhere than at its beginning, or out of the tree. */
static char *follow(const char *folder, const char *way) {
    size_t len = strlen(folder);
    if (strncmp(way, "./", 2) != 0) return NULL;
    for (way += 2; strncmp(way, "../", 3) == 0; way += 3) {
        if (len == 0) return NULL;
        while (len > 0 && folder[len - 1] != '/') len--;
        if (len > 0) len--;
    }
    for (const char *part = way; part; part = strchr(part, '/')) {
        part += *part == '/';
        const size_t n = strcspn(part, "/");
        if (n == 0 || (n == 2 && memcmp(part, "..", 2) == 0)) return NULL;
    }
    char *above = strndup(folder, len), *path = above ? path_below(above, way) : NULL;
    free(above);
    return path;
}

static void try_way(struct search *s, char *path) {
    struct stat st;
    const int fd = path ? source_tree_at(s->places->tree, path, O_RDONLY | O_NONBLOCK) : -1;
    if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode)) try_file(s, fd, &st, path);
    if (fd >= 0) close(fd);
    free(path);
}

/* The archives of zipnn --dedup tell the way to what they were made against: to that file, its archive or its original. */
static void search_ways(struct search *s, const struct opened *o, const char *folder) {
    zipnn_base_info base;
    for (unsigned i = 0; i < o->info.n_bases && i < MAX_WANTED; i++) {
        char *there = zipnn_archive_base(o->archive, i, &base, NULL) == ZIPNN_OK ? follow(folder, base.name) : NULL;
        char *archive = NULL;
        if (!there) continue;
        if (has_archive_suffix(there)) try_way(s, strndup(there, strlen(there) - strlen(ARCHIVE_SUFFIX)));
        if (asprintf(&archive, "%s%s", there, ARCHIVE_SUFFIX) >= 0) try_way(s, archive);
        try_way(s, there);
    }
}

static char *folder_of(const char *path) {
    const char *slash = strrchr(path, '/');
    return strndup(path, slash ? (size_t)(slash - path) : 0);
}

void base_search(const struct base_places *places, const struct opened *archive, struct base_set *found) {
    struct search s = {.places = places, .found = found};
    char *folder = folder_of(archive->path);
    found->n = 0;
    want_bases(&s, archive);
    if (folder) search_ways(&s, archive, folder);
    if (folder && !is_satisfied(&s)) search_place(&s, places->tree, folder, THIS_FOLDER);
    free(folder);
    for (int again = 0; again < 2 && !is_satisfied(&s); again++) {
        if (places->base_dir) search_place(&s, places->base_dir, "", THIS_FOLDER);
        if (!places->base_dir) search_place(&s, places->tree, "", BELOW_IT);
    }
}
