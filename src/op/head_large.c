/* Heads with many columns, in chunks: no buffer of N x T. cl/head_large.cl tells how.
 * Workspace, forward: [items][scratch][chunks][N][8]; backward: [D][N][items][scratch] and, for
 * heads that send, [items][N][D]. */
#include <math.h>
#include <string.h>

#include "op/conv2d_geometry.h"
#include "ref/ref.h"

#define ITEMS_EACH 2       /* work-items for a core of a CPU */
#define CHUNKS_EACH 4      /* chunks for a work-item, so that heads' short last ones do not leave it idle */
#define ITEMS_EACH_GPU 16
#define SMALL_ROWS 4
#define SUMS_BYTES ((int64_t)64 << 20) /* of the work-items' parts of dx, where w is not larger */

static const struct call_port fwd_in[] = {
    {"x", "ND", CALL_F32, 0, "features"},
    {"w", "DT", CALL_F32, 0, "weights, each head's columns side by side"},
    {"b", "T", CALL_F32, 0, "bias"},
    {"y", "N", CALL_I32, 0, "classes"},
    {"id", "N", CALL_I32, 0, "indices of the samples, which random labels depend on"},
    {"weight", "N", CALL_F32, 0, "1, or 0 for samples that do not count"},
    {"table", "M8", CALL_I32, 0, "heads: first column, n, kind, loss, key words, redraw, 0"},
    {"real", "M4", CALL_F32, 0, "heads: label smoothing, scale of the features' gradient, lambda_scale used or not, 0"},
};
static const struct call_port fwd_out[] = {
    {"stats", "NM8", CALL_F32, 0, "loss, hit, p, margin, entropy, EL2N, regulariser, weight"},
    {"softmax", "NM5", CALL_F32, 0, "of logits but the target's: greatest, log of the sum of exp(z - it); log(1-p), "
                                     "log p, 1-p"},
    {"target", "NM", CALL_I32, 0, "each row's label"},
};
static const struct call_attr fwd_attrs[] = {
    {"split", ATTR_INT, 0, 0, 255, true, NULL, "0 training, 1 test, 2 validation: other random labels"},
    {"epoch", ATTR_INT, 0, 0, INT32_MAX - 1, true, NULL, "for heads whose labels are drawn each epoch"},
};
static const struct call_port bwd_in[] = {
    {"x", "ND", CALL_F32, 0, "features"},
    {"w", "DT", CALL_F32, 0, "weights, each head's columns side by side"},
    {"b", "T", CALL_F32, 0, "bias"},
    {"target", "NM", CALL_I32, 0, "each row's label"},
    {"table", "M8", CALL_I32, 0, "heads: first column, n, kind, loss, key words, redraw, 0"},
    {"real", "M4", CALL_F32, 0, "heads: label smoothing, scale of the features' gradient, lambda_scale used or not, 0"},
    {"stats", "NM8", CALL_F32, 0, "figures of head_large_fwd"},
    {"softmax", "NM5", CALL_F32, 0, "of head_large_fwd"},
};
static const struct call_port bwd_out[] = {
    {"dw", "DT", CALL_F32, 0, "gradient of the heads' own losses by w"},
    {"db", "T", CALL_F32, 0, "gradient of the heads' own losses by b"},
    {"dx", "ND", CALL_F32, 0, "gradient for the features"},
};
static const struct call_attr bwd_attrs[] = {
    {"batch", ATTR_INT, 0, 0, INT32_MAX, false, NULL, "samples that gradients are the mean over; 0: those given"},
    {"lambda_scale", ATTR_FLOAT, 1, 0, 1e30, true, NULL, "factor on the regularisers' gradients"},
};

