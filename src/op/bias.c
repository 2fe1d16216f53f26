/* A value added to each channel; alone, and with the relu that follows. */
#include "op/bias.h"
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
static const struct call_port relu_bwd_in[] = {
    {"y", "HWNC", CALL_F32, 0, "the forward output"},
    {"dy", "HWNC", CALL_F32, 0, "gradient of y"},
    {"b", "C", CALL_F32, PORT_SHAPE_ONLY, "shape of the bias"},
};
static const struct call_port relu_bwd_out[] = {
    {"dx", "HWNC", CALL_F32, 0, "gradient of x"},
    {"db", "C", CALL_F32, 0, "gradient of b"},
};

static enum rote_status infer(struct call *c)
{
    const int64_t *x = c->in[0].dim, *b = c->in[call_in(c, "b")].dim;
    if (x[3] != b[0] || b[0] > INT32_MAX)
        return op_shape_error(c, "%lld channels, but b has %lld values", (long long)x[3], (long long)b[0]);
    for (int d = 0; c->sig->n_in == 3 && d < 4; d++)
        if (c->in[1].dim[d] != x[d])
            return op_shape_error(c, "y and dy differ in dimension %d", d);
    for (int i = 0; i < c->sig->n_out; i++) {
        if (c->sig->out[i].dims[1])
            op_set_out(c, i, 4, x);
        else
            op_set_out(c, i, 1, b);
    }
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

enum rote_status bias_check(const struct call *c)
{
    if (c->in[2].dim[0] != c->out[0].dim[3])
        return op_shape_error(c, "%lld channels of y, but b has %lld values", (long long)c->out[0].dim[3],
                              (long long)c->in[2].dim[0]);
    return ROTE_OK;
}

double bias_length(const struct call *c, double length)
{
    return length * (call_int(c, "relu") ? 2 : 1);
}

enum rote_status bias_kernel(struct op_inst *inst, const char *name, int64_t n, int index)
{
    char options[16];
    op_vec_options(inst, n, options);
    return rt_kernel_new(inst->dev, "bias", name, options, &inst->kernel[index]);
}

enum rote_status bias_run(struct op_inst *inst, int index, struct rt_mem *x, struct rt_mem *b, struct rt_mem *y,
                          int64_t n_rows, int64_t n)
{
    size_t vec = (size_t)op_vec(inst, n), global[2] = {((size_t)n + vec - 1) / vec, (size_t)(n_rows + 15) / 16};
    return rt_run(inst->kernel[index], 2, global, NULL, "mmmli", x, b, y, (uint64_t)n_rows, (int)n);
}

static enum rote_status kernel(struct op_inst *inst, int index)
{
    char name[64];
    snprintf(name, sizeof name, "%s__plain", inst->def->sig.name);
    return bias_kernel(inst, name, channels(inst), index);
}

static enum rote_status prepare_fwd(struct op_inst *inst)
{
    return kernel(inst, 0);
}

static enum rote_status enqueue_fwd(struct op_inst *inst)
{
    return bias_run(inst, 0, inst->in[0], inst->in[1], inst->out[0], rows(inst), channels(inst));
}

static enum rote_status prepare_bwd(struct op_inst *inst)
{
    return reduce_rows_prepare(inst, rows(inst), channels(inst));
}

static enum rote_status enqueue_bwd(struct op_inst *inst)
{
    return reduce_rows_run(inst, inst->in[0], rows(inst), channels(inst));
}

/* kernel[1] merges the shares' sums, as reduce_rows does. */
static enum rote_status prepare_relu_bwd(struct op_inst *inst)
{
    enum rote_status st = reduce_rows_prepare(inst, rows(inst), channels(inst));
    return st ? st : kernel(inst, 2);
}

static enum rote_status enqueue_relu_bwd(struct op_inst *inst)
{
    enum rote_status st = ROTE_OK;
    int parts = reduce_rows_parts(rows(inst)), c = (int)channels(inst);
    size_t vec = (size_t)op_vec(inst, c), all = (size_t)c, global[2] = {(all + vec - 1) / vec, (size_t)parts};
    size_t group = op_group_1d(inst);
    TRY(rt_run(inst->kernel[2], 2, global, NULL, "mmmmlii", inst->in[0], inst->in[1], inst->out[0], inst->workspace,
               (uint64_t)rows(inst), c, parts));
    TRY(rt_run(inst->kernel[1], 1, &all, &group, "mmii", inst->workspace, inst->out[1], c, parts));
out:
    return st;
}

static double length_bwd(const struct call *c)
{
    return (double)(call_elements(&c->in[0]) / c->in[0].dim[3]);
}

static const struct op_variant plain_fwd = {.name = "plain", .prepare = prepare_fwd, .enqueue = enqueue_fwd};
static const struct op_variant plain_bwd = {.name = "plain", .prepare = prepare_bwd, .enqueue = enqueue_bwd};
static const struct op_variant plain_relu_bwd = {
    .name = "plain", .prepare = prepare_relu_bwd, .enqueue = enqueue_relu_bwd};

#define CASES(X) \
    X("1x1x1x1", "1") X("3x5x7x31", "31") X("2x2x2x32", "32") X("1x1x63x65", "65") X("5x3x1x2", "2") \
    X("7x7x17x13", "13") X("3x5x5x8", "8") X("2x3x5x6", "6") X("3x7x3x4", "4")
#define FWD_CASE(x, b) "x=" x " b=" b,
#define RELU_BWD_CASE(x, b) "y=" x " dy=" x " b=" b,

const struct op_def op_bias_fwd = {
    .sig = {"bias_fwd", fwd_in, fwd_out, 2, 1, NULL, 0},
    .text = "y[...,c] = x[...,c] + b[c]",
    .infer = infer,
    .ref = ref_bias_fwd,
    .variants = (const struct op_variant *const[]){&plain_fwd, NULL},
    .in_place = (const char *const[]){"y=x", NULL},
    .grads = (const char *const[]){"bias_bwd", "dx=dy", NULL},
    .tolerance = 1,
    .cases = (const char *const[]){CASES(FWD_CASE) NULL},
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
                                   "dy=5x3x1x2 b=2", "dy=17x17x17x13 b=13", "dy=3x5x5x8 b=8", "dy=2x3x5x6 b=6",
                                   "dy=3x7x3x4 b=4", NULL},
};

const struct op_def op_bias_relu_fwd = {
    .sig = {"bias_relu_fwd", fwd_in, fwd_out, 2, 1, NULL, 0},
    .text = "y[...,c] = max(x[...,c] + b[c], 0)",
    .infer = infer,
    .ref = ref_bias_relu_fwd,
    .variants = (const struct op_variant *const[]){&plain_fwd, NULL},
    .in_place = (const char *const[]){"y=x", NULL},
    .grads = (const char *const[]){"bias_relu_bwd", NULL},
    .tolerance = 1,
    .cases = (const char *const[]){CASES(FWD_CASE) NULL},
};

const struct op_def op_bias_relu_bwd = {
    .sig = {"bias_relu_bwd", relu_bwd_in, relu_bwd_out, 3, 2, NULL, 0},
    .text = "dx = dy where y > 0, else 0; db[c] = sum of dx[...,c]",
    .infer = infer,
    .ref = ref_bias_relu_bwd,
    .variants = (const struct op_variant *const[]){&plain_relu_bwd, NULL},
    .in_place = (const char *const[]){"dx=dy", "dx=y", NULL},
    .length = length_bwd,
    .tolerance = 4,
    .cases = (const char *const[]){CASES(RELU_BWD_CASE) "y=17x17x17x13 dy=17x17x17x13 b=13", NULL},
};
