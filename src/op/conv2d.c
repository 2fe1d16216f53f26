/* Two-dimensional convolution and its two gradients: shape rules and cases. Each is
 * a product or a filter gradient in the sense of conv2d_geometry.h. */
#include <math.h>

#include "op/bias.h"
#include "op/conv2d_geometry.h"
#include "ref/ref.h"

#define BIG 1e6

static const struct call_attr attrs[] = {
    {"stride_h", ATTR_INT, 1, 1, BIG, false, NULL, "rows from window to window"},
    {"stride_w", ATTR_INT, 1, 1, BIG, false, NULL, "columns from window to window"},
    {"pad_h", ATTR_INT, 0, 0, BIG, false, NULL, "rows of zeros above and below"},
    {"pad_w", ATTR_INT, 0, 0, BIG, false, NULL, "columns of zeros left and right"},
    {"dilation_h", ATTR_INT, 1, 1, BIG, false, NULL, "rows between window taps"},
    {"dilation_w", ATTR_INT, 1, 1, BIG, false, NULL, "columns between window taps"},
    {"groups", ATTR_INT, 1, 1, BIG, false, NULL, "channels and filters in that many separate groups"},
    /* of conv2d_bias_fwd alone, as the port b; a layer's tuning is the same with a relu and without */
    {"relu", ATTR_INT, 0, 0, 1, true, NULL, "1: sums below 0 become 0"},
};

static const struct call_port fwd_in[] = {
    {"x", "HWNC", CALL_F32, 0, "input"},
    {"w", "RSCK", CALL_F32, 0, "filters, C being the channels of a group"},
    {"b", "K", CALL_F32, 0, "bias"},
};
static const struct call_port fwd_out[] = {{"y", "PQNK", CALL_F32, 0, "output"}};
static const struct call_port data_in[] = {
    {"dy", "PQNK", CALL_F32, 0, "gradient of y"},
    {"w", "RSCK", CALL_F32, 0, "filters"},
    {"x", "HWNC", CALL_F32, PORT_SHAPE_ONLY, "shape of the input"},
};
static const struct call_port data_out[] = {{"dx", "HWNC", CALL_F32, 0, "gradient of x"}};
static const struct call_port filter_in[] = {
    {"x", "HWNC", CALL_F32, 0, "input"},
    {"dy", "PQNK", CALL_F32, 0, "gradient of y"},
    {"w", "RSCK", CALL_F32, PORT_SHAPE_ONLY, "shape of the filters"},
};
static const struct call_port filter_out[] = {{"dw", "RSCK", CALL_F32, 0, "gradient of w"}};

/* y's shape from x and w, with every check. */
static enum rote_status output_shape(const struct call *c, const int64_t *x, const int64_t *w, int64_t y[4])
{
    int64_t groups = call_int(c, "groups");
    if (w[2] * groups != x[3])
        return op_shape_error(c, "x has %lld channels, but w has %lld in each of %lld groups", (long long)x[3],
                              (long long)w[2], (long long)groups);
    if (w[3] % groups)
        return op_shape_error(c, "%lld filters do not divide into %lld groups", (long long)w[3], (long long)groups);
    int64_t span_h = (w[0] - 1) * call_int(c, "dilation_h") + 1, span_w = (w[1] - 1) * call_int(c, "dilation_w") + 1;
    int64_t room_h = x[0] + 2 * call_int(c, "pad_h") - span_h, room_w = x[1] + 2 * call_int(c, "pad_w") - span_w;
    if (room_h < 0 || room_w < 0)
        return op_shape_error(c, "a window of %lldx%lld (dilation included) is larger than the padded image %lldx%lld",
                              (long long)span_h, (long long)span_w, (long long)(room_h + span_h),
                              (long long)(room_w + span_w));
    for (int i = 0; i < 4; i++)
        if (x[i] > INT32_MAX || w[i] > INT32_MAX)
            return op_shape_error(c, "a dimension is above 2^31 - 1");
    y[0] = room_h / call_int(c, "stride_h") + 1;
    y[1] = room_w / call_int(c, "stride_w") + 1;
    y[2] = x[2];
    y[3] = w[3];
    return ROTE_OK;
}