static enum rote_status infer(struct call *c)
{
    const int64_t *x = c->in[0].dim, *w = c->in[1].dim;
    const struct call_shape *table = &c->in[call_in(c, "table")], *real = &c->in[call_in(c, "real")];
    bool forward = call_out(c, "stats") >= 0;
    int64_t M = table->dim[0];
    if (x[1] != w[0] || c->in[2].dim[0] != w[1])
        return op_shape_error(c, "x is NxD, w DxT and b T; got x %lldx%lld, w %lldx%lld, b %lld", (long long)x[0],
                              (long long)x[1], (long long)w[0], (long long)w[1], (long long)c->in[2].dim[0]);
    if (table->dim[1] != 8 || real->dim[1] != 4 || real->dim[0] != M)
        return op_shape_error(c, "table is Mx8 and real Mx4");
    if (x[0] > INT32_MAX || x[1] > INT32_MAX || w[1] > 1 << 30 || M > w[1])
        return op_shape_error(c, "x has up to 2^31 - 1 rows and columns, w up to 2^30 columns and no fewer than heads");
    for (int i = 3; i < 6 && forward; i++)
        if (c->in[i].dim[0] != x[0])
            return op_shape_error(c, "%s has %lld values for %lld samples", c->sig->in[i].name,
                                  (long long)c->in[i].dim[0], (long long)x[0]);
    for (int i = 3; i < 8 && !forward; i += i == 3 ? 3 : 1)
        if (c->in[i].dim[0] != x[0] || c->in[i].dim[1] != M || (i > 3 && c->in[i].dim[2] != (i == 6 ? 8 : 5)))
            return op_shape_error(c, "target is NxM, stats NxMx8 and softmax NxMx5");
    if (forward) {
        op_set_out(c, 0, 3, (int64_t[]){x[0], M, 8});
        op_set_out(c, 1, 3, (int64_t[]){x[0], M, 5});
        op_set_out(c, 2, 2, (int64_t[]){x[0], M});
        return ROTE_OK;
    }
    op_set_out(c, 0, 2, w);
    op_set_out(c, 1, 1, w + 1);
    if (c->sig->n_out > 2)
        op_set_out(c, 2, 2, x);
    return ROTE_OK;
}

/* How a call is cut up. */
struct cut {
    int64_t N, D, T, M, columns, chunks, items, scratch, sums;
    struct conv2d_tile tile;
};

static int64_t up(int64_t a, int64_t b)
{
    return (a + b - 1) / b;
}

static struct cut cut_of(const struct op_inst *inst)
{
    const struct call *c = &inst->call;
    const struct rt_facts *f = rt_facts_of(inst->dev);
    struct cut k = {.N = c->in[0].dim[0], .D = c->in[0].dim[1], .T = c->in[1].dim[1]};
    bool sends = call_out(c, "dx") >= 0;
    k.M = c->in[call_in(c, "table")].dim[0];
    k.tile = *(const struct conv2d_tile *)inst->extra;
    int64_t kt = k.tile.kt, each = f->long_items ? ITEMS_EACH : ITEMS_EACH_GPU, bound = 4 * k.D * k.T;
    k.items = (int64_t)f->compute_units * op_tuned(inst, "items", each);
    if (bound < SUMS_BYTES)
        bound = SUMS_BYTES;
    if (sends && k.items > bound / (4 * k.N * k.D))
        k.items = bound / (4 * k.N * k.D) > 1 ? bound / (4 * k.N * k.D) : 1;
    k.columns = up(up(k.T, k.items * CHUNKS_EACH), kt) * kt;
    k.chunks = k.T / k.columns + k.M; /* no more than that, however T is shared out */
    if (k.items > up(k.T, k.columns)) /* no work-item without a chunk */
        k.items = up(k.T, k.columns);
    k.scratch = (k.D + k.N) * kt;
    if (sends)
        k.scratch += k.N * kt + up(k.D, kt) * kt * kt;
    k.sums = sends ? k.items * k.N * k.D : 0;
    return k;
}

/* Makes the kernel with the register tile, which stays in inst->extra; of a GPU whose driver says that sums went
 * to memory, with fewer of them. */
