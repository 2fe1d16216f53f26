/* Max, average and global average pooling. */
#include "op/op.h"
#include "ref/ref.h"

#define BIG 1e6

static const struct call_attr attrs[] = {
    {"window_h", ATTR_INT, 2, 1, BIG, false, NULL, "rows of the window"},
    {"window_w", ATTR_INT, 2, 1, BIG, false, NULL, "columns of the window"},
    {"stride_h", ATTR_INT, 2, 1, BIG, false, NULL, "rows from window to window"},
    {"stride_w", ATTR_INT, 2, 1, BIG, false, NULL, "columns from window to window"},
    {"pad_h", ATTR_INT, 0, 0, BIG, false, NULL, "rows of padding, at most half a window"},
    {"pad_w", ATTR_INT, 0, 0, BIG, false, NULL, "columns of padding, at most half a window"},
};

static const struct call_port x_in[] = {{"x", "HWNC", CALL_F32, 0, "input"}};
static const struct call_port max_out[] = {
    {"y", "PQNC", CALL_F32, 0, "greatest of each window"},
    {"index", "PQNC", CALL_I32, 0, "its place in the image, h*W + w"},
};
static const struct call_port max_bwd_in[] = {
    {"dy", "PQNC", CALL_F32, 0, "gradient of y"},
    {"index", "PQNC", CALL_I32, 0, "the forward index"},
    {"x", "HWNC", CALL_F32, PORT_SHAPE_ONLY, "shape of the input"},
};
static const struct call_port y_out[] = {{"y", "PQNC", CALL_F32, 0, "output"}};
static const struct call_port bwd_in[] = {
    {"dy", "PQNC", CALL_F32, 0, "gradient of y"},
    {"x", "HWNC", CALL_F32, PORT_SHAPE_ONLY, "shape of the input"},
};
static const struct call_port dx_out[] = {{"dx", "HWNC", CALL_F32, 0, "gradient of x"}};

static enum rote_status pooled(const struct call *c, const int64_t *x, int64_t y[4])
{
    const char *const window[] = {"window_h", "window_w"}, *const stride[] = {"stride_h", "stride_w"};
    const char *const pad[] = {"pad_h", "pad_w"};
    for (int i = 0; i < 2; i++) {
        int64_t w = call_int(c, window[i]), p = call_int(c, pad[i]);
        if (2 * p > w)
            return op_shape_error(c, "%s is %lld, more than half of the window's %lld", pad[i], (long long)p, (long long)w);
        if (x[i] + 2 * p < w)
            return op_shape_error(c, "a window of %lld is larger than the padded image's %lld", (long long)w,
                                  (long long)(x[i] + 2 * p));
        y[i] = (x[i] + 2 * p - w) / call_int(c, stride[i]) + 1;
    }
    if (x[0] * x[1] > INT32_MAX || x[2] > INT32_MAX || x[3] > INT32_MAX)
        return op_shape_error(c, "an image of more than 2^31 - 1 pixels, samples or channels");
    y[2] = x[2];
    y[3] = x[3];
    return ROTE_OK;
}

static enum rote_status infer_fwd(struct call *c)
{
    int64_t y[4];
    enum rote_status st = pooled(c, c->in[0].dim, y);
    for (int i = 0; !st && i < c->sig->n_out; i++)
        op_set_out(c, i, 4, y);
    return st;
}

static enum rote_status infer_bwd(struct call *c)
{
    int64_t y[4];
    int x = call_in(c, "x");
    enum rote_status st = pooled(c, c->in[x].dim, y);
    for (int port = 0; !st && port < x; port++)
        for (int i = 0; !st && i < 4; i++)
            if (c->in[port].dim[i] != y[i])
                st = op_shape_error(c, "%s has %lld in dimension %d, y has %lld", c->sig->in[port].name,
                                    (long long)c->in[port].dim[i], i, (long long)y[i]);
    if (!st)
        op_set_out(c, 0, 4, c->in[x].dim);
    return st;
}

static enum rote_status infer_global_fwd(struct call *c)
{
    op_set_out(c, 0, 4, (int64_t[]){1, 1, c->in[0].dim[2], c->in[0].dim[3]});
    return ROTE_OK;
}

static enum rote_status infer_global_bwd(struct call *c)
{
    const int64_t *dy = c->in[0].dim, *x = c->in[1].dim;
    if (dy[0] != 1 || dy[1] != 1 || dy[2] != x[2] || dy[3] != x[3])
        return op_shape_error(c, "dy must be 1x1x%lldx%lld", (long long)x[2], (long long)x[3]);
    op_set_out(c, 0, 4, x);
    return ROTE_OK;
}

#define SPAN 256 /* floats a work-item takes of a pixel, at most */