static enum rote_status infer_fwd(struct call *c)
{
    int64_t y[4];
    enum rote_status st = output_shape(c, c->in[0].dim, c->in[1].dim, y);
    if (!st)
        op_set_out(c, 0, 4, y);
    return st;
}

static enum rote_status infer_bias(struct call *c)
{
    enum rote_status st = infer_fwd(c);
    return st ? st : bias_check(c);
}

static enum rote_status check_dy(const struct call *c, const int64_t *x, const int64_t *w, const int64_t *dy)
{
    int64_t y[4];
    enum rote_status st = output_shape(c, x, w, y);
    for (int i = 0; !st && i < 4; i++)
        if (y[i] != dy[i])
            st = op_shape_error(c, "dy is %lldx%lldx%lldx%lld, but y is %lldx%lldx%lldx%lld", (long long)dy[0],
                                (long long)dy[1], (long long)dy[2], (long long)dy[3], (long long)y[0], (long long)y[1],
                                (long long)y[2], (long long)y[3]);
    return st;
}

static enum rote_status infer_data(struct call *c)
{
    enum rote_status st = check_dy(c, c->in[2].dim, c->in[1].dim, c->in[0].dim);
    if (!st)
        op_set_out(c, 0, 4, c->in[2].dim);
    return st;
}

static enum rote_status infer_filter(struct call *c)
{
    enum rote_status st = check_dy(c, c->in[0].dim, c->in[2].dim, c->in[1].dim);
    if (!st)
        op_set_out(c, 0, 4, c->in[2].dim);
    return st;
}

/* The forward product; the filter gradient has the same geometry. */
static struct conv2d_geometry geometry(const struct call *c, const int64_t *x, const int64_t *w, const int64_t *y)
{
    int64_t groups = call_int(c, "groups");
    return (struct conv2d_geometry){
        .N = x[2], .H = x[0], .W = x[1], .C = w[2], .P = y[0], .Q = y[1], .K = w[3] / groups, .R = w[0], .S = w[1],
        .groups = groups, .mul_h = call_int(c, "stride_h"), .mul_w = call_int(c, "stride_w"),
        .step_h = call_int(c, "dilation_h"), .step_w = call_int(c, "dilation_w"), .off_h = -call_int(c, "pad_h"),
        .off_w = -call_int(c, "pad_w"), .div_h = 1, .div_w = 1,
    };
}

static struct conv2d_geometry geometry_fwd(const struct call *c)
{
    return geometry(c, c->in[0].dim, c->in[1].dim, c->out[0].dim);
}

static struct conv2d_geometry geometry_bias(const struct call *c)
{
    return conv2d_with_bias(geometry_fwd(c), c);
}

static struct conv2d_geometry geometry_filter(const struct call *c)
{
    return geometry(c, c->in[0].dim, c->in[2].dim, c->in[1].dim);
}

/* dx as a product of dy with the transposed filter. */
static struct conv2d_geometry geometry_data(const struct call *c)
{
    struct conv2d_geometry f = geometry(c, c->in[2].dim, c->in[1].dim, c->in[0].dim);
    return (struct conv2d_geometry){
        .N = f.N, .H = f.P, .W = f.Q, .C = f.K, .P = f.H, .Q = f.W, .K = f.C, .R = f.R, .S = f.S, .groups = f.groups,
        .mul_h = 1, .mul_w = 1, .step_h = -f.step_h, .step_w = -f.step_w, .off_h = -f.off_h, .off_w = -f.off_w,
        .div_h = f.mul_h, .div_w = f.mul_w, .transposed = true,
    };
}

