/* The last variant of every operator: its float64 oracle on the host, between a
 * read and a write of the buffers. Slow, and right everywhere. */
#include <string.h>

#include "op/op.h"

static bool bound(const struct call_port *p, bool present)
{
    return present && !(p->flags & PORT_SHAPE_ONLY);
}

static enum rote_status load(struct rt_mem *m, const struct call_shape *s, void **out)
{
    enum rote_status st = ROTE_OK;
    uint64_t n = (uint64_t)call_elements(s);
    void *raw = NULL;
    double *wide = NULL;
    TRY(base_alloc(&raw, (size_t)op_bytes(s), 1));
    TRY(rt_read(m, 0, raw, op_bytes(s)));
    if (s->dtype == CALL_F32) {
        TRY(base_alloc(&wide, (size_t)n, sizeof *wide));
        for (uint64_t i = 0; i < n; i++)
            wide[i] = ((float *)raw)[i];
        *out = wide;
        wide = NULL;
    } else {
        *out = raw;
        raw = NULL;
    }
out:
    base_free(raw);
    base_free(wide);
    return st;
}

static enum rote_status store(struct rt_mem *m, const struct call_shape *s, const void *data)
{
    enum rote_status st = ROTE_OK;
    uint64_t n = (uint64_t)call_elements(s);
    float *narrow = NULL;
    if (s->dtype != CALL_F32) {
        TRY(rt_write(m, 0, data, op_bytes(s)));
        goto out;
    }
    TRY(base_alloc(&narrow, (size_t)n, sizeof *narrow));
    for (uint64_t i = 0; i < n; i++)
        narrow[i] = (float)((const double *)data)[i];
    TRY(rt_write(m, 0, narrow, op_bytes(s)));
out:
    base_free(narrow);
    return st;
}

static enum rote_status prepare(struct op_inst *inst)
{
    (void)inst;
    return ROTE_OK;
}

static enum rote_status enqueue(struct op_inst *inst)
{
    enum rote_status st = ROTE_OK;
    const struct call *c = &inst->call;
    const struct call_signature *s = c->sig;
    void *in[CALL_MAX_PORTS] = {0}, *out[CALL_MAX_PORTS] = {0};
    for (int i = 0; i < s->n_in; i++)
        if (bound(&s->in[i], c->in_present[i]))
            TRY(load(inst->in[i], &c->in[i], &in[i]));
    for (int i = 0; i < s->n_out; i++) {
        if (!c->out_present[i])
            continue;
        int same = call_in(c, s->out[i].name);
        size_t wide = s->out[i].dtype == CALL_F32 ? sizeof(double) : (size_t)call_dtype_size(s->out[i].dtype);
        if (same >= 0)
            out[i] = in[same];
        else
            TRY(base_alloc(&out[i], (size_t)call_elements(&c->out[i]), wide));
    }
    inst->def->ref(c, in, out);
    for (int i = 0; i < s->n_out; i++)
        if (c->out_present[i])
            TRY(store(inst->out[i], &c->out[i], out[i]));
out:
    for (int i = 0; i < s->n_out; i++)
        if (call_in(c, s->out[i].name) < 0)
            base_free(out[i]);
    for (int i = 0; i < s->n_in; i++)
        base_free(in[i]);
    return st;
}

const struct op_variant op_variant_host = {.name = "host", .prepare = prepare, .enqueue = enqueue};
