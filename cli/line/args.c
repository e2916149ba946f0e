#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "line/nearest.h"
#include "line/parser.h"
#include "line/shard.h"

static const struct option options[N_OPTIONS] = {
#define GROUP(title)
#define OPTION(id, letter, name, arg, complete, takes, help, manual) {OPT_##id, letter, name, arg, takes},
#include "line/options.def"
#undef OPTION
#undef GROUP
};

enum { MAX_COUNT = 4096 };

static const struct command commands[] = {
#define MODE(id, shown, takes, gives, options, call, function)
#define COMMAND(id, name, operands, most, takes, gives, options, call, function, help, manual) {name, OP_##id, most},
#include "line/commands.def"
#undef COMMAND
#undef MODE
};

enum { N_COMMANDS = sizeof commands / sizeof commands[0] };

static bool parse_count(const char *text, unsigned least, unsigned *count) {
    char *end;
    unsigned long n = strtoul(text, &end, 10);
    if (*text < '0' || *text > '9' || *end || n < least || n > MAX_COUNT) return false;
    *count = (unsigned)n;
    return true;
}

/* Parses the value of --compat. */
static bool parse_version(const char *text, unsigned *readers) {
    *readers = strcmp(text, "1.0") == 0 ? 100 : strcmp(text, "1.1") == 0 ? 101 : 0;
    return *readers != 0;
}

static bool parse_cpu(const char *text, zipnn_cpu *cpu) {
    static const struct {
        const char *name;
        zipnn_cpu cpu;
    } names[] = {{"best", ZIPNN_CPU_BEST},
                 {"scalar", ZIPNN_CPU_SCALAR},
                 {"avx2", ZIPNN_CPU_AVX2},
                 {"avx512", ZIPNN_CPU_AVX512},
                 {"neon", ZIPNN_CPU_NEON}};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(text, names[i].name) != 0) continue;
        *cpu = names[i].cpu;
        return true;
    }
    return false;
}

static bool parse_progress(const char *text, enum progress_form *form) {
    static const char *const names[] = {"auto", "none", "line", "json"};
    for (unsigned i = 0; i < sizeof names / sizeof names[0]; i++) {
        *form = (enum progress_form)i;
        if (strcmp(text, names[i]) == 0) return true;
    }
    return false;
}

static bool parse_dtype(const char *text, zipnn_dtype *dtype) {
    return zipnn_dtype_find(text, dtype, NULL) == ZIPNN_OK;
}

/* Parses a number, which may end with K, M, G or T for powers of 1024. */
static bool parse_number(const char **text, uint64_t *number) {
    static const char units[] = "KMGT";
    char *end;
    if (**text < '0' || **text > '9') return false;
    errno = 0;
    *number = strtoull(*text, &end, 10);
    if (errno) return false;
    const char *unit = *end ? strchr(units, *end) : NULL;
    const unsigned shift = unit ? 10 * (unsigned)(unit - units + 1) : 0;
    if (*number > UINT64_MAX >> shift) return false;
    *number <<= shift;
    *text = end + (unit != NULL);
    return true;
}

static bool parse_size(const char *text, uint64_t *size) {
    return parse_number(&text, size) && !*text && *size > 0;
}

/* Parses "5:9" (5 to 8), "5:" (from 5 on), ":9" (up to 8) or "5" (5 alone). */
static bool parse_rows(const char *text, struct span *span) {
    *span = (struct span){.given = true};
    if (*text != ':' && !parse_number(&text, &span->first)) return false;
    span->end = span->first + 1;
    if (*text != ':') return !*text && span->end;
    if (!*++text) return span->open = true;
    return parse_number(&text, &span->end) && !*text;
}

/* Parses "OFF:LEN", or "OFF:", which goes to the end. */
static bool parse_range(const char *text, struct span *span) {
    uint64_t len;
    *span = (struct span){.given = true};
    if (!parse_number(&text, &span->first) || *text++ != ':') return false;
    if (!*text) return span->open = true;
    if (!parse_number(&text, &len) || *text || len > UINT64_MAX - span->first) return false;
    span->end = span->first + len;
    return true;
}

static void set_output(struct args *a, const char *value) {
    a->to_stdout = strcmp(value, "-") == 0 || strcmp(value, "/dev/stdout") == 0;
    a->output = a->to_stdout ? NULL : value;
}

static bool set_output_dir(struct args *a, enum placing placing, const char *value) {
    a->placing = placing;
    a->output_dir = value;
    return true;
}