/* F(4x4, 3x3)'s transforms multiply rounding errors by up to about 8; F(2x2, 3x3)'s less. */
#define WINOGRAD_TOLERANCE 16
CONV2D_VARIANT_IF(fwd, product, winograd, WINOGRAD_TOLERANCE, conv2d_winograd_tunables)
CONV2D_VARIANT_IF(fwd, product, thin, 0, conv2d_thin_tunables)
CONV2D_VARIANT_IF(fwd, product, depthwise, 0, conv2d_depthwise_tunables)
CONV2D_VARIANT_IF(fwd, product, direct, 0, conv2d_direct_tunables)
CONV2D_VARIANT(fwd, product, tile, conv2d_tile_tunables)
CONV2D_VARIANT(fwd, product, clblast, NULL)
CONV2D_VARIANT_IF(bias, product, winograd, WINOGRAD_TOLERANCE, conv2d_winograd_tunables)
CONV2D_VARIANT_IF(bias, product, thin, 0, conv2d_thin_tunables)
CONV2D_VARIANT_IF(bias, product, depthwise, 0, conv2d_depthwise_tunables)
CONV2D_VARIANT_IF(bias, product, direct, 0, conv2d_direct_tunables)
CONV2D_VARIANT(bias, product, tile, conv2d_tile_tunables)
CONV2D_VARIANT(bias, product, clblast, NULL)
CONV2D_VARIANT_IF(data, product, winograd, WINOGRAD_TOLERANCE, conv2d_winograd_tunables)
CONV2D_VARIANT_IF(data, product, depthwise, 0, conv2d_depthwise_tunables)
CONV2D_VARIANT_IF(data, product, direct, 0, conv2d_direct_tunables)
CONV2D_VARIANT(data, product, tile, conv2d_tile_tunables)
CONV2D_VARIANT(data, product, clblast, NULL)
CONV2D_VARIANT_IF(filter, filter, winograd, WINOGRAD_TOLERANCE, conv2d_winograd_filter_tunables)
CONV2D_VARIANT_IF(filter, filter, thin, 0, conv2d_thin_tunables)
CONV2D_VARIANT_IF(filter, filter, depthwise, 0, conv2d_depthwise_filter_tunables)
CONV2D_VARIANT_IF(filter, filter, direct, 0, conv2d_direct_filter_tunables)
CONV2D_VARIANT(filter, filter, tile, conv2d_tile_filter_tunables)
CONV2D_VARIANT(filter, filter, clblast, NULL)

static double length_fwd(const struct call *c)
{
    struct conv2d_geometry g = geometry_fwd(c);
    return (double)(g.R * g.S * g.C);
}

static double length_bias(const struct call *c)
{
    return bias_length(c, length_fwd(c));
}

static double length_data(const struct call *c)
{
    struct conv2d_geometry g = geometry_data(c);
    return (double)(g.R * g.S * g.C);
}

static double length_filter(const struct call *c)
{
    struct conv2d_geometry g = geometry_filter(c);
    return (double)(g.P * g.Q * g.N);
}

static double flops(const struct conv2d_geometry *g)
{
    return 2.0 * (double)(g->P * g->Q * g->N) * (double)(g->R * g->S * g->C) * (double)(g->K * g->groups);
}

static double flops_fwd(const struct call *c)
{
    struct conv2d_geometry g = geometry_fwd(c);
    return flops(&g);
}

static double flops_data(const struct call *c)
{
    struct conv2d_geometry g = geometry(c, c->in[2].dim, c->in[1].dim, c->in[0].dim);
    return flops(&g);
}

static double flops_filter(const struct call *c)
{
    struct conv2d_geometry g = geometry_filter(c);
    return flops(&g);
}

/* x; w and the y that follows, both without their last dimension, which is the next; attributes: a line serves all
 * passes. The last are for the self-test: Winograd's programs with many rows, and panel by panel; rows of whole
 * vectors in groups, which may be stored past the caches; stride 2. */
