/* Test data in fixed order, the oracle on it, and a comparison by the operators' tolerances. */
#include "op/case_internal.h"

#include <math.h>
#include <string.h>

#include "common/philox.clh"

static const struct {
    const char *variant, *words, *of; /* of: operators with this in their names, "!x": without */
} settings_of[] = {
    {"tile", "tile:group=256,depth=8,vectors=2,rows=8", "!head"}, /* what most GPUs take */
    {"tile", "tile:group=64,depth=8,vectors=2,rows=8", "!head"},
    {"tile", "tile:group=16,depth=4,vectors=1,rows=5,items=1", "!head"},
    {"tile", "tile:group=32,depth=3,vectors=3,rows=4,width=1", "!head"},
    {"tile", "tile:vectors=1,rows=4,items=2", NULL},
    {"tile", "tile:vectors=1,rows=4,items=2,block=2", "!filter"},
    {"winograd", "winograd:tile=2,vectors=1,rows=4,items=1,block=16", NULL},
    {"winograd", "winograd:tile=4,vectors=3,rows=8,items=4,block=64", NULL},
    {"winograd", "winograd:tile=2,order=2,vectors=2,block=20", "!filter"},
    {"winograd", "winograd:tile=4,order=2,vectors=1,rows=5,block=30", "!filter"},
    {"thin", "thin:vectors=1,rows=5,items=3", NULL},
    {"direct", "direct:vectors=1,rows=4,items=3", NULL},
    {"direct", "direct:vectors=1,rows=4,items=3,block=12", "!filter"},
    {"direct", "direct:vectors=2,rows=8,items=1,block=24,depth=16", "!filter"},
    {"direct", "direct:rows=1", NULL},
    {"direct", "direct:vectors=1,set=2", "bwd_filter"},
    {"depthwise", "depthwise:rows=4,items=3,block=5,pixels=2,samples=3", "!filter"},
    {"depthwise", "depthwise:pixels=1,samples=4", "!filter"},
};

static bool is_of(const char *of, const char *name)
{
    return !of || (*of == '!' ? !strstr(name, of + 1) : strstr(name, of) != NULL);
}

size_t op_case_variants(const struct op_def *def, bool settings, const char *name[OP_CASE_VARIANTS])
{
    size_t n = 0;
    for (const struct op_variant *const *v = def->variants; *v; v++) {
        name[n++] = (*v)->name;
        for (size_t s = 0; s < COUNT_OF(settings_of) && settings && n < OP_CASE_VARIANTS - 1; s++)
            if (!strcmp(settings_of[s].variant, (*v)->name) && is_of(settings_of[s].of, def->sig.name))
                name[n++] = settings_of[s].words;
    }
    name[n++] = op_variant_host.name;
    return n;
}

double op_case_work(const struct call *c)
{
    const struct op_def *def = op_def_of(c);
    return def->flops ? def->flops(c) : (double)call_elements(&c->out[0]);
}

static bool same_programs(const struct op_inst *a, const struct op_inst *b)
{
    for (int i = 0; i < OP_MAX_KERNELS; i++)
        if (!a->kernel[i] != !b->kernel[i] ||
            (a->kernel[i] && strcmp(rt_kernel_key(a->kernel[i]), rt_kernel_key(b->kernel[i]))))
            return false;
    return true;
}

bool op_case_fits(const struct op_inst *inst, const char *words, const char *variant, bool *own, double *work)
{
    struct op_inst *other = NULL;
    struct call c;
    op_call_init(&c, inst->def);
    if (op_call_parse(&c, words) || op_call_infer(&c))
        return false;
    *work = op_case_work(&c);
    rt_collect(inst->dev, true);
    bool takes = !op_inst_new(inst->dev, &c, variant, &other);
    rt_collect(inst->dev, false);
    *own = takes && same_programs(other, inst);
    op_inst_free(other);
    return takes;
}

struct stream {
    uint32_t seed, n;
};

static uint32_t next_bits(void *state)
{
    struct stream *s = state;
    return philox4x32(s->n++, 0, 0, 0, s->seed, 0x7e57u).v[0];
}

static double normal(struct stream *s)
{
    double u = (next_bits(s) + 1.0) / 4294967297.0, v = next_bits(s) / 4294967296.0;
    return sqrt(-2 * log(u)) * cos(6.283185307179586 * v);
}

bool op_case_bound(const struct call *c, int i)
{
    return c->in_present[i] && !(c->sig->in[i].flags & PORT_SHAPE_ONLY);
}

enum rote_status op_case_widen(const struct call_shape *s, const void *raw, void **out)
{
    enum rote_status st = ROTE_OK;
    int64_t n = call_elements(s);
    if (s->dtype == CALL_F32) {
        double *d;
        TRY(base_alloc(&d, (size_t)n, sizeof *d));
        for (int64_t i = 0; i < n; i++)
            d[i] = ((const float *)raw)[i];
        *out = d;
    } else {
        TRY(base_alloc(out, (size_t)op_bytes(s), 1));
        memcpy(*out, raw, (size_t)op_bytes(s));
    }
out:
    return st;
}

/* Beyond this many elements the data repeat: filling is not what takes the time. */
#define PERIOD ((int64_t)262139)

