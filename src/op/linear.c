/* Fully connected layer: a convolution whose window is the whole image, so that
 * flattening costs nothing. y is [1][1][N][K]. */
#include "op/bias.h"
#include "op/conv2d_geometry.h"
#include "ref/ref.h"

static const struct call_port fwd_in[] = {
    {"x", "HWNC", CALL_F32, 0, "input"},
    {"w", "HWCK", CALL_F32, 0, "weights"},
    {"b", "K", CALL_F32, 0, "bias"}, /* of linear_bias_fwd alone */
};
static const struct call_attr bias_attrs[] = {{"relu", ATTR_INT, 0, 0, 1, true, NULL, "1: sums below 0 become 0"}};
static const struct call_port fwd_out[] = {{"y", "PQNK", CALL_F32, 0, "output, one pixel"}};
static const struct call_port data_in[] = {
    {"dy", "PQNK", CALL_F32, 0, "gradient of y"},
    {"w", "HWCK", CALL_F32, 0, "weights"},
    {"x", "HWNC", CALL_F32, PORT_SHAPE_ONLY, "shape of the input"},
};
static const struct call_port data_out[] = {{"dx", "HWNC", CALL_F32, 0, "gradient of x"}};
static const struct call_port filter_in[] = {
    {"x", "HWNC", CALL_F32, 0, "input"},
    {"dy", "PQNK", CALL_F32, 0, "gradient of y"},
    {"w", "HWCK", CALL_F32, PORT_SHAPE_ONLY, "shape of the weights"},
};
static const struct call_port filter_out[] = {{"dw", "HWCK", CALL_F32, 0, "gradient of w"}};

static enum rote_status check(const struct call *c, const int64_t *x, const int64_t *w, const int64_t *dy)
{
    if (x[0] != w[0] || x[1] != w[1] || x[3] != w[2])
        return op_shape_error(c, "x has %lldx%lldx%lld values a sample, w takes %lldx%lldx%lld", (long long)x[0],
                              (long long)x[1], (long long)x[3], (long long)w[0], (long long)w[1], (long long)w[2]);
    if (dy && (dy[0] != 1 || dy[1] != 1 || dy[2] != x[2] || dy[3] != w[3]))
        return op_shape_error(c, "dy must be 1x1x%lldx%lld", (long long)x[2], (long long)w[3]);
    for (int i = 0; i < 4; i++)
        if (x[i] > INT32_MAX || w[i] > INT32_MAX)
            return op_shape_error(c, "a dimension is above 2^31 - 1");
    return ROTE_OK;
}

static enum rote_status infer_fwd(struct call *c)
{
    enum rote_status st = check(c, c->in[0].dim, c->in[1].dim, NULL);
    if (!st)
        op_set_out(c, 0, 4, (int64_t[]){1, 1, c->in[0].dim[2], c->in[1].dim[3]});
    return st;
}

static enum rote_status infer_bias(struct call *c)
{
    enum rote_status st = infer_fwd(c);
    return st ? st : bias_check(c);
}

static enum rote_status infer_data(struct call *c)
{
    enum rote_status st = check(c, c->in[2].dim, c->in[1].dim, c->in[0].dim);
    if (!st)
        op_set_out(c, 0, 4, c->in[2].dim);
    return st;
}

static enum rote_status infer_filter(struct call *c)
{
    enum rote_status st = check(c, c->in[0].dim, c->in[2].dim, c->in[1].dim);
    if (!st)
        op_set_out(c, 0, 4, c->in[2].dim);
    return st;
}

static struct conv2d_geometry window(const int64_t *x, int64_t k)
{
    return (struct conv2d_geometry){.N = x[2], .H = x[0], .W = x[1], .C = x[3], .P = 1, .Q = 1, .K = k, .R = x[0],
                                    .S = x[1], .groups = 1, .mul_h = 1, .mul_w = 1, .step_h = 1, .step_w = 1,
                                    .div_h = 1, .div_w = 1};
}

static struct conv2d_geometry geometry_fwd(const struct call *c)
{
    return window(c->in[0].dim, c->in[1].dim[3]);
}

static struct conv2d_geometry geometry_bias(const struct call *c)
{
    return conv2d_with_bias(geometry_fwd(c), c);
}

static struct conv2d_geometry geometry_data(const struct call *c)
{
    const int64_t *x = c->in[2].dim;
    struct conv2d_geometry g = window(x, x[3]);
    g.H = g.W = 1;
    g.C = c->in[0].dim[3];
    g.P = x[0];
    g.Q = x[1];
    g.step_h = g.step_w = -1;
    g.transposed = true;
    return g;
}

static struct conv2d_geometry geometry_filter(const struct call *c)
{
    return window(c->in[0].dim, c->in[2].dim[3]);
}

