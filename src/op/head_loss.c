/* The fused loss of all heads at one attach point; cl/head_loss.cl has the formulas. */
#include "op/op.h"
#include "ref/ref.h"

static const struct call_port in_ports[] = {
    {"z", "NT", CALL_F32, 0, "logits, each head's columns side by side"},
    {"y", "N", CALL_I32, 0, "classes"},
    {"id", "N", CALL_I32, 0, "indices of the samples, which random labels depend on"},
    {"weight", "N", CALL_F32, 0, "1, or 0 for samples that do not count"},
    {"table", "M8", CALL_I32, 0, "heads: first column, n, kind, loss, key words, redraw, 0"},
    {"real", "M4", CALL_F32, 0, "heads: label smoothing, scale of the features' gradient, lambda_scale used or not, 0"},
};
static const struct call_port out_ports[] = {
    {"g_head", "NT", CALL_F32, 0, "gradient for the heads' own weights"},
    {"g_feat", "NT", CALL_F32, 0, "gradient for the features"},
    {"stats", "NM8", CALL_F32, 0, "loss, hit, p, margin, entropy, EL2N, regulariser, weight"},
};
static const struct call_attr attrs[] = {
    {"split", ATTR_INT, 0, 0, 255, true, NULL, "0 training, 1 test, 2 validation: other random labels"},
    {"epoch", ATTR_INT, 0, 0, INT32_MAX - 1, true, NULL, "for heads whose labels are drawn each epoch"},
    {"batch", ATTR_INT, 0, 0, INT32_MAX, false, NULL, "samples that gradients are the mean over; 0: those given"},
    {"lambda_scale", ATTR_FLOAT, 1, 0, 1e30, true, NULL, "factor on the regularisers' gradients"},
};

static enum rote_status infer(struct call *c)
{
    const int64_t *z = c->in[0].dim, *table = c->in[4].dim, *real = c->in[5].dim;
    for (int i = 1; i < 4; i++)
        if (c->in[i].dim[0] != z[0])
            return op_shape_error(c, "%s has %lld values for %lld samples", c->sig->in[i].name,
                                  (long long)c->in[i].dim[0], (long long)z[0]);
    if (table[1] != 8 || real[1] != 4 || real[0] != table[0])
        return op_shape_error(c, "table is Mx8 and real Mx4");
    if (z[0] > INT32_MAX || z[1] > INT32_MAX || table[0] > INT32_MAX)
        return op_shape_error(c, "a dimension is above 2^31 - 1");
    op_set_out(c, 0, 2, z);
    op_set_out(c, 1, 2, z);
    op_set_out(c, 2, 3, (int64_t[]){z[0], table[0], 8});
    return ROTE_OK;
}

static enum rote_status prepare_plain(struct op_inst *inst)
{
    char options[16];
    op_vec_options(inst, inst->call.in[0].dim[1] / inst->call.in[4].dim[0], options);
    return rt_kernel_new(inst->dev, "head_loss", "head_loss__plain", options, &inst->kernel[0]);
}

static enum rote_status enqueue_plain(struct op_inst *inst)
{
    const struct call *c = &inst->call;
    struct rt_mem **in = inst->in, **out = inst->out;
    int N = (int)c->in[0].dim[0], T = (int)c->in[0].dim[1], M = (int)c->in[4].dim[0];
    size_t global[2] = {(size_t)M, (size_t)N};
    int mean_over = call_int(c, "batch") ? (int)call_int(c, "batch") : N;
    return rt_run(inst->kernel[0], 2, global, NULL, "mmmmmmmmmiiiiiif", in[0], in[1], in[2], in[3], in[4], in[5],
                  out[0], out[1], out[2], N, mean_over, T, M, (int)call_int(c, "split"), (int)call_int(c, "epoch"),
                  call_float(c, "lambda_scale"));
}

static double length(const struct call *c)
{
    return (double)c->in[0].dim[1] / (double)c->in[4].dim[0];
}

#define MOST_LABELS 64 /* of a head on the average; with 100 columns in lanes are as fast or faster */

/* Not measured on GPUs, where a row's scalars cost no more than its vectors. */
static bool rows_accept(const struct rt_facts *f, const struct call *c)
{
    return f->long_items && c->in[0].dim[0] >= 4 && length(c) <= MOST_LABELS;
}

static enum rote_status prepare_rows(struct op_inst *inst)
{
    char options[32];
    snprintf(options, sizeof options, "-DVEC=%d -DBY_ROWS", op_vec(inst, inst->call.in[0].dim[0]));
    return rt_kernel_new(inst->dev, "head_loss", "head_loss__rows", options, &inst->kernel[0]);
}

