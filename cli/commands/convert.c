/* Compressing and restoring. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "commands/commands.h"
#include "commands/conversion.h"
#include "commands/in_place.h"
#include "commands/restore_url.h"
#include "line/url.h"
#include "shared/candidates.h"
#include "shared/cli_fail.h"
#include "shared/dedup.h"
#include "shared/filenames.h"
#include "shared/input.h"
#include "shared/needed.h"
#include "shared/old_delta.h"
#include "shared/output.h"
#include "shared/results.h"
#include "shared/run_context.h"
#include "shared/run_report.h"
#include "shared/text.h"

/* Returns the name of an archive of the old format. The form of the archive follows from it. */
static char *name_old(const struct run *run, const char *path, zipnn_old_form *form) {
    const struct args *args = run->args;
    char *name = args->dtype == ZIPNN_DTYPE_UNKNOWN && args->n_bases == 0 ? filename_of_old_tensors(path) : NULL;
    *form = name ? ZIPNN_OLD_SAFETENSORS : ZIPNN_OLD_RECORD;
    return name ? result_place(run, name) : result_archive(run, path);
}

static char *name_archive(struct job *job) {
    const struct run *run = job->run;
    return run->args->old_format ? name_old(run, job->path, &job->form) : result_archive(run, job->path);
}

/* Sets job->output, and for old records job->form, which follows from the name of the input. */
static zipnn_status choose_output(struct job *job, zipnn_error *err) {
    const struct args *args = job->run->args;
    bool archive = filename_is_archive(job->path);
    if (args->operation == OP_COMPRESS) job->output = name_archive(job);
    if (args->output || args->to_stdout || input_is_stdin(job->path)) {
        free(job->output);
        job->output = args->output ? text_join(args->output, "", "") : NULL;
    } else if (access(job->path, F_OK) != 0) {
        return ZIPNN_OK; /* the attempt to open it gives the better message */
    } else if (args->operation == OP_RESTORE) {
        if (filename_is_bare_suffix(job->path))
            return cli_fail(
                err, ZIPNN_E_ARGUMENT,
                "nothing is left of the name without its suffix: use -o or -c to say where the result goes");
        if (!archive)
            return cli_fail(err, ZIPNN_E_ARGUMENT,
                            "the suffix is not " ARCHIVE_SUFFIX ": use -o or -c to say where the result goes%s",
                            bases_is_archive(job->path) ? ", or --in-place to restore the file itself" : "");
        job->output = result_original(job->run, job->path);
    } else if (archive && !args->force) {
        return cli_fail(err, ZIPNN_E_ARGUMENT, "is named " ARCHIVE_SUFFIX " already: -f compresses it once more");
    } else if (!args->force && bases_is_archive(job->path)) {
        return cli_fail(err, ZIPNN_E_ARGUMENT, "is an archive already: -f compresses it once more");
    }
    return result_check(job->run, job->path, err);
}

/* Asks the user at the terminal. Without a terminal the answer is no. */
static bool user_allows_replacing(const struct args *args, const char *path) {
    if (args->verbosity < 0 || !isatty(STDIN_FILENO) || !isatty(STDERR_FILENO)) return false;
    char answer[16];
    fputs("zipnn: ", stderr);
    text_put(stderr, path);
    fputs(" exists; replace it? (y/n) ", stderr);
    fflush(stderr);
    return fgets(answer, sizeof answer, stdin) && (answer[0] == 'y' || answer[0] == 'Y');
}

static zipnn_status create_output(struct job *job, zipnn_error *err) {
    const struct args *args = job->run->args;
    const zipnn_file *like = input_is_stdin(job->path) ? NULL : job->in;
    unsigned flags = (args->force ? ZIPNN_FILE_REPLACE : 0U) | (args->sync ? ZIPNN_FILE_SYNC : 0U);
    zipnn_status st = result_make_folders(job->run, job->output, err);
    struct stat there;
    if (st != ZIPNN_OK) return st;
    st = zipnn_file_create(job->output, like, flags, &job->out, err);
    if (st != ZIPNN_E_IO || args->force || input_is_stdin(job->path)) return st;
    if (lstat(job->output, &there) != 0 || !S_ISREG(there.st_mode)) return st;
    const bool replaces = args->update ? bases_is_archive(job->output) : user_allows_replacing(args, job->output);
    if (!replaces) return output_taken(job->run, job->output, job->path, err);
    return zipnn_file_create(job->output, like, flags | ZIPNN_FILE_REPLACE, &job->out, err);
}

