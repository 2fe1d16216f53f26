/* Labels that the user gave a head, of a batch's samples. */
#include "op/op.h"
#include "ref/ref.h"

static const struct call_port in_ports[] = {
    {"labels", "LI", CALL_I32, 0, "rows of labels, one of each sample; negative: it has none"},
    {"id", "N", CALL_I32, 0, "indices of the samples"},
    {"weight", "N", CALL_F32, 0, "1, or 0 for samples that do not count"},
};
static const struct call_port out_ports[] = {
    {"y", "N", CALL_I32, 0, "their labels, 0 where there is none"},
    {"counted", "N", CALL_F32, 0, "weight, 0 where there is no label"},
};
static const struct call_attr attrs[] = {
    {"row", ATTR_INT, 0, 0, INT32_MAX, false, NULL, "which row of labels"},
    {"split", ATTR_INT, 0, 0, 255, true, NULL, "0 training; else held-out samples, which have no labels"},
};

static enum rote_status infer(struct call *c)
{
    const int64_t *labels = c->in[0].dim, *id = c->in[1].dim;
    if (c->in[2].dim[0] != id[0])
        return op_shape_error(c, "weight has %lld values for %lld samples", (long long)c->in[2].dim[0],
                              (long long)id[0]);
    if (call_int(c, "row") >= labels[0])
        return op_shape_error(c, "row %lld of %lld", (long long)call_int(c, "row"), (long long)labels[0]);
    if (labels[1] > INT32_MAX || id[0] > INT32_MAX)
        return op_shape_error(c, "a dimension is above 2^31 - 1");
    op_set_out(c, 0, 1, id);
    op_set_out(c, 1, 1, id);
    return ROTE_OK;
}

static enum rote_status prepare(struct op_inst *inst)
{
    return rt_kernel_new(inst->dev, "gather", "gather_labels__plain", NULL, &inst->kernel[0]);
}

static enum rote_status enqueue(struct op_inst *inst)
{
    const struct call *c = &inst->call;
    size_t global = (size_t)c->in[1].dim[0];
    uint64_t first = (uint64_t)call_int(c, "row") * (uint64_t)c->in[0].dim[1];
    return rt_run(inst->kernel[0], 1, &global, NULL, "mmmmmili", inst->in[0], inst->in[1], inst->in[2], inst->out[0],
                  inst->out[1], (int)global, first, (int)call_int(c, "split"));
}

static void fill(const struct call *c, int port, uint32_t (*r)(void *), void *state, void *data)
{
    for (int64_t i = 0; port < 2 && i < call_elements(&c->in[port]); i++)
        ((int32_t *)data)[i] = port ? (int32_t)(r(state) % (uint32_t)c->in[0].dim[1]) : (int32_t)(r(state) % 12) - 3;
}

static enum rote_status check(const struct call *c, const void *const *in)
{
    return call_int(c, "split") ? ROTE_OK : op_check_below(c, 1, in[1], c->in[0].dim[1]);
}

static double traffic(const struct call *c)
{
    return 20.0 * (double)c->in[1].dim[0];
}

static const struct op_variant plain = {.name = "plain", .prepare = prepare, .enqueue = enqueue};

const struct op_def op_gather_labels = {
    .sig = {"gather_labels", in_ports, out_ports, 3, 2, attrs, (int)COUNT_OF(attrs)},
    .text = "y[n] = labels[row,id[n]], and a weight of 0 where there is none",
    .infer = infer,
    .check = check,
    .ref = ref_gather_labels,
    .bytes = traffic,
    .variants = (const struct op_variant *const[]){&plain, NULL},
    .fill = fill,
    .tolerance = 1,
    .cases = (const char *const[]){"labels=1x1 id=1 weight=1", "labels=3x33 id=17 weight=17 row=1",
                                   "labels=2x65 id=129 weight=129 row=1", "labels=2x31 id=31 weight=31 split=1", NULL},
};
