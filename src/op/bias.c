/* A value added to each channel. */
#include "op/reduce_rows.h"
#include "ref/ref.h"

static const struct call_port fwd_in[] = {
    {"x", "HWNC", CALL_F32, 0, "input"},
    {"b", "C", CALL_F32, 0, "bias"},
};
static const struct call_port fwd_out[] = {{"y", "HWNC", CALL_F32, 0, "output, shaped as x"}};
static const struct call_port bwd_in[] = {
    {"dy", "HWNC", CALL_F32, 0, "gradient of y"},
    {"b", "C", CALL_F32, PORT_SHAPE_ONLY, "shape of the bias"},
};
static const struct call_port bwd_out[] = {{"db", "C", CALL_F32, 0, "gradient of b"}};

static enum rote_status infer(struct call *c)
{
    if (c->in[0].dim[3] != c->in[1].dim[0] || c->in[1].dim[0] > INT32_MAX)
        return op_shape_error(c, "%lld channels, but b has %lld values", (long long)c->in[0].dim[3],
                              (long long)c->in[1].dim[0]);
    if (c->sig->out[0].name[0] == 'y')
        op_set_out(c, 0, 4, c->in[0].dim);
    else
        op_set_out(c, 0, 1, c->in[1].dim);
    return ROTE_OK;
}

static int64_t channels(const struct op_inst *inst)
{
    return inst->call.in[0].dim[3];
}

static int64_t rows(const struct op_inst *inst)
{
    return call_elements(&inst->call.in[0]) / channels(inst);
}

static enum rote_status prepare_fwd(struct op_inst *inst)
{
    char options[16];
    op_vec_options(inst, channels(inst), options);
    return rt_kernel_new(inst->dev, "bias", "bias_fwd__plain", options, &inst->kernel[0]);
}

static enum rote_status enqueue_fwd(struct op_inst *inst)
{
    size_t vec = (size_t)op_vec(inst, channels(inst));
    size_t global[2] = {((size_t)channels(inst) + vec - 1) / vec, (size_t)(rows(inst) + 15) / 16};
    return rt_run(inst->kernel[0], 2, global, NULL, "mmmli", inst->in[0], inst->in[1], inst->out[0],
                  (uint64_t)rows(inst), (int)channels(inst));
}

static enum rote_status prepare_bwd(struct op_inst *inst)
{
    return reduce_rows_prepare(inst, rows(inst), channels(inst));
}

static enum rote_status enqueue_bwd(struct op_inst *inst)
{
    return reduce_rows_run(inst, inst->in[0], rows(inst), channels(inst));
}

static double length_bwd(const struct call *c)
{
    return (double)(call_elements(&c->in[0]) / c->in[0].dim[3]);
}

static const struct op_variant plain_fwd = {.name = "plain", .prepare = prepare_fwd, .enqueue = enqueue_fwd};
static const struct op_variant plain_bwd = {.name = "plain", .prepare = prepare_bwd, .enqueue = enqueue_bwd};

const struct op_def op_bias_fwd = {
    .sig = {"bias_fwd", fwd_in, fwd_out, 2, 1, NULL, 0},
    .text = "y[...,c] = x[...,c] + b[c]",
    .infer = infer,
    .ref = ref_bias_fwd,
    .variants = (const struct op_variant *const[]){&plain_fwd, NULL},
    .in_place = (const char *const[]){"y=x", NULL},
    .grads = (const char *const[]){"bias_bwd", "dx=dy", NULL},
    .tolerance = 1,
    .cases = (const char *const[]){"x=1x1x1x1 b=1", "x=3x5x7x31 b=31", "x=2x2x2x32 b=32", "x=1x1x63x65 b=65",
                                   "x=5x3x1x2 b=2", "x=7x7x17x13 b=13", NULL},
};

const struct op_def op_bias_bwd = {
    .sig = {"bias_bwd", bwd_in, bwd_out, 2, 1, NULL, 0},
    .text = "db[c] = sum of dy[...,c]",
    .infer = infer,
    .ref = ref_bias_bwd,
    .variants = (const struct op_variant *const[]){&plain_bwd, NULL},
    .length = length_bwd,
    .tolerance = 4,
    .cases = (const char *const[]){"dy=1x1x1x1 b=1", "dy=3x5x7x31 b=31", "dy=2x2x2x32 b=32", "dy=1x1x63x65 b=65",
                                   "dy=5x3x1x2 b=2", "dy=17x17x17x13 b=13", NULL},
};
