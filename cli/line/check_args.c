/* Finds out what of a command line cannot be meant. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "line/parser.h"
#include "line/url.h"

static const struct {
    const char *name;
    size_t least, most; /* operands */
} verbs[N_VERBS] = {
#define VERB(id, name, operands, least, most, use, options, help) {name, least, most},
#include "line/verbs.def"
#undef VERB
};

bool say_wrong(struct wrong *wrong, const char *format, ...) {
    va_list args;
    va_start(args, format);
    vsnprintf(wrong->text, sizeof wrong->text, format, args);
    va_end(args);
    return false;
}

struct shown shown_option(const struct option *o) {
    struct shown s;
    snprintf(s.text, sizeof s.text, "%s%s", o->name[0] ? "--" : "a level", o->name);
    return s;
}

static unsigned use_of(const struct args *a) {
    return a->operation == OP_CHAIN ? (unsigned)N_OPERATIONS + a->verb : a->operation;
}

/* "estimate, inspect and -t": what the option goes with; how many these are. */
static unsigned list_uses(enum option_id id, char *text, size_t cap) {
    unsigned all = 0, left;
    size_t n = 0;
    for (unsigned u = 0; u < N_USES; u++) all += uses[u].options >> id & 1;
    left = all;
    for (unsigned u = 0; u < N_USES && n < cap; u++) {
        if (!(uses[u].options >> id & 1)) continue;
        left--;
        n += (size_t)snprintf(text + n, cap - n, "%s%s", uses[u].name, left > 1 ? ", " : left == 1 ? " and " : "");
    }
    return all;
}

/* Returns what to do instead, if that is not obvious. */
static const char *advice(enum option_id id, unsigned use) {
    const bool base = id == OPT_BASE || id == OPT_BASE_DIR;
    if (base && use == OP_RECOMPRESS) return ": differences are not recompressed; restore them and compress anew";
    if (base && use > N_OPERATIONS) return ": a chain finds what its steps are made from by itself";
    if (id == OPT_KEEP && use == OP_RECOMPRESS) return ": it replaces FILE; -o OUT keeps it";
    return "";
}

/* No option is ignored: one that does not go with the operation is an error. */
static bool check_uses(const struct parser *p, const struct option options[N_OPTIONS]) {
    enum { FEW = 4 };
    const unsigned use = use_of(p->args);
    for (size_t i = 0; i < N_OPTIONS; i++) {
        const struct option *o = &options[i];
        const struct shown s = shown_option(o);
        char with[500] = "";
        if (!p->given[i] || uses[use].options >> o->id & 1) continue;
        if (list_uses(o->id, with, sizeof with) > FEW)
            return say_wrong(p->wrong, "%s does not go with %s%s", s.text, uses[use].name, advice(o->id, use));
        return say_wrong(p->wrong, "%s goes with %s, not with %s", s.text, with, uses[use].name);
    }
    return true;
}

static bool takes_stdin(const struct args *a) {
    for (size_t i = 0; i < a->n_files; i++)
        if (strcmp(a->files[i], "-") == 0) return true;
    return a->n_files == 0 && !a->filelist;
}

/* Returns whether more than one file may be worked on. */
static bool takes_several(const struct args *a) {
    return a->n_files > 1 || a->recursive || a->filelist;
}

static bool check_output_dir(const struct args *a, struct wrong *w) {
    if (a->placing == PLACED_BESIDE) return true;
    if (a->output || a->to_stdout) return say_wrong(w, "-o OUT or -c and a folder for results cannot be combined");
    if (takes_stdin(a)) return say_wrong(w, "standard input has no name: say -o %.200s/NAME", a->output_dir);
    return true;
}

static bool check_output(const struct args *a, struct wrong *w) {
    const bool parts = uses[a->operation].gives == GIVES_PARTS;
    const bool converts = a->operation == OP_COMPRESS || a->operation == OP_RESTORE;
    const bool to_stdout = a->to_stdout || (!a->output && (parts || (converts && takes_stdin(a))));
    const char *folder = converts ? "; -o DIR/ puts the results of all into a folder" : "";
    if (a->output && a->n_files > 1 && a->operation != OP_CHAIN)
        return say_wrong(w, "-o OUT takes one FILE, %zu were given%s", a->n_files, folder);
    if (a->output && (a->recursive || a->filelist))
        return say_wrong(w, "-o OUT and %s cannot be combined%s", a->recursive ? "-r" : "--filelist", folder);
    if (!check_output_dir(a, w)) return false;
    if (a->to_stdout && a->operation == OP_COMPRESS && takes_several(a))
        return say_wrong(w, "-c takes one FILE: an archive holds one file, and standard output one archive");
    if (to_stdout && a->json) return say_wrong(w, "--json and the result both need standard output: use -o OUT");
    if (a->to_stdout && a->remove) return say_wrong(w, "--rm needs a result in a file, not on standard output");
    return true;
}

/* FILE itself is replaced: nothing else can be written, kept or deleted. */
static bool check_in_place(const struct parser *p) {
    const struct args *a = p->args;
    if (!a->in_place) return true;
    const char *other = a->to_stdout || a->output || a->output_dir ? "another output"
                        : a->remove                                ? "--rm"
                        : p->given[OPT_KEEP]                       ? "-k"
                                                                   : NULL;
    if (other)
        return say_wrong(p->wrong, "--in-place replaces FILE by its result: it cannot be combined with %s", other);
    if (a->old_format) return say_wrong(p->wrong, "--in-place needs a result with digests; old records have none");
    if (takes_stdin(a)) return say_wrong(p->wrong, "--in-place needs a FILE: standard input cannot be replaced");
    return true;
}

