/* Rectified linear unit. */
#include "op/elementwise.h"
#include "ref/ref.h"

static const struct call_port x_port[] = {{"x", "HWNC", CALL_F32, 0, "input"}};
static const struct call_port y_port[] = {{"y", "HWNC", CALL_F32, 0, "output, shaped as x"}};
static const struct call_port bwd_in[] = {
    {"y", "HWNC", CALL_F32, 0, "the forward output"},
    {"dy", "HWNC", CALL_F32, 0, "gradient of y"},
};
static const struct call_port dx_port[] = {{"dx", "HWNC", CALL_F32, 0, "gradient of x"}};

static enum rote_status prepare_fwd(struct op_inst *inst)
{
    return elementwise_kernel(inst, "relu", "relu_fwd__plain");
}

static enum rote_status prepare_bwd(struct op_inst *inst)
{
    return elementwise_kernel(inst, "relu", "relu_bwd__plain");
}

static const struct op_variant plain_fwd = {.name = "plain", .prepare = prepare_fwd, .enqueue = elementwise_run};
static const struct op_variant plain_bwd = {.name = "plain", .prepare = prepare_bwd, .enqueue = elementwise_run};

const struct op_def op_relu_fwd = {
    .sig = {"relu_fwd", x_port, y_port, 1, 1, NULL, 0},
    .text = "y = max(x, 0)",
    .infer = elementwise_infer,
    .ref = ref_relu_fwd,
    .variants = (const struct op_variant *const[]){&plain_fwd, NULL},
    .grads = (const char *const[]){"relu_bwd", NULL},
    .in_place = (const char *const[]){"y=x", NULL},
    .cases = (const char *const[]){"x=1x1x1x1", "x=1x2x3x5", "x=3x5x7x31", "x=2x2x2x32", "x=1x1x63x65", "x=4x4x33x64",
                                   "x=7x11x13x17", NULL},
};

const struct op_def op_relu_bwd = {
    .sig = {"relu_bwd", bwd_in, dx_port, 2, 1, NULL, 0},
    .text = "dx = dy where y > 0, else 0",
    .infer = elementwise_infer,
    .ref = ref_relu_bwd,
    .in_place = (const char *const[]){"dx=dy", "dx=y", NULL},
    .variants = (const struct op_variant *const[]){&plain_bwd, NULL},
    .cases = (const char *const[]){"y=1x1x1x1 dy=1x1x1x1", "y=1x2x3x5 dy=1x2x3x5", "y=3x5x7x31 dy=3x5x7x31",
                                   "y=2x2x2x32 dy=2x2x2x32", "y=1x1x63x65 dy=1x1x63x65", "y=7x11x13x17 dy=7x11x13x17",
                                   NULL},
};