static enum rote_status tile_kernel(struct op_inst *inst, const char *name)
{
    enum rote_status st = ROTE_OK;
    struct conv2d_tile *tile;
    TRY(base_alloc(&tile, 1, sizeof *tile));
    inst->extra = tile;
    *tile = conv2d_tile_of(inst, 64, CONV2D_TILE_ROWS);
    TRY(rt_kernel_new(inst->dev, "head_large", name, tile->options, &inst->kernel[1]));
    if (rt_facts_of(inst->dev)->long_items || !rt_kernel_private_bytes(inst->kernel[1]))
        goto out;
    rt_kernel_free(inst->kernel[1]);
    inst->kernel[1] = NULL;
    op_settle(inst, "vectors", 1);
    op_settle(inst, "rows", SMALL_ROWS);
    *tile = conv2d_tile_of(inst, 1, SMALL_ROWS);
    TRY(rt_kernel_new(inst->dev, "head_large", name, tile->options, &inst->kernel[1]));
out:
    return st;
}

static enum rote_status prepare_fwd(struct op_inst *inst)
{
    enum rote_status st = ROTE_OK;
    TRY(tile_kernel(inst, "head_large_fwd__tile"));
    struct cut k = cut_of(inst);
    TRY(rt_kernel_new(inst->dev, "head_large", "head_large_target", k.tile.options, &inst->kernel[0]));
    TRY(rt_kernel_new(inst->dev, "head_large", "head_large_merge", k.tile.options, &inst->kernel[2]));
    inst->workspace_bytes = 4 * (uint64_t)(k.items * k.scratch + k.chunks * k.N * 8);
out:
    return st;
}

static enum rote_status enqueue_fwd(struct op_inst *inst)
{
    enum rote_status st = ROTE_OK;
    const struct call *c = &inst->call;
    struct cut k = cut_of(inst);
    struct rt_mem **in = inst->in, **out = inst->out, *table = in[6];
    uint64_t records_at = (uint64_t)(k.items * k.scratch);
    size_t rows[2] = {(size_t)k.M, (size_t)k.N}, items = (size_t)k.items, one = 1;
    TRY(rt_run(inst->kernel[0], 2, rows, NULL, "mmmmiii", in[3], in[4], table, out[2], (int)k.M,
               (int)call_int(c, "split"), (int)call_int(c, "epoch")));
    TRY(rt_run(inst->kernel[1], 1, &items, &one, "mmmmmmliiiiii", in[0], in[1], in[2], table, out[2], inst->workspace,
               records_at, (int)k.N, (int)k.D, (int)k.T, (int)k.M, (int)k.columns,
               (int)k.items));
    TRY(rt_run(inst->kernel[2], 2, rows, NULL, "mmmmmmmliii", inst->workspace, table, in[7], out[2], in[5], out[0],
               out[1], records_at, (int)k.N, (int)k.M, (int)k.columns));
out:
    return st;
}

static enum rote_status prepare_bwd(struct op_inst *inst)
{
    enum rote_status st = ROTE_OK;
    TRY(tile_kernel(inst, "head_large_bwd__tile"));
    struct cut k = cut_of(inst);
    TRY(rt_kernel_new(inst->dev, "head_large", "head_large_transpose", k.tile.options, &inst->kernel[0]));
    if (k.sums)
        TRY(rt_kernel_new(inst->dev, "head_large", "head_large_reduce", k.tile.options, &inst->kernel[2]));
    inst->workspace_bytes = 4 * (uint64_t)(k.N * k.D + k.items * k.scratch + k.sums);
out:
    return st;
}

static enum rote_status enqueue_bwd(struct op_inst *inst)
{
    enum rote_status st = ROTE_OK;
    struct cut k = cut_of(inst);
    struct rt_mem **in = inst->in, **out = inst->out;
    int mean_over = call_int(&inst->call, "batch") ? (int)call_int(&inst->call, "batch") : (int)k.N;
    uint64_t scratch_at = (uint64_t)(k.N * k.D), sums_at = scratch_at + (uint64_t)(k.items * k.scratch);
    size_t features = (size_t)scratch_at, local = op_group_1d(inst), items = (size_t)k.items, one = 1;
    TRY(rt_run(inst->kernel[0], 1, &features, &local, "mmii", in[0], inst->workspace, (int)k.N, (int)k.D));
    TRY(rt_run(inst->kernel[1], 1, &items, &one, "mmmmmmmmmmmllliiiiiiifi", in[0], in[1], in[2], in[3], in[4], in[5],
               in[6], in[7], inst->workspace, out[0], out[1], scratch_at, (uint64_t)k.scratch, sums_at, k.sums > 0,
               (int)k.N, mean_over, (int)k.D, (int)k.T, (int)k.M, (int)k.columns,
               call_float(&inst->call, "lambda_scale"), (int)k.items));
    if (k.sums)
        TRY(rt_run(inst->kernel[2], 1, &features, &local, "mmlil", inst->workspace, out[2], sums_at, (int)k.items,
                   (uint64_t)features));
out:
    return st;
}