static enum rote_status fill_port(struct op_case *k, int i, struct stream *s)
{
    const struct call_shape *shape = &k->call.in[i];
    int64_t n = call_elements(shape), own = n < PERIOD ? n : PERIOD;
    enum rote_status st = base_alloc(&k->in[i], (size_t)op_bytes(shape), 1);
    if (st)
        return st;
    for (int64_t e = 0; e < own; e++) {
        if (shape->dtype == CALL_F32)
            ((float *)k->in[i])[e] = (float)normal(s);
        else if (shape->dtype == CALL_U8)
            ((uint8_t *)k->in[i])[e] = (uint8_t)next_bits(s);
    }
    size_t size = (size_t)call_dtype_size(shape->dtype), period = (size_t)own * size, bytes = (size_t)op_bytes(shape);
    for (size_t at = period; at < bytes; at += period)
        memcpy((char *)k->in[i] + at, k->in[i], bytes - at < period ? bytes - at : period);
    const struct op_def *def = op_def_of(&k->call);
    if (def->fill)
        def->fill(&k->call, i, next_bits, s, k->in[i]);
    return ROTE_OK;
}

enum rote_status op_case_fill(const struct call *c, uint32_t seed, struct op_case *out)
{
    enum rote_status st = ROTE_OK;
    struct stream s = {seed, 0};
    *out = (struct op_case){.call = *c};
    for (int i = 0; i < c->sig->n_in; i++)
        if (op_case_bound(c, i))
            TRY(fill_port(out, i, &s));
out:
    if (st)
        op_case_free(out);
    return st;
}

enum rote_status op_case_new(const struct op_def *def, const char *words, uint32_t seed, struct op_case *out)
{
    enum rote_status st = ROTE_OK;
    struct call c;
    *out = (struct op_case){.call = {.sig = NULL}};
    op_call_init(&c, def);
    TRY(op_call_parse(&c, words));
    TRY(op_call_infer(&c));
    TRY(op_case_fill(&c, seed, out));
    if (def->check)
        TRY(def->check(&c, (const void *const *)out->in));
    for (int i = 0; i < def->sig.n_in; i++)
        if (out->in[i])
            TRY(op_case_widen(&c.in[i], out->in[i], &out->wide[i]));
out:
    if (st)
        op_case_free(out);
    return st;
}

void op_case_free(struct op_case *k)
{
    for (int i = 0; i < CALL_MAX_PORTS; i++) {
        base_free(k->in[i]);
        base_free(k->wide[i]);
        k->in[i] = k->wide[i] = NULL;
    }
}

void op_outputs_free(void *out[CALL_MAX_PORTS])
{
    for (int i = 0; i < CALL_MAX_PORTS; i++) {
        base_free(out[i]);
        out[i] = NULL;
    }
}

size_t op_case_wide_size(const struct call_shape *s)
{
    return s->dtype == CALL_F32 ? sizeof(double) : (size_t)call_dtype_size(s->dtype);
}

/* Runs the oracle on `wide`; in-place ports work on copies. */
static enum rote_status run_oracle(const struct call *c, void *const wide[CALL_MAX_PORTS], void *out[CALL_MAX_PORTS])
{
    enum rote_status st = ROTE_OK;
    void *in[CALL_MAX_PORTS];
    memcpy(in, wide, sizeof in);
    memset(out, 0, CALL_MAX_PORTS * sizeof *out);
    for (int i = 0; i < c->sig->n_out; i++) {
        int same = call_in(c, c->sig->out[i].name);
        size_t bytes = (size_t)call_elements(&c->out[i]) * op_case_wide_size(&c->out[i]);
        TRY(base_alloc(&out[i], bytes, 1));
        if (same >= 0) {
            memcpy(out[i], wide[same], bytes);
            in[same] = out[i];
        }
    }
    op_def_of(c)->ref(c, in, out);
out:
    return st;
}

enum rote_status op_case_reference(const struct op_case *k, void *out[CALL_MAX_PORTS])
{
    return run_oracle(&k->call, k->wide, out);
}

double op_case_tolerance(const struct op_variant *v, const struct call *c)
{
    const struct op_def *def = op_def_of(c);
    double length = def->length ? def->length(c) : 1;
    return (v->tolerance > 0 ? v->tolerance : def->tolerance) * sqrt(length < 1 ? 1 : length) * 1.1920929e-7;
}

void op_case_compare(const struct call *c, const struct op_variant *v, double slack, int port, const void *got,
                   const void *want, struct op_case_result *r)
{
    const struct call_shape *s = &c->out[port];
    const char *name = c->sig->out[port].name;
    int64_t n = call_elements(s);
    double tolerance = slack * op_case_tolerance(v, c), square = 0;
    if (s->dtype != CALL_F32) {
        int bytes = call_dtype_size(s->dtype);
        for (int64_t e = 0; e < n; e++) {
            if (memcmp((const char *)got + e * bytes, (const char *)want + e * bytes, (size_t)bytes)) {
                r->error = INFINITY;
                snprintf(r->where, sizeof r->where, "%s[%lld] differs", name, (long long)e);
                return;
            }
        }
        return;
    }
    const double *w = want;
    const double *g = got;
    for (int64_t e = 0; e < n; e++)
        square += w[e] * w[e];
    double rms = sqrt(square / (double)n);
    for (int64_t e = 0; e < n; e++) {
        double scale = fabs(w[e]) > rms ? fabs(w[e]) : rms;
        double bound = tolerance * scale + 1e-37;
        double error = fabs(g[e] - w[e]) / bound, ulp = fabs(g[e] - w[e]) / (1.1920929e-7 * scale + 1e-37);
        r->ulp = ulp > r->ulp ? ulp : r->ulp;
        if (tolerance == 0)
            error = (double)(float)w[e] == g[e] ? 0 : INFINITY;
        if (!(error <= r->error)) {
            r->error = isnan(error) ? INFINITY : error;
            snprintf(r->where, sizeof r->where, "%s[%lld] is %.9g, should be %.9g", name, (long long)e, g[e], w[e]);
        }
    }
}

bool op_case_good(const struct op_case_result *r)
{
    return r->error <= 1 && !r->unsteady;
}