#define CASES(X)                                                                                    \
    X("1x1x1x1", "1x1x1x", "1x1x1x", "1", "")                                                       \
    X("5x7x2x3", "3x3x3x", "5x7x2x", "4", "pad_h=1 pad_w=1")                                        \
    X("7x5x1x31", "3x3x31x", "7x5x1x", "33", "pad_h=1 pad_w=1")                                     \
    X("4x4x7x33", "3x3x33x", "4x4x7x", "65", "pad_h=1 pad_w=1")                                     \
    X("6x6x33x3", "3x3x3x", "6x6x33x", "64", "pad_h=1 pad_w=1")                                     \
    X("9x8x3x5", "5x5x5x", "9x8x3x", "17", "pad_h=2 pad_w=2")                                       \
    X("3x4x7x3", "3x3x3x", "3x4x7x", "130", "pad_h=1 pad_w=1")                                      \
    X("8x9x2x7", "3x3x7x", "4x5x2x", "31", "stride_h=2 stride_w=2 pad_h=1 pad_w=1")                 \
    X("9x9x3x13", "1x1x13x", "5x5x3x", "66", "stride_h=2 stride_w=2")                               \
    X("11x10x2x3", "3x3x3x", "3x2x2x", "5", "stride_h=3 stride_w=3 dilation_h=2 dilation_w=2")      \
    X("7x7x2x4", "3x3x4x", "7x7x2x", "8", "pad_h=2 pad_w=2 dilation_h=2 dilation_w=2")              \
    X("5x6x3x6", "3x3x3x", "5x6x3x", "10", "pad_h=1 pad_w=1 groups=2")                              \
    X("6x7x5x34", "3x3x17x", "6x7x5x", "36", "pad_h=1 pad_w=1 groups=2")                            \
    X("6x5x2x33", "3x3x1x", "6x5x2x", "33", "pad_h=1 pad_w=1 groups=33")                            \
    X("2x5x3x4", "1x1x4x", "2x5x3x", "7", "stride_h=2 pad_h=1")                                     \
    X("5x2x3x4", "1x1x4x", "5x2x3x", "7", "stride_w=2 pad_w=1")                                     \
    X("4x5x3x4", "1x1x4x", "2x5x3x", "7", "stride_h=2")                                             \
    X("4x5x3x4", "1x1x4x", "4x3x3x", "7", "stride_w=2")                                             \
    X("7x8x2x12", "3x3x4x", "4x4x2x", "27", "pad_h=1 pad_w=1 stride_h=2 stride_w=2 groups=3")       \
    X("1x31x5x9", "1x3x9x", "1x31x5x", "16", "pad_w=2 dilation_w=2")                                \
    X("1x64x2x1", "1x8x1x", "1x15x2x", "7", "stride_w=4 pad_w=0")                                   \
    X("3x3x31x64", "1x1x64x", "3x3x31x", "63", "")                                                  \
    X("2x2x32x130", "1x1x130x", "2x2x32x", "1", "")                                                 \
    X("4x4x64x64", "3x3x64x", "4x4x64x", "64", "pad_h=1 pad_w=1")                                   \
    X("9x11x7x17", "3x3x17x", "9x11x7x", "31", "pad_h=1 pad_w=1")                                   \
    X("6x7x13x33", "3x3x33x", "4x5x13x", "66", "")                                                  \
    X("4x3x5x75", "3x3x75x", "4x3x5x", "150", "pad_h=1 pad_w=1")                                    \
    X("8x7x33x17", "3x3x17x", "8x7x33x", "20", "pad_h=1 pad_w=1")                                   \
    X("8x5x5x20", "3x3x20x", "10x7x5x", "130", "pad_h=2 pad_w=2")                                   \
    X("2x3x5x67", "2x3x67x", "1x1x5x", "128", "")                                                   \
    X("3x4x2x5", "3x3x5x", "5x6x2x", "6", "pad_h=2 pad_w=2")                                        \
    X("7x6x9x20", "3x3x1x", "4x3x9x", "20", "stride_h=2 stride_w=2 pad_h=1 pad_w=1 groups=20")      \
    X("6x7x17x1", "3x3x1x", "6x7x17x", "35", "pad_h=1 pad_w=1")                                     \
    X("7x6x15x3", "3x3x3x", "4x3x15x", "16", "stride_h=2 stride_w=2 pad_h=1 pad_w=1")               \
    X("8x8x33x16", "3x3x16x", "8x8x33x", "16", "pad_h=1 pad_w=1")                                   \
    X("8x8x33x16", "3x3x16x", "8x8x33x", "48", "pad_h=1 pad_w=1")                                   \
    X("8x8x33x16", "3x3x16x", "8x8x33x", "64", "pad_h=1 pad_w=1")                                   \
    X("8x8x2x64", "3x3x64x", "8x8x2x", "16", "pad_h=1 pad_w=1")                                     \
    X("2x2x40x16", "3x3x16x", "2x2x40x", "64", "pad_h=1 pad_w=1")                                   \
    X("2x2x130x16", "3x3x16x", "2x2x130x", "64", "pad_h=1 pad_w=1")                                 \
    X("4x4x1x16", "3x3x16x", "4x4x1x", "1024", "pad_h=1 pad_w=1")                                   \
    X("4x4x1x1024", "3x3x1024x", "4x4x1x", "16", "pad_h=1 pad_w=1")                                 \
    X("2x2x1x16", "3x3x16x", "2x2x1x", "1024", "pad_h=1 pad_w=1")                                   \
    X("2x2x1x1024", "3x3x1024x", "2x2x1x", "16", "pad_h=1 pad_w=1")                                 \
    X("7x8x8x18", "3x3x18x", "7x8x8x", "16", "pad_h=1 pad_w=1")                                     \
    X("7x8x8x16", "3x3x16x", "7x8x8x", "18", "pad_h=1 pad_w=1")                                     \
    X("6x7x9x40", "3x3x1x", "6x7x9x", "40", "pad_h=1 pad_w=1 groups=40")                            \
    X("6x7x9x32", "3x3x1x", "6x7x9x", "32", "pad_h=1 pad_w=1 groups=32")                            \
    X("5x5x3x48", "3x3x1x", "7x5x3x", "48", "pad_h=2 pad_w=1 groups=48")                            \
    X("7x9x5x32", "3x3x1x", "7x9x5x", "32", "pad_h=2 pad_w=1 dilation_h=2 groups=32")               \
    X("5x7x3x8", "3x3x1x", "5x7x3x", "8", "pad_h=1 pad_w=1 groups=8")                               \
    X("1x9x1x32", "1x3x1x", "1x9x1x", "32", "pad_w=1 groups=32")                                    \
    X("4x15x13x36", "3x3x1x", "4x8x13x", "36", "pad_h=1 pad_w=2 stride_w=2 dilation_w=2 groups=36") \
    X("6x6x5x64", "3x3x32x", "6x6x5x", "64", "pad_h=1 pad_w=1 groups=2")                            \
    X("13x16x7x33", "3x3x33x", "7x8x7x", "34", "stride_h=2 stride_w=2 pad_h=1 pad_w=1")             \
    X("4x12x25x32", "3x3x32x", "2x6x25x", "40", "stride_h=2 stride_w=2 pad_h=1 pad_w=1")            \
    X("9x17x4x32", "3x3x32x", "4x8x4x", "32", "stride_h=2 stride_w=2")                              \
    X("8x16x3x34", "3x3x34x", "6x10x3x", "33", "stride_h=2 stride_w=2 pad_h=3 pad_w=3")             \
    X("8x8x9x64", "3x3x64x", "4x4x9x", "64", "stride_h=2 stride_w=2 pad_h=1 pad_w=1")               \
    X("4x4x9x64", "3x3x64x", "2x2x9x", "64", "stride_h=2 stride_w=2 pad_h=1 pad_w=1")               \
    X("8x8x5x16", "3x3x16x", "4x4x5x", "32", "stride_h=2 stride_w=2 pad_h=1 pad_w=1")               \
    X("8x8x5x32", "3x3x32x", "4x4x5x", "64", "stride_h=2 stride_w=2 pad_h=1 pad_w=1")               \
    X("8x8x1x32", "3x3x32x", "4x4x1x", "1024", "stride_h=2 stride_w=2 pad_h=1 pad_w=1")             \
    X("8x8x1x1024", "3x3x1024x", "4x4x1x", "32", "stride_h=2 stride_w=2 pad_h=1 pad_w=1")           \
    X("16x16x33x32", "3x3x32x", "8x8x33x", "64", "stride_h=2 stride_w=2 pad_h=1 pad_w=1")           \
    X("7x16x9x66", "3x3x33x", "4x8x9x", "72", "stride_h=2 stride_w=2 pad_h=1 pad_w=1 groups=2")