struct window {
    int span, NC, H, W, P, Q, window_h, window_w, stride_h, stride_w, pad_h, pad_w;
};

static struct window window_of(const struct call *c, const int64_t *x, const int64_t *y)
{
    return (struct window){SPAN, (int)(x[2] * x[3]), (int)x[0], (int)x[1], (int)y[0], (int)y[1],
                           (int)call_int(c, "window_h"), (int)call_int(c, "window_w"), (int)call_int(c, "stride_h"),
                           (int)call_int(c, "stride_w"), (int)call_int(c, "pad_h"), (int)call_int(c, "pad_w")};
}

#define WINDOW_ARGS(w)                                                                                            \
    (w).span, (w).NC, (w).H, (w).W, (w).P, (w).Q, (w).window_h, (w).window_w, (w).stride_h, (w).stride_w,        \
        (w).pad_h, (w).pad_w

static int streams(const struct op_inst *inst)
{
    const struct call_shape *out = &inst->call.out[0];
    int64_t run = out->dim[2] * out->dim[3];
    return op_streams(inst, 4 * call_elements(out), run, op_vec(inst, run));
}

static void grid(const int64_t *shape, size_t global[2])
{
    global[0] = (size_t)(shape[2] * shape[3] + SPAN - 1) / SPAN;
    global[1] = (size_t)(shape[0] * shape[1]);
}

static enum rote_status prepare(struct op_inst *inst)
{
    const struct call_shape *x = &inst->call.in[inst->call.sig->n_in - 1];
    char name[64], options[32];
    if (x->dim[2] * x->dim[3] > INT32_MAX)
        return base_error(ROTE_EUNSUPPORTED, "%s: more than 2^31 - 1 values in a pixel", inst->def->sig.name);
    snprintf(name, sizeof name, "%s__plain", inst->def->sig.name);
    snprintf(options, sizeof options, "-DVEC=%d%s", op_vec(inst, x->dim[2] * x->dim[3]), op_cache_option(inst));
    return rt_kernel_new(inst->dev, "pool", name, options, &inst->kernel[0]);
}

static enum rote_status run_max_fwd(struct op_inst *inst)
{
    const struct call *c = &inst->call;
    struct window w = window_of(c, c->in[0].dim, c->out[0].dim);
    size_t global[2];
    grid(c->out[0].dim, global);
    return rt_run(inst->kernel[0], 2, global, NULL, "mmmiiiiiiiiiiiii", inst->in[0], inst->out[0], inst->out[1],
                  WINDOW_ARGS(w), streams(inst));
}

static enum rote_status run_max_bwd(struct op_inst *inst)
{
    const struct call *c = &inst->call;
    struct window w = window_of(c, c->in[2].dim, c->in[0].dim);
    size_t global[2];
    grid(c->out[0].dim, global);
    return rt_run(inst->kernel[0], 2, global, NULL, "mmmiiiiiiiiiiiii", inst->in[0], inst->in[1], inst->out[0],
                  WINDOW_ARGS(w), streams(inst));
}

static enum rote_status run_avg_fwd(struct op_inst *inst)
{
    const struct call *c = &inst->call;
    struct window w = window_of(c, c->in[0].dim, c->out[0].dim);
    size_t global[2];
    grid(c->out[0].dim, global);
    return rt_run(inst->kernel[0], 2, global, NULL, "mmiiiiiiiiiiiii", inst->in[0], inst->out[0], WINDOW_ARGS(w),
                  streams(inst));
}

static enum rote_status run_avg_bwd(struct op_inst *inst)
{
    const struct call *c = &inst->call;
    struct window w = window_of(c, c->in[1].dim, c->in[0].dim);
    size_t global[2];
    grid(c->out[0].dim, global);
    return rt_run(inst->kernel[0], 2, global, NULL, "mmiiiiiiiiiiiii", inst->in[0], inst->out[0], WINDOW_ARGS(w),
                  streams(inst));
}

/* How the mean over all pixels is shared among work-items: each adds up `sums` vectors, a page
 * of memory on CPUs, over one of `parts` shares of the pixels. */
struct global_split {
    int vec, sums, spans, parts;
};

static struct global_split split_of(const struct op_inst *inst)
{
    const int64_t *x = inst->call.in[0].dim;
    bool cpu = rt_facts_of(inst->dev)->long_items;
    int64_t run = x[2] * x[3], pixels = x[0] * x[1], items = cpu ? 16 : 4096;
    struct global_split s = {.vec = op_vec(inst, run), .sums = cpu ? 1024 / op_vec(inst, run) : 1};
    int64_t wide = (int64_t)s.vec * s.sums, spans = (run + wide - 1) / wide, parts = (items + spans - 1) / spans;
    int64_t most = pixels / 8 > 1 ? pixels / 8 : 1;
    s.spans = (int)spans;
    s.parts = (int)(parts < most ? parts : most);
    return s;
}

