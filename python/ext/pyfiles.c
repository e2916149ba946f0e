/* pack, unpack, test and recompress: from any source to any sink. */
#include "pyzipnn.h"

typedef zipnn_status transfer_fn(zipnn_ctx *ctx, const zipnn_source *source, const zipnn_sink *sink, zipnn_stats *stats,
                                 zipnn_error *err);

static zipnn_status test_source(zipnn_ctx *ctx, const zipnn_source *source, const zipnn_sink *sink, zipnn_stats *stats,
                                zipnn_error *err) {
    (void)sink;
    return zipnn_test(ctx, source, stats, err);
}

PyObject *pyz_stats_tuple(const zipnn_stats *s) {
    PyObject *sha256 =
        s->has_sha256 ? PyBytes_FromStringAndSize((const char *)s->sha256, sizeof s->sha256) : Py_NewRef(Py_None);
    if (!sha256) return NULL;
    return Py_BuildValue("KKKy#N", (unsigned long long)s->original, (unsigned long long)s->archive,
                         (unsigned long long)s->n_chunks, (const char *)s->xxh3, (Py_ssize_t)sizeof s->xxh3, sha256);
}

/* A new file gets its name only when all went well and the input is what it was. */
static zipnn_status run(transfer_fn *transfer, struct pyz_call *call, const struct pyz_end *in,
                        const struct pyz_end *out, zipnn_stats *stats) {
    zipnn_status status = transfer(call->ctx, &in->source, &out->sink, stats, &call->err);
    if (atomic_load(&call->stopped)) return ZIPNN_E_CANCELLED;
    if (status == ZIPNN_OK && in->file) status = zipnn_file_unchanged(in->file, &call->err);
    if (status == ZIPNN_OK && out->file) status = zipnn_file_commit(out->file, &call->err);
    return status;
}

static PyObject *transfer_between(struct pyz_end *in, struct pyz_end *out, const struct pyz_state *state,
                                  transfer_fn *transfer, const struct pyz_options *options) {
    struct pyz_call call;
    zipnn_stats stats;
    zipnn_status status;
    if (!pyz_call_begin(&call, state, options, in->source.length)) return NULL;
    in->call = out->call = &call;
    if (options->bases) pyz_bases_call((struct pyz_bases *)options->bases, &call);
    call.filename = in->filename;
    call.new_name = out->filename;
    Py_BEGIN_ALLOW_THREADS;
    status = run(transfer, &call, in, out, &stats);
    Py_END_ALLOW_THREADS;
    return pyz_call_end(&call, status) ? pyz_stats_tuple(&stats) : NULL;
}

static PyObject *transfer_objects(PyObject *module, transfer_fn *transfer, PyObject *from, PyObject *to, unsigned flags,
                                  const struct pyz_options *options) {
    const struct pyz_state *state = pyz_state_of(module);
    struct pyz_end in, out = {.file = NULL};
    PyObject *result = NULL;
    if (!pyz_source_open(&in, from, state, NULL)) return NULL;
    if (!to || pyz_sink_open(&out, to, flags, &in, state, NULL)) {
        result = transfer_between(&in, &out, state, transfer, options);
        pyz_end_close(&out);
    }
    pyz_end_close(&in);
    return result;
}

/* The same with bases, of which `options` holds none yet. */
static PyObject *transfer_with(PyObject *module, transfer_fn *transfer, PyObject *from, PyObject *to, int flags,
                               struct pyz_options *options, PyObject *list) {
    struct pyz_bases bases;
    options->bases = &bases;
    if (!pyz_bases_open(&bases, list, pyz_state_of(module), NULL)) return NULL;
    PyObject *result = transfer_objects(module, transfer, from, to, (unsigned)flags, options);
    pyz_bases_close(&bases);
    return result;
}

PyObject *pyz_pack(PyObject *module, PyObject *args) {
    PyObject *from, *to, *bases = NULL;
    int flags;
    struct pyz_options o = {.bases = NULL};
    if (!PyArg_ParseTuple(args, "OOiziippO|O:pack", &from, &to, &flags, &o.dtype, &o.level, &o.threads, &o.verify,
                          &o.sha256, &o.progress, &bases))
        return NULL;
    return transfer_with(module, zipnn_pack, from, to, flags, &o, bases);
}

PyObject *pyz_unpack(PyObject *module, PyObject *args) {
    PyObject *from, *to, *bases = NULL;
    int flags;
    struct pyz_options o = {.verify = 1};
    if (!PyArg_ParseTuple(args, "OOiiO|O:unpack", &from, &to, &flags, &o.threads, &o.progress, &bases)) return NULL;
    return transfer_with(module, zipnn_unpack, from, to, flags, &o, bases);
}

PyObject *pyz_recompress(PyObject *module, PyObject *args) {
    PyObject *from, *to;
    int flags;
    struct pyz_options o = {.verify = 1};
    if (!PyArg_ParseTuple(args, "OOiiiO:recompress", &from, &to, &flags, &o.level, &o.threads, &o.progress))
        return NULL;
    return transfer_with(module, zipnn_recompress, from, to, flags, &o, NULL);
}

PyObject *pyz_test(PyObject *module, PyObject *args) {
    PyObject *from, *bases = NULL;
    struct pyz_options o = {.verify = 1};
    if (!PyArg_ParseTuple(args, "OiO|O:test", &from, &o.threads, &o.progress, &bases)) return NULL;
    return transfer_with(module, test_source, from, NULL, 0, &o, bases);
}