#define FWD_CASE(x, w, y, k, a) "x=" x " w=" w k " " a,
#define BIAS_CASE(x, w, y, k, a) "x=" x " w=" w k " b=" k " relu=1 " a,
#define DATA_CASE(x, w, y, k, a) "dy=" y k " w=" w k " x=" x " " a,
#define FILTER_CASE(x, w, y, k, a) "x=" x " dy=" y k " w=" w k " " a,

#define ATTRS attrs, (int)COUNT_OF(attrs) - 1

const struct op_def op_conv2d_fwd = {
    .sig = {"conv2d_fwd", fwd_in, fwd_out, 2, 1, ATTRS},
    .text = "y[p,q,n,k] = sum over r,s,c of x[p*stride+r*dilation-pad, ..., n, c] * w[r,s,c,k]",
    .infer = infer_fwd,
    .ref = ref_conv2d_fwd,
    .variants = (const struct op_variant *const[]){&winograd_fwd, &thin_fwd, &depthwise_fwd, &direct_fwd, &tile_fwd,
                                                    &clblast_fwd, NULL},
    .grads = (const char *const[]){"conv2d_bwd_data", "conv2d_bwd_filter", NULL},
    .with_bias = "conv2d_bias_fwd",
    .length = length_fwd,
    .tolerance = 4,
    .flops = flops_fwd,
    .cases = (const char *const[]){CASES(FWD_CASE) NULL},
};

