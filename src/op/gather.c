/* Batches from a data set that stays on the device, augmented as they are made. */
#include "op/op.h"
#include "ref/ref.h"

#define PORTS(type)                                                                              \
    {                                                                                            \
        {"images", "IHWC", type, 0, "the data set"}, {"labels", "I", CALL_I32, 0, "its classes"}, \
        {"order", "J", CALL_I32, 0, "indices into images"},                                      \
        {"norm", "2C", CALL_F32, 0, "mean, then 1 / deviation, of each channel"},                \
    }
static const struct call_port bytes_in[] = PORTS(CALL_U8);
static const struct call_port floats_in[] = PORTS(CALL_F32);
static const struct call_port out[] = {
    {"x", "HWNC", CALL_F32, 0, "the batch"},
    {"y", "N", CALL_I32, 0, "classes"},
    {"id", "N", CALL_I32, 0, "indices into images"},
    {"weight", "N", CALL_F32, 0, "1, or 0 for filling up after the last sample"},
};
static const struct call_attr attrs[] = {
    {"batch", ATTR_INT, 1, 1, INT32_MAX, false, NULL, "samples a batch"},
    {"offset", ATTR_INT, 0, 0, INT32_MAX, true, NULL, "first entry of order"},
    {"count", ATTR_INT, 1, 1, INT32_MAX, true, NULL, "entries of order that are used"},
    {"augment", ATTR_INT, 0, 0, 1, true, NULL, "0 leaves images as they are"},
    {"epoch", ATTR_INT, 0, 0, INT32_MAX, true, NULL, "of the draws"},
    {"seed", ATTR_INT, 0, -9007199254740992.0, 9007199254740992.0, true, NULL, "of the draws"},
    {"crop", ATTR_INT, 0, 0, 1024, false, NULL, "largest shift in pixels"},
    {"flip", ATTR_INT, 0, 0, 1, false, NULL, "mirror half of the images"},
    {"cutout", ATTR_INT, 0, 0, 1024, false, NULL, "side of the square hidden"},
    {"cutout_p", ATTR_FLOAT, 1, 0, 1, false, NULL, "share of images with a hidden square"},
};
#define FLOAT_ATTRS 3

static enum rote_status infer(struct call *c)
{
    const int64_t *d = c->in[0].dim;
    int64_t n = call_int(c, "batch");
    if (c->in[1].dim[0] != d[0] || c->in[3].dim[0] != 2 || c->in[3].dim[1] != d[3])
        return op_shape_error(c, "labels must have %lld values and norm 2x%lld", (long long)d[0], (long long)d[3]);
    for (int i = 0; i < 4; i++)
        if (d[i] > INT32_MAX || d[1] * d[2] > INT32_MAX)
            return op_shape_error(c, "a dimension is above 2^31 - 1");
    op_set_out(c, 0, 4, (int64_t[]){d[1], d[2], n, d[3]});
    for (int i = 1; i < 4; i++)
        op_set_out(c, i, 1, &n);
    return ROTE_OK;
}

#define SAMPLES 64

/* Samples a work-item. */
static int samples_of(const struct op_inst *inst)
{
    return rt_facts_of(inst->dev)->long_items && inst->call.out[0].dim[3] <= 4 ? SAMPLES : 1;
}

static size_t blocks(const struct op_inst *inst)
{
    int64_t samples = samples_of(inst);
    return (size_t)((inst->call.out[0].dim[2] + samples - 1) / samples);
}

/* Rows of the image a work-item: draws are made once for all of them, and the next row's place is asked for
 * ahead; all cores have some. */
static int rows_of(const struct op_inst *inst)
{
    const struct rt_facts *f = rt_facts_of(inst->dev);
    int64_t units = (int64_t)blocks(inst) * inst->call.out[0].dim[0] / (2 * (int64_t)f->compute_units);
    return !f->long_items ? 1 : units < 4 ? 4 : units > 16 ? 16 : (int)units;
}

/* One by one on CPUs: some keep a whole group's private arrays on the stack. */
static const size_t *group_of(const struct op_inst *inst)
{
    static const size_t one[2] = {1, 1};
    return rt_facts_of(inst->dev)->long_items ? one : NULL;
}

static enum rote_status prepare(struct op_inst *inst)
{
    char name[64], options[96];
    snprintf(name, sizeof name, "%s__plain", inst->def->sig.name);
    snprintf(options, sizeof options, "-DVEC=%d -DSAMPLES=%d -DCHANNELS=%lld%s", op_vec(inst, INT32_MAX),
             samples_of(inst), (long long)inst->call.out[0].dim[3],
             op_cache_option(inst));
    return rt_kernel_new(inst->dev, "gather", name, options, &inst->kernel[0]);
}

static enum rote_status enqueue_bytes(struct op_inst *inst)
{
    const struct call *c = &inst->call;
    const int64_t *d = c->out[0].dim;
    size_t rows = (size_t)rows_of(inst), global[2] = {blocks(inst), ((size_t)d[0] + rows - 1) / rows};
    uint64_t seed = (uint64_t)call_int(c, "seed");
    struct rt_mem **in = inst->in, **o = inst->out;
    return rt_run(inst->kernel[0], 2, global, group_of(inst), "mmmmmmmmiiiiiiiiuuiiiilf", in[0], in[1], in[2], in[3],
                  o[0], o[1], o[2], o[3], (int)d[0], (int)d[1], (int)d[2], (int)rows, (int)call_int(c, "offset"),
                  (int)call_int(c, "count"), (int)call_int(c, "augment"), (int)call_int(c, "epoch"), (uint32_t)seed,
                  (uint32_t)(seed >> 32), (int)call_int(c, "crop"), (int)call_int(c, "flip"),
                  (int)call_int(c, "cutout"),
                  d[3] > 1 && op_streams(inst, 4 * call_elements(&c->out[0]), d[2] * d[3], op_vec(inst, INT32_MAX)),
                  (uint64_t)call_elements(&c->in[0]),
                  call_float(c, "cutout_p"));
}

