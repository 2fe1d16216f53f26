/* SGD over one buffer of all parameters. */
#include "op/elementwise.h"
#include "ref/ref.h"

static const struct call_port in_ports[] = {
    {"p", "E", CALL_F32, 0, "parameters"},
    {"g", "E", CALL_F32, 0, "their gradients"},
    {"m", "E", CALL_F32, 0, "momentum"},
};
static const struct call_port out_ports[] = {
    {"p", "E", CALL_F32, 0, "updated in place"},
    {"m", "E", CALL_F32, 0, "updated in place"},
};
static const struct call_attr attrs[] = {
    {"lr", ATTR_FLOAT, 0.1, 0, 1e6, true, NULL, "learning rate"},
    {"momentum", ATTR_FLOAT, 0, 0, 1, false, NULL, "share of the last step kept"},
    {"nesterov", ATTR_INT, 0, 0, 1, false, NULL, "look ahead"},
    {"decay", ATTR_FLOAT, 0, 0, 1e6, false, NULL, "weight decay, added to the gradient"},
};

static enum rote_status infer(struct call *c)
{
    enum rote_status st = elementwise_infer(c);
    if (!st)
        op_set_out(c, 1, 1, c->in[0].dim);
    return st;
}

static enum rote_status prepare(struct op_inst *inst)
{
    return elementwise_kernel(inst, "sgd", "sgd__plain");
}

static enum rote_status enqueue(struct op_inst *inst)
{
    const struct call *c = &inst->call;
    size_t global = elementwise_items(inst), local = op_group_1d(inst);
    return rt_run(inst->kernel[0], 1, &global, &local, "lmmmfffi", (uint64_t)c->in[0].dim[0], inst->in[0], inst->in[1],
                  inst->in[2], call_float(c, "lr"), call_float(c, "momentum"), call_float(c, "decay"),
                  (int)call_int(c, "nesterov"));
}

static const struct op_variant plain = {.name = "plain", .prepare = prepare, .enqueue = enqueue};

const struct op_def op_sgd = {
    .sig = {"sgd", in_ports, out_ports, 3, 2, attrs, (int)COUNT_OF(attrs)},
    .text = "g += decay p; m = momentum m + g; p -= lr m",
    .infer = infer,
    .ref = ref_sgd,
    .variants = (const struct op_variant *const[]){&plain, NULL},
    .tolerance = 4,
    .cases = (const char *const[]){"p=1 g=1 m=1", "p=33 g=33 m=33 momentum=0.9", "p=4099 g=4099 m=4099 momentum=0.9 "
                                   "nesterov=1 decay=0.0005 lr=0.5", NULL},
};
