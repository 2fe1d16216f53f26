/* Batch normalisation: training, its gradient, evaluation; each alone, with the relu that
 * follows, and with a residual's addition and the relu: `mode` in cl/batchnorm.cl. */
#include <string.h>

#include "op/op.h"
#include "ref/ref.h"

static const struct call_attr attrs[] = {
    {"eps", ATTR_FLOAT, 1e-5, 0, 1, false, NULL, "added to the variance"},
    {"momentum", ATTR_FLOAT, 0.1, 0, 1, false, NULL, "weight of this batch in the running statistics"},
};

/* Ports of the plain operators come first: a mode's own follow. */
#define FWD_IN                                                                                  \
    {"x", "HWNC", CALL_F32, 0, "input"},                                                        \
    {"gamma", "C", CALL_F32, 0, "scale"},                                                       \
    {"beta", "C", CALL_F32, 0, "shift"},                                                        \
    {"running_mean", "C", CALL_F32, 0, "moving average of the means, updated in training"},     \
    {"running_var", "C", CALL_F32, 0, "moving average of the unbiased variances, updated in training"}
static const struct call_port fwd_in[] = {FWD_IN};
static const struct call_port add_fwd_in[] = {FWD_IN, {"r", "HWNC", CALL_F32, 0, "residual, shaped as x"}};
static const struct call_port fwd_out[] = {
    {"y", "HWNC", CALL_F32, 0, "output, shaped as x"},
    {"mean", "C", CALL_F32, 0, "this batch's mean"},
    {"rstd", "C", CALL_F32, 0, "1 / sqrt(this batch's biased variance + eps)"},
    {"running_mean", "C", CALL_F32, 0, ""},
    {"running_var", "C", CALL_F32, 0, ""},
};
#define BWD_IN                                                                                      \
    {"x", "HWNC", CALL_F32, 0, "the forward input"}, {"gamma", "C", CALL_F32, 0, "scale"},          \
    {"mean", "C", CALL_F32, 0, "the forward mean"},  {"rstd", "C", CALL_F32, 0, "the forward rstd"}, \
    {"dy", "HWNC", CALL_F32, 0, "gradient of y"}
static const struct call_port bwd_in[] = {BWD_IN};
static const struct call_port relu_bwd_in[] = {BWD_IN, {"beta", "C", CALL_F32, 0, "shift"}};
static const struct call_port add_bwd_in[] = {BWD_IN, {"y", "HWNC", CALL_F32, 0, "the forward output"}};
static const struct call_port bwd_out[] = {
    {"dx", "HWNC", CALL_F32, 0, "gradient of x"},
    {"dgamma", "C", CALL_F32, 0, "gradient of gamma"},
    {"dbeta", "C", CALL_F32, 0, "gradient of beta"},
    {"dr", "HWNC", CALL_F32, 0, "gradient of r"},
};
#define APPLY_IN                                                                           \
    {"x", "HWNC", CALL_F32, 0, "the forward input"}, {"gamma", "C", CALL_F32, 0, "scale"}, \
    {"beta", "C", CALL_F32, 0, "shift"}, {"mean", "C", CALL_F32, 0, "the forward mean"},   \
    {"rstd", "C", CALL_F32, 0, "the forward rstd"}
static const struct call_port apply_in[] = {APPLY_IN};
static const struct call_port add_apply_in[] = {APPLY_IN, {"r", "HWNC", CALL_F32, 0, "residual, shaped as x"}};
static const struct call_port eval_out[] = {{"y", "HWNC", CALL_F32, 0, "output, shaped as x"}};

enum mode { PLAIN, RELU, ADD_RELU };

static enum mode mode_of(const struct call *c)
{
    const char *name = c->sig->name;
    return strstr(name, "_add_relu_") ? ADD_RELU : strstr(name, "_relu_") ? RELU : PLAIN;
}

static int64_t channels(const struct call *c)
{
    return c->in[0].dim[3];
}

static int64_t rows(const struct call *c)
{
    return call_elements(&c->in[0]) / channels(c);
}

