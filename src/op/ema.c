/* Exponential moving average of the parameters. */
#include "op/elementwise.h"
#include "ref/ref.h"

static const struct call_port in_ports[] = {
    {"s", "E", CALL_F32, 0, "the average"},
    {"p", "E", CALL_F32, 0, "parameters"},
};
static const struct call_port out_ports[] = {{"s", "E", CALL_F32, 0, "updated in place"}};
static const struct call_attr attrs[] = {{"decay", ATTR_FLOAT, 0.999, 0, 1, false, NULL, "share of s kept"}};

static enum rote_status prepare(struct op_inst *inst)
{
    return elementwise_kernel(inst, "ema", "ema__plain");
}

static enum rote_status enqueue(struct op_inst *inst)
{
    size_t global = elementwise_items(inst), local = op_group_1d(inst);
    return rt_run(inst->kernel[0], 1, &global, &local, "lmmf", (uint64_t)inst->call.in[0].dim[0], inst->in[0],
                  inst->in[1], 1 - call_float(&inst->call, "decay"));
}

static const struct op_variant plain = {.name = "plain", .prepare = prepare, .enqueue = enqueue};

const struct op_def op_ema = {
    .sig = {"ema", in_ports, out_ports, 2, 1, attrs, 1},
    .text = "s = decay s + (1 - decay) p",
    .infer = elementwise_infer,
    .ref = ref_ema,
    .variants = (const struct op_variant *const[]){&plain, NULL},
    .tolerance = 4,
    .cases = (const char *const[]){"s=1 p=1", "s=33 p=33 decay=0.5", "s=4099 p=4099", NULL},
};
