/* Every distinct operator and shape of a training step, by each variant that takes it. */
#include <math.h>
#include <string.h>

#include "bench/bench.h"
#include "common/philox.clh"

#define OP_MAX_VARIANTS 15
#define NORMALS 65536 /* random values, repeated through the inputs */

struct op_case {
    struct call call;
    char chosen[OP_VARIANT_WORDS]; /* what the plan runs it by */
    int count;                     /* nodes of the step */
    char *words;
};

struct op_time {
    struct op_inst *inst;
    struct rt_mem *workspace;
    char words[OP_VARIANT_WORDS];
};

static bool same_shape(const struct call_shape *a, const struct call_shape *b)
{
    return a->dtype == b->dtype && a->rank == b->rank && !memcmp(a->dim, b->dim, (size_t)a->rank * sizeof *a->dim);
}

/* Runtime attributes aside: they do not choose the kernel. */
static bool same_call(const struct call *a, const struct call *b)
{
    if (a->sig != b->sig)
        return false;
    for (int i = 0; i < a->sig->n_in; i++)
        if (a->in_present[i] != b->in_present[i] || (a->in_present[i] && !same_shape(&a->in[i], &b->in[i])))
            return false;
    for (int i = 0; i < a->sig->n_attr; i++)
        if (!a->sig->attr[i].runtime && a->attr[i].i != b->attr[i].i)
            return false;
    return true;
}

/* The call as op_call_parse reads it; attributes at their defaults are left out. */
static enum rote_status call_words(const struct call *c, char **out)
{
    enum rote_status st = ROTE_OK;
    const struct call_signature *s = c->sig;
    struct base_buf b = {0};
    for (int i = 0; i < s->n_in; i++) {
        if (!c->in_present[i])
            continue;
        TRY(base_buf_printf(&b, "%s%s=", b.len ? " " : "", s->in[i].name));
        for (int k = 0; k < c->in[i].rank; k++)
            TRY(base_buf_printf(&b, "%s%lld", k ? "x" : "", (long long)c->in[i].dim[k]));
    }
    for (int i = 0; i < s->n_attr; i++) {
        const struct call_attr *a = &s->attr[i];
        double v = a->kind == ATTR_FLOAT ? c->attr[i].f : (double)c->attr[i].i;
        if (a->runtime || v == a->initial)
            continue;
        const char *choice = a->kind == ATTR_ENUM ? a->choices : NULL;
        for (int64_t k = 0; choice && k < c->attr[i].i; k++)
            choice = strchr(choice, '|') + 1;
        if (choice)
            TRY(base_buf_printf(&b, " %s=%.*s", a->name, (int)strcspn(choice, "|"), choice));
        else
            TRY(base_buf_printf(&b, " %s=%.9g", a->name, v));
    }
    *out = b.text;
    b.text = NULL;
out:
    base_buf_free(&b);
    return st;
}

static void cases_free(struct op_case *k, int n)
{
    for (int i = 0; k && i < n; i++)
        base_free(k[i].words);
    base_free(k);
}

static enum rote_status collect_cases(const struct graph *g, struct op_case **out, int *count)
{
    enum rote_status st = ROTE_OK;
    struct op_case *k = NULL;
    int n = 0;
    TRY(base_alloc(&k, (size_t)g->n_nodes, sizeof *k));
    for (int i = 0; i < g->n_nodes; i++) {
        const struct op_inst *inst = g->node[i].inst;
        int j = 0;
        while (j < n && !same_call(&k[j].call, &inst->call))
            j++;
        k[j].count++;
        if (j < n)
            continue;
        n++;
        k[j].call = inst->call;
        op_inst_words(inst, k[j].chosen);
        TRY(call_words(&inst->call, &k[j].words));
    }
    *out = k;
    *count = n;
    k = NULL;
out:
    cases_free(k, n);
    return st;
}

static uint32_t next_bits(void *state)
{
    uint32_t *n = state;
    return philox4x32((*n)++, 0, 0, 0, 1, 0).v[0];
}

static enum rote_status make_normals(float **out)
{
    float *v;
    uint32_t state = 0;
    enum rote_status st = base_alloc(&v, NORMALS, sizeof *v);
    for (int i = 0; !st && i < NORMALS; i++) {
        double u = (next_bits(&state) + 1.0) / 4294967297.0, angle = next_bits(&state) / 4294967296.0;
        v[i] = (float)(sqrt(-2 * log(u)) * cos(6.283185307179586 * angle));
    }
    if (!st)
        *out = v;
    return st;
}

