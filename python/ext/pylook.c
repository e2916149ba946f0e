/* estimate, apply, and survey: what is found in an archive that may be damaged, with or without saving what is sound. */
#include <string.h>

#include "pyzipnn.h"

/* ---- estimate ---------------------------------------------------------------------------------------------------- */

static PyObject *estimate_source(struct pyz_end *in, const struct pyz_state *state, const struct pyz_options *options,
                                 uint64_t max_sampled) {
    struct pyz_call call;
    zipnn_estimate_info info;
    zipnn_status status;
    if (!pyz_call_begin(&call, state, options, in->source.length)) return NULL;
    in->call = &call;
    call.filename = in->filename;
    pyz_bases_call((struct pyz_bases *)options->bases, &call);
    Py_BEGIN_ALLOW_THREADS;
    status = zipnn_estimate(call.ctx, &in->source, max_sampled, &info, &call.err);
    Py_END_ALLOW_THREADS;
    if (!pyz_call_end(&call, status)) return NULL;
    return Py_BuildValue("KKKKK", (unsigned long long)info.original, (unsigned long long)info.archive,
                         (unsigned long long)info.margin, (unsigned long long)info.sampled,
                         (unsigned long long)info.n_chunks);
}

/* (original, archive, margin, sampled, n_chunks) */
PyObject *pyz_estimate(PyObject *module, PyObject *args) {
    const struct pyz_state *state = pyz_state_of(module);
    PyObject *from, *number, *list = NULL, *result = NULL;
    struct pyz_bases bases;
    struct pyz_options o = {.verify = 1, .bases = &bases};
    struct pyz_end in;
    uint64_t max_sampled;
    if (!PyArg_ParseTuple(args, "OziiOO|O:estimate", &from, &o.dtype, &o.level, &o.threads, &number, &o.progress,
                          &list) ||
        !pyz_as_u64(number, "max_sampled", &max_sampled) || !pyz_bases_open(&bases, list, state, NULL))
        return NULL;
    if (pyz_source_open(&in, from, state, NULL)) {
        result = estimate_source(&in, state, &o, max_sampled);
        pyz_end_close(&in);
    }
    pyz_bases_close(&bases);
    return result;
}

/* ---- apply ------------------------------------------------------------------------------------------------------- */

static PyObject *apply_source(struct pyz_end *in, const Py_buffer *memory, const struct pyz_state *state,
                              const struct pyz_options *options) {
    struct pyz_call call;
    zipnn_stats stats;
    zipnn_status status;
    if (!pyz_call_begin(&call, state, options, (uint64_t)memory->len)) return NULL;
    in->call = &call;
    call.filename = in->filename;
    Py_BEGIN_ALLOW_THREADS;
    status = zipnn_apply(call.ctx, &in->source, memory->buf, (size_t)memory->len, &stats, &call.err);
    Py_END_ALLOW_THREADS;
    return pyz_call_end(&call, status) ? pyz_stats_tuple(&stats) : NULL;
}

PyObject *pyz_apply(PyObject *module, PyObject *args) {
    const struct pyz_state *state = pyz_state_of(module);
    PyObject *from, *result = NULL;
    Py_buffer memory;
    struct pyz_options o = {.verify = 1};
    struct pyz_end in;
    if (!PyArg_ParseTuple(args, "Ow*iO:apply", &from, &memory, &o.threads, &o.progress)) return NULL;
    if (pyz_source_open(&in, from, state, NULL)) {
        result = apply_source(&in, &memory, state, &o);
        pyz_end_close(&in);
    }
    PyBuffer_Release(&memory);
    return result;
}

/* ---- survey ------------------------------------------------------------------------------------------------------ */

struct survey {
    struct pyz_call call;
    struct pyz_end in, out;
    zipnn_archive *archive;
    zipnn_verified found;
    PyObject *damage; /* a list of what was found */
    bool saves;
};

