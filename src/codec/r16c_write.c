#include "codec/codec.h"
#include "codec/r16_write.h"
#include "codec/r16c_fit.h"

static void encode(struct zn_codec *c, const struct zn_r16c_input *in, struct zn_r16_encoder *e) {
    struct zn_r16_codes codes[ZN_R16_MAX_GIVEN];
    const struct zn_r16c_fit *fit = c->given;
    e->n_tables = in->n_models * fit->contexts.n;
    for (unsigned t = 0; t < e->n_tables; t++) zn_r16_codes_build(&codes[t], &fit->models[t], fit->class_of);
    for (unsigned i = 0; i < ZN_R16_LANES; i++) e->state[i] = ZN_R16_LOW;
    memcpy(e->class_of, fit->class_of, sizeof e->class_of);
    e->tables = codes;
    e->ids = in->n_models > 1 ? in->ids : NULL;
    e->block_log2 = in->block_log2;
    e->slots_log2 = ZN_R16_SLOTS_LOG2;
    e->out = c->renorm[0] + in->n + 2 * ZN_SLACK;
    e->esc = c->escapes[0] + in->n + 2 * ZN_SLACK;
    e->ahead = c->ahead;
    c->ahead = (struct zn_ahead){0};
    c->k->r16c_encode(e, &fit->contexts, in->context, in->plane, in->n);
    e->tables = NULL;
}

bool zn_r16c_write(struct zn_codec *c, const struct zn_effort *effort, const struct zn_r16c_input *in,
                   struct zn_out *out) {
    const struct zn_r16c_fit *fit = c->given;
    const size_t n = in->n;
    struct zn_r16_encoder e;
    struct zn_out o = zn_out_of(out->at, ZN_MIN(zn_out_left(out), n - 1));
    e.lanes_log2 = zn_r16_lanes_log2_of(n);
    encode(c, in, &e);
    const size_t n_renorm = (size_t)(c->renorm[0] + n + 2 * ZN_SLACK - e.out);
    const size_t n_escapes = (size_t)(c->escapes[0] + n + 2 * ZN_SLACK - e.esc);

    zn_out_u8(&o, (uint8_t)e.lanes_log2);
    zn_out_u8(&o, (uint8_t)(in->n_models > 1 ? in->block_log2 : 0));
    zn_out_u8(&o, (uint8_t)in->n_models);
    zn_out_u8(&o, (uint8_t)fit->n_classes);
    zn_out_u32(&o, (uint32_t)n_escapes);
    zn_out_u8(&o, (uint8_t)fit->contexts.n);
    for (unsigned m = 0; m < in->n_models; m++) zn_out_bytes(&o, fit->contexts.cuts[m], fit->contexts.n - 1);
    zn_out_bytes(&o, fit->classes, fit->n_classes);
    for (unsigned t = 0; t < e.n_tables; t++) zn_r16_write_model(&o, fit->first[t], &fit->models[t]);
    if (in->n_models > 1) zn_r16_write_nested(c, 0, effort, in->ids, ((n - 1) >> in->block_log2) + 1, &o);
    if (n_escapes) zn_r16_write_nested(c, 0, effort, e.esc, n_escapes, &o);
    for (unsigned i = 0; i < 1u << e.lanes_log2; i++) zn_out_u16(&o, e.state[i]);
    zn_out_bytes(&o, e.out, n_renorm);
    if (o.full) return false;
    out->at = o.at;
    return true;
}
