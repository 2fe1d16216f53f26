/* Test data in fixed order, the oracle on it, and a comparison by the operators' tolerances. */
#include "op/case.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/philox.clh"

static const struct {
    const char *variant, *words, *not_of; /* not_of: operators with this in their name */
} settings_of[] = {
    {"tile", "tile:group=256,depth=8,vectors=2,rows=8", "head"}, /* what most GPUs take */
    {"tile", "tile:group=64,depth=8,vectors=2,rows=8", "head"},
    {"tile", "tile:group=16,depth=4,vectors=1,rows=5,items=1", "head"},
    {"tile", "tile:group=32,depth=3,vectors=3,rows=4,width=1", "head"},
    {"tile", "tile:vectors=1,rows=4,items=2", NULL},
    {"tile", "tile:vectors=1,rows=4,items=2,block=2", "filter"},
    {"winograd", "winograd:tile=2,vectors=1,rows=4,items=1,block=16", NULL},
    {"winograd", "winograd:tile=4,vectors=3,rows=8,items=4,block=64", NULL},
    {"winograd", "winograd:tile=2,order=2,vectors=2,block=20", "filter"},
    {"winograd", "winograd:tile=4,order=2,vectors=1,rows=5,block=30", "filter"},
    {"thin", "thin:vectors=1,rows=5,items=3", NULL},
    {"direct", "direct:vectors=1,rows=4,items=3", NULL},
    {"direct", "direct:vectors=1,rows=4,items=3,block=12", "filter"},
    {"direct", "direct:vectors=2,rows=8,items=1,block=24,depth=16", "filter"},
    {"direct", "direct:rows=1", NULL},
    {"depthwise", "depthwise:rows=4,items=3,block=5", "filter"},
};