/* M equal heads, every kind and loss in turn, every third one saturated: T = M * n. A backward
 * operator's softmax is such that p is in range. */
static void fill_value(const struct call *c, int port, int64_t i, uint32_t r, void *data)
{
    int64_t N = c->in[0].dim[0], T = c->in[1].dim[1], M = c->in[call_in(c, "table")].dim[0], n = T / M;
    int64_t m = i / (port == call_in(c, "table") ? 8 : 4), k = i % 8;
    const char *name = c->sig->in[port].name;
    float *f = data;
    int32_t *v = data;
    double unit = r / 4294967296.0;
    if (!strcmp(name, "w"))
        f[i] *= (i % T / n % 3 == 2 ? 6.0f : 1.0f) / sqrtf((float)c->in[0].dim[1]);
    else if (!strcmp(name, "y") || !strcmp(name, "target"))
        v[i] = (int32_t)(r % (uint32_t)n);
    else if (!strcmp(name, "id"))
        v[i] = (int32_t)(r >> 2);
    else if (!strcmp(name, "weight"))
        f[i] = i == N - 1 && N > 1 ? 0.0f : 1.0f;
    else if (!strcmp(name, "table"))
        v[i] = (int32_t[]){(int32_t)(m * n), (int32_t)n, m % 6 != 5, (int32_t)(m % 6), (int32_t)(m * 77), 5,
                           m % 2, 0}[k];
    else if (!strcmp(name, "real"))
        f[i] = i % 4 == 0 ? (m % 2 ? 0.1f : 0.0f) : i % 4 == 1 ? 0.5f + (float)m : (float)(m % 2);
    else if (!strcmp(name, "stats") && (k == 2 || k == 4 || k == 7))
        f[i] = (float)(k == 2 ? unit : k == 4 ? 2 * unit : i / 8 / M == N - 1 && N > 1 ? 0 : 1);
    else if (!strcmp(name, "softmax"))
        f[i] = (float)(i % 5 == 0   ? (i / 5 % M % 3 == 2 ? 6 : 1) * log((double)n) + unit
                       : i % 5 == 1 ? 0.1 + unit
                       : i % 5 == 4 ? unit
                                    : -unit);
}

static void fill(const struct call *c, int port, uint32_t (*r)(void *), void *state, void *data)
{
    for (int64_t i = 0; i < call_elements(&c->in[port]); i++)
        fill_value(c, port, i, r(state), data);
}

/* Heads lie side by side in their order and fill w. */
static enum rote_status check_heads(const struct call *c, const void *const *in)
{
    int port = call_in(c, "table");
    const int32_t *h = in[port];
    int64_t at = 0;
    for (int64_t m = 0; m < c->in[port].dim[0]; m++, h += 8) {
        if (h[0] != at || h[1] < 2 || h[3] < 0 || h[3] > 5)
            return op_shape_error(c, "table row %lld: columns from %d, not %lld; n %d; loss %d", (long long)m, h[0],
                                  (long long)at, h[1], h[3]);
        at += h[1];
    }
    if (at != c->in[1].dim[1])
        return op_shape_error(c, "the heads of table have %lld columns, w has %lld", (long long)at,
                              (long long)c->in[1].dim[1]);
    return ROTE_OK;
}

static enum rote_status check_fwd(const struct call *c, const void *const *in)
{
    enum rote_status st = check_heads(c, in);
    const int32_t *h = in[6];
    for (int64_t m = 0; m < c->in[6].dim[0] && !st; m++, h += 8)
        st = h[2] == 0 ? op_check_below(c, 3, in[3], h[1]) : ROTE_OK;
    return st;
}