static enum rote_status fill_input(const struct call *c, int port, const float *normals, struct rt_mem *m)
{
    enum rote_status st = ROTE_OK;
    const struct call_shape *s = &c->in[port];
    int64_t n = call_elements(s);
    uint32_t state = (uint32_t)port * 77777u;
    void *data = NULL;
    TRY(base_alloc(&data, (size_t)n, (size_t)call_dtype_size(s->dtype)));
    for (int64_t i = 0; s->dtype == CALL_F32 && i < n; i++)
        ((float *)data)[i] = normals[(i + 12345 * port) % NORMALS];
    for (int64_t i = 0; s->dtype == CALL_U8 && i < n; i++)
        ((uint8_t *)data)[i] = (uint8_t)(i * 2654435761u >> 24);
    const struct op_def *def = op_def_of(c);
    if (def->fill)
        def->fill(c, port, next_bits, &state, data);
    TRY(rt_write(m, 0, data, op_bytes(s)));
out:
    base_free(data);
    return st;
}

/* Inputs, then outputs, one memory for what is updated in place. */
static enum rote_status make_tensors(struct rote_bench *b, const struct call *c, const float *normals,
                                     struct rt_mem *mem[2 * CALL_MAX_PORTS])
{
    enum rote_status st = ROTE_OK;
    for (int i = 0; i < c->sig->n_in; i++) {
        if (!c->in_present[i] || c->sig->in[i].flags & PORT_SHAPE_ONLY)
            continue;
        TRY(rt_mem_new(b->dev, op_bytes(&c->in[i]), c->sig->in[i].name, &mem[i]));
        TRY(fill_input(c, i, normals, mem[i]));
    }
    for (int i = 0; i < c->sig->n_out; i++)
        if (call_in(c, c->sig->out[i].name) < 0)
            TRY(rt_mem_new(b->dev, op_bytes(&c->out[i]), c->sig->out[i].name, &mem[CALL_MAX_PORTS + i]));
out:
    return st;
}

static void bind(struct op_time *v, struct rt_mem *const mem[2 * CALL_MAX_PORTS])
{
    const struct call_signature *s = v->inst->call.sig;
    for (int i = 0; i < s->n_in; i++)
        v->inst->in[i] = mem[i];
    for (int i = 0; i < s->n_out; i++) {
        int same = call_in(&v->inst->call, s->out[i].name);
        v->inst->out[i] = same >= 0 ? mem[same] : mem[CALL_MAX_PORTS + i];
    }
    v->inst->workspace = v->workspace;
}

/* The chosen variant as the plan has it, with its tunables; the others at their defaults. What
 * does not take the shape, or does not build, is no row. */
static enum rote_status make_variants(struct rote_bench *b, const struct op_case *k, struct op_time *v, int *n)
{
    enum rote_status st = ROTE_OK;
    const struct op_variant *const *list = op_def_of(&k->call)->variants;
    size_t chosen = strcspn(k->chosen, ":");
    const char *words[OP_MAX_VARIANTS + 1] = {k->chosen};
    int wanted = 1;
    for (; *list && !b->options.chosen_only && wanted <= OP_MAX_VARIANTS; list++)
        if (strlen((*list)->name) != chosen || strncmp((*list)->name, k->chosen, chosen))
            words[wanted++] = (*list)->name;
    for (int i = 0; i < wanted; i++) {
        struct op_time *t = &v[*n];
        st = op_inst_new(b->dev, &k->call, words[i], &t->inst);
        if (i && (st == ROTE_EUNSUPPORTED || st == ROTE_EBUILD)) {
            st = ROTE_OK;
            continue;
        }
        TRY(st);
        ++*n;
        snprintf(t->words, sizeof t->words, "%s", words[i]);
        if (t->inst->workspace_bytes)
            TRY(rt_mem_new(b->dev, t->inst->workspace_bytes, "workspace", &t->workspace));
    }
out:
    return st;
}

static enum rote_status enqueue(void *what, int times)
{
    struct op_time *v = what;
    enum rote_status st = ROTE_OK;
    for (int i = 0; !st && i < times; i++)
        st = op_inst_run(v->inst);
    return st;
}

static double flops_of(const struct call *c)
{
    const struct op_def *def = op_def_of(c);
    if (def->flops)
        return def->flops(c);
    int64_t out = call_elements(&c->out[0]), in = call_elements(&c->in[0]);
    return (double)(in > out ? in : out);
}

static double bytes_of(const struct call *c)
{
    const struct op_def *def = op_def_of(c);
    double bytes = 0;
    if (def->bytes)
        return def->bytes(c);
    for (int i = 0; i < c->sig->n_in; i++)
        if (c->in_present[i] && !(c->sig->in[i].flags & PORT_SHAPE_ONLY))
            bytes += (double)op_bytes(&c->in[i]);
    for (int i = 0; i < c->sig->n_out; i++)
        bytes += (double)op_bytes(&c->out[i]);
    return bytes;
}