size_t op_case_variants(const struct op_def *def, bool settings, const char *name[OP_CASE_VARIANTS])
{
    size_t n = 0;
    for (const struct op_variant *const *v = def->variants; *v; v++) {
        name[n++] = (*v)->name;
        for (size_t s = 0; s < COUNT_OF(settings_of) && settings && n < OP_CASE_VARIANTS - 1; s++)
            if (!strcmp(settings_of[s].variant, (*v)->name) &&
                !(settings_of[s].not_of && strstr(def->sig.name, settings_of[s].not_of)))
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

static bool bound(const struct call *c, int i)
{
    return c->in_present[i] && !(c->sig->in[i].flags & PORT_SHAPE_ONLY);
}

static enum rote_status widen(const struct call_shape *s, const void *raw, void **out)
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
        if (bound(c, i))
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
            TRY(widen(&c.in[i], out->in[i], &out->wide[i]));
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

static size_t wide_size(const struct call_shape *s)
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
        size_t bytes = (size_t)call_elements(&c->out[i]) * wide_size(&c->out[i]);
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

static double tolerance_of(const struct op_variant *v, const struct call *c)
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
    double tolerance = slack * tolerance_of(v, c), square = 0;
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

int op_case_places(const struct op_def *def)
{
    int rules = 0;
    while (def->in_place && def->in_place[rules])
        rules++;
    return rules + (rules > 1);
}

/* Outputs that lie in inputs: over[output] is the input, or -1. */
static enum rote_status places(const struct call *c, int rule, int over[CALL_MAX_PORTS])
{
    const char *const *rules = op_def_of(c)->in_place;
    bool taken[CALL_MAX_PORTS] = {false};
    int count = 0;
    for (int i = 0; i < CALL_MAX_PORTS; i++)
        over[i] = -1;
    while (rules && rules[count])
        count++;
    for (int i = 0; i < count; i++) {
        char to[32] = "", from[32] = "";
        int out = -1, in = -1;
        if (sscanf(rules[i], "%31[^=]=%31s", to, from) == 2) {
            out = call_out(c, to);
            in = call_in(c, from);
        }
        if (out < 0 || in < 0 || op_bytes(&c->out[out]) != op_bytes(&c->in[in]) || !bound(c, in))
            return base_error(ROTE_EINVAL, "the rule '%s' names no two ports of one size", rules[i]);
        if ((rule != i && rule < count) || over[out] >= 0 || taken[in])
            continue;
        over[out] = in;
        taken[in] = true;
    }
    return ROTE_OK;
}

/* over[output] is the input in whose memory it lies, or -1; NULL: none does. */
static enum rote_status memory_new(struct rote_device *dev, const struct call *c, const int *over,
                                   struct op_memory *out)
{
    enum rote_status st = ROTE_OK;
    *out = (struct op_memory){.in = {NULL}};
    for (int i = 0; i < c->sig->n_in; i++)
        if (bound(c, i))
            TRY(rt_mem_new(dev, op_bytes(&c->in[i]), c->sig->in[i].name, &out->in[i]));
    for (int i = 0; i < c->sig->n_out; i++) {
        int same = call_in(c, c->sig->out[i].name);
        if (same < 0 && over)
            same = over[i];
        if (same >= 0)
            out->out[i] = out->in[same];
        else
            TRY(rt_mem_new(dev, op_bytes(&c->out[i]), c->sig->out[i].name, &out->out[i]));
    }
out:
    if (st)
        op_memory_free(out);
    return st;
}

enum rote_status op_memory_new(struct rote_device *dev, const struct call *c, struct op_memory *out)
{
    return memory_new(dev, c, NULL, out);
}

/* Whether an output's memory is also an input's. */
static bool shared(const struct op_memory *m, int out)
{
    for (int k = 0; k < CALL_MAX_PORTS; k++)
        if (m->in[k] && m->in[k] == m->out[out])
            return true;
    return false;
}

void op_memory_free(struct op_memory *m)
{
    for (int i = 0; i < CALL_MAX_PORTS; i++)
        if (!shared(m, i))
            rt_mem_free(m->out[i]);
    for (int i = 0; i < CALL_MAX_PORTS; i++)
        rt_mem_free(m->in[i]);
    *m = (struct op_memory){.in = {NULL}};
}

#define POISON 0x7fc0dead /* a NaN */

enum rote_status op_memory_load(const struct op_memory *m, const struct op_case *k)
{
    enum rote_status st = ROTE_OK;
    const struct call *c = &k->call;
    for (int i = 0; i < c->sig->n_in; i++)
        if (k->in[i])
            TRY(rt_write(m->in[i], 0, k->in[i], op_bytes(&c->in[i])));
    for (int i = 0; i < c->sig->n_out; i++)
        if (!shared(m, i))
            TRY(rt_fill(m->out[i], POISON));
out:
    return st;
}

enum rote_status op_memory_bind(const struct op_memory *m, struct op_inst *inst, struct rt_mem **workspace)
{
    enum rote_status st = ROTE_OK;
    memcpy(inst->in, m->in, sizeof inst->in);
    memcpy(inst->out, m->out, sizeof inst->out);
    *workspace = NULL;
    if (inst->workspace_bytes) {
        TRY(rt_mem_new(inst->dev, inst->workspace_bytes, "workspace", workspace));
        TRY(rt_fill(*workspace, POISON));
    }
    inst->workspace = *workspace;
out:
    return st;
}

enum rote_status op_memory_read(const struct op_memory *m, const struct call *c, int port, void **out)
{
    enum rote_status st = ROTE_OK;
    void *raw = NULL;
    TRY(base_alloc(&raw, (size_t)op_bytes(&c->out[port]), 1));
    TRY(rt_read(m->out[port], 0, raw, op_bytes(&c->out[port])));
    TRY(widen(&c->out[port], raw, out));
out:
    base_free(raw);
    return st;
}

enum rote_status op_bound_new(struct rote_device *dev, const struct call *c, const char *variant, struct op_bound *out)
{
    enum rote_status st = ROTE_OK;
    *out = (struct op_bound){.inst = NULL};
    TRY(op_inst_new(dev, c, variant, &out->inst));
    TRY(op_memory_new(dev, c, &out->memory));
    TRY(op_memory_bind(&out->memory, out->inst, &out->workspace));
out:
    return st;
}

void op_bound_free(struct op_bound *b)
{
    if (b->inst)
        rt_finish(b->inst->dev);
    op_inst_free(b->inst);
    rt_mem_free(b->workspace);
    op_memory_free(&b->memory);
    *b = (struct op_bound){.inst = NULL};
}

/* The outputs of one run; the caller's (op_outputs_free). */
static enum rote_status run(const struct op_bound *b, const struct op_case *k, void *got[CALL_MAX_PORTS])
{
    enum rote_status st = ROTE_OK;
    TRY(op_memory_load(&b->memory, k));
    if (b->workspace)
        TRY(rt_fill(b->workspace, POISON));
    TRY(op_inst_run(b->inst));
    for (int i = 0; i < k->call.sig->n_out; i++)
        TRY(op_memory_read(&b->memory, &k->call, i, &got[i]));
out:
    return st;
}

static enum rote_status check(struct rote_device *dev, const struct op_case *k, const char *variant,
                              const int *over, void *const want[CALL_MAX_PORTS], struct op_case_result *r)
{
    enum rote_status st = ROTE_OK;
    const struct call *c = &k->call;
    struct op_bound b = {.inst = NULL};
    void *got[CALL_MAX_PORTS] = {NULL}, *again[CALL_MAX_PORTS] = {NULL};
    *r = (struct op_case_result){0};
    st = op_inst_new(dev, c, variant, &b.inst);
    if (st == ROTE_EUNSUPPORTED) {
        snprintf(r->where, sizeof r->where, "%.150s", rote_error_detail());
        return ROTE_OK;
    }
    TRY(st);
    r->ran = true;
    TRY(memory_new(dev, c, over, &b.memory));
    TRY(op_memory_bind(&b.memory, b.inst, &b.workspace));
    for (int i = 0; i < c->sig->n_out; i++)
        rt_record_want(b.memory.out[i], c->sig->out[i].name, want[i],
                       (uint64_t)call_elements(&c->out[i]) * wide_size(&c->out[i]), tolerance_of(b.inst->variant, c));
    TRY(run(&b, k, got));
    for (int i = 0; i < c->sig->n_out; i++)
        op_case_compare(c, b.inst->variant, 1, i, got[i], want[i], r);
    b.inst->streams = true; /* which must give the same bits */
    TRY(run(&b, k, again));
    for (int i = 0; i < c->sig->n_out; i++)
        r->unsteady |= memcmp(got[i], again[i], (size_t)call_elements(&c->out[i]) * wide_size(&c->out[i])) != 0;
out:
    op_bound_free(&b);
    op_outputs_free(got);
    op_outputs_free(again);
    return st;
}

enum rote_status op_case_check(struct rote_device *dev, const struct op_case *k, const char *variant,
                             void *const want[CALL_MAX_PORTS], struct op_case_result *r)
{
    return check(dev, k, variant, NULL, want, r);
}

enum rote_status op_case_check_in_place(struct rote_device *dev, const struct op_case *k, const char *variant,
                                      int rule, void *const want[CALL_MAX_PORTS], struct op_case_result *r)
{
    int over[CALL_MAX_PORTS];
    enum rote_status st = places(&k->call, rule, over);
    return st ? st : check(dev, k, variant, over, want, r);
}
