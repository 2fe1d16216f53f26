/* Matrix product. a·b and a·bᵀ are 1x1 products whose rows are the batch; aᵀ·b is a
 * 1x1 filter gradient. aᵀ·bᵀ has no tile: nothing in training needs it. */
#include "op/conv2d_geometry.h"
#include "ref/ref.h"

static const struct call_port in[] = {
    {"a", "IL", CALL_F32, 0, "left matrix, [L][I] when trans_a"},
    {"b", "LJ", CALL_F32, 0, "right matrix, [J][L] when trans_b"},
};
static const struct call_port out[] = {{"c", "IJ", CALL_F32, 0, "product"}};
static const struct call_attr attrs[] = {
    {"trans_a", ATTR_INT, 0, 0, 1, false, NULL, "1: a is transposed"},
    {"trans_b", ATTR_INT, 0, 0, 1, false, NULL, "1: b is transposed"},
};

static int64_t inner(const struct call *c)
{
    return c->in[0].dim[call_int(c, "trans_a") ? 0 : 1];
}

static enum rote_status infer(struct call *c)
{
    const int64_t *a = c->in[0].dim, *b = c->in[1].dim;
    int64_t ta = call_int(c, "trans_a"), tb = call_int(c, "trans_b");
    int64_t length = a[!ta], other = b[tb], dim[2] = {a[ta], b[!tb]};
    if (ta && tb)
        return op_shape_error(c, "trans_a and trans_b together: exchange a and b and transpose the result");
    if (length != other)
        return op_shape_error(c, "the inner sizes differ: %lld of a, %lld of b", (long long)length, (long long)other);
    if (length > INT32_MAX || dim[0] > INT32_MAX || dim[1] > INT32_MAX)
        return op_shape_error(c, "a dimension is above 2^31 - 1");
    op_set_out(c, 0, 2, dim);
    return ROTE_OK;
}

static bool is_filter(const struct call *c)
{
    return call_int(c, "trans_a");
}

static struct conv2d_geometry geometry(const struct call *c)
{
    struct conv2d_geometry g = {.H = 1, .W = 1, .P = 1, .Q = 1, .R = 1, .S = 1, .groups = 1, .mul_h = 1, .mul_w = 1,
                                .step_h = 1, .step_w = 1, .div_h = 1, .div_w = 1};
    g.N = c->in[0].dim[0];
    g.C = c->in[0].dim[1];
    g.K = c->out[0].dim[1];
    g.transposed = call_int(c, "trans_b");
    return g;
}

static const struct conv2d_ports ports = {0, 1};

#define MATMUL_VARIANT(name)                                                                          \
    static enum rote_status prepare_##name(struct op_inst *inst)                                      \
    {                                                                                                 \
        struct conv2d_geometry g = geometry(&inst->call);                                             \
        return is_filter(&inst->call) ? conv2d_filter_##name##_prepare(inst, &g)                      \
                                      : conv2d_product_##name##_prepare(inst, &g);                    \
    }                                                                                                 \
    static enum rote_status enqueue_##name(struct op_inst *inst)                                      \
    {                                                                                                 \
        struct conv2d_geometry g = geometry(&inst->call);                                             \
        return is_filter(&inst->call) ? conv2d_filter_##name(inst, &g, ports)                         \
                                      : conv2d_product_##name(inst, &g, ports);                       \
    }
MATMUL_VARIANT(direct)
MATMUL_VARIANT(tile)

static bool accepts_direct(const struct rt_facts *f, const struct call *c)
{
    struct conv2d_geometry g = geometry(c);
    return is_filter(c) ? conv2d_filter_direct_accepts(f, &g) : conv2d_product_direct_accepts(f, &g);
}

static struct rt_gemm gemm(const struct op_inst *inst)
{
    const struct call *c = &inst->call;
    return (struct rt_gemm){.trans_a = call_int(c, "trans_a"), .trans_b = call_int(c, "trans_b"),
                            .m = (uint64_t)c->out[0].dim[0], .n = (uint64_t)c->out[0].dim[1], .k = (uint64_t)inner(c),
                            .lda = (uint64_t)c->in[0].dim[1], .ldb = (uint64_t)c->in[1].dim[1],
                            .ldc = (uint64_t)c->out[0].dim[1], .alpha = 1};
}

static enum rote_status prepare_clblast(struct op_inst *inst)
{
    struct rt_gemm g = gemm(inst);
    return rt_gemm_temp(inst->dev, &g, &inst->workspace_bytes);
}

static enum rote_status enqueue_clblast(struct op_inst *inst)
{
    struct rt_gemm g = gemm(inst);
    return rt_gemm_run(inst->dev, &g, inst->in[0], inst->in[1], inst->out[0], inst->workspace);
}

static const struct op_variant direct = {.name = "direct", .accepts = accepts_direct, .prepare = prepare_direct,
                                         .enqueue = enqueue_direct, .tunables = conv2d_direct_tunables};
static const struct op_variant tile =
    {.name = "tile", .prepare = prepare_tile, .enqueue = enqueue_tile, .tunables = conv2d_tile_tunables};
static const struct op_variant clblast = {.name = "clblast", .prepare = prepare_clblast, .enqueue = enqueue_clblast};

static double length(const struct call *c)
{
    return (double)inner(c);
}

static double flops(const struct call *c)
{
    return 2.0 * (double)inner(c) * (double)call_elements(&c->out[0]);
}

const struct op_def op_matmul = {
    .sig = {"matmul", in, out, 2, 1, attrs, (int)COUNT_OF(attrs)},
    .text = "c[i,j] = sum over l of a[i,l] * b[l,j]",
    .infer = infer,
    .ref = ref_matmul,
    .variants = (const struct op_variant *const[]){&direct, &tile, &clblast, NULL},
    .length = length,
    .tolerance = 4,
    .flops = flops,
    .cases = (const char *const[]){"a=1x1 b=1x1", "a=2x3 b=3x5", "a=31x33 b=33x65", "a=64x63 b=63x64", "a=7x129 b=129x10",
                                   "a=130x67 b=67x1", "a=1x300 b=300x31", "a=33x31 b=65x31 trans_b=1",
                                   "a=5x64 b=128x64 trans_b=1", "a=1x2 b=3x2 trans_b=1", "a=127x33 b=127x65 trans_a=1",
                                   "a=300x7 b=300x10 trans_a=1", "a=2x64 b=2x64 trans_a=1", "a=1x1 b=1x31 trans_a=1", NULL},
};
