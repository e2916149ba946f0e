#include "archives.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "say.h"

/* Idle archives are kept open as long as these allow it. */
enum { MAX_IDLE = 64, MAX_IDLE_WEIGHT = 16 << 20 };

void archives_init(struct archives *all, const struct base_places *places) {
    *all = (struct archives){.places = *places, .contexts = places->contexts};
    pthread_mutex_init(&all->lock, NULL);
}

static void drop_facts(struct archives *all) {
    for (size_t i = 0; i < N_FACT_SLOTS; i++) {
        for (struct facts *f = all->facts[i], *next; f; f = next) {
            next = f->next;
            free(f);
        }
        all->facts[i] = NULL;
    }
    all->n_facts = 0;
}

void archives_destroy(struct archives *all) {
    drop_facts(all);
    for (struct opened *o = all->newest, *next; o; o = next) {
        next = o->next;
        opened_free(o);
    }
    pthread_mutex_destroy(&all->lock);
}

/* ---- the list of open archives; under the lock */

static void list_out(struct archives *all, struct opened *o) {
    *(o->previous ? &o->previous->next : &all->newest) = o->next;
    *(o->next ? &o->next->previous : &all->oldest) = o->previous;
}

static void list_in(struct archives *all, struct opened *o) {
    o->previous = NULL;
    o->next = all->newest;
    *(o->next ? &o->next->previous : &all->oldest) = o;
    all->newest = o;
}

static struct opened *find_open(struct archives *all, const struct stamp *stamp) {
    for (struct opened *o = all->newest; o; o = o->next) {
        if (!stamp_unchanged(&o->stamp, stamp) || atomic_load(&o->torn)) continue;
        all->n_idle -= o->refs == 0;
        all->idle_weight -= o->refs == 0 ? o->weight : 0;
        o->refs++;
        return o;
    }
    return NULL;
}

/* Takes the oldest idle archive out of the list if too many are kept. */
static struct opened *take_surplus(struct archives *all) {
    if (all->n_idle <= MAX_IDLE && all->idle_weight <= MAX_IDLE_WEIGHT) return NULL;
    struct opened *o = all->oldest;
    while (o && o->refs) o = o->previous;
    if (!o) return NULL;
    list_out(all, o);
    all->n_idle--;
    all->idle_weight -= o->weight;
    return o;
}

/* A context with bases has working memory of its own. */
enum { WEIGHT_OF_CONTEXT = 4 << 20 };

static zipnn_status add_bases(struct archives *all, struct opened *o, zipnn_error *err) {
    struct base_set found = {.n = 0};
    base_search(&all->places, o, &found);
    const zipnn_status status = opened_with_bases(o, &found, err);
    o->weight += WEIGHT_OF_CONTEXT;
    return status;
}

struct opened *archives_get(struct archives *all, int fd, const char *path, zipnn_error *err) {
    struct stat st;
    const struct stamp stamp = fstat(fd, &st) == 0 ? stamp_of(&st) : (struct stamp){0};
    pthread_mutex_lock(&all->lock);
    struct opened *o = find_open(all, &stamp);
    pthread_mutex_unlock(&all->lock);
    if (o) {
        close(fd);
        return o;
    }
    *err = (zipnn_error){.status = ZIPNN_E_FORMAT};
    o = opened_new(fd, path, all->contexts, err);
    if (o && o->info.n_bases && all->needs) needs_note(all->needs, o);
    if (o && o->info.n_bases && (err->status = add_bases(all, o, err)) != ZIPNN_OK) {
        opened_free(o);
        return NULL;
    }
    if (!o) return NULL;
    o->refs = 1;
    pthread_mutex_lock(&all->lock);
    o->serial = ++all->n_opened;
    list_in(all, o);
    pthread_mutex_unlock(&all->lock);
    return o;
}

void archives_hold(struct archives *all, struct opened *o) {
    pthread_mutex_lock(&all->lock);
    o->refs++;
    pthread_mutex_unlock(&all->lock);
}

void archives_put(struct archives *all, struct opened *o) {
    struct opened *surplus = NULL;
    pthread_mutex_lock(&all->lock);
    if (--o->refs == 0) {
        list_out(all, o);
        list_in(all, o);
        all->n_idle++;
        all->idle_weight += o->weight;
    }
    surplus = take_surplus(all);
    while (surplus) {
        pthread_mutex_unlock(&all->lock);
        opened_free(surplus);
        pthread_mutex_lock(&all->lock);
        surplus = take_surplus(all);
    }
    pthread_mutex_unlock(&all->lock);
}

/* ---- facts */

static struct facts **slot_of(struct archives *all, const struct stamp *stamp) {
    const uint64_t mixed = ((uint64_t)stamp->number ^ (uint64_t)stamp->device << 32) * 0x9E3779B97F4A7C15u;
    return &all->facts[mixed >> 52];
}

bool archives_known(struct archives *all, const struct stat *st, struct facts *facts) {
    const struct stamp stamp = stamp_of(st);
    bool known = false;
    pthread_mutex_lock(&all->lock);
    for (const struct facts *f = *slot_of(all, &stamp); f && !known; f = f->next) {
        if (!stamp_unchanged(&f->stamp, &stamp)) continue;
        *facts = *f;
        known = f->kind != FACTS_BASELESS || time(NULL) - f->at < 2;
    }
    pthread_mutex_unlock(&all->lock);
    return known;
}

static void remember(struct archives *all, const struct facts *facts) {
    pthread_mutex_lock(&all->lock);
    struct facts **slot = slot_of(all, &facts->stamp), *f = *slot;
    while (f && !stamp_same_file(&f->stamp, &facts->stamp)) f = f->next;
    if (!f) {
        if (all->n_facts >= MAX_FACTS) drop_facts(all);
        f = malloc(sizeof *f);
        if (f) {
            f->next = *slot;
            *slot = f;
            all->n_facts++;
        }
    }
    if (f) {
        struct facts *next = f->next;
        *f = *facts;
        f->next = next;
    }
    pthread_mutex_unlock(&all->lock);
}

static bool is_said(struct archives *all, const struct facts *facts) {
    const struct stamp *stamp = &facts->stamp;
    bool said = false;
    pthread_mutex_lock(&all->lock);
    for (const struct facts *f = *slot_of(all, stamp); f; f = f->next)
        said |= stamp_unchanged(&f->stamp, stamp) && f->kind == facts->kind;
    pthread_mutex_unlock(&all->lock);
    return said;
}

struct facts archives_look(struct archives *all, int fd, const struct stat *st, const char *path) {
    zipnn_error err = {.status = ZIPNN_OK};
    bool needs_bases;
    struct facts facts;
    if (archives_known(all, st, &facts)) return facts;
    facts = (struct facts){.stamp = stamp_of(st), .kind = FACTS_RAW, .at = time(NULL)};
    if (begins_like_archive(fd, &needs_bases)) {
        const int own = dup(fd);
        struct opened *o = own >= 0 ? archives_get(all, own, path, &err) : NULL;
        facts.kind = o ? FACTS_ARCHIVE : err.status == ZIPNN_E_BASE ? FACTS_BASELESS : FACTS_DAMAGED;
        if (o) facts.info = o->info;
        if (o) archives_put(all, o);
        if (!o && !is_said(all, &facts)) say("%s is shown as it is: %s", path, err.message);
    }
    remember(all, &facts);
    return facts;
}