static zipnn_status open_output(struct job *job, zipnn_error *err) {
    const struct args *args = job->run->args;
    if (job->output) return create_output(job, err);
    if (args->operation == OP_COMPRESS && !args->force && isatty(STDOUT_FILENO))
        return cli_fail(err, ZIPNN_E_ARGUMENT, "an archive is not written to a terminal: use -o, a redirection or -f");
    return zipnn_file_from_fd(STDOUT_FILENO, "stdout", &job->out, err);
}

/* --rm needs an input that can be read again, and a result that can be read back. */
static zipnn_status refuse_to_remove(const struct job *job, zipnn_error *err) {
    struct stat st;
    if (!job->run->args->remove) return ZIPNN_OK;
    if (input_is_stdin(job->path))
        return cli_fail(err, ZIPNN_E_ARGUMENT, "--rm deletes a FILE; standard input cannot be deleted");
    if (stat(job->path, &st) == 0 && !S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode))
        return cli_fail(err, ZIPNN_E_ARGUMENT, "--rm deletes regular files only");
    if (job->output && stat(job->output, &st) == 0 && !S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode))
        return cli_fail(err, ZIPNN_E_ARGUMENT,
                        "--rm needs a result in a regular file, which can be read back; %.100s is not one",
                        job->output);
    return ZIPNN_OK;
}

/* Says so if no base was of any use: the user expects a small archive, and a wrong file may have been named. */
static void warn_of_bases(const struct job *job) {
    const struct args *args = job->run->args;
    zipnn_file *file = NULL;
    zipnn_source source;
    zipnn_archive *archive = NULL;
    zipnn_archive_info info;
    if (args->operation != OP_COMPRESS || args->old_format || !job->output || !(args->n_bases || args->base_dir))
        return;
    zipnn_status st = zipnn_file_open(job->output, &file, NULL);
    if (st == ZIPNN_OK) zipnn_file_source(file, &source);
    if (st == ZIPNN_OK && source.read_at) st = zipnn_archive_open(job->run->ctx, &source, &archive, NULL);
    if (st == ZIPNN_OK && archive) {
        zipnn_archive_get_info(archive, &info);
        if (info.n_bases == 0)
            run_warn(job->run, job->path, "",
                     args->n_bases ? "nothing in it resembles the base, so it is stored on its own"
                                   : "no file of --base-dir resembles it, so it is stored on its own");
    }
    zipnn_archive_close(archive);
    zipnn_file_close(file);
}

/* Writes the complete output, from the open input, and gives it its name. */
static zipnn_status write_output(struct job *job, zipnn_error *err) {
    struct run *run = job->run;
    struct interrupt *interrupt = &run->interrupt;
    zipnn_status st = job_make_context(job, err);
    if (st == ZIPNN_OK) st = open_output(job, err);
    if (st != ZIPNN_OK) return st;
    interrupt_watch(interrupt, job->out);
    st = job_move_bytes(job, err);
    if (st == ZIPNN_OK && job->output)
        st = needed_refuse(run, job->output, run->args->operation == OP_COMPRESS ? job->outcome.stats.xxh3 : NULL, err);
    if (job->output) touched_spare(&run->touched, job->output);
    if (st == ZIPNN_OK) st = zipnn_file_commit(job->out, err);
    if (st != ZIPNN_OK) zipnn_file_discard(job->out);
    interrupt_watch(interrupt, NULL);
    if (st == ZIPNN_OK && run->args->operation == OP_RESTORE && job->output) needed_forget(run, job->output);
    if (st == ZIPNN_OK && job->output) touched_result(&run->touched, job->output);
    if (run->locks.held == LOCKED_SHARED) folders_unlock(run);
    const char *archive = run->args->operation == OP_RESTORE ? job->path : job->output;
    if (st == ZIPNN_OK) outcome_learn(run, run->ctx, archive, &job->outcome);
    if (st == ZIPNN_OK) warn_of_bases(job);
    if (st == ZIPNN_OK && run->args->operation == OP_COMPRESS) dedup_note(run, job->output);
    return st;
}

