/* AdamW over one buffer of all parameters. */
#include <math.h>

#include "op/elementwise.h"
#include "ref/ref.h"

static const struct call_port in_ports[] = {
    {"p", "E", CALL_F32, 0, "parameters"},
    {"g", "E", CALL_F32, 0, "their gradients"},
    {"m", "E", CALL_F32, 0, "first moments"},
    {"v", "E", CALL_F32, 0, "second moments"},
};
static const struct call_port out_ports[] = {
    {"p", "E", CALL_F32, 0, "updated in place"},
    {"m", "E", CALL_F32, 0, "updated in place"},
    {"v", "E", CALL_F32, 0, "updated in place"},
};
static const struct call_attr attrs[] = {
    {"lr", ATTR_FLOAT, 0.001, 0, 1e6, true, NULL, "learning rate"},
    {"step", ATTR_INT, 0, 0, UINT32_MAX, true, NULL, "steps done before this one"},
    {"beta1", ATTR_FLOAT, 0.9, 0, 0.999999, false, NULL, "decay of the first moments"},
    {"beta2", ATTR_FLOAT, 0.999, 0, 0.999999, false, NULL, "decay of the second moments"},
    {"eps", ATTR_FLOAT, 1e-8, 0, 1, false, NULL, "added to the root"},
    {"decay", ATTR_FLOAT, 0.01, 0, 1e6, false, NULL, "weight decay, times lr"},
};

static enum rote_status infer(struct call *c)
{
    enum rote_status st = elementwise_infer(c);
    if (!st) {
        op_set_out(c, 1, 1, c->in[0].dim);
        op_set_out(c, 2, 1, c->in[0].dim);
    }
    return st;
}

static enum rote_status prepare(struct op_inst *inst)
{
    return elementwise_kernel(inst, "adamw", "adamw__plain");
}

static enum rote_status enqueue(struct op_inst *inst)
{
    const struct call *c = &inst->call;
    size_t global = elementwise_items(inst), local = op_group_1d(inst);
    double lr = call_float(c, "lr"), b1 = call_float(c, "beta1"), b2 = call_float(c, "beta2");
    double t = (double)call_int(c, "step") + 1;
    return rt_run(inst->kernel[0], 1, &global, &local, "lmmmmfffffff", (uint64_t)c->in[0].dim[0], inst->in[0],
                  inst->in[1], inst->in[2], inst->in[3], lr / (1 - pow(b1, t)), 1 / sqrt(1 - pow(b2, t)),
                  1 - lr * call_float(c, "decay"), 1 - b1, b2, 1 - b2, call_float(c, "eps"));
}

/* Second moments are positive. */
static void fill(const struct call *c, int port, uint32_t (*r)(void *), void *state, void *data)
{
    for (int64_t i = 0; port == 3 && i < c->in[3].dim[0]; i++)
        ((float *)data)[i] = (float)(r(state) >> 8) / 16777216.0f;
}

static const struct op_variant plain = {.name = "plain", .prepare = prepare, .enqueue = enqueue};

const struct op_def op_adamw = {
    .sig = {"adamw", in_ports, out_ports, 4, 3, attrs, (int)COUNT_OF(attrs)},
    .text = "m, v: decaying moments of g; p -= lr (decay p + m' / (sqrt(v') + eps))",
    .infer = infer,
    .ref = ref_adamw,
    .variants = (const struct op_variant *const[]){&plain, NULL},
    .fill = fill,
    .tolerance = 16,
    .cases = (const char *const[]){"p=1 g=1 m=1 v=1", "p=33 g=33 m=33 v=33 step=1",
                                   "p=4099 g=4099 m=4099 v=4099 lr=0.1 step=999 decay=0.5", NULL},
};
