#include "op/elementwise.h"

enum rote_status elementwise_infer(struct call *c)
{
    const struct call_shape *a = &c->in[0];
    for (int i = 1; i < c->sig->n_in; i++)
        for (int d = 0; d < a->rank; d++)
            if (c->in[i].dim[d] != a->dim[d])
                return op_shape_error(c, "%s and %s differ in dimension %c: %lld and %lld", c->sig->in[0].name,
                                      c->sig->in[i].name, c->sig->in[0].dims[d], (long long)a->dim[d],
                                      (long long)c->in[i].dim[d]);
    op_set_out(c, 0, a->rank, a->dim);
    return ROTE_OK;
}

static int span_of(const struct op_inst *inst)
{
    return rt_facts_of(inst->dev)->long_items ? 1024 : op_vec(inst, INT32_MAX);
}

enum rote_status elementwise_kernel(struct op_inst *inst, const char *file, const char *name)
{
    char options[64];
    snprintf(options, sizeof options, "-DVEC=%d -DSPAN=%d%s", op_vec(inst, INT32_MAX), span_of(inst),
             op_cache_option(inst));
    return rt_kernel_new(inst->dev, file, name, options, &inst->kernel[0]);
}

size_t elementwise_items(const struct op_inst *inst)
{
    int64_t span = span_of(inst);
    return (size_t)((call_elements(&inst->call.in[0]) + span - 1) / span);
}

enum rote_status elementwise_run(struct op_inst *inst)
{
    size_t global = elementwise_items(inst), local = op_group_1d(inst);
    uint64_t n = (uint64_t)call_elements(&inst->call.in[0]);
    int stream = op_streams(inst, 4 * (int64_t)n, 1, 1); /* a span begins at a whole vector */
    if (inst->call.sig->n_in == 1)
        return rt_run(inst->kernel[0], 1, &global, &local, "lmmi", n, inst->in[0], inst->out[0], stream);
    return rt_run(inst->kernel[0], 1, &global, &local, "lmmmi", n, inst->in[0], inst->in[1], inst->out[0], stream);
}