/* Applies an option that chooses the operation. Returns false for all others. */
static bool choose_operation(struct args *a, enum option_id id) {
    static const struct {
        enum option_id id;
        enum operation operation;
    } choices[] = {{OPT_COMPRESS, OP_COMPRESS}, {OPT_DECOMPRESS, OP_RESTORE}, {OPT_TEST, OP_TEST},
                   {OPT_LIST, OP_LIST},         {OPT_HELP, OP_HELP},          {OPT_VERSION, OP_VERSION}};
    for (size_t i = 0; i < sizeof choices / sizeof choices[0]; i++) {
        if (choices[i].id != id) continue;
        a->operation = choices[i].operation;
        a->by_default = false;
        return true;
    }
    return false;
}

/* Applies an option without a value. */
static void set_flag(struct args *a, enum option_id id, char letter) {
    if (id == OPT_STDOUT) set_output(a, "-");
    if (id == OPT_FORCE) a->force = true;
    if (id == OPT_UPDATE) a->update = true;
    if (id == OPT_KEEP) a->remove = false;
    if (id == OPT_REMOVE) a->remove = a->sync = true;
    if (id == OPT_IN_PLACE) a->in_place = true;
    if (id == OPT_SYNC) a->sync = true;
    if (id == OPT_RECURSIVE) a->recursive = true;
    if (id == OPT_LEVEL) a->level = letter - '0';
    if (id == OPT_FAST) a->level = ZIPNN_LEVEL_FAST;
    if (id == OPT_BEST) a->level = ZIPNN_LEVEL_BEST;
    if (id == OPT_SHA256) a->sha256 = true;
    if (id == OPT_NO_VERIFY) a->verify = false;
    if (id == OPT_QUIET) a->verbosity = -1;
    if (id == OPT_VERBOSE) a->verbosity = a->verbosity > 0 ? 2 : 1;
    if (id == OPT_NO_DEDUP) a->dedup = false;
    if (id == OPT_DEDUP) a->dedup_files = true;
    if (id == OPT_JSON) a->json = true;
    if (id == OPT_ZEROS) a->zeros = true;
    if (id == OPT_CHECK) a->check = true;
    if (id == OPT_FAMILIES) a->families = true;
    if (id == OPT_RESUME) a->resume = true;
}

static bool add_base(struct args *a, const char *value) {
    if (a->n_bases == sizeof a->bases / sizeof a->bases[0]) return false;
    a->bases[a->n_bases++] = value;
    return true;
}

static bool add_tensor(struct args *a, const char *value) {
    if (a->n_tensors == sizeof a->tensors / sizeof a->tensors[0]) return false;
    a->tensors[a->n_tensors++] = value;
    return true;
}

/* Applies one option. Returns false if its value is not valid. */
static bool apply(struct args *a, enum option_id id, char letter, const char *value) {
    if (id == OPT_OUTPUT) set_output(a, value);
    if (id == OPT_OUTPUT_DIR_FLAT) return set_output_dir(a, PLACED_FLAT, value);
    if (id == OPT_OUTPUT_DIR_MIRROR) return set_output_dir(a, PLACED_MIRROR, value);
    if (id == OPT_FILELIST) a->filelist = value;
    if (id == OPT_OUTPUT_DIR) a->output_dir = value;
    if (id == OPT_ROOT) a->root = value;
    if (id == OPT_MANIFEST) a->manifest = value;
    if (id == OPT_SHARD) a->shard_given = value;
    if (id == OPT_THREADS) return parse_count(value, 0, &a->threads);
    if (id == OPT_CPU) return parse_cpu(value, &a->cpu);
    if (id == OPT_COMPAT) return parse_version(value, &a->readers);
    if (id == OPT_AS) return a->widen = strcasecmp(value, "f32") == 0 || strcasecmp(value, "fp32") == 0;
    if (id == OPT_TENSOR) return add_tensor(a, value);
    if (id == OPT_ROWS) return parse_rows(value, &a->rows);
    if (id == OPT_HTML) a->html = value;
    if (id == OPT_SAMPLE) return parse_size(value, &a->sample);
    if (id == OPT_MAX_OUTPUT) return parse_size(value, &a->max_output);
    if (id == OPT_AGAINST) a->against = value;
    if (id == OPT_EVERY) return parse_count(value, 1, &a->every);
    if (id == OPT_RANGE) return parse_range(value, &a->range);
    if (id == OPT_DTYPE) return parse_dtype(value, &a->dtype);
    if (id == OPT_BASE) return add_base(a, value);
    if (id == OPT_BASE_DIR) a->base_dir = value;
    if (id == OPT_PROGRESS) return parse_progress(value, &a->progress);
    if (id == OPT_FORMAT) return a->old_format = strcmp(value, "zipnn") == 0;
    if (!choose_operation(a, id)) set_flag(a, id, letter);
    return true;
}