static enum rote_status prepare_global_fwd(struct op_inst *inst)
{
    enum rote_status st = ROTE_OK;
    const int64_t *x = inst->call.in[0].dim;
    char options[48];
    struct global_split s = split_of(inst);
    if (x[2] * x[3] > INT32_MAX)
        return base_error(ROTE_EUNSUPPORTED, "globalpool_fwd: more than 2^31 - 1 values in a pixel");
    snprintf(options, sizeof options, "-DVEC=%d -DSUMS=%d%s", s.vec, s.sums, op_cache_option(inst));
    TRY(rt_kernel_new(inst->dev, "pool", "globalpool_fwd__plain", options, &inst->kernel[0]));
    TRY(rt_kernel_new(inst->dev, "pool", "globalpool_merge", options, &inst->kernel[1]));
    inst->workspace_bytes = s.parts > 1 ? 4 * (uint64_t)s.parts * (uint64_t)(x[2] * x[3]) : 0;
out:
    return st;
}

static enum rote_status run_global_fwd(struct op_inst *inst)
{
    enum rote_status st = ROTE_OK;
    static const size_t one[2] = {1, 1}; /* some keep a whole group's private arrays on the stack */
    const int64_t *x = inst->call.in[0].dim;
    struct global_split s = split_of(inst);
    int run = (int)(x[2] * x[3]), pixels = (int)(x[0] * x[1]);
    size_t global[2] = {(size_t)s.spans, (size_t)s.parts};
    const size_t *local = rt_facts_of(inst->dev)->long_items ? one : NULL;
    TRY(rt_run(inst->kernel[0], 2, global, local, "mmiiif", inst->in[0], s.parts > 1 ? inst->workspace : inst->out[0],
               run, pixels, s.parts, s.parts > 1 ? 1.0 : (double)pixels));
    if (s.parts == 1)
        goto out;
    grid(inst->call.out[0].dim, global);
    TRY(rt_run(inst->kernel[1], 2, global, NULL, "mmiiii", inst->workspace, inst->out[0], SPAN, run, pixels, s.parts));
out:
    return st;
}

static enum rote_status run_global_bwd(struct op_inst *inst)
{
    const struct call *c = &inst->call;
    const int64_t *x = c->in[1].dim;
    size_t global[2];
    grid(c->out[0].dim, global);
    return rt_run(inst->kernel[0], 2, global, NULL, "mmiii", inst->in[0], inst->out[0], SPAN, (int)(x[2] * x[3]),
                  (int)(x[0] * x[1]));
}

static const struct op_variant max_fwd = {.name = "plain", .prepare = prepare, .enqueue = run_max_fwd};
static const struct op_variant max_bwd = {.name = "plain", .prepare = prepare, .enqueue = run_max_bwd};
static const struct op_variant avg_fwd = {.name = "plain", .prepare = prepare, .enqueue = run_avg_fwd};
static const struct op_variant avg_bwd = {.name = "plain", .prepare = prepare, .enqueue = run_avg_bwd};
static const struct op_variant global_fwd = {
    .name = "plain", .prepare = prepare_global_fwd, .enqueue = run_global_fwd};
static const struct op_variant global_bwd = {.name = "plain", .prepare = prepare, .enqueue = run_global_bwd};

static double window_length(const struct call *c)
{
    return (double)(call_int(c, "window_h") * call_int(c, "window_w"));
}

static double image_length(const struct call *c)
{
    const int64_t *x = c->in[c->sig->n_in - 1].dim;
    return (double)(x[0] * x[1]);
}

/* A forward index is one of the window's places. */
static void fill_index(const struct call *c, int port, uint32_t (*r)(void *), void *state, void *data)
{
    if (port != 1)
        return;
    struct window w = window_of(c, c->in[2].dim, c->in[1].dim);
    int32_t *index = data;
    for (int64_t e = 0; e < call_elements(&c->in[1]); e++) {
        int64_t pixel = e / w.NC, p = pixel / w.Q, q = pixel % w.Q, h, v;
        do {
            h = p * w.stride_h - w.pad_h + r(state) % (uint32_t)w.window_h;
            v = q * w.stride_w - w.pad_w + r(state) % (uint32_t)w.window_w;
        } while (h < 0 || h >= w.H || v < 0 || v >= w.W);
        index[e] = (int32_t)(h * w.W + v);
    }
}