static enum rote_status infer(struct call *c)
{
    for (int i = 1; i < c->sig->n_in; i++)
        for (int d = 0; c->in[i].rank == 4 && d < 4; d++)
            if (c->in[i].dim[d] != c->in[0].dim[d])
                return op_shape_error(c, "%s and x differ in dimension %d", c->sig->in[i].name, d);
    for (int i = 0; i < c->sig->n_in; i++)
        if (c->in[i].rank == 1 && c->in[i].dim[0] != channels(c))
            return op_shape_error(c, "%s has %lld values for %lld channels", c->sig->in[i].name,
                                  (long long)c->in[i].dim[0], (long long)channels(c));
    if (channels(c) > INT32_MAX)
        return op_shape_error(c, "more than 2^31 - 1 channels");
    for (int i = 0; i < c->sig->n_out; i++) {
        if (c->sig->out[i].dims[1])
            op_set_out(c, i, 4, c->in[0].dim);
        else
            op_set_out(c, i, 1, &c->in[0].dim[3]);
    }
    return ROTE_OK;
}

static enum rote_status infer_fwd(struct call *c)
{
    if (rows(c) < 2)
        return op_shape_error(c, "needs at least 2 values a channel to train; this batch has 1");
    return infer(c);
}

static int parts_of(const struct call *c)
{
    int64_t n = rows(c) / 64;
    return n < 1 ? 1 : n > 64 ? 64 : (int)n;
}

#define BLOCK_BYTES (32 << 10) /* of rows: inside a first-level cache */

/* Of the channels and rows among work-items. */
struct blocking {
    int vec, cv, span, rows;
};

static struct blocking blocking_of(const struct op_inst *inst)
{
    int64_t c = channels(&inst->call);
    struct blocking b = {.vec = op_vec(inst, c), .cv = 1, .rows = 16};
    b.span = b.vec;
    if (rt_facts_of(inst->dev)->long_items) {
        int64_t vectors = (c + b.vec - 1) / b.vec, rows = BLOCK_BYTES / (4 * c);
        b.cv = vectors < 4 ? (int)vectors : 4;
        b.span = (int)c;
        b.rows = rows < 8 ? 8 : rows > 64 ? 64 : (int)rows;
    }
    return b;
}

static enum rote_status prepare(struct op_inst *inst, const char *const *kernels)
{
    enum rote_status st = ROTE_OK;
    char options[64];
    struct blocking b = blocking_of(inst);
    snprintf(options, sizeof options, "-DVEC=%d -DCV=%d%s", b.vec, b.cv, op_cache_option(inst));
    for (int i = 0; kernels[i]; i++)
        TRY(rt_kernel_new(inst->dev, "batchnorm", kernels[i], options, &inst->kernel[i]));
    if (kernels[1])
        inst->workspace_bytes = 8 * (uint64_t)parts_of(&inst->call) * (uint64_t)channels(&inst->call);
out:
    return st;
}

static enum rote_status prepare_fwd(struct op_inst *inst)
{
    return prepare(inst, (const char *const[]){"batchnorm_moments", "batchnorm_merge", "batchnorm_apply", NULL});
}

static enum rote_status prepare_bwd(struct op_inst *inst)
{
    return prepare(inst,
                   (const char *const[]){"batchnorm_bwd_sums", "batchnorm_bwd_merge", "batchnorm_bwd_apply", NULL});
}

static enum rote_status prepare_apply(struct op_inst *inst)
{
    return prepare(inst, (const char *const[]){"batchnorm_apply", NULL});
}

static enum rote_status prepare_eval(struct op_inst *inst)
{
    return prepare(inst, (const char *const[]){"batchnorm_eval__plain", NULL});
}

struct grids {
    size_t sums[2], merge, apply[2];
    uint64_t rows;
    int channels, span, block, parts, mode, stream;
};

