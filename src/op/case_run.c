/* A case on a device: its memory, outputs in that of inputs too; run twice, and compared. */
#include <stdio.h>
#include <string.h>

#include "op/case_internal.h"

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
        if (out < 0 || in < 0 || op_bytes(&c->out[out]) != op_bytes(&c->in[in]) || !op_case_bound(c, in))
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
        if (op_case_bound(c, i))
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
    TRY(op_case_widen(&c->out[port], raw, out));
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
                       (uint64_t)call_elements(&c->out[i]) * op_case_wide_size(&c->out[i]),
                       op_case_tolerance(b.inst->variant, c));
    TRY(run(&b, k, got));
    for (int i = 0; i < c->sig->n_out; i++)
        op_case_compare(c, b.inst->variant, 1, i, got[i], want[i], r);
    b.inst->streams = true; /* which must give the same bits */
    TRY(run(&b, k, again));
    for (int i = 0; i < c->sig->n_out; i++)
        r->unsteady |= memcmp(got[i], again[i], (size_t)call_elements(&c->out[i]) * op_case_wide_size(&c->out[i])) != 0;
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