/* The first operand is the folder, the second the verb. */
static bool find_verb(const struct parser *p) {
    struct args *a = p->args;
    for (unsigned v = 0; v < N_VERBS && a->n_files > 1; v++) {
        if (strcmp(a->files[1], verbs[v].name) != 0) continue;
        a->verb = (enum verb)v;
        if (a->n_files - 2 >= verbs[v].least && a->n_files - 2 <= verbs[v].most) return true;
    }
    return say_wrong(p->wrong,
                     "chain takes DIR and list, add FILE..., restore STEP, verify, drop STEP... or rebase STEP [BASE]");
}

static bool check_command(const struct parser *p) {
    const struct args *a = p->args;
    const struct command *c = p->command;
    if (!c) return true;
    if (a->operation != c->operation)
        return say_wrong(p->wrong, "the command %s cannot be combined with %s", c->name, uses[a->operation].name);
    if (c->most == NONE && a->n_files) return say_wrong(p->wrong, "%s takes no FILE", c->name);
    if (c->most != NONE && a->n_files == 0 && !a->filelist) return say_wrong(p->wrong, "%s needs a FILE", c->name);
    if (c->most == ONE && a->n_files > 1)
        return say_wrong(p->wrong, "%s takes one FILE, %zu were given", c->name, a->n_files);
    if (c->operation == OP_DIFF && a->n_files != 2)
        return say_wrong(p->wrong, "diff takes two FILEs, %zu were given", a->n_files);
    return c->operation != OP_CHAIN || find_verb(p);
}

/* Of paths, FILE alone may be a URL. */
static bool check_urls(const struct args *a, struct wrong *w) {
    const struct {
        const char *option, *path;
    } local[] = {{"-o", a->output},   {"--base-dir", a->base_dir}, {"--against", a->against},
                 {"--html", a->html}, {"--filelist", a->filelist}, {"a folder for results", a->output_dir}};
    for (size_t i = 0; i < sizeof local / sizeof local[0]; i++)
        if (local[i].path && url_is_web(local[i].path))
            return say_wrong(w, "%s takes a path, not a URL", local[i].option);
    for (size_t i = 0; i < a->n_bases; i++)
        if (url_is_web(a->bases[i])) return say_wrong(w, "--base takes a path, not a URL: download it first");
    return true;
}

/* An archive that is up to date is one with the name that FILE's archive has. */
static bool check_update(const struct args *a, struct wrong *w) {
    if (!a->update) return true;
    const char *other = a->force         ? "-f, which does all again"
                        : a->output      ? "-o OUT; -o DIR/ goes with it"
                        : a->to_stdout   ? "-c"
                        : a->in_place    ? "--in-place, which leaves out what is packed already"
                        : a->old_format  ? "--format zipnn"
                        : takes_stdin(a) ? "standard input"
                                         : NULL;
    return !other || say_wrong(w, "--update cannot be combined with %s", other);
}

bool parser_check(const struct parser *p, const struct option options[N_OPTIONS]) {
    const struct args *a = p->args;
    struct wrong *w = p->wrong;
    if (!check_command(p) || !check_uses(p, options) || !check_output(a, w) || !check_in_place(p) ||
        !check_urls(a, w) || !check_update(a, w))
        return false;
    if (a->filelist && strcmp(a->filelist, "-") == 0 && takes_stdin(a))
        return say_wrong(w, "standard input is the list of --filelist: it cannot be a FILE, too");
    if (a->zeros && !a->filelist) return say_wrong(w, "-0 tells how the names of --filelist end: give that too");
    const bool of_batch = a->operation == OP_BATCH || a->operation == OP_AUDIT || a->operation == OP_GC;
    if (of_batch && !a->output_dir) return say_wrong(w, "%s needs --output-dir OUT", uses[a->operation].name);
    if (a->operation == OP_BATCH && !a->manifest) return say_wrong(w, "batch needs --manifest M.jsonl");
    if (a->operation == OP_SALVAGE && !a->output && !a->to_stdout) return say_wrong(w, "salvage needs -o OUT");
    if (a->html && a->operation != OP_CHAIN && takes_several(a) && !a->pair)
        return say_wrong(w, "--html OUT takes one FILE, or two to compare (without --base and --base-dir)");
    if (a->operation == OP_INSPECT && a->sync && !a->html)
        return say_wrong(w, "--sync is for what is written: inspect writes a file only with --html OUT");
    if (a->operation == OP_EXTRACT && !a->n_tensors)
        return say_wrong(w, "extract needs --tensor NAME; zipnn -lv lists the names");
    if (a->old_format && a->remove) return say_wrong(w, "--rm needs a result with digests; old records have none");
    if (a->dedup_files && (a->old_format || takes_stdin(a)))
        return say_wrong(w, "--dedup refers from one FILE to another: not with %s",
                         a->old_format ? "--format zipnn" : "standard input");
    if (a->old_format && (a->n_bases > 1 || a->base_dir))
        return say_wrong(w, "an old record is made against one --base");
    return true;
}