static struct grids grids_of(const struct op_inst *inst)
{
    const struct call *c = &inst->call;
    struct grids g = {.rows = (uint64_t)rows(c), .channels = (int)channels(c), .parts = parts_of(c),
                      .mode = mode_of(c)};
    struct blocking b = blocking_of(inst);
    g.span = b.span;
    g.block = b.rows;
    g.sums[0] = g.apply[0] = ((size_t)channels(c) + (size_t)b.span - 1) / (size_t)b.span;
    g.sums[1] = (size_t)g.parts;
    g.apply[1] = (size_t)((g.rows + (uint64_t)b.rows - 1) / (uint64_t)b.rows);
    g.merge = (size_t)g.channels;
    g.stream = op_streams(inst, 4 * call_elements(&c->in[0]), channels(c), b.vec);
    return g;
}

static enum rote_status enqueue_fwd(struct op_inst *inst)
{
    enum rote_status st = ROTE_OK;
    struct grids g = grids_of(inst);
    struct rt_mem **in = inst->in, **out = inst->out;
    size_t group = op_group_1d(inst);
    TRY(rt_run(inst->kernel[0], 2, g.sums, NULL, "mmliii", in[0], inst->workspace, g.rows, g.channels, g.span,
               g.parts));
    TRY(rt_run(inst->kernel[1], 1, &g.merge, &group, "mmmmmliiff", inst->workspace, out[1], out[2], out[3], out[4],
               g.rows, g.channels, g.parts, call_float(&inst->call, "eps"), call_float(&inst->call, "momentum")));
    TRY(rt_run(inst->kernel[2], 2, g.apply, NULL, "mmmmmmmliiiii", in[0], in[1], in[2], out[1], out[2],
               g.mode == ADD_RELU ? in[5] : in[0], out[0], g.rows, g.channels, g.span, g.block, g.mode, g.stream));
out:
    return st;
}

static enum rote_status enqueue_bwd(struct op_inst *inst)
{
    enum rote_status st = ROTE_OK;
    struct grids g = grids_of(inst);
    struct rt_mem *x = inst->in[0], *gamma = inst->in[1], *mean = inst->in[2], *rstd = inst->in[3], *dy = inst->in[4];
    struct rt_mem *beta = g.mode == RELU ? inst->in[5] : x, *y = g.mode == ADD_RELU ? inst->in[5] : x;
    struct rt_mem **out = inst->out, *dr = g.mode == ADD_RELU ? out[3] : dy;
    size_t group = op_group_1d(inst);
    TRY(rt_run(inst->kernel[0], 2, g.sums, NULL, "mmmmmmmmmliiiii", x, y, gamma, beta, mean, rstd, dy, inst->workspace,
               dr, g.rows, g.channels, g.span, g.parts, g.mode, g.stream));
    TRY(rt_run(inst->kernel[1], 1, &g.merge, &group, "mmmii", inst->workspace, out[1], out[2], g.channels, g.parts));
    TRY(rt_run(inst->kernel[2], 2, g.apply, NULL, "mmmmmmmmmliiiii", x, gamma, beta, mean, rstd, dr, out[1], out[2],
               out[0], g.rows, g.channels, g.span, g.block, g.mode == ADD_RELU ? PLAIN : g.mode, g.stream));
out:
    return st;
}

static enum rote_status enqueue_apply(struct op_inst *inst)
{
    struct grids g = grids_of(inst);
    struct rt_mem **in = inst->in;
    return rt_run(inst->kernel[0], 2, g.apply, NULL, "mmmmmmmliiiii", in[0], in[1], in[2], in[3], in[4],
                  g.mode == ADD_RELU ? in[5] : in[0], inst->out[0], g.rows, g.channels, g.span, g.block, g.mode,
                  g.stream);
}

static enum rote_status enqueue_eval(struct op_inst *inst)
{
    struct grids g = grids_of(inst);
    struct rt_mem **in = inst->in;
    return rt_run(inst->kernel[0], 2, g.apply, NULL, "mmmmmmmliiiiif", in[0], in[1], in[2], in[3], in[4],
                  g.mode == ADD_RELU ? in[5] : in[0], inst->out[0], g.rows, g.channels, g.span, g.block, g.mode,
                  g.stream, call_float(&inst->call, "eps"));
}