static const struct option *find_letter(char letter) {
    char wanted = letter >= '1' && letter <= '9' ? '#' : letter;
    for (size_t i = 0; i < N_OPTIONS; i++)
        if (options[i].letter == wanted && letter != '#' && letter) return &options[i];
    return NULL;
}

static const struct option *find_name(const char *name, size_t len) {
    for (size_t i = 0; i < N_OPTIONS; i++)
        if (len && strlen(options[i].name) == len && memcmp(options[i].name, name, len) == 0) return &options[i];
    return NULL;
}

/* Returns whether --help or --version was given: then nothing else matters. */
static bool asks_only(const struct args *a) {
    return a->operation == OP_HELP || a->operation == OP_VERSION;
}

static bool say_unknown(struct wrong *wrong, const char *text) {
    struct nearest near = nearest_to(text);
    for (size_t i = 0; i < N_OPTIONS; i++) nearest_try(&near, options[i].name);
    if (!near.best) return say_wrong(wrong, "unknown option --%.80s", text);
    return say_wrong(wrong, "unknown option --%.80s; the nearest is --%s", text, near.best);
}

/* Applies one option with its value, NULL if there is none. */
static bool take_option(struct parser *p, const struct option *o, char letter, const char *value) {
    const bool may_be_empty = o->id == OPT_TENSOR; /* a tensor may have no name */
    if (o->arg[0] && (!value || (!*value && !may_be_empty)))
        return say_wrong(p->wrong, "option %s needs a value %s", shown_option(o).text, o->arg);
    p->given[o->id] = true;
    if (!apply(p->args, o->id, letter, value ? value : ""))
        return say_wrong(p->wrong, "%s takes %s, not \"%.80s\"", shown_option(o).text, o->takes, value);
    if (!p->args->by_default && !p->choice && !p->command && !p->called) p->choice = o;
    return true;
}

/* "--name", "--name=value", "--name value" */
static bool parse_long(struct parser *p, const char *text) {
    const char *value = strchr(text, '=');
    const struct option *o = find_name(text, value ? (size_t)(value - text) : strlen(text));
    if (!o) return say_unknown(p->wrong, text);
    if (value && !o->arg[0]) return say_wrong(p->wrong, "option --%s takes no value", o->name);
    if (value)
        value++;
    else if (o->arg[0])
        value = p->next < p->end ? *p->next++ : NULL;
    return take_option(p, o, '\0', value);
}

/* "-dkf", "-T4", "-T 4" */
static bool parse_letters(struct parser *p, const char *text) {
    for (; *text; text++) {
        const struct option *o = find_letter(*text);
        const char *value = NULL;
        if (!o) return say_wrong(p->wrong, "unknown option -%c", *text);
        if (o->arg[0]) value = text[1] ? text + 1 : p->next < p->end ? *p->next++ : NULL;
        if (!take_option(p, o, *text, value)) return false;
        if (value || asks_only(p->args)) return true;
    }
    return true;
}

static const struct command *find_command(const char *name) {
    for (size_t i = 0; i < N_COMMANDS; i++)
        if (strcmp(commands[i].name, name) == 0) return &commands[i];
    return NULL;
}

/* The first operand may be the command. After "--" all operands are files. */
static bool take_operand(struct parser *p, char *text) {
    struct args *a = p->args;
    const struct command *c = a->n_files == 0 && !p->command && !p->called ? find_command(text) : NULL;
    if (!c) {
        a->files[a->n_files++] = text;
        return true;
    }
    if (p->choice)
        return say_wrong(p->wrong, "the command %s cannot be combined with %s; a file of that name is ./%s", c->name,
                         shown_option(p->choice).text, c->name);
    p->command = c;
    a->operation = c->operation;
    a->by_default = false;
    return true;
}