CONV2D_VARIANT_IF(fwd, product, direct, 0, conv2d_direct_tunables)
CONV2D_VARIANT(fwd, product, tile, conv2d_tile_tunables)
CONV2D_VARIANT(fwd, product, clblast, NULL)
CONV2D_VARIANT_IF(bias, product, direct, 0, conv2d_direct_tunables)
CONV2D_VARIANT(bias, product, tile, conv2d_tile_tunables)
CONV2D_VARIANT(bias, product, clblast, NULL)
CONV2D_VARIANT_IF(data, product, direct, 0, conv2d_direct_tunables)
CONV2D_VARIANT(data, product, tile, conv2d_tile_tunables)
CONV2D_VARIANT(data, product, clblast, NULL)
CONV2D_VARIANT_IF(filter, filter, direct, 0, conv2d_direct_filter_tunables)
CONV2D_VARIANT(filter, filter, tile, conv2d_tile_filter_tunables)
CONV2D_VARIANT(filter, filter, clblast, NULL)

static double length_fwd(const struct call *c)
{
    return (double)(c->in[0].dim[0] * c->in[0].dim[1] * c->in[0].dim[3]);
}

static double length_bias(const struct call *c)
{
    return bias_length(c, length_fwd(c));
}

static double length_data(const struct call *c)
{
    return (double)c->in[0].dim[3];
}

static double length_filter(const struct call *c)
{
    return (double)c->in[0].dim[2];
}

static double flops_fwd(const struct call *c)
{
    return 2 * length_fwd(c) * (double)call_elements(&c->out[0]);
}

static double flops_data(const struct call *c)
{
    return 2 * length_data(c) * (double)call_elements(&c->out[0]);
}

static double flops_filter(const struct call *c)
{
    return 2 * length_filter(c) * (double)call_elements(&c->out[0]);
}

#define CASES(X)                                                \
    X("1x1x1x1", "1x1x1x", "1x1x1x", "1")                       \
    X("1x1x33x65", "1x1x65x", "1x1x33x", "31")                  \
    X("3x2x5x7", "3x2x7x", "1x1x5x", "10")                      \
    X("7x7x2x64", "7x7x64x", "1x1x2x", "32")                    \
    X("1x31x7x3", "1x31x3x", "1x1x7x", "63")                    \
    X("1x1x64x128", "1x1x128x", "1x1x64x", "10")                \
    X("2x1x17x37", "2x1x37x", "1x1x17x", "10")                  \
    X("1x1x18x21", "1x1x21x", "1x1x18x", "3")                   \
    X("2x3x67x13", "2x3x13x", "1x1x67x", "1")                   \
    X("1x2x5x20", "1x2x20x", "1x1x5x", "70")                    \
    X("2x2x7x80", "2x2x80x", "1x1x7x", "150")

#define FWD_CASE(x, w, y, k) "x=" x " w=" w k,
#define BIAS_CASE(x, w, y, k) "x=" x " w=" w k " b=" k " relu=1",
#define DATA_CASE(x, w, y, k) "dy=" y k " w=" w k " x=" x,
#define FILTER_CASE(x, w, y, k) "x=" x " dy=" y k " w=" w k,

const struct op_def op_linear_fwd = {
    .sig = {"linear_fwd", fwd_in, fwd_out, 2, 1, NULL, 0},
    .text = "y[n,k] = sum over h,w,c of x[h,w,n,c] * w[h,w,c,k]",
    .infer = infer_fwd,
    .ref = ref_linear_fwd,
    .variants = (const struct op_variant *const[]){&direct_fwd, &tile_fwd, &clblast_fwd, NULL},
    .grads = (const char *const[]){"linear_bwd_data", "linear_bwd_filter", NULL},
    .with_bias = "linear_bias_fwd",
    .length = length_fwd,
    .tolerance = 4,
    .flops = flops_fwd,
    .cases = (const char *const[]){CASES(FWD_CASE) NULL},
};

const struct op_def op_linear_bias_fwd = {
    .sig = {"linear_bias_fwd", fwd_in, fwd_out, 3, 1, bias_attrs, (int)COUNT_OF(bias_attrs)},
    .text = "y[n,k] = linear_fwd's + b[k], with relu=1 the greater of that and 0",
    .infer = infer_bias,
    .ref = ref_linear_bias_fwd,
    .variants = (const struct op_variant *const[]){&direct_bias, &tile_bias, &clblast_bias, NULL},
    .length = length_bias,
    .tolerance = 4,
    .flops = flops_fwd,
    .cases = (const char *const[]){CASES(BIAS_CASE) "x=1x1x33x65 w=1x1x65x31 b=31", NULL},
};

const struct op_def op_linear_bwd_data = {
    .sig = {"linear_bwd_data", data_in, data_out, 3, 1, NULL, 0},
    .text = "dx: the gradient of linear_fwd's x",
    .infer = infer_data,
    .ref = ref_linear_bwd_data,
    .variants = (const struct op_variant *const[]){&direct_data, &tile_data, &clblast_data, NULL},
    .length = length_data,
    .tolerance = 4,
    .flops = flops_data,
    .cases = (const char *const[]){CASES(DATA_CASE) NULL},
};

const struct op_def op_linear_bwd_filter = {
    .sig = {"linear_bwd_filter", filter_in, filter_out, 3, 1, NULL, 0},
    .text = "dw: the gradient of linear_fwd's w",
    .infer = infer_filter,
    .ref = ref_linear_bwd_filter,
    .variants = (const struct op_variant *const[]){&direct_filter, &tile_filter, &clblast_filter, NULL},
    .length = length_filter,
    .tolerance = 4,
    .flops = flops_filter,
    .cases = (const char *const[]){CASES(FILTER_CASE) NULL},
};