/* A zipnn_damage_fn's arguments, for the thread that called. */
struct finding {
    struct survey *survey;
    const zipnn_damage *damage;
};

static PyObject *number_or_none(uint64_t number) {
    return number == UINT64_MAX ? Py_NewRef(Py_None) : PyLong_FromUnsignedLongLong(number);
}

static PyObject *text_of(const char *text) {
    return PyUnicode_DecodeUTF8(text, (Py_ssize_t)strlen(text), "backslashreplace");
}

/* Of the tensors that the damage names, those with bytes there. Of one in pieces the places are not known: it counts. */
static PyObject *names_of(const zipnn_archive *archive, const zipnn_damage *d) {
    PyObject *list = PyList_New(0);
    for (uint64_t i = 0; list && i < d->n_tensors; i++) {
        zipnn_tensor_info t;
        zipnn_tensor_layout layout = {.size = sizeof layout};
        if (zipnn_archive_tensor(archive, d->first_tensor + i, &t, NULL) != ZIPNN_OK ||
            zipnn_archive_tensor_layout(archive, d->first_tensor + i, &layout, NULL) != ZIPNN_OK)
            break;
        if (!(layout.flags & ZIPNN_TENSOR_IN_PIECES) && t.offset + t.length <= d->offset) continue;
        PyObject *name = text_of(t.name);
        if (!name || PyList_Append(list, name) != 0) Py_CLEAR(list);
        Py_XDECREF(name);
    }
    return list;
}

static void note(void *arg) {
    const struct finding *f = arg;
    const zipnn_damage *d = f->damage;
    PyObject *names = names_of(f->survey->archive, d);
    PyObject *item = names ? Py_BuildValue("KKNNN", (unsigned long long)d->offset, (unsigned long long)d->length,
                                           text_of(d->error->message), number_or_none(d->error->offset), names)
                           : NULL;
    if (item) (void)PyList_Append(f->survey->damage, item);
    Py_XDECREF(item);
}

static int on_damage(void *user, const zipnn_damage *damage) {
    struct finding f = {user, damage};
    if (!atomic_load(&f.survey->call.stopped)) pyz_crew_ask(&f.survey->call, note, &f);
    return atomic_load(&f.survey->call.stopped);
}

static bool is_damage(zipnn_status status) {
    return status == ZIPNN_E_CORRUPT || status == ZIPNN_E_TRUNCATED || status == ZIPNN_E_FORMAT;
}

static zipnn_status need_bases(const zipnn_archive *archive, zipnn_error *err) {
    zipnn_archive_info info;
    zipnn_base_info base;
    zipnn_archive_get_info(archive, &info);
    for (unsigned i = 0; i < info.n_bases; i++) {
        const zipnn_status status = zipnn_archive_base(archive, i, &base, err);
        if (status != ZIPNN_OK) return status;
        if (base.at_hand) continue;
        *err = (zipnn_error){ZIPNN_E_BASE, UINT64_MAX, ""};
        PyOS_snprintf(err->message, sizeof err->message,
                      "the archive was made against %.120s of %llu bytes: give it as base", base.name,
                      (unsigned long long)base.original);
        return err->status;
    }
    return ZIPNN_OK;
}

/* Without the GIL. A new file gets its name although there is damage: that is the purpose. */
static zipnn_status look(struct survey *s) {
    struct pyz_call *call = &s->call;
    zipnn_status status = zipnn_archive_open_damaged(call->ctx, &s->in.source, &s->archive, &call->err);
    if (status != ZIPNN_OK) return status;
    if (!s->saves) return zipnn_archive_verify(s->archive, on_damage, s, &s->found, &call->err);
    status = need_bases(s->archive, &call->err);
    if (status != ZIPNN_OK) return status;
    status = zipnn_archive_salvage(s->archive, &s->out.sink, on_damage, s, &s->found, &call->err);
    const bool worth_it = status == ZIPNN_OK || (is_damage(status) && s->found.intact > 0);
    if (!worth_it || !s->out.file || atomic_load(&call->stopped)) return status;
    zipnn_error failure;
    const zipnn_status committed = zipnn_file_commit(s->out.file, &failure);
    if (committed == ZIPNN_OK) return status;
    call->err = failure;
    return committed;
}