/* -o DIR/: results go into the folder. Without the slash a folder is refused when the output is created. */
static void find_output_dir(struct args *a) {
    const bool converts = a->operation == OP_COMPRESS || a->operation == OP_RESTORE;
    const size_t n = a->output ? strlen(a->output) : 0;
    if (!converts || !n || a->output[n - 1] != '/') return;
    set_output_dir(a, PLACED_IN, a->output);
    a->output = NULL;
}

/* Two files are compared, but not with bases: each would have some of its own. */
static void find_pair(struct args *a) {
    const bool named = a->n_files == 2 && !a->recursive && !a->filelist;
    a->pair = a->operation == OP_INSPECT && named && !a->n_bases && !a->base_dir;
}

/* Finds the command that --help is asked about: the one before or after it. */
static bool choose_topic(const struct parser *p) {
    struct args *a = p->args;
    const bool asked = p->command && p->command->operation == OP_HELP;
    const struct command *c = asked || !p->command ? NULL : p->command;
    if (!c && a->n_files) c = find_command(a->files[0]);
    a->topic = c ? c->name : NULL;
    if (c || !asked || a->n_files == 0) return true;
    char names[240] = "";
    args_list_commands(names, sizeof names);
    return say_wrong(p->wrong, "no command is called \"%.40s\"; commands are %s", a->files[0], names);
}

void args_list_commands(char *text, size_t cap) {
    size_t n = 0;
    for (size_t i = 0; i < N_COMMANDS && n < cap; i++)
        n += (size_t)snprintf(text + n, cap - n, "%s%s", i ? ", " : "", commands[i].name);
}

bool args_goes_with(enum option_id id, const char *name) {
    const struct command *c = find_command(name);
    if (!c) return false;
    if (c->operation != OP_CHAIN) return uses[c->operation].options >> id & 1;
    for (unsigned v = N_OPERATIONS; v < N_USES; v++)
        if (uses[v].options >> id & 1) return true;
    return false;
}

static bool parse_level(const char *text, int *level) {
    *level = *text >= '1' && *text <= '9' && !text[1] ? *text - '0' : 0;
    return *level != 0;
}

static bool take_environment(const struct environment *e, struct args *a, struct wrong *w) {
    if (e->cpu && *e->cpu && !parse_cpu(e->cpu, &a->cpu))
        return say_wrong(w, "ZIPNN_CPU: no instruction set is called \"%.40s\"", e->cpu);
    if (e->level && *e->level && !parse_level(e->level, &a->level))
        return say_wrong(w, "ZIPNN_LEVEL takes 1 to 9, not \"%.40s\"", e->level);
    if (e->threads && *e->threads && !parse_count(e->threads, 0, &a->threads))
        return say_wrong(w, "ZIPNN_THREADS takes 0 (all processors) to %d, not \"%.40s\"", MAX_COUNT, e->threads);
    return true;
}

/* As gunzip and zcat do: the name of the program may say what it does. */
static void take_program_name(const char *path, struct parser *p) {
    struct args *a = p->args;
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    const bool to_stdout = strcmp(name, "zipnncat") == 0;
    if (!to_stdout && strcmp(name, "unzipnn") != 0) return;
    a->operation = OP_RESTORE;
    a->by_default = false;
    p->called = true;
    if (to_stdout) set_output(a, "-");
}

bool args_parse(int argc, char **argv, const struct environment *environment, struct args *a, struct wrong *wrong) {
    struct parser p = {.next = argv + (argc > 0), .end = argv + argc, .args = a, .wrong = wrong};
    *a = (struct args){.verify = true, .dedup = true, .by_default = true, .files = p.next};
    if (!take_environment(environment, a, wrong)) return false;
    if (argc > 0) take_program_name(argv[0], &p);
    while (p.next < p.end && !asks_only(a)) {
        char *text = *p.next++;
        if (strcmp(text, "--") == 0) break;
        const bool operand = text[0] != '-' || !text[1];
        const bool ok = operand          ? take_operand(&p, text)
                        : text[1] == '-' ? parse_long(&p, text + 2)
                                         : parse_letters(&p, text + 1);
        if (!ok) return false;
    }
    while (p.next < p.end) a->files[a->n_files++] = *p.next++;
    if (a->operation == OP_BENCH) a->verify = false; /* only the coder is measured; its result is compared afterwards */
    if (asks_only(a)) return choose_topic(&p);
    find_output_dir(a);
    find_pair(a);
    return parser_check(&p, options) && (!a->shard_given || shard_parse(a->shard_given, a, wrong));
}
