/* Layers to operators: one function a type, found by name in a table. Initial weights
 * are uniform in ±1/√(values that one output sums), biases likewise. */
#include <math.h>
#include <string.h>

#include "model/model_internal.h"

struct layer_in {
    const struct spec_layer *layer;
    int in[2];
    int index;
    bool relu; /* with the relu that follows */
};

typedef enum rote_status (*layer_fn)(struct build *b, const struct layer_in *l, int *out);

static const int64_t *dims(const struct build *b, int tensor)
{
    return b->g->tensor[tensor].shape.dim; /* H W N C */
}

/* A parameter that is one value. */
static enum rote_status add_param(struct build *b, struct model_param *p, struct model_value *v, const char *layer,
                                  const char *what, int *tensor)
{
    enum rote_status st = ROTE_OK;
    bool fresh;
    snprintf(p->name, sizeof p->name, "%s.%s", layer, what);
    memcpy(v->name, p->name, sizeof v->name);
    TRY(build_param(b, p, tensor, &fresh));
    if (fresh)
        TRY(model_add_value(b->m, v));
out:
    return st;
}

static enum rote_status add_vector(struct build *b, const struct layer_in *l, const char *what, int64_t n,
                                   double bound, double initial, bool state, int *tensor)
{
    struct model_param p = {.shape = {CALL_F32, 1, {n}}, .layout = LAYOUT_PLAIN, .state = state};
    struct model_value v = {.rank = 1, .dim = {n}, .bound = bound, .initial = initial};
    return add_param(b, &p, &v, l->layer->name, what, tensor);
}

static enum rote_status add_filter(struct build *b, const struct layer_in *l, const int64_t *rsck, int rank,
                                   const int64_t *logical, double bound, int *tensor)
{
    struct model_param p = {.shape = {.dtype = CALL_F32, .rank = 4}, .layout = LAYOUT_FILTER};
    struct model_value v = {.rank = rank, .bound = bound};
    memcpy(p.shape.dim, rsck, sizeof p.shape.dim);
    memcpy(v.dim, logical, (size_t)rank * sizeof *logical);
    return add_param(b, &p, &v, l->layer->name, "weight", tensor);
}

static enum rote_status add_bias(struct build *b, const struct layer_in *l, int y, int64_t channels, double bound,
                                 int *out)
{
    enum rote_status st = ROTE_OK;
    char name[96];
    int tensor;
    TRY(add_vector(b, l, "bias", channels, bound, 0, false, &tensor));
    snprintf(name, sizeof name, "%s.bias_add", l->layer->name);
    TRY(graph_add(b->g, name, l->relu ? "bias_relu_fwd" : "bias_fwd", (int[]){y, tensor}, out, "%s", ""));
out:
    return st;
}

static enum rote_status conv2d(struct build *b, const struct layer_in *l, int *out)
{
    enum rote_status st = ROTE_OK;
    const struct spec_layer *s = l->layer;
    int64_t groups = spec_attr_int(s, "groups", 1), channels = dims(b, l->in[0])[3] / groups;
    int64_t filters = spec_attr_int(s, "filters", 1);
    int64_t r = spec_attr_int(s, "window_h", 1), w = spec_attr_int(s, "window_w", 1);
    double bound = 1 / sqrt((double)(r * w * channels));
    int tensor, y;
    TRY(add_filter(b, l, (int64_t[]){r, w, channels, filters}, 4, (int64_t[]){filters, channels, r, w}, bound,
                   &tensor));
    TRY(graph_add(b->g, s->name, "conv2d_fwd", (int[]){l->in[0], tensor}, &y,
                  "stride_h=%lld stride_w=%lld pad_h=%lld pad_w=%lld dilation_h=%lld dilation_w=%lld groups=%lld",
                  (long long)spec_attr_int(s, "stride_h", 1), (long long)spec_attr_int(s, "stride_w", 1),
                  (long long)spec_attr_int(s, "pad_h", 0), (long long)spec_attr_int(s, "pad_w", 0),
                  (long long)spec_attr_int(s, "dilation_h", 1), (long long)spec_attr_int(s, "dilation_w", 1),
                  (long long)groups));
    if (spec_attr_int(s, "bias", 1))
        TRY(add_bias(b, l, y, filters, bound, &y));
    *out = y;
out:
    return st;
}

static enum rote_status linear(struct build *b, const struct layer_in *l, int *out)
{
    enum rote_status st = ROTE_OK;
    const int64_t h = dims(b, l->in[0])[0], w = dims(b, l->in[0])[1], c = dims(b, l->in[0])[3];
    int64_t features = spec_attr_int(l->layer, "features", 1);
    double bound = 1 / sqrt((double)(h * w * c));
    int tensor, y;
    TRY(add_filter(b, l, (int64_t[]){h, w, c, features}, 2, (int64_t[]){features, h * w * c}, bound, &tensor));
    TRY(graph_add(b->g, l->layer->name, "linear_fwd", (int[]){l->in[0], tensor}, &y, "%s", ""));
    if (spec_attr_int(l->layer, "bias", 1))
        TRY(add_bias(b, l, y, features, bound, &y));
    *out = y;
out:
    return st;
}

