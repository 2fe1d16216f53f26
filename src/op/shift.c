/* A batch under a shift of distribution, for evaluation. */
#include "ref/shift.h"

#include <math.h>

#include "op/op.h"
#include "ref/ref.h"

static const struct call_port in[] = {
    {"x", "HWNC", CALL_F32, 0, "a normalised batch"},
    {"mean", "11NC", CALL_F32, 0, "of each image's channels"},
    {"id", "N", CALL_I32, 0, "what the draws depend on"},
    {"norm", "2C", CALL_F32, 0, "of gather: mean, then 1 / deviation, of each channel"},
};
static const struct call_port out[] = {{"y", "HWNC", CALL_F32, 0, "the batch, shifted"}};
static const struct call_attr attrs[] = {
    {"kind", ATTR_ENUM, 0, 0, SHIFT_KINDS - 1, true, SHIFT_NAMES, "of shift"},
    {"severity", ATTR_INT, 0, 0, SHIFT_SEVERITIES, true, NULL, "0: none"},
    {"bytes", ATTR_INT, 1, 0, 1, false, NULL, "1: images of bytes, clamped, black comes in; 0: floats"},
};

static enum rote_status infer(struct call *c)
{
    const int64_t *d = c->in[0].dim, *mean = c->in[1].dim;
    if (mean[2] != d[2] || mean[3] != d[3] || c->in[2].dim[0] != d[2] || c->in[3].dim[1] != d[3])
        return op_shape_error(c, "mean must be 1x1x%lldx%lld, id have %lld values and norm be 2x%lld", (long long)d[2],
                              (long long)d[3], (long long)d[2], (long long)d[3]);
    if (d[2] * d[3] > INT32_MAX - 64 || d[0] * d[1] > INT32_MAX || d[0] * d[1] * d[3] > UINT32_MAX ||
        d[1] * d[3] > INT32_MAX)
        return op_shape_error(c, "an image, or a pixel of the batch, has more than 2^31 values");
    op_set_out(c, 0, 4, d);
    return ROTE_OK;
}

static enum rote_status prepare(struct op_inst *inst)
{
    enum rote_status st = ROTE_OK;
    char options[16];
    const int64_t *d = inst->call.in[0].dim;
    op_vec_options(inst, d[2] * d[3], options);
    TRY(rt_kernel_new(inst->dev, "shift", "shift__plain", NULL, &inst->kernel[0]));
    TRY(rt_kernel_new(inst->dev, "shift", "shift__blur", options, &inst->kernel[1]));
    inst->workspace_bytes = op_bytes(&inst->call.in[0]);
out:
    return st;
}

/* Along W into the workspace, from there along H. */
static enum rote_status blur(struct op_inst *inst)
{
    enum rote_status st = ROTE_OK;
    const int64_t *d = inst->call.in[0].dim, severity = call_int(&inst->call, "severity");
    int64_t all = (d[2] * d[3] + op_vec(inst, d[2] * d[3]) - 1) / op_vec(inst, d[2] * d[3]);
    int64_t vectors = rt_facts_of(inst->dev)->long_items ? all : 1;
    size_t global[2] = {(size_t)((all + vectors - 1) / vectors), (size_t)(d[0] * d[1])};
    double wide = shift_half_width(severity, d[1]), high = shift_half_width(severity, d[0]);
    int NC = (int)(d[2] * d[3]);
    TRY(rt_run(inst->kernel[1], 2, global, NULL, "mmiiiiif", inst->in[0], inst->workspace, NC, (int)vectors, (int)d[1],
               1, (int)ceil(wide) - 1, wide));
    TRY(rt_run(inst->kernel[1], 2, global, NULL, "mmiiiiif", inst->workspace, inst->out[0], NC, (int)vectors,
               (int)d[0], (int)d[1], (int)ceil(high) - 1, high));
out:
    return st;
}