/* Locks the folders and checks that the result is still there. Another program that wants to remove the result because
 * the input exists comes before this or after it, and then sees that the input is gone. */
static zipnn_status keep_result(struct job *job, const struct node *result, zipnn_error *err) {
    folders_lock(job->run, LOCKED_ALONE, job->path, job->output);
    if (!job->output || touched_leads_to(job->output, *result)) return ZIPNN_OK;
    return cli_fail(err, ZIPNN_E_IO, "the file is kept: another program has replaced or removed %.150s", job->output);
}

/* An original beside its archive is as good a base. */
static bool goes_elsewhere(const struct args *args) {
    return args->output || args->output_dir;
}

/* The input is examined before and after it is compared, so that a program which writes to it meanwhile is noticed. */
static zipnn_status remove_input(struct job *job, const zipnn_file *written, zipnn_error *err) {
    if (!job->run->args->remove) return ZIPNN_OK;
    struct node result = {0};
    zipnn_status st = zipnn_file_at_rest(job->in, err);
    if (st == ZIPNN_OK && job->output && !touched_find(job->output, &result))
        st = cli_fail(err, ZIPNN_E_IO, "the file is kept: %.150s is not there any more", job->output);
    if (st == ZIPNN_OK) st = job_check_result(job, written, err);
    if (st == ZIPNN_OK) st = keep_result(job, &result, err);
    if (st == ZIPNN_OK) st = job_inputs_unchanged(job, err);
    if (st == ZIPNN_OK) st = zipnn_file_at_rest(job->in, err);
    const bool elsewhere = goes_elsewhere(job->run->args) && job->run->args->operation == OP_RESTORE;
    if (st == ZIPNN_OK && elsewhere) st = needed_refuse_removal(job->run, job->path, err);
    return st == ZIPNN_OK ? zipnn_file_remove(job->in, err) : st;
}

static void end_job(struct job *job, zipnn_status st, const zipnn_error *err) {
    job_report(job, job->path, job->output ? job->output : "stdout", st, err);
    job_close(job);
}

static void convert(struct run *run, const char *path) {
    struct job job = {.run = run, .path = path};
    zipnn_error err;
    zipnn_status st = choose_output(&job, &err);
    if (st == ZIPNN_OK) st = refuse_to_remove(&job, &err);
    if (st == ZIPNN_OK) st = input_open(path, &job.in, &err);
    if (st == ZIPNN_OK) st = output_refuse_input(job.output, path, &err);
    if (st == ZIPNN_OK && run->args->operation == OP_RESTORE) st = old_delta_refuse_to_remove(run, job.in, &err);
    if (st == ZIPNN_OK) st = write_output(&job, &err);
    if (st == ZIPNN_OK) st = remove_input(&job, job.out, &err);
    end_job(&job, st, &err);
}

/* Opens the archive that exists already, and fills the outcome from it. */
static zipnn_status open_archive(struct job *job, zipnn_file **archive, zipnn_error *err) {
    zipnn_archive *opened;
    zipnn_archive_info info;
    zipnn_source source;
    zipnn_status st = zipnn_file_open(job->output, archive, err);
    if (st == ZIPNN_OK) st = run_need_context(job->run, err);
    if (st != ZIPNN_OK) return st;
    zipnn_file_source(*archive, &source);
    st = zipnn_archive_open(job->run->ctx, &source, &opened, err);
    if (st != ZIPNN_OK) return st;
    zipnn_archive_get_info(opened, &info);
    zipnn_archive_close(opened);
    job->outcome.container = info.container;
    job->outcome.level = info.level;
    job->outcome.stats = (zipnn_stats){
        .original = info.original, .archive = info.archive, .n_chunks = info.n_chunks, .unverified = info.unverified};
    memcpy(job->outcome.stats.xxh3, info.xxh3, sizeof info.xxh3);
    return ZIPNN_OK;
}

