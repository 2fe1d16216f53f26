/* Dropout; its mask is a function of seed, step and element, never stored. */
#include "op/elementwise.h"
#include "ref/ref.h"

static const struct call_port x_port[] = {{"x", "HWNC", CALL_F32, 0, "input"}};
static const struct call_port y_port[] = {{"y", "HWNC", CALL_F32, 0, "output, shaped as x"}};
static const struct call_port dy_port[] = {{"dy", "HWNC", CALL_F32, 0, "gradient of y"}};
static const struct call_port dx_port[] = {{"dx", "HWNC", CALL_F32, 0, "gradient of x"}};
static const struct call_attr attrs[] = {
    {"p", ATTR_FLOAT, 0.5, 0, 0.999, false, NULL, "share of values dropped"},
    {"stream", ATTR_INT, 0, 0, INT32_MAX, false, NULL, "tells the layers' masks apart"},
    {"seed", ATTR_INT, 0, -9007199254740992.0, 9007199254740992.0, true, NULL, "of the masks"},
    {"step", ATTR_INT, 0, 0, UINT32_MAX, true, NULL, "number of the training step"},
};

static enum rote_status infer(struct call *c)
{
    if (call_elements(&c->in[0]) / 4 > UINT32_MAX - 1)
        return op_shape_error(c, "more than 2^34 elements");
    return elementwise_infer(c);
}

static enum rote_status prepare(struct op_inst *inst)
{
    return rt_kernel_new(inst->dev, "dropout", "dropout_fwd__plain", NULL, &inst->kernel[0]);
}

static enum rote_status enqueue(struct op_inst *inst)
{
    const struct call *c = &inst->call;
    size_t global = (size_t)(call_elements(&c->in[0]) + 3) / 4, local = op_group_1d(inst);
    float p = (float)call_float(c, "p");
    uint64_t seed = (uint64_t)call_int(c, "seed");
    return rt_run(inst->kernel[0], 1, &global, &local, "lmmffuuuu", (uint64_t)call_elements(&c->in[0]), inst->in[0],
                  inst->out[0], (double)p, 1 / (1 - (double)p), (uint32_t)seed, (uint32_t)(seed >> 32),
                  (uint32_t)call_int(c, "step"), (uint32_t)call_int(c, "stream"));
}

static const struct op_variant plain = {.name = "plain", .prepare = prepare, .enqueue = enqueue};

#define CASES(name)                                                                                             \
    name "=1x1x1x1", name "=3x5x7x31 p=0", name "=2x2x2x32 p=0.1 seed=-5", name "=1x1x63x65 stream=3 step=1000", \
        name "=7x11x13x17 p=0.9 seed=123456789012"

const struct op_def op_dropout_fwd = {
    .sig = {"dropout_fwd", x_port, y_port, 1, 1, attrs, (int)COUNT_OF(attrs)},
    .text = "y = x * keep / (1 - p), keep = 0 with probability p",
    .infer = infer,
    .ref = ref_dropout_fwd,
    .variants = (const struct op_variant *const[]){&plain, NULL},
    .in_place = (const char *const[]){"y=x", NULL},
    .grads = (const char *const[]){"dropout_bwd", NULL},
    .tolerance = 2,
    .cases = (const char *const[]){CASES("x"), NULL},
};

const struct op_def op_dropout_bwd = {
    .sig = {"dropout_bwd", dy_port, dx_port, 1, 1, attrs, (int)COUNT_OF(attrs)},
    .text = "dx = dy * keep / (1 - p), keep as forward with the same seed and step",
    .infer = infer,
    .ref = ref_dropout_bwd,
    .in_place = (const char *const[]){"dx=dy", NULL},
    .variants = (const struct op_variant *const[]){&plain, NULL},
    .tolerance = 2,
    .cases = (const char *const[]){CASES("dy"), NULL},
};