static enum rote_status check_bwd(const struct call *c, const void *const *in)
{
    enum rote_status st = check_heads(c, in);
    const int32_t *target = in[3], *table = in[4];
    int64_t M = c->in[4].dim[0];
    for (int64_t i = 0; i < c->in[0].dim[0] * M && !st; i++)
        if (target[i] < 0 || target[i] >= table[8 * (i % M) + 1])
            st = op_shape_error(c, "target[%lld] is %d, of %d labels", (long long)i, target[i], table[8 * (i % M) + 1]);
    return st;
}

static double length(const struct call *c)
{
    const int64_t *x = c->in[0].dim, *w = c->in[1].dim;
    double columns = (double)w[1] / (double)c->in[call_in(c, "table")].dim[0];
    return (double)(x[0] > x[1] ? x[0] : x[1]) + columns;
}

static double flops(const struct call *c)
{
    int products = call_out(c, "stats") >= 0 ? 1 : c->sig->n_out;
    return (2.0 * products * (double)c->in[0].dim[1] + 40) * (double)c->in[0].dim[0] * (double)c->in[1].dim[1];
}

static const struct op_variant tile_fwd =
    {.name = "tile", .prepare = prepare_fwd, .enqueue = enqueue_fwd, .tunables = conv2d_tile_tunables};
static const struct op_variant tile_bwd =
    {.name = "tile", .prepare = prepare_bwd, .enqueue = enqueue_bwd, .tunables = conv2d_tile_tunables};

#define FWD(n, d, t, m) \
    "x=" n "x" d " w=" d "x" t " b=" t " y=" n " id=" n " weight=" n " table=" m "x8 real=" m "x4"
#define BWD(n, d, t, m)                                                                                   \
    "x=" n "x" d " w=" d "x" t " b=" t " target=" n "x" m " table=" m "x8 real=" m "x4 stats=" n "x" m "x8 softmax=" n \
    "x" m "x5"

const struct op_def op_head_large_fwd = {
    .sig = {"head_large_fwd", fwd_in, fwd_out, 8, 3, fwd_attrs, (int)COUNT_OF(fwd_attrs)},
    .text = "head_loss's figures of z = x w + b, without the logits in memory",
    .infer = infer,
    .check = check_fwd,
    .ref = ref_head_large_fwd,
    .variants = (const struct op_variant *const[]){&tile_fwd, NULL},
    .fill = fill,
    .length = length,
    .tolerance = 16,
    .flops = flops,
    .cases = (const char *const[]){FWD("1", "1", "2", "1"), FWD("3", "5", "12", "6"), FWD("13", "33", "402", "6"),
                                   FWD("7", "17", "1300", "1") " split=1", FWD("65", "31", "390", "2") " epoch=4",
                                   FWD("33", "64", "3072", "12"), FWD("5", "63", "16385", "1"), NULL},
};

/* Two operators by what they give: the features' gradient costs one product more. */
#define BACKWARD(NAME, OUTPUTS, TEXT)                                                                      \
    {                                                                                                      \
        .sig = {#NAME, bwd_in, bwd_out, 8, OUTPUTS, bwd_attrs, (int)COUNT_OF(bwd_attrs)}, .text = TEXT,    \
        .infer = infer, .check = check_bwd, .ref = ref_##NAME,                                             \
        .variants = (const struct op_variant *const[]){&tile_bwd, NULL}, .fill = fill, .length = length,   \
        .tolerance = 16, .flops = flops,                                                                   \
        .cases = (const char *const[]){BWD("1", "1", "2", "1"), BWD("3", "5", "12", "6"),                  \
                                       BWD("13", "33", "402", "6") " lambda_scale=0.25",                   \
                                       BWD("7", "129", "1300", "1") " batch=20", BWD("65", "31", "390", "2"),          \
                                       BWD("33", "64", "3072", "12"), BWD("5", "63", "16385", "1"), NULL}, \
    }

const struct op_def op_head_large_bwd =
    BACKWARD(head_large_bwd, 3, "gradients of head_large_fwd's heads: their own losses' by w and b, and dx");
const struct op_def op_head_large_bwd_probe =
    BACKWARD(head_large_bwd_probe, 2, "as head_large_bwd, for heads that send nothing to the features");
