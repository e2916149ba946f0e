#include "args.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum option_id {
#define GROUP(title)
#define OPTION(id, letter, name, arg, complete, help, manual) OPT_##id,
#include "options.def"
#undef OPTION
#undef GROUP
};

struct option {
    enum option_id id;
    char letter;
    const char *name;
    const char *arg;
};

static const struct option options[] = {
#define GROUP(title)
#define OPTION(id, letter, name, arg, complete, help, manual) {OPT_##id, letter, name, arg},
#include "options.def"
#undef OPTION
#undef GROUP
};

enum { N_OPTIONS = sizeof options / sizeof options[0], MAX_THREADS = 4096 };

enum command_output { PRINTS, WRITES };

static const struct command {
    const char *name;
    enum operation operation;
    enum command_output output;
} commands[] = {
#define COMMAND(id, name, operands, output, help, manual) {name, OP_##id, output},
#include "commands.def"
#undef COMMAND
};

enum { N_COMMANDS = sizeof commands / sizeof commands[0] };

/* A command line while it is read. */
struct parser {
    char **next, **end;
    struct args *args;
    struct wrong *wrong;
    bool given[N_OPTIONS];
};

/* Options that make sense with some operations only. */
#define WITH(operation) (UINT64_C(1) << OP_##operation)
static const struct {
    enum option_id id;
    uint64_t operations;
} limited[] = {
    {OPT_TENSOR, WITH(EXTRACT)}, {OPT_ROWS, WITH(EXTRACT)}, {OPT_RANGE, WITH(CAT)},
    {OPT_AGAINST, WITH(VERIFY)}, {OPT_EVERY, WITH(CHAIN)},  {OPT_SAMPLE, WITH(ESTIMATE) | WITH(INSPECT)},
    {OPT_HTML, WITH(INSPECT)},
};

__attribute__((format(printf, 2, 3))) static bool say_wrong(struct wrong *wrong, const char *format, ...) {
    va_list args;
    va_start(args, format);
    vsnprintf(wrong->text, sizeof wrong->text, format, args);
    va_end(args);
    return false;
}

static bool parse_threads(const char *text, unsigned *threads) {
    char *end;
    unsigned long n = strtoul(text, &end, 10);
    if (*text < '0' || *text > '9' || *end || n > MAX_THREADS) return false;
    *threads = (unsigned)n;
    return true;
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

/* The names of the Python package too. */
static bool parse_dtype(const char *text, zipnn_dtype *dtype) {
    static const struct {
        const char *name;
        zipnn_dtype dtype;
    } names[] = {{"bf16", ZIPNN_BF16},       {"bfloat16", ZIPNN_BF16},         {"fp16", ZIPNN_F16},
                 {"f16", ZIPNN_F16},         {"float16", ZIPNN_F16},           {"fp32", ZIPNN_F32},
                 {"f32", ZIPNN_F32},         {"float32", ZIPNN_F32},           {"fp8_e4m3", ZIPNN_F8_E4M3},
                 {"f8_e4m3", ZIPNN_F8_E4M3}, {"float8_e4m3fn", ZIPNN_F8_E4M3}, {"fp8_e5m2", ZIPNN_F8_E5M2},
                 {"f8_e5m2", ZIPNN_F8_E5M2}, {"float8_e5m2", ZIPNN_F8_E5M2}};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcasecmp(text, names[i].name) != 0) continue;
        *dtype = names[i].dtype;
        return true;
    }
    return false;
}

/* A number with nothing behind it but, for sizes, K, M, G or T: times 1024 and so on. */
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

/* "5:9" is 5 to 8, "5:" from 5, ":9" up to 8, "5" itself alone. */
static bool parse_rows(const char *text, struct span *span) {
    *span = (struct span){.given = true};
    if (*text != ':' && !parse_number(&text, &span->first)) return false;
    span->end = span->first + 1;
    if (*text != ':') return !*text && span->end;
    if (!*++text) return span->open = true;
    return parse_number(&text, &span->end) && !*text;
}

/* "OFF:LEN", "OFF:" to the end. */
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

