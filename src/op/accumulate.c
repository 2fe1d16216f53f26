/* Gradients of micro-batches, summed up. */
#include "op/elementwise.h"
#include "ref/ref.h"

static const struct call_port in_ports[] = {
    {"sum", "E", CALL_F32, 0, "sum of the micro-batches so far"},
    {"g", "E", CALL_F32, 0, "this one's gradient"},
};
static const struct call_port out_ports[] = {{"sum", "E", CALL_F32, 0, "updated in place"}};
static const struct call_attr attrs[] = {
    {"first", ATTR_INT, 0, 0, 1, true, NULL, "1: the sum starts with g"},
};

static enum rote_status prepare(struct op_inst *inst)
{
    return elementwise_kernel(inst, "accumulate", "accumulate__plain");
}

static enum rote_status enqueue(struct op_inst *inst)
{
    const struct call *c = &inst->call;
    size_t global = elementwise_items(inst), local = op_group_1d(inst);
    return rt_run(inst->kernel[0], 1, &global, &local, "lmmi", (uint64_t)c->in[0].dim[0], inst->out[0], inst->in[1],
                  (int)call_int(c, "first"));
}

static const struct op_variant plain = {.name = "plain", .prepare = prepare, .enqueue = enqueue};

const struct op_def op_accumulate = {
    .sig = {"accumulate", in_ports, out_ports, 2, 1, attrs, (int)COUNT_OF(attrs)},
    .text = "sum = g at first, sum + g then",
    .infer = elementwise_infer,
    .ref = ref_accumulate,
    .variants = (const struct op_variant *const[]){&plain, NULL},
    .tolerance = 1,
    .cases = (const char *const[]){"sum=1 g=1", "sum=33 g=33", "sum=65 g=65 first=1", "sum=4099 g=4099",
                                   "sum=2048 g=2048 first=1", NULL},
};
