/* Rectified linear unit. */
#include "op/op.h"
#include "ref/ref.h"

static const struct call_port x_port[] = {{"x", "HWNC", CALL_F32, 0, "input"}};
static const struct call_port y_port[] = {{"y", "HWNC", CALL_F32, 0, "output, shaped as x"}};
static const struct call_port bwd_in[] = {
    {"y", "HWNC", CALL_F32, 0, "the forward output"},
    {"dy", "HWNC", CALL_F32, 0, "gradient of y"},
};
static const struct call_port dx_port[] = {{"dx", "HWNC", CALL_F32, 0, "gradient of x"}};

static enum rote_status infer_fwd(struct call *c)
{
    op_set_out(c, 0, 4, c->in[0].dim);
    return ROTE_OK;
}

static enum rote_status infer_bwd(struct call *c)
{
    for (int i = 0; i < 4; i++)
        if (c->in[0].dim[i] != c->in[1].dim[i])
            return op_shape_error(c, "y and dy differ in dimension %d: %lld and %lld", i, (long long)c->in[0].dim[i],
                                  (long long)c->in[1].dim[i]);
    op_set_out(c, 0, 4, c->in[0].dim);
    return ROTE_OK;
}

static size_t items(const struct op_inst *inst)
{
    return (size_t)((call_elements(&inst->call.in[0]) + 3) / 4);
}

static enum rote_status prepare_fwd(struct op_inst *inst)
{
    return rt_kernel_new(inst->dev, "relu", "relu_fwd__plain", NULL, &inst->kernel[0]);
}

static enum rote_status enqueue_fwd(struct op_inst *inst)
{
    size_t global = items(inst), local = op_group_1d(inst);
    return rt_run(inst->kernel[0], 1, &global, &local, "lmm", (uint64_t)call_elements(&inst->call.in[0]), inst->in[0],
                  inst->out[0]);
}

static enum rote_status prepare_bwd(struct op_inst *inst)
{
    return rt_kernel_new(inst->dev, "relu", "relu_bwd__plain", NULL, &inst->kernel[0]);
}

static enum rote_status enqueue_bwd(struct op_inst *inst)
{
    size_t global = items(inst), local = op_group_1d(inst);
    return rt_run(inst->kernel[0], 1, &global, &local, "lmmm", (uint64_t)call_elements(&inst->call.in[0]), inst->in[0],
                  inst->in[1], inst->out[0]);
}

static const struct op_variant plain_fwd = {"plain", NULL, prepare_fwd, enqueue_fwd};
static const struct op_variant plain_bwd = {"plain", NULL, prepare_bwd, enqueue_bwd};

const struct op_def op_relu_fwd = {
    .sig = {"relu_fwd", x_port, y_port, 1, 1, NULL, 0},
    .text = "y = max(x, 0)",
    .infer = infer_fwd,
    .ref = ref_relu_fwd,
    .variants = (const struct op_variant *const[]){&plain_fwd, NULL},
    .grads = (const char *const[]){"relu_bwd", NULL},
    .cases = (const char *const[]){"x=1x1x1x1", "x=1x2x3x5", "x=3x5x7x31", "x=2x2x2x32", "x=1x1x63x65", "x=4x4x33x64",
                                   "x=7x11x13x17", NULL},
};

const struct op_def op_relu_bwd = {
    .sig = {"relu_bwd", bwd_in, dx_port, 2, 1, NULL, 0},
    .text = "dx = dy where y > 0, else 0",
    .infer = infer_bwd,
    .ref = ref_relu_bwd,
    .variants = (const struct op_variant *const[]){&plain_bwd, NULL},
    .cases = (const char *const[]){"y=1x1x1x1 dy=1x1x1x1", "y=1x2x3x5 dy=1x2x3x5", "y=3x5x7x31 dy=3x5x7x31",
                                   "y=2x2x2x32 dy=2x2x2x32", "y=1x1x63x65 dy=1x1x63x65", "y=7x11x13x17 dy=7x11x13x17",
                                   NULL},
};