static enum rote_status enqueue_rows(struct op_inst *inst)
{
    const struct call *c = &inst->call;
    struct rt_mem **in = inst->in, **out = inst->out;
    int N = (int)c->in[0].dim[0], T = (int)c->in[0].dim[1], M = (int)c->in[4].dim[0];
    int vec = op_vec(inst, N), mean_over = call_int(c, "batch") ? (int)call_int(c, "batch") : N;
    size_t global[2] = {(size_t)M, (size_t)((N + vec - 1) / vec)}, one[2] = {1, 1};
    return rt_run(inst->kernel[0], 2, global, one, "mmmmmmmmmiiiiiif", in[0], in[1], in[2], in[3], in[4], in[5],
                  out[0], out[1], out[2], N, mean_over, T, M, (int)call_int(c, "split"), (int)call_int(c, "epoch"),
                  call_float(c, "lambda_scale"));
}

static double flops(const struct call *c)
{
    return 40 * (double)call_elements(&c->in[0]);
}

/* M equal heads, every kind and loss in turn, every third one saturated: T = M * n. */
static void fill(const struct call *c, int port, uint32_t (*r)(void *), void *state, void *data)
{
    int64_t N = c->in[0].dim[0], T = c->in[0].dim[1], M = c->in[4].dim[0], n = T / M;
    int32_t *v = data;
    float *f = data;
    for (int64_t i = 0; i < call_elements(&c->in[port]); i++) {
        int64_t m = i / (port == 4 ? 8 : 4), k = i % (port == 4 ? 8 : 4);
        if (port == 0 && (i % T) / n % 3 == 2)
            f[i] *= 12;
        if (port == 1)
            v[i] = (int32_t)(r(state) % (uint32_t)n);
        if (port == 2)
            v[i] = (int32_t)(r(state) >> 2);
        if (port == 3)
            f[i] = i == N - 1 && N > 1 ? 0.0f : 1.0f;
        if (port == 4) {
            const int32_t row[8] = {(int32_t)(m * n), (int32_t)n, m % 6 != 5, (int32_t)(m % 6),
                                    (int32_t)(m * 77), 5, m % 2, 0};
            v[i] = row[k];
        }
        if (port == 5)
            f[i] = k == 0 ? (m % 2 ? 0.1f : 0.0f) : k == 1 ? 0.5f + (float)m : (float)(m % 2);
    }
}

static enum rote_status check(const struct call *c, const void *const *in)
{
    const int32_t *table = in[4];
    for (int64_t m = 0; m < c->in[4].dim[0]; m++) {
        const int32_t *h = table + 8 * m;
        if (h[0] < 0 || h[1] < 2 || (int64_t)h[0] + h[1] > c->in[0].dim[1] || h[3] < 0 || h[3] > 5)
            return op_shape_error(c, "table row %lld: columns %d to %d of %lld, loss %d", (long long)m, h[0],
                                  h[0] + h[1] - 1, (long long)c->in[0].dim[1], h[3]);
        enum rote_status st = h[2] == 0 ? op_check_below(c, 1, in[1], h[1]) : ROTE_OK;
        if (st)
            return st;
    }
    return ROTE_OK;
}

static const struct op_variant rows = {
    .name = "rows", .accepts = rows_accept, .prepare = prepare_rows, .enqueue = enqueue_rows};
static const struct op_variant plain = {.name = "plain", .prepare = prepare_plain, .enqueue = enqueue_plain};

#define CASE(n, t, m) "z=" n "x" t " y=" n " id=" n " weight=" n " table=" m "x8 real=" m "x4"

const struct op_def op_head_loss = {
    .sig = {"head_loss", in_ports, out_ports, 6, 3, attrs, (int)COUNT_OF(attrs)},
    .text = "figures and both logit gradients of every (sample, head), random labels by counter hash",
    .infer = infer,
    .check = check,
    .ref = ref_head_loss,
    .variants = (const struct op_variant *const[]){&rows, &plain, NULL},
    .fill = fill,
    .length = length,
    .tolerance = 16,
    .flops = flops,
    .cases = (const char *const[]){CASE("1", "2", "1"), CASE("33", "60", "6"), CASE("7", "24", "12") " epoch=4",
                                   CASE("65", "62", "2") " split=1", CASE("13", "660", "6") " lambda_scale=0.25",
                                   CASE("5", "1000", "1") " batch=20", CASE("8", "35", "5"),
                                   CASE("4", "16", "2"), CASE("16", "12", "3"), NULL},
};