static enum rote_status enqueue_floats(struct op_inst *inst)
{
    const struct call *c = &inst->call;
    const int64_t *d = c->out[0].dim;
    size_t global[2] = {blocks(inst), (size_t)(d[0] * d[1])};
    struct rt_mem **in = inst->in, **o = inst->out;
    return rt_run(inst->kernel[0], 2, global, group_of(inst), "mmmmmmmmiiii", in[0], in[1], in[2], in[3], o[0], o[1],
                  o[2], o[3], (int)(d[0] * d[1]), (int)d[2], (int)call_int(c, "offset"),
                  (int)call_int(c, "count"));
}

static void fill(const struct call *c, int port, uint32_t (*r)(void *), void *state, void *data)
{
    int64_t samples = c->in[0].dim[0];
    for (int64_t i = 0; (port == 1 || port == 2) && i < call_elements(&c->in[port]); i++)
        ((int32_t *)data)[i] = (int32_t)(r(state) % (port == 1 ? 10 : (uint32_t)samples));
}

static enum rote_status check(const struct call *c, const void *const *in)
{
    if (call_int(c, "count") > c->in[2].dim[0])
        return op_shape_error(c, "count is %lld, but order has %lld entries", (long long)call_int(c, "count"),
                              (long long)c->in[2].dim[0]);
    return op_check_below(c, 2, in[2], c->in[0].dim[0]);
}

static double flops(const struct call *c)
{
    return 2.0 * (double)call_elements(&c->out[0]);
}

/* Of the data set only a batch is read. */
static double traffic(const struct call *c)
{
    double read = (double)(call_elements(&c->out[0]) * call_dtype_size(c->in[0].dtype));
    return read + (double)op_bytes(&c->out[0]) + 20.0 * (double)c->out[1].dim[0] + (double)op_bytes(&c->in[3]);
}

static const struct op_variant bytes = {.name = "plain", .prepare = prepare, .enqueue = enqueue_bytes};
static const struct op_variant floats = {.name = "plain", .prepare = prepare, .enqueue = enqueue_floats};

#define SHAPES(i, h, c, j) "images=" i "x" h "x" c " labels=" i " order=" j " norm=2x" c

const struct op_def op_gather = {
    .sig = {"gather", bytes_in, out, 4, 4, attrs, (int)COUNT_OF(attrs)},
    .text = "x[h,w,n,c] = (images[order[offset+n],h,w,c] / 255 - mean[c]) / std[c], augmented",
    .infer = infer,
    .check = check,
    .ref = ref_gather,
    .flops = flops,
    .bytes = traffic,
    .variants = (const struct op_variant *const[]){&bytes, NULL},
    .fill = fill,
    .tolerance = 8,
    .cases = (const char *const[]){SHAPES("1", "1x1", "1", "1"), SHAPES("7", "5x3", "3", "9") " batch=4 offset=6 count=9",
                                   SHAPES("31", "28x28", "1", "40") " batch=33 count=40 offset=2 augment=1 crop=4 "
                                                                    "flip=1 cutout=9 epoch=3 seed=99",
                                   SHAPES("33", "32x31", "3", "33") " batch=17 count=33 augment=1 crop=3 seed=-7",
                                   SHAPES("9", "6x40", "3", "50") " batch=50 count=49 augment=1 crop=5 flip=1 cutout=7 "
                                                                  "seed=4",
                                   SHAPES("4", "6x7", "5", "9") " batch=9 count=9 augment=1 crop=2 flip=1 cutout=3",
                                   SHAPES("5", "3x70", "4", "18") " batch=18 count=18 augment=1 crop=80 flip=1",
                                   SHAPES("13", "1x63", "2", "13") " batch=13 count=13 augment=1 flip=1 cutout=8 "
                                                                   "cutout_p=0.5",
                                   SHAPES("9", "6x40", "3", "80") " batch=80 count=79 augment=1 flip=1 cutout=3",
                                   SHAPES("8", "4x41", "4", "70") " batch=70 count=70 augment=1 crop=2 flip=1",
                                   SHAPES("9", "6x40", "1", "80") " batch=80 count=79 augment=1 flip=1 cutout=3",
                                   NULL},
};

const struct op_def op_gather_float = {
    .sig = {"gather_float", floats_in, out, 4, 4, attrs, FLOAT_ATTRS},
    .text = "x[h,w,n,c] = (images[order[offset+n],h,w,c] - mean[c]) / std[c]",
    .infer = infer,
    .check = check,
    .ref = ref_gather_float,
    .flops = flops,
    .bytes = traffic,
    .variants = (const struct op_variant *const[]){&floats, NULL},
    .fill = fill,
    .tolerance = 8,
    .cases = (const char *const[]){SHAPES("1", "1x1", "1", "1"), SHAPES("7", "5x3", "3", "9") " batch=4 offset=6 count=9",
                                   SHAPES("65", "1x1", "31", "67") " batch=32 count=67 offset=35", NULL},
};