static bool in_training(const struct build *b)
{
    return b->p->training && !b->m->settled;
}

/* in[1], unless -1, is added before the relu. */
static enum rote_status batchnorm(struct build *b, const struct layer_in *l, int *out)
{
    static const struct {
        const char *name;
        double value;
        bool state;
    } part[] = {{"weight", 1, false}, {"bias", 0, false}, {"running_mean", 0, true}, {"running_var", 1, true}};
    enum rote_status st = ROTE_OK;
    int64_t channels = dims(b, l->in[0])[3];
    int in[6] = {l->in[0], -1, -1, -1, -1, l->in[1]};
    char op[40];
    for (int i = 0; i < 4; i++)
        TRY(add_vector(b, l, part[i].name, channels, 0, part[i].value, part[i].state, &in[i + 1]));
    snprintf(op, sizeof op, "batchnorm%s_%s", !l->relu ? "" : l->in[1] >= 0 ? "_add_relu" : "_relu",
             in_training(b) ? "fwd" : "eval");
    TRY(graph_add(b->g, l->layer->name, op, in, out, "eps=%.17g momentum=%.17g",
                  spec_attr_float(l->layer, "eps", 1e-5), spec_attr_float(l->layer, "momentum", 0.1)));
out:
    return st;
}

static enum rote_status plain(struct build *b, const struct layer_in *l, int *out)
{
    char op[40];
    snprintf(op, sizeof op, "%s_fwd", l->layer->type);
    return graph_add(b->g, l->layer->name, op, l->in, out, "%s", "");
}

static enum rote_status pool(struct build *b, const struct layer_in *l, int *out)
{
    char op[40];
    const struct spec_layer *s = l->layer;
    int64_t h = spec_attr_int(s, "window_h", 1), w = spec_attr_int(s, "window_w", 1);
    snprintf(op, sizeof op, "%s_fwd", s->type);
    return graph_add(b->g, s->name, op, l->in, out,
                     "window_h=%lld window_w=%lld stride_h=%lld stride_w=%lld pad_h=%lld pad_w=%lld", (long long)h,
                     (long long)w, (long long)spec_attr_int(s, "stride_h", h),
                     (long long)spec_attr_int(s, "stride_w", w), (long long)spec_attr_int(s, "pad_h", 0),
                     (long long)spec_attr_int(s, "pad_w", 0));
}

static enum rote_status dropout(struct build *b, const struct layer_in *l, int *out)
{
    double p = spec_attr_float(l->layer, "p", 0.5);
    if (!in_training(b) || p == 0) {
        *out = l->in[0];
        return ROTE_OK;
    }
    return graph_add(b->g, l->layer->name, "dropout_fwd", l->in, out, "p=%.17g stream=%d", p, l->index);
}

static const struct {
    const char *type;
    layer_fn fn;
} types[] = {
    {"conv2d", conv2d}, {"linear", linear}, {"batchnorm", batchnorm}, {"relu", plain},       {"gelu", plain},
    {"add", plain},     {"maxpool", pool},  {"avgpool", pool},        {"globalpool", plain}, {"dropout", dropout},
};

static int output_of(const struct build *b, int layer, int x)
{
    return layer < 0 ? x : b->layer_out[layer];
}

/* One layer by itself, or the one that it is the end of. */
static enum rote_status build_layer(struct build *b, size_t i, const struct fused *f, int x)
{
    const struct spec *s = b->m->spec;
    bool fused = f->first >= 0;
    size_t own = fused ? (size_t)f->first : i, t = 0;
    struct layer_in l = {.layer = &s->layer[own], .in = {-1, -1}, .index = (int)own, .relu = fused};
    int at[2] = {-1, -1}, n = spec_inputs(s, own, at);
    for (int k = 0; k < n; k++)
        l.in[k] = output_of(b, at[k], x);
    if (fused && f->residual != FUSED_NO_RESIDUAL)
        l.in[1] = output_of(b, f->residual, x);
    while (t < COUNT_OF(types) && strcmp(types[t].type, l.layer->type))
        t++;
    if (t == COUNT_OF(types) || !n)
        return base_error(ROTE_EINVAL, "layer %s: a %s was not validated", l.layer->name, l.layer->type);
    enum rote_status st = types[t].fn(b, &l, &b->layer_out[i]);
    if (st)
        base_error_prefix("layer %s", l.layer->name);
    return st;
}

enum rote_status build_layers(struct build *b, int x)
{
    enum rote_status st = ROTE_OK;
    size_t count = b->m->spec->count;
    struct fused *f = NULL;
    TRY(base_alloc(&f, count, sizeof *f));
    fuse_layers(b->m, b->o->features, f);
    for (size_t i = 0; i < count; i++) {
        b->layer_out[i] = -1;
        if (!f[i].away)
            TRY(build_layer(b, i, &f[i], x));
    }
out:
    base_free(f);
    return st;
}