static PyObject *flag(int value) {
    return PyBool_FromLong(value);
}

/* (message or None, why it could not be opened or None, original, intact, unplaced, unchecked, length_unknown,
 * xxh3, damage) */
static PyObject *findings(const struct survey *s, zipnn_status status) {
    const zipnn_verified *v = &s->found;
    const zipnn_error *fault = zipnn_archive_fault(s->archive);
    PyObject *message = status == ZIPNN_OK ? Py_NewRef(Py_None) : text_of(s->call.err.message);
    PyObject *reason = fault ? text_of(fault->message) : Py_NewRef(Py_None);
    if (!message || !reason) {
        Py_XDECREF(message);
        Py_XDECREF(reason);
        return NULL;
    }
    return Py_BuildValue("NNKKKKNy#O", message, reason, (unsigned long long)v->original, (unsigned long long)v->intact,
                         (unsigned long long)v->unplaced, (unsigned long long)v->unchecked, flag(v->length_unknown),
                         (const char *)v->xxh3, (Py_ssize_t)sizeof v->xxh3, s->damage);
}

/* Whether a status is an answer of a survey and no failure: damage, if anything could be saved, and a base that verifying
 * all would have needed. */
static bool is_answer(const struct survey *s, zipnn_status status) {
    if (status == ZIPNN_E_BASE) return !s->saves;
    return status == ZIPNN_OK || (is_damage(status) && (!s->saves || s->found.intact > 0));
}

static PyObject *survey_opened(struct survey *s, const struct pyz_state *state, const struct pyz_options *options) {
    zipnn_status status;
    PyObject *result = NULL;
    if (!pyz_call_begin(&s->call, state, options, s->in.source.length)) return NULL;
    s->in.call = s->out.call = &s->call;
    s->call.filename = s->in.filename;
    s->call.new_name = s->out.filename;
    pyz_bases_call((struct pyz_bases *)options->bases, &s->call);
    Py_BEGIN_ALLOW_THREADS;
    status = look(s);
    Py_END_ALLOW_THREADS;
    const bool answers = s->archive && is_answer(s, status);
    if (answers && !s->call.type) result = findings(s, status);
    zipnn_archive_close(s->archive);
    if (pyz_call_end(&s->call, answers ? ZIPNN_OK : status)) return result;
    Py_XDECREF(result);
    return NULL;
}

/* survey(source, sink, flags, threads, progress, bases). The sink None: nothing is saved. */
PyObject *pyz_survey(PyObject *module, PyObject *args) {
    const struct pyz_state *state = pyz_state_of(module);
    PyObject *from, *to, *list = NULL, *result = NULL;
    int flags;
    struct pyz_bases bases;
    struct pyz_options o = {.verify = 1, .bases = &bases};
    struct survey s = {.archive = NULL};
    if (!PyArg_ParseTuple(args, "OOiiO|O:survey", &from, &to, &flags, &o.threads, &o.progress, &list) ||
        !pyz_bases_open(&bases, list, state, NULL))
        return NULL;
    s.saves = to != Py_None;
    s.damage = PyList_New(0);
    if (s.damage && pyz_source_open(&s.in, from, state, NULL)) {
        if (!s.saves || pyz_sink_open(&s.out, to, (unsigned)flags, &s.in, state, NULL)) {
            result = survey_opened(&s, state, &o);
            pyz_end_close(&s.out);
        }
        pyz_end_close(&s.in);
    }
    Py_XDECREF(s.damage);
    pyz_bases_close(&bases);
    return result;
}
