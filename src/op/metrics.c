/* Sums of the heads' figures over a batch, kept on the device until they are read. */
#include "op/op.h"
#include "ref/ref.h"

static const struct call_port in_ports[] = {
    {"stats", "NM8", CALL_F32, 0, "figures of head_loss; the last is the weight"},
    {"acc", "M8", CALL_F32, 0, "sums so far"},
};
static const struct call_port out_ports[] = {{"acc", "M8", CALL_F32, 0, "updated in place"}};

static enum rote_status infer(struct call *c)
{
    const int64_t *s = c->in[0].dim;
    if (s[2] != 8 || c->in[1].dim[0] != s[1] || c->in[1].dim[1] != 8)
        return op_shape_error(c, "stats is NxMx8 and acc Mx8");
    if (s[0] > INT32_MAX || s[1] > INT32_MAX / 8)
        return op_shape_error(c, "a dimension is above 2^28");
    op_set_out(c, 0, 2, c->in[1].dim);
    return ROTE_OK;
}

static enum rote_status prepare(struct op_inst *inst)
{
    return rt_kernel_new(inst->dev, "metrics", "metrics__plain", NULL, &inst->kernel[0]);
}

static enum rote_status enqueue(struct op_inst *inst)
{
    const int64_t *s = inst->call.in[0].dim;
    size_t global = (size_t)(s[1] * 8);
    return rt_run(inst->kernel[0], 1, &global, NULL, "mmii", inst->in[0], inst->out[0], (int)s[0], (int)s[1]);
}

static void fill(const struct call *c, int port, uint32_t (*r)(void *), void *state, void *data)
{
    for (int64_t i = 7; port == 0 && i < call_elements(&c->in[0]); i += 8)
        ((float *)data)[i] = r(state) % 4 ? 1.0f : 0.0f;
}

static double length(const struct call *c)
{
    return (double)c->in[0].dim[0];
}

static const struct op_variant plain = {.name = "plain", .prepare = prepare, .enqueue = enqueue};

const struct op_def op_metrics = {
    .sig = {"metrics", in_ports, out_ports, 2, 1, NULL, 0},
    .text = "acc[m,s] += sum over n of weight[n] * stats[n,m,s]",
    .infer = infer,
    .ref = ref_metrics,
    .variants = (const struct op_variant *const[]){&plain, NULL},
    .fill = fill,
    .length = length,
    .tolerance = 4,
    .cases = (const char *const[]){"stats=1x1x8 acc=1x8", "stats=33x3x8 acc=3x8", "stats=64x65x8 acc=65x8", NULL},
};
