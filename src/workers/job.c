#include "workers/job.h"

enum {
    DEFAULT_LEVEL = 3,
    MAX_LEVEL = 9,
    FIRST_VERSION = 100,
    THIS_VERSION = 100 * ZIPNN_VERSION_MAJOR + ZIPNN_VERSION_MINOR
};

/* Maps a requested level, 0 to 9, to the one that exists: 1, 3, 6 or 9. */
static int existing_level(int level) {
    if (level == 0) return DEFAULT_LEVEL;
    if (level < 2) return ZIPNN_LEVEL_FAST;
    if (level < ZIPNN_LEVEL_HIGH) return DEFAULT_LEVEL;
    if (level < ZIPNN_LEVEL_FINE) return ZIPNN_LEVEL_HIGH;
    return level < ZIPNN_LEVEL_BEST ? ZIPNN_LEVEL_FINE : ZIPNN_LEVEL_BEST;
}

/* Leaves out what the oldest readers do not know. */
static zipnn_status heed_readers(struct zn_effort *effort, unsigned readers, zipnn_error *err) {
    if (readers && (readers < FIRST_VERSION || readers > THIS_VERSION))
        return zn_fail(err, ZIPNN_E_ARGUMENT, ZN_NOWHERE,
                       "readers of version %u.%02u are not known, those of %u to %u are", readers / 100, readers % 100,
                       FIRST_VERSION, THIS_VERSION);
    if (readers) effort->readers = readers;
    return ZIPNN_OK;
}

zipnn_status zn_job_init(struct zn_job *job, const zipnn_options *o, zipnn_error *err) {
    if (o->level < 0 || o->level > MAX_LEVEL)
        return zn_fail(err, ZIPNN_E_ARGUMENT, ZN_NOWHERE, "level %d does not exist: levels are 1 to %d", o->level,
                       MAX_LEVEL);
    job->level = existing_level(o->level);
    job->effort = zn_effort_of(job->level);
    job->verify = o->verify;
    job->sha256 = o->sha256 != 0;
    job->max_original = o->max_original ? o->max_original : UINT64_MAX;
    job->progress = o->progress;
    job->progress_user = o->progress_user;
    return heed_readers(&job->effort, o->readers, err);
}

zipnn_status zn_job_allows(const struct zn_job *job, uint64_t original, zipnn_error *err) {
    if (original <= job->max_original) return ZIPNN_OK;
    return zn_fail(err, ZIPNN_E_LIMIT, ZN_NOWHERE, "the original has %llu bytes or more, the limit given is %llu",
                   (unsigned long long)original, (unsigned long long)job->max_original);
}

zipnn_status zn_job_progress(const struct zn_job *job, uint64_t done, uint64_t total, zipnn_error *err) {
    if (!job->progress || job->progress(job->progress_user, done, total) == 0) return ZIPNN_OK;
    return zn_fail(err, ZIPNN_E_CANCELLED, ZN_NOWHERE, "cancelled after %llu bytes", (unsigned long long)done);
}
