/* Per-class heads: rows grouped by class, each class with weights of its own. No row is
 * computed for a class that it does not belong to. Classes y are in [0, G). */
#include "op/op.h"
#include "ref/ref.h"

static const struct call_port rows_in[] = {{"y", "N", CALL_I32, 0, "classes"}};
static const struct call_port rows_out[] = {
    {"order", "N", CALL_I32, 0, "samples, grouped by class"},
    {"start", "J", CALL_I32, 0, "where each class begins in order; classes + 1 values"},
};
static const struct call_attr rows_attrs[] = {
    {"classes", ATTR_INT, 1, 1, 1 << 20, false, NULL, "number of classes"}};
static const struct call_port fwd_in[] = {
    {"x", "ND", CALL_F32, 0, "features"},
    {"w", "GDT", CALL_F32, 0, "weights of each class"},
    {"b", "GT", CALL_F32, 0, "bias of each class"},
    {"y", "N", CALL_I32, 0, "classes"},
};
static const struct call_port fwd_out[] = {{"z", "NT", CALL_F32, 0, "logits"}};
static const struct call_port data_in[] = {
    {"dz", "NT", CALL_F32, 0, "gradient of z"},
    {"w", "GDT", CALL_F32, 0, "weights of each class"},
    {"y", "N", CALL_I32, 0, "classes"},
};
static const struct call_port data_out[] = {{"dx", "ND", CALL_F32, 0, "gradient of x"}};
static const struct call_port filter_in[] = {
    {"x", "ND", CALL_F32, 0, "features"},
    {"dz", "NT", CALL_F32, 0, "gradient of z"},
    {"order", "N", CALL_I32, 0, "samples, grouped by class"},
    {"start", "J", CALL_I32, 0, "where each class begins in order"},
};
static const struct call_port filter_out[] = {
    {"dw", "GDT", CALL_F32, 0, "gradient of w"},
    {"db", "GT", CALL_F32, 0, "gradient of b"},
};

static enum rote_status small(const struct call *c)
{
    for (int i = 0; i < c->sig->n_in; i++)
        for (int d = 0; d < c->in[i].rank; d++)
            if (c->in[i].dim[d] > INT32_MAX - 1)
                return op_shape_error(c, "a dimension is above 2^31 - 2");
    return ROTE_OK;
}

static enum rote_status infer_rows(struct call *c)
{
    int64_t n = call_int(c, "classes") + 1;
    op_set_out(c, 0, 1, c->in[0].dim);
    op_set_out(c, 1, 1, &n);
    return small(c);
}

static enum rote_status infer_fwd(struct call *c)
{
    const int64_t *x = c->in[0].dim, *w = c->in[1].dim, *b = c->in[2].dim;
    if (x[1] != w[1] || b[0] != w[0] || b[1] != w[2] || c->in[3].dim[0] != x[0])
        return op_shape_error(c, "x is NxD, w GxDxT, b GxT and y N; got x %lldx%lld, w %lldx%lldx%lld",
                              (long long)x[0], (long long)x[1], (long long)w[0], (long long)w[1], (long long)w[2]);
    op_set_out(c, 0, 2, (int64_t[]){x[0], w[2]});
    return small(c);
}

static enum rote_status infer_data(struct call *c)
{
    const int64_t *dz = c->in[0].dim, *w = c->in[1].dim;
    if (dz[1] != w[2] || c->in[2].dim[0] != dz[0])
        return op_shape_error(c, "dz is NxT, w GxDxT and y N; T is %lld and %lld", (long long)dz[1], (long long)w[2]);
    op_set_out(c, 0, 2, (int64_t[]){dz[0], w[1]});
    return small(c);
}

static enum rote_status infer_filter(struct call *c)
{
    const int64_t *x = c->in[0].dim, *dz = c->in[1].dim, classes = c->in[3].dim[0] - 1;
    if (x[0] != dz[0] || c->in[2].dim[0] != x[0] || classes < 1)
        return op_shape_error(c, "x is NxD, dz NxT, order N and start classes + 1");
    op_set_out(c, 0, 3, (int64_t[]){classes, x[1], dz[1]});
    op_set_out(c, 1, 2, (int64_t[]){classes, dz[1]});
    return small(c);
}