/* The options that say what is to be done; false for all others. */
static bool choose_operation(struct args *a, enum option_id id) {
    static const struct {
        enum option_id id;
        enum operation operation;
    } choices[] = {{OPT_COMPRESS, OP_COMPRESS}, {OPT_DECOMPRESS, OP_RESTORE}, {OPT_TEST, OP_TEST},
                   {OPT_LIST, OP_LIST},         {OPT_HELP, OP_HELP},          {OPT_VERSION, OP_VERSION}};
    for (size_t i = 0; i < sizeof choices / sizeof choices[0]; i++) {
        if (choices[i].id != id) continue;
        a->operation = choices[i].operation;
        return true;
    }
    return false;
}

/* The options without a value that set something. */
static void set_flag(struct args *a, enum option_id id, char letter) {
    if (id == OPT_STDOUT) set_output(a, "-");
    if (id == OPT_FORCE) a->force = true;
    if (id == OPT_KEEP) a->remove = false;
    if (id == OPT_REMOVE) a->remove = a->sync = true;
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
    if (id == OPT_JSON) a->json = true;
}

static bool add_base(struct args *a, const char *value) {
    if (a->n_bases == sizeof a->bases / sizeof a->bases[0]) return false;
    a->bases[a->n_bases++] = value;
    return true;
}