/* Variances and rstd are positive. */
static void fill(const struct call *c, int port, uint32_t (*r)(void *), void *state, void *data)
{
    const char *name = c->sig->in[port].name;
    bool variance = !strcmp(name, "rstd") || !strcmp(name, "running_var");
    for (int64_t i = 0; variance && i < call_elements(&c->in[port]); i++)
        ((float *)data)[i] = 0.5f + (float)(r(state) >> 8) / 16777216.0f;
}

static const struct op_variant plain_fwd = {.name = "plain", .prepare = prepare_fwd, .enqueue = enqueue_fwd};
static const struct op_variant plain_bwd = {.name = "plain", .prepare = prepare_bwd, .enqueue = enqueue_bwd};
static const struct op_variant plain_apply = {.name = "plain", .prepare = prepare_apply, .enqueue = enqueue_apply};
static const struct op_variant plain_eval = {.name = "plain", .prepare = prepare_eval, .enqueue = enqueue_eval};

static double length(const struct call *c)
{
    return (double)rows(c);
}

#define CASES(X) \
    X("1x1x2x1", "1") X("3x5x7x31", "31") X("2x2x2x32", "32") X("1x1x63x65", "65") X("5x3x1x2", "2") \
    X("17x17x17x13", "13") X("8x8x33x16", "16") X("1x7x1x129", "129") X("3x5x5x8", "8") \
    X("2x3x5x6", "6") X("3x7x3x4", "4")

#define FWD_CASE(x, c) "x=" x " gamma=" c " beta=" c " running_mean=" c " running_var=" c,
#define ADD_FWD_CASE(x, c) "x=" x " gamma=" c " beta=" c " running_mean=" c " running_var=" c " r=" x,
#define BWD_CASE(x, c) "x=" x " gamma=" c " mean=" c " rstd=" c " dy=" x,
#define RELU_BWD_CASE(x, c) "x=" x " gamma=" c " mean=" c " rstd=" c " dy=" x " beta=" c,
#define ADD_BWD_CASE(x, c) "x=" x " gamma=" c " mean=" c " rstd=" c " dy=" x " y=" x,
#define APPLY_CASE(x, c) "x=" x " gamma=" c " beta=" c " mean=" c " rstd=" c,
#define ADD_APPLY_CASE(x, c) "x=" x " gamma=" c " beta=" c " mean=" c " rstd=" c " r=" x,
#define EVAL_CASE "x=1x1x1x3 gamma=3 beta=3 running_mean=3 running_var=3",
#define ATTRS attrs, (int)COUNT_OF(attrs)

static const char *const over_x[] = {"y=x", NULL}, *const over_x_r[] = {"y=x", "y=r", NULL};
static const char *const over_dy[] = {"dx=dy", "dx=x", NULL}, *const over_dy_y[] = {"dr=dy", "dx=y", "dx=x", NULL};