static void add_rows(struct rote_bench *b, const struct op_case *k, const struct op_time *v,
                     const struct bench_side *side, int n)
{
    double flops = flops_of(&k->call), bytes = bytes_of(&k->call);
    json_t *variants = json_array();
    for (int i = 0; i < n; i++)
        json_array_append_new(variants, json_pack("{s:s s:b s:f s:f s:f s:f}", "variant", v[i].words, "chosen", i == 0,
                                                  "least_ms", side[i].least * 1e3, "median_ms", side[i].median * 1e3,
                                                  "gflops", flops / side[i].least * 1e-9, "gb_s",
                                                  bytes / side[i].least * 1e-9));
    json_array_append_new(json_object_get(b->o, "operators"),
                          json_pack("{s:s s:s s:i s:f s:f s:o}", "operator", k->call.sig->name, "words", k->words,
                                    "count", k->count, "flops", flops, "bytes", bytes, "variants", variants));
}

static enum rote_status measure_case(struct rote_bench *b, const struct op_case *k, const float *normals)
{
    enum rote_status st = ROTE_OK;
    struct rt_mem *mem[2 * CALL_MAX_PORTS] = {NULL};
    struct op_time v[OP_MAX_VARIANTS + 1] = {{.inst = NULL}};
    struct bench_side side[OP_MAX_VARIANTS + 1] = {{.enqueue = NULL}};
    int n = 0;
    TRY(bench_tell(b, k->call.sig->name));
    TRY(make_tensors(b, &k->call, normals, mem));
    TRY(make_variants(b, k, v, &n));
    for (int i = 0; i < n; i++) {
        bind(&v[i], mem);
        side[i] = (struct bench_side){.enqueue = enqueue, .what = &v[i]};
    }
    TRY(bench_in_turn(b, k->call.sig->name, side, n));
    add_rows(b, k, v, side, n);
out:
    rt_finish(b->dev);
    for (int i = 0; i <= OP_MAX_VARIANTS; i++) {
        op_inst_free(v[i].inst);
        rt_mem_free(v[i].workspace);
    }
    for (int i = 0; i < 2 * CALL_MAX_PORTS; i++)
        rt_mem_free(mem[i]);
    return st;
}

/* Shares of the peaks, once these are known: of floating-point operations, of bandwidth, and
 * of the time that the nearer of the two roofs asks for. */
static void add_shares(struct rote_bench *b, const rote_peaks *p)
{
    size_t i, j;
    json_t *row, *v;
    json_array_foreach(json_object_get(b->o, "operators"), i, row) {
        json_array_foreach(json_object_get(row, "variants"), j, v) {
            double f = bench_number(v, "gflops") * 1e9 / rote_peaks_flops(p);
            double m = bench_number(v, "gb_s") * 1e9 / rote_peaks_bandwidth(p);
            json_object_set_new(v, "flops_share", json_real(f));
            json_object_set_new(v, "bandwidth_share", json_real(m));
            json_object_set_new(v, "roof_share", json_real(f > m ? f : m));
        }
    }
    json_object_set_new(b->o, "peak", bench_peaks_json(p));
}

enum rote_status bench_ops(struct rote_bench *b)
{
    enum rote_status st = ROTE_OK;
    struct rote_run *t = NULL;
    struct op_case *k = NULL;
    rote_peaks *peaks = NULL;
    float *normals = NULL;
    int n = 0;
    TRY(bench_run_new(b, NULL, 0, &t));
    train_set_step(&t->net, t, 0);
    json_object_set_new(b->o, "nodes", json_integer(t->net.step->g->n_nodes));
    json_object_set_new(b->o, "operators", json_array());
    TRY(collect_cases(t->net.step->g, &k, &n));
    TRY(make_normals(&normals));
    TRY(rote_peaks_new(b->dev, &peaks));
    TRY(rote_peaks_measure(peaks)); /* the first warms up; the rest are spread over the run */
    for (int i = 0; i < n; i++)
        b->total += bench_wanted(b, k[i].call.sig->name) || bench_wanted(b, k[i].words);
    TRY(bench_any(b));
    for (int i = 0; i < n && !st; i++) {
        if (!bench_wanted(b, k[i].call.sig->name) && !bench_wanted(b, k[i].words))
            continue;
        TRY(rote_peaks_measure(peaks));
        st = measure_case(b, &k[i], normals);
        b->done += !st;
    }
    if (st == ROTE_EINTERRUPTED && b->done)
        st = ROTE_OK;
    TRY(st);
    TRY(rote_peaks_measure(peaks));
    add_shares(b, peaks);
out:
    rote_peaks_free(peaks);
    base_free(normals);
    cases_free(k, n);
    train_free(t);
    return st;
}