/* Carries out one option. False when its value makes no sense. */
static bool apply(struct args *a, enum option_id id, char letter, const char *value) {
    if (id == OPT_OUTPUT) set_output(a, value);
    if (id == OPT_THREADS) return parse_threads(value, &a->threads);
    if (id == OPT_CPU) return parse_cpu(value, &a->cpu);
    if (id == OPT_TENSOR) a->tensor = value;
    if (id == OPT_ROWS) return parse_rows(value, &a->rows);
    if (id == OPT_HTML) a->html = value;
    if (id == OPT_SAMPLE) return parse_size(value, &a->sample);
    if (id == OPT_MAX_OUTPUT) return parse_size(value, &a->max_output);
    if (id == OPT_AGAINST) a->against = value;
    if (id == OPT_EVERY) return parse_threads(value, &a->every);
    if (id == OPT_RANGE) return parse_range(value, &a->range);
    if (id == OPT_DTYPE) return parse_dtype(value, &a->dtype);
    if (id == OPT_BASE) return add_base(a, value);
    if (id == OPT_BASE_DIR) a->base_dir = value;
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

/* True when --help or --version decides, whatever else is wrong. */
static bool asks_only(const struct args *a) {
    return a->operation == OP_HELP || a->operation == OP_VERSION;
}

/* "--name", "--name=value", "--name value" */
static bool parse_long(struct parser *p, const char *text) {
    const char *value = strchr(text, '=');
    const struct option *o = find_name(text, value ? (size_t)(value - text) : strlen(text));
    if (!o) return say_wrong(p->wrong, "unknown option --%s", text);
    if (value && !o->arg[0]) return say_wrong(p->wrong, "option --%s takes no value", o->name);
    if (value)
        value++;
    else if (o->arg[0])
        value = p->next < p->end ? *p->next++ : NULL;
    if (o->arg[0] && (!value || !*value)) return say_wrong(p->wrong, "option --%s needs a value %s", o->name, o->arg);
    p->given[o->id] = true;
    return apply(p->args, o->id, '\0', value ? value : "") ||
           say_wrong(p->wrong, "--%s: \"%s\" makes no sense here", o->name, value);
}

/* "-dkf", "-T4", "-T 4" */
static bool parse_letters(struct parser *p, const char *text) {
    for (; *text; text++) {
        const struct option *o = find_letter(*text);
        const char *value = NULL;
        if (!o) return say_wrong(p->wrong, "unknown option -%c", *text);
        if (o->arg[0]) value = text[1] ? text + 1 : p->next < p->end ? *p->next++ : NULL;
        if (o->arg[0] && (!value || !*value)) return say_wrong(p->wrong, "option -%c needs a value %s", *text, o->arg);
        if (!apply(p->args, o->id, *text, value ? value : ""))
            return say_wrong(p->wrong, "-%c: \"%s\" makes no sense here", *text, value ? value : "");
        if (value || asks_only(p->args)) return true;
    }
    return true;
}

static const char *name_of(enum operation operation) {
    for (size_t i = 0; i < N_COMMANDS; i++)
        if (commands[i].operation == operation) return commands[i].name;
    return "";
}

static bool check_limited(const struct parser *p) {
    for (size_t i = 0; i < sizeof limited / sizeof limited[0]; i++) {
        if (!p->given[limited[i].id] || limited[i].operations >> p->args->operation & 1) continue;
        unsigned first = 0;
        while (!(limited[i].operations >> first & 1)) first++;
        return say_wrong(p->wrong, "--%s goes with the command %s", options[limited[i].id].name,
                         name_of((enum operation)first));
    }
    return true;
}

static const struct command *find_command(const char *name) {
    for (size_t i = 0; i < N_COMMANDS; i++)
        if (strcmp(commands[i].name, name) == 0) return &commands[i];
    return NULL;
}

static bool check_output(const struct args *a, const struct command *command, struct wrong *w) {
    bool writes = command ? command->output == WRITES : a->operation == OP_COMPRESS || a->operation == OP_RESTORE;
    if (!writes && (a->output || a->to_stdout)) return say_wrong(w, "-o and -c need an operation that writes");
    if (a->output && a->n_files > 1 && a->operation != OP_CHAIN)
        return say_wrong(w, "-o OUT takes one FILE, %zu were given", a->n_files);
    if (a->output && a->recursive) return say_wrong(w, "-o OUT and -r exclude each other");
    if (a->to_stdout && a->operation == OP_COMPRESS && (a->n_files > 1 || a->recursive))
        return say_wrong(w, "standard output takes one archive, and an archive one FILE");
    if (a->to_stdout && a->json) return say_wrong(w, "--json and -c both need standard output");
    if (a->to_stdout && a->remove) return say_wrong(w, "--rm needs a result in a file, not on standard output");
    return true;
}

/* What cannot be meant. */
static bool check(const struct parser *p, const struct command *command) {
    const struct args *a = p->args;
    struct wrong *w = p->wrong;
    if (command && a->operation != command->operation)
        return say_wrong(w, "%s is an operation of its own", command->name);
    if (command && a->n_files == 0) return say_wrong(w, "%s needs a FILE", command->name);
    if (!check_limited(p) || !check_output(a, command, w)) return false;
    if (a->operation == OP_SALVAGE && !a->output && !a->to_stdout) return say_wrong(w, "salvage needs -o OUT");
    if (a->html && (a->n_files > 1 || a->recursive)) return say_wrong(w, "--html OUT takes one FILE");
    if (a->operation == OP_EXTRACT && !a->tensor) return say_wrong(w, "extract needs --tensor NAME");
    if (a->old_format && a->operation != OP_COMPRESS) return say_wrong(w, "--format is for compressing");
    if (a->old_format && a->remove) return say_wrong(w, "--rm needs a result with digests, and old records have none");
    if (a->old_format && (a->n_bases > 1 || a->base_dir))
        return say_wrong(w, "an old record is made against one --base");
    return true;
}

bool args_parse(int argc, char **argv, const char *default_cpu, struct args *a, struct wrong *wrong) {
    struct parser p = {argv + (argc > 0), argv + argc, a, wrong, {false}};
    *a = (struct args){.verify = true, .dedup = true, .files = p.next};
    if (default_cpu && *default_cpu && !parse_cpu(default_cpu, &a->cpu))
        return say_wrong(wrong, "ZIPNN_CPU: no instruction set is called \"%.40s\"", default_cpu);
    const struct command *command = p.next < p.end ? find_command(*p.next) : NULL;
    if (command) {
        a->operation = command->operation;
        p.next++;
    }
    if (a->operation == OP_BENCH) a->verify = false; /* the coder alone is measured; what it restores is compared */
    while (p.next < p.end && !asks_only(a)) {
        char *text = *p.next++;
        if (strcmp(text, "--") == 0) break;
        bool ok = true;
        if (text[0] != '-' || !text[1])
            a->files[a->n_files++] = text;
        else
            ok = text[1] == '-' ? parse_long(&p, text + 2) : parse_letters(&p, text + 1);
        if (!ok) return false;
    }
    while (p.next < p.end) a->files[a->n_files++] = *p.next++;
    return asks_only(a) || check(&p, command);
}