#define CASES(X)                                                                                  \
    X("2x2x1x1", "1x1x1x1", "")                                                                   \
    X("6x7x3x5", "3x3x3x5", "")                                                                   \
    X("7x7x2x31", "3x3x2x31", "window_h=3 window_w=3")                                            \
    X("8x5x1x33", "4x3x1x33", "window_h=3 window_w=3 pad_h=1 pad_w=1")                            \
    X("5x9x4x4", "4x8x4x4", "stride_h=1 stride_w=1")                                              \
    X("1x64x7x3", "1x32x7x3", "window_h=1 stride_h=1")                                            \
    X("9x9x2x65", "3x3x2x65", "window_h=2 window_w=3 stride_h=3 stride_w=3 pad_h=0 pad_w=1")      \
    X("11x13x5x17", "6x6x5x17", "window_h=3 window_w=3 pad_h=1 pad_w=0")                          \
    X("5x7x2x4", "2x3x2x4", "") X("4x5x1x4", "2x2x1x4", "")

#define FWD_CASE(x, y, a) "x=" x " " a,
#define MAX_BWD_CASE(x, y, a) "dy=" y " index=" y " x=" x " " a,
#define BWD_CASE(x, y, a) "dy=" y " x=" x " " a,
#define ATTRS attrs, (int)COUNT_OF(attrs)

const struct op_def op_maxpool_fwd = {
    .sig = {"maxpool_fwd", x_in, max_out, 1, 2, ATTRS},
    .text = "y = max of x over the window",
    .infer = infer_fwd,
    .ref = ref_maxpool_fwd,
    .variants = (const struct op_variant *const[]){&max_fwd, NULL},
    .grads = (const char *const[]){"maxpool_bwd", NULL},
    .cases = (const char *const[]){CASES(FWD_CASE) NULL},
};

const struct op_def op_maxpool_bwd = {
    .sig = {"maxpool_bwd", max_bwd_in, dx_out, 3, 1, ATTRS},
    .text = "dx: dy at the windows' greatest elements",
    .infer = infer_bwd,
    .ref = ref_maxpool_bwd,
    .variants = (const struct op_variant *const[]){&max_bwd, NULL},
    .fill = fill_index,
    .length = window_length,
    .tolerance = 2,
    .cases = (const char *const[]){CASES(MAX_BWD_CASE) NULL},
};

const struct op_def op_avgpool_fwd = {
    .sig = {"avgpool_fwd", x_in, y_out, 1, 1, ATTRS},
    .text = "y = sum of x over the window / (window_h * window_w)",
    .infer = infer_fwd,
    .ref = ref_avgpool_fwd,
    .variants = (const struct op_variant *const[]){&avg_fwd, NULL},
    .grads = (const char *const[]){"avgpool_bwd", NULL},
    .length = window_length,
    .tolerance = 4,
    .cases = (const char *const[]){CASES(FWD_CASE) NULL},
};

const struct op_def op_avgpool_bwd = {
    .sig = {"avgpool_bwd", bwd_in, dx_out, 2, 1, ATTRS},
    .text = "dx: the gradient of avgpool_fwd's x",
    .infer = infer_bwd,
    .ref = ref_avgpool_bwd,
    .variants = (const struct op_variant *const[]){&avg_bwd, NULL},
    .length = window_length,
    .tolerance = 4,
    .cases = (const char *const[]){CASES(BWD_CASE) NULL},
};

const struct op_def op_globalpool_fwd = {
    .sig = {"globalpool_fwd", x_in, y_out, 1, 1, NULL, 0},
    .text = "y[n,c] = mean over h,w of x[h,w,n,c]",
    .infer = infer_global_fwd,
    .ref = ref_globalpool_fwd,
    .variants = (const struct op_variant *const[]){&global_fwd, NULL},
    .grads = (const char *const[]){"globalpool_bwd", NULL},
    .length = image_length,
    .tolerance = 4,
    .cases = (const char *const[]){"x=1x1x1x1", "x=4x4x3x5", "x=7x7x2x31", "x=8x8x1x65", "x=1x63x5x2",
                                   "x=7x9x16x64", "x=3x5x33x65", "x=13x17x3x1", "x=3x5x2x4", "x=5x3x1x4", NULL},
};

const struct op_def op_globalpool_bwd = {
    .sig = {"globalpool_bwd", bwd_in, dx_out, 2, 1, NULL, 0},
    .text = "dx = dy / (H * W)",
    .infer = infer_global_bwd,
    .ref = ref_globalpool_bwd,
    .variants = (const struct op_variant *const[]){&global_bwd, NULL},
    .tolerance = 2,
    .cases = (const char *const[]){"dy=1x1x1x1 x=1x1x1x1", "dy=1x1x3x5 x=4x4x3x5", "dy=1x1x2x31 x=7x7x2x31",
                                   "dy=1x1x1x65 x=8x8x1x65", "dy=1x1x5x2 x=1x63x5x2",
                                   "dy=1x1x2x4 x=3x5x2x4", "dy=1x1x1x4 x=5x3x1x4", NULL},
};