static enum rote_status enqueue(struct op_inst *inst)
{
    const struct call *c = &inst->call;
    const int64_t *d = c->in[0].dim, severity = call_int(c, "severity");
    const struct rt_facts *f = rt_facts_of(inst->dev);
    enum shift_kind kind = (enum shift_kind)call_int(c, "kind");
    if (severity && kind == SHIFT_BLUR)
        return blur(inst);
    bool places = severity && (kind == SHIFT_TRANSLATION || kind == SHIFT_OCCLUSION);
    int64_t samples = f->long_items ? 1 + d[0] * d[2] / (4 * (int64_t)f->compute_units) : 1;
    samples = samples < d[2] ? samples : d[2];
    size_t global[2] = {(size_t)((d[2] + samples - 1) / samples), (size_t)d[0]};
    return rt_run(inst->kernel[0], 2, global, NULL, "mmmmmiiiiiiuffii", inst->in[0], inst->in[1], inst->in[2],
                  inst->in[3], inst->out[0], (int)d[0], (int)d[1], (int)d[2], (int)d[3], (int)samples,
                  severity ? (int)kind : -1, (uint32_t)severity, severity ? shift_strength(kind, severity) : 0.0,
                  call_int(c, "bytes") ? 0.0 : (double)SHIFT_DEVIATIONS,
                  places ? (int)shift_pixels(kind, severity, d[0]) : 0,
                  places ? (int)shift_pixels(kind, severity, d[1]) : 0);
}

static void fill(const struct call *c, int port, uint32_t (*r)(void *), void *state, void *data)
{
    for (int64_t i = 0; port == 2 && i < c->in[2].dim[0]; i++)
        ((int32_t *)data)[i] = (int32_t)(r(state) >> 1);
    for (int64_t i = 0, C = c->in[3].dim[1]; port == 3 && i < 2 * C; i++)
        ((float *)data)[i] = (i < C ? 0.0f : 2.0f) + (float)(r(state) >> 8) / 16777216.0f;
}

/* A blur reads a triangle of pixels along each axis. */
static double length(const struct call *c)
{
    int64_t severity = call_int(c, "severity");
    if (!severity || call_int(c, "kind") != SHIFT_BLUR)
        return 1;
    return 4 * shift_half_width(severity, c->in[0].dim[0]) * shift_half_width(severity, c->in[0].dim[1]);
}

static const struct op_variant plain = {.name = "plain", .prepare = prepare, .enqueue = enqueue};

#define CASE(h, w, n, c, more) "x=" h "x" w "x" n "x" c " mean=1x1x" n "x" c " id=" n " norm=2x" c more

const struct op_def op_shift = {
    .sig = {"shift", in, out, 4, 1, attrs, (int)COUNT_OF(attrs)},
    .text = "y = x under noise, blur, less contrast, a translation or an occlusion",
    .infer = infer,
    .ref = ref_shift,
    .variants = (const struct op_variant *const[]){&plain, NULL},
    .fill = fill,
    .length = length,
    .tolerance = 8,
    .cases = (const char *const[]){
        CASE("1", "1", "1", "1", ""), CASE("5", "7", "2", "3", " kind=noise severity=3"),
        CASE("5", "7", "9", "3", " kind=noise severity=5 bytes=0"), CASE("9", "6", "3", "2", " kind=blur severity=4"),
        CASE("28", "28", "5", "1", " kind=blur severity=5"), CASE("1", "65", "3", "4", " kind=blur severity=2 bytes=0"),
        CASE("31", "9", "33", "1", " kind=blur severity=1"), CASE("7", "5", "4", "3", " kind=contrast severity=2"),
        CASE("28", "28", "5", "1", " kind=translation severity=3"),
        CASE("17", "31", "6", "3", " kind=translation severity=5 bytes=0"),
        CASE("28", "28", "5", "1", " kind=occlusion severity=1"),
        CASE("11", "8", "7", "3", " kind=occlusion severity=4"),
        CASE("1", "63", "5", "2", " kind=occlusion severity=5 bytes=0"), CASE("6", "5", "3", "2", " kind=translation"),
        CASE("5", "7", "8", "1", " kind=noise severity=3"), CASE("9", "6", "4", "2", " kind=blur severity=4"),
        CASE("7", "5", "2", "4", " kind=contrast severity=2"), CASE("6", "5", "8", "1", " kind=translation severity=2"),
        CASE("11", "8", "2", "4", " kind=occlusion severity=4"),
        NULL},
};
