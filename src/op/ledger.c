/* The ledger of samples; at most one head of `table` is a class head. */
#include "op/op.h"
#include "ref/ref.h"

static const struct call_port in_ports[] = {
    {"stats", "NM8", CALL_F32, 0, "figures of head_loss"},
    {"table", "M8", CALL_I32, 0, "the heads, as head_loss takes them"},
    {"id", "N", CALL_I32, 0, "indices of the samples, all different"},
    {"weight", "N", CALL_F32, 0, "0 for samples that do not count"},
    {"ledger", "IL", CALL_F32, 0, "sums of each sample, 11 columns"},
};
static const struct call_port out_ports[] = {{"ledger", "IL", CALL_F32, 0, "updated in place"}};
static const struct call_attr attrs[] = {
    {"epoch", ATTR_INT, 0, 0, INT32_MAX - 1, true, NULL, "of this visit"},
    {"random_heads", ATTR_INT, 1, 1, INT32_MAX, false, NULL, "random heads in all, here and elsewhere"},
};

static enum rote_status infer(struct call *c)
{
    const int64_t *s = c->in[0].dim;
    if (s[2] != 8 || c->in[1].dim[0] != s[1] || c->in[1].dim[1] != 8 || c->in[2].dim[0] != s[0] ||
        c->in[3].dim[0] != s[0] || c->in[4].dim[1] != 11)
        return op_shape_error(c, "stats is NxMx8, table Mx8, id N, weight N and ledger Ix11");
    if (s[0] > INT32_MAX || s[1] > INT32_MAX)
        return op_shape_error(c, "a dimension is above 2^31 - 1");
    op_set_out(c, 0, 2, c->in[4].dim);
    return ROTE_OK;
}

static enum rote_status prepare(struct op_inst *inst)
{
    return rt_kernel_new(inst->dev, "ledger", "ledger__plain", NULL, &inst->kernel[0]);
}

static enum rote_status enqueue(struct op_inst *inst)
{
    const struct call *c = &inst->call;
    size_t global = (size_t)c->in[0].dim[0];
    return rt_run(inst->kernel[0], 1, &global, NULL, "mmmmmiiii", inst->in[0], inst->in[1], inst->in[2], inst->in[3],
                  inst->out[0], (int)global, (int)c->in[1].dim[0], (int)call_int(c, "epoch"),
                  (int)call_int(c, "random_heads"));
}

/* Different samples; hits are 0 or 1; only head 0 is a class head. */
static void fill(const struct call *c, int port, uint32_t (*r)(void *), void *state, void *data)
{
    for (int64_t i = 0; i < call_elements(&c->in[port]); i++) {
        if (port == 0 && i % 8 == 1)
            ((float *)data)[i] = (float)(r(state) & 1);
        if (port == 1)
            ((int32_t *)data)[i] = i % 8 == 2 && i > 8;
        if (port == 2)
            ((int32_t *)data)[i] = (int32_t)(c->in[4].dim[0] - 1 - i);
        if (port == 3)
            ((float *)data)[i] = i % 5 == 4 ? 0.0f : 1.0f;
        if (port == 4 && (i % 11 == 4 || i % 11 == 5))
            ((float *)data)[i] = (float)(r(state) & 1);
    }
}

static enum rote_status check(const struct call *c, const void *const *in)
{
    return op_check_below(c, 2, in[2], c->in[4].dim[0]);
}

/* Of the ledger only the batch's rows are read and written. */
static double traffic(const struct call *c)
{
    double rows = 2.0 * 4.0 * (double)(c->in[0].dim[0] * c->in[4].dim[1]);
    for (int i = 0; i < 4; i++)
        rows += (double)op_bytes(&c->in[i]);
    return rows;
}

/* A sample's figures are summed over its heads. */
static double length(const struct call *c)
{
    return (double)c->in[0].dim[1];
}

static const struct op_variant plain = {.name = "plain", .prepare = prepare, .enqueue = enqueue};

const struct op_def op_ledger = {
    .sig = {"ledger", in_ports, out_ports, 5, 1, attrs, (int)COUNT_OF(attrs)},
    .text = "adds each sample's figures to its row",
    .infer = infer,
    .check = check,
    .ref = ref_ledger,
    .bytes = traffic,
    .variants = (const struct op_variant *const[]){&plain, NULL},
    .fill = fill,
    .length = length,
    .tolerance = 4,
    .cases = (const char *const[]){"stats=1x1x8 table=1x8 id=1 weight=1 ledger=1x11",
                                   "stats=33x3x8 table=3x8 id=33 weight=33 ledger=65x11 epoch=7 random_heads=2",
                                   "stats=64x1x8 table=1x8 id=64 weight=64 ledger=64x11 epoch=1", NULL},
};