#define PREPARE(pass)                                                                                 \
    static enum rote_status prepare_##pass(struct op_inst *inst)                                      \
    {                                                                                                 \
        return rt_kernel_new(inst->dev, "segment", "segment_" #pass "__plain", NULL, &inst->kernel[0]); \
    }
PREPARE(rows)
PREPARE(fwd)
PREPARE(bwd_data)
PREPARE(bwd_filter)

static enum rote_status enqueue_rows(struct op_inst *inst)
{
    int classes = (int)call_int(&inst->call, "classes");
    size_t global = (size_t)classes + 1;
    return rt_run(inst->kernel[0], 1, &global, NULL, "mmmii", inst->in[0], inst->out[0], inst->out[1],
                  (int)inst->call.in[0].dim[0], classes);
}

static enum rote_status enqueue_fwd(struct op_inst *inst)
{
    const int64_t *w = inst->call.in[1].dim;
    size_t global[2] = {(size_t)w[2], (size_t)inst->call.in[0].dim[0]};
    return rt_run(inst->kernel[0], 2, global, NULL, "mmmmmii", inst->in[0], inst->in[1], inst->in[2], inst->in[3],
                  inst->out[0], (int)w[1], (int)w[2]);
}

static enum rote_status enqueue_bwd_data(struct op_inst *inst)
{
    const int64_t *w = inst->call.in[1].dim;
    size_t global[2] = {(size_t)w[1], (size_t)inst->call.in[0].dim[0]};
    return rt_run(inst->kernel[0], 2, global, NULL, "mmmmii", inst->in[0], inst->in[1], inst->in[2], inst->out[0],
                  (int)w[1], (int)w[2]);
}

static enum rote_status enqueue_bwd_filter(struct op_inst *inst)
{
    const int64_t *w = inst->call.out[0].dim;
    size_t global[2] = {(size_t)w[1] + 1, (size_t)w[0]};
    return rt_run(inst->kernel[0], 2, global, NULL, "mmmmmmii", inst->in[0], inst->in[1], inst->in[2], inst->in[3],
                  inst->out[0], inst->out[1], (int)w[1], (int)w[2]);
}

/* Classes below 3 (cases have at least 3); a grouping that is one. */
static void fill(const struct call *c, int port, uint32_t (*r)(void *), void *state, void *data)
{
    const char *name = c->sig->in[port].name;
    int32_t *v = data;
    int64_t n = c->in[port].dim[0];
    for (int64_t i = 0; i < n; i++) {
        if (name[0] == 'y')
            v[i] = (int32_t)(r(state) % 3);
        else if (name[0] == 'o')
            v[i] = (int32_t)(n - 1 - i);
        else if (name[0] == 's')
            v[i] = (int32_t)(i == n - 1 ? c->in[0].dim[0] : i == 0 ? 0 : c->in[0].dim[0] / 3);
    }
}

static enum rote_status check_fwd(const struct call *c, const void *const *in)
{
    return op_check_below(c, 3, in[3], c->in[1].dim[0]);
}

static enum rote_status check_data(const struct call *c, const void *const *in)
{
    return op_check_below(c, 2, in[2], c->in[1].dim[0]);
}

static enum rote_status check_filter(const struct call *c, const void *const *in)
{
    enum rote_status st = op_check_below(c, 2, in[2], c->in[0].dim[0]);
    return st ? st : op_check_below(c, 3, in[3], c->in[0].dim[0] + 1);
}

static double length_features(const struct call *c)
{
    return (double)c->in[1].dim[1];
}

static double length_columns(const struct call *c)
{
    return (double)c->in[0].dim[1];
}

static double length_rows(const struct call *c)
{
    return (double)c->in[0].dim[0];
}

static const struct op_variant plain_rows = {.name = "plain", .prepare = prepare_rows, .enqueue = enqueue_rows};
static const struct op_variant plain_fwd = {.name = "plain", .prepare = prepare_fwd, .enqueue = enqueue_fwd};
static const struct op_variant plain_data =
    {.name = "plain", .prepare = prepare_bwd_data, .enqueue = enqueue_bwd_data};
static const struct op_variant plain_filter =
    {.name = "plain", .prepare = prepare_bwd_filter, .enqueue = enqueue_bwd_filter};

const struct op_def op_segment_rows = {
    .sig = {"segment_rows", rows_in, rows_out, 1, 2, rows_attrs, 1},
    .text = "order: samples sorted by class, in their order; start[g]: samples of classes below g",
    .infer = infer_rows,
    .ref = ref_segment_rows,
    .variants = (const struct op_variant *const[]){&plain_rows, NULL},
    .fill = fill,
    .cases = (const char *const[]){"y=1 classes=3", "y=2 classes=3", "y=33 classes=5", "y=65 classes=31", NULL},
};

const struct op_def op_segment_fwd = {
    .sig = {"segment_fwd", fwd_in, fwd_out, 4, 1, NULL, 0},
    .text = "z[n,t] = b[y[n],t] + sum over d of x[n,d] * w[y[n],d,t]",
    .infer = infer_fwd,
    .check = check_fwd,
    .ref = ref_segment_fwd,
    .variants = (const struct op_variant *const[]){&plain_fwd, NULL},
    .grads = (const char *const[]){"segment_bwd_data", NULL},
    .fill = fill,
    .length = length_features,
    .tolerance = 4,
    .cases = (const char *const[]){"x=1x1 w=3x1x2 b=3x2 y=1", "x=33x65 w=3x65x31 b=3x31 y=33",
                                   "x=7x64 w=10x64x10 b=10x10 y=7", "x=13x17 w=5x17x63 b=5x63 y=13", NULL},
};

const struct op_def op_segment_bwd_data = {
    .sig = {"segment_bwd_data", data_in, data_out, 3, 1, NULL, 0},
    .text = "dx[n,d] = sum over t of dz[n,t] * w[y[n],d,t]",
    .infer = infer_data,
    .check = check_data,
    .ref = ref_segment_bwd_data,
    .variants = (const struct op_variant *const[]){&plain_data, NULL},
    .fill = fill,
    .length = length_columns,
    .tolerance = 4,
    .cases = (const char *const[]){"dz=1x2 w=3x1x2 y=1", "dz=33x31 w=3x65x31 y=33", "dz=7x10 w=10x64x10 y=7",
                                   "dz=13x63 w=5x17x63 y=13", NULL},
};

const struct op_def op_segment_bwd_filter = {
    .sig = {"segment_bwd_filter", filter_in, filter_out, 4, 2, NULL, 0},
    .text = "dw[g,d,t] = sum over n of class g of x[n,d] * dz[n,t]; db[g,t] likewise",
    .infer = infer_filter,
    .check = check_filter,
    .ref = ref_segment_bwd_filter,
    .variants = (const struct op_variant *const[]){&plain_filter, NULL},
    .fill = fill,
    .length = length_rows,
    .tolerance = 4,
    .cases = (const char *const[]){"x=1x1 dz=1x2 order=1 start=4", "x=33x65 dz=33x31 order=33 start=4",
                                   "x=7x64 dz=7x10 order=7 start=11", "x=13x17 dz=13x63 order=13 start=3", NULL},
};