/* `v` is the normalised value, `tail` what a mode makes of it. */
#define FWD_DEF(name, in, n_in, tail, places, cases_of)                                           \
    {                                                                                             \
        .sig = {#name "_fwd", in, fwd_out, n_in, 5, ATTRS},                                       \
        .text = "y = " tail ", v = (x - mean) * rstd * gamma + beta, mean and rstd of this batch", \
        .infer = infer_fwd, .ref = ref_##name##_fwd,                                              \
        .variants = (const struct op_variant *const[]){&plain_fwd, NULL},                         \
        .grads = (const char *const[]){#name "_bwd", NULL}, .in_place = places,                   \
        .again = #name "_apply",                                                                  \
        .fill = fill, .length = length, .tolerance = 8,                                           \
        .cases = (const char *const[]){CASES(cases_of) NULL},                                     \
    }
#define BWD_DEF(name, in, n_in, n_out, places, cases_of)                                          \
    {                                                                                             \
        .sig = {#name "_bwd", in, bwd_out, n_in, n_out, ATTRS},                                   \
        .text = "the gradients of " #name "_fwd",                                                 \
        .infer = infer, .ref = ref_##name##_bwd, .in_place = places,                              \
        .variants = (const struct op_variant *const[]){&plain_bwd, NULL},                         \
        .fill = fill, .length = length, .tolerance = 8,                                           \
        .cases = (const char *const[]){CASES(cases_of) NULL},                                     \
    }
#define APPLY_DEF(name, in, n_in, tail, places, cases_of)                                         \
    {                                                                                             \
        .sig = {#name "_apply", in, eval_out, n_in, 1, NULL, 0},                                  \
        .text = "y = " tail ", v = (x - mean) * rstd * gamma + beta: y of " #name "_fwd again",   \
        .infer = infer, .ref = ref_##name##_apply, .in_place = places,                            \
        .variants = (const struct op_variant *const[]){&plain_apply, NULL},                       \
        .fill = fill, .tolerance = 8,                                                             \
        .cases = (const char *const[]){CASES(cases_of) NULL},                                     \
    }
#define EVAL_DEF(name, in, n_in, tail, places, cases_of, more_cases)                              \
    {                                                                                             \
        .sig = {#name "_eval", in, eval_out, n_in, 1, ATTRS},                                     \
        .text = "y = " tail ", v = (x - running_mean) / sqrt(running_var + eps) * gamma + beta",  \
        .infer = infer, .ref = ref_##name##_eval, .in_place = places,                             \
        .variants = (const struct op_variant *const[]){&plain_eval, NULL},                        \
        .fill = fill, .tolerance = 8,                                                             \
        .cases = (const char *const[]){CASES(cases_of) more_cases NULL},                          \
    }

const struct op_def op_batchnorm_fwd = FWD_DEF(batchnorm, fwd_in, 5, "v", over_x, FWD_CASE);
const struct op_def op_batchnorm_bwd = BWD_DEF(batchnorm, bwd_in, 5, 3, over_dy, BWD_CASE);
const struct op_def op_batchnorm_eval = EVAL_DEF(batchnorm, fwd_in, 5, "v", over_x, FWD_CASE, EVAL_CASE);
const struct op_def op_batchnorm_relu_fwd = FWD_DEF(batchnorm_relu, fwd_in, 5, "max(v, 0)", over_x, FWD_CASE);
const struct op_def op_batchnorm_relu_bwd = BWD_DEF(batchnorm_relu, relu_bwd_in, 6, 3, over_dy, RELU_BWD_CASE);
const struct op_def op_batchnorm_relu_eval =
    EVAL_DEF(batchnorm_relu, fwd_in, 5, "max(v, 0)", over_x, FWD_CASE, EVAL_CASE);
const struct op_def op_batchnorm_add_relu_fwd =
    FWD_DEF(batchnorm_add_relu, add_fwd_in, 6, "max(v + r, 0)", over_x_r, ADD_FWD_CASE);
const struct op_def op_batchnorm_add_relu_bwd =
    BWD_DEF(batchnorm_add_relu, add_bwd_in, 6, 4, over_dy_y, ADD_BWD_CASE);
const struct op_def op_batchnorm_add_relu_eval =
    EVAL_DEF(batchnorm_add_relu, add_fwd_in, 6, "max(v + r, 0)", over_x_r, ADD_FWD_CASE, );
const struct op_def op_batchnorm_apply = APPLY_DEF(batchnorm, apply_in, 5, "v", over_x, APPLY_CASE);
const struct op_def op_batchnorm_relu_apply = APPLY_DEF(batchnorm_relu, apply_in, 5, "max(v, 0)", over_x, APPLY_CASE);
const struct op_def op_batchnorm_add_relu_apply =
    APPLY_DEF(batchnorm_add_relu, add_apply_in, 6, "max(v + r, 0)", over_x_r, ADD_APPLY_CASE);