const struct op_def op_conv2d_bias_fwd = {
    .sig = {"conv2d_bias_fwd", fwd_in, fwd_out, 3, 1, attrs, (int)COUNT_OF(attrs)},
    .text = "y[p,q,n,k] = conv2d_fwd's + b[k], with relu=1 the greater of that and 0",
    .infer = infer_bias,
    .ref = ref_conv2d_bias_fwd,
    .variants = (const struct op_variant *const[]){&winograd_bias, &thin_bias, &depthwise_bias, &direct_bias,
                                                    &tile_bias, &clblast_bias, NULL},
    .length = length_bias,
    .tolerance = 4,
    .flops = flops_fwd,
    .cases = (const char *const[]){CASES(BIAS_CASE) "x=5x7x2x3 w=3x3x3x4 b=4 pad_h=1 pad_w=1",
                                   "x=4x4x7x33 w=3x3x33x65 b=65 pad_h=1 pad_w=1",
                                   "x=6x5x2x33 w=3x3x1x33 b=33 pad_h=1 pad_w=1 groups=33", NULL},
};

const struct op_def op_conv2d_bwd_data = {
    .sig = {"conv2d_bwd_data", data_in, data_out, 3, 1, ATTRS},
    .text = "dx: the gradient of conv2d_fwd's x",
    .infer = infer_data,
    .ref = ref_conv2d_bwd_data,
    .variants = (const struct op_variant *const[]){&winograd_data, &depthwise_data, &direct_data, &tile_data,
                                                    &clblast_data, NULL},
    .length = length_data,
    .tolerance = 4,
    .flops = flops_data,
    .cases = (const char *const[]){CASES(DATA_CASE) NULL},
};

const struct op_def op_conv2d_bwd_filter = {
    .sig = {"conv2d_bwd_filter", filter_in, filter_out, 3, 1, ATTRS},
    .text = "dw: the gradient of conv2d_fwd's w",
    .infer = infer_filter,
    .ref = ref_conv2d_bwd_filter,
    .variants = (const struct op_variant *const[]){&winograd_filter, &thin_filter, &depthwise_filter, &direct_filter, &tile_filter,
                                                    &clblast_filter, NULL},
    .length = length_filter,
    .tolerance = 4,
    .flops = flops_filter,
    .cases = (const char *const[]){CASES(FILTER_CASE) NULL},
};