/* Deletes `path` because its archive exists already. The archive is verified first, like a new one. */
static void remove_compressed(struct run *run, const char *path) {
    struct job job = {.run = run, .path = path};
    zipnn_file *archive = NULL;
    zipnn_error err;
    zipnn_status st = choose_output(&job, &err);
    if (st == ZIPNN_OK) st = input_open(path, &job.in, &err);
    if (st == ZIPNN_OK) st = open_archive(&job, &archive, &err);
    if (st == ZIPNN_OK) st = old_delta_refuse_to_remove(run, archive, &err);
    if (st == ZIPNN_OK) st = remove_input(&job, archive, &err);
    zipnn_file_close(archive);
    end_job(&job, st, &err);
}

/* Warns if a named file is not what its name says. */
static void warn_of_oddities(struct run *run, const char *path) {
    struct stat st;
    if (input_is_stdin(path) || stat(path, &st) != 0 || !S_ISREG(st.st_mode)) return;
    if (worth_look(run, path) == LOOKS_CUT) run_warn(run, path, "", run_skip_text(SKIP_CUT));
    const char *instead = worth_what_instead(path);
    if (instead) run_warn(run, path, "", instead);
}

/* In a common folder two results may have one name, also over links and on file systems that take two names for one. The
 * first result keeps it, even with -f: with --rm it may be all that is left of its file. Reports that, and returns true
 * if nothing else is to be done. */
static bool refuse_taken(struct run *run, const char *path) {
    struct job job = {.run = run, .path = path};
    zipnn_error err;
    bool taken = false;
    if (run->args->placing == PLACED_BESIDE) return false;
    if (choose_output(&job, &err) == ZIPNN_OK && job.output && touched_is_result(&run->touched, job.output)) {
        const zipnn_status st = cli_fail(
            &err, ZIPNN_E_ARGUMENT,
            "another file of this run has its result at %.200s: --output-dir-mirror keeps most apart", job.output);
        taken = true;
        job_report(&job, path, NULL, st, &err);
    }
    job_close(&job);
    return taken;
}

/* The archive that was there before is the result of the file. */
static void note_found(struct run *run, const char *path) {
    char *archive = result_archive(run, path);
    touched_result(&run->touched, archive);
    dedup_note(run, archive);
    free(archive);
}

/* A file that is named is compressed whatever it gains. */
static enum worth worth_of(struct run *run, const char *path) {
    if (run->in_folder && !run->args->in_place) return worth_compressing(run, path);
    return run->args->update && !input_is_stdin(path) && worth_is_done(run, path) ? WORTH_DONE : WORTH_IT;
}

/* With --rm a file is deleted whether its archive is new or existed before (WORTH_DONE). */
void compress_file(struct run *run, const char *path) {
    if (refuse_taken(run, path)) return;
    const enum worth worth = worth_of(run, path);
    if (!run->in_folder) warn_of_oddities(run, path);
    if (worth == WORTH_DONE) note_found(run, path);
    if (worth == WORTH_NOTHING)
        run_report_skip(run, path, SKIP_NO_GAIN);
    else if (worth == WORTH_DONE && run->args->remove)
        remove_compressed(run, path);
    else if (worth == WORTH_DONE)
        run_report_skip(run, path, SKIP_COMPRESSED);
    else if (run->args->in_place)
        in_place_file(run, path);
    else
        convert(run, path);
}

void restore_file(struct run *run, const char *path) {
    if (run->args->in_place)
        in_place_file(run, path);
    else if (url_is_web(path))
        restore_url(run, path);
    else if (!refuse_taken(run, path))
        convert(run, path);
}
