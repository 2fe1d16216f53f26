/* Shapes through a network, before any graph: so that a window that does not fit is
 * an error that names its layer. Sides are floor((in + 2 pad - reach) / stride) + 1,
 * reach = dilation (window - 1) + 1. */
#include "model/spec.h"

#include <string.h>

static enum rote_status side(const struct spec_layer *l, char axis, int64_t in, bool pool, int64_t *out)
{
    char key[16];
    snprintf(key, sizeof key, "window_%c", axis);
    int64_t window = spec_attr_int(l, key, 1);
    snprintf(key, sizeof key, "stride_%c", axis);
    int64_t stride = spec_attr_int(l, key, pool ? window : 1);
    snprintf(key, sizeof key, "pad_%c", axis);
    int64_t pad = spec_attr_int(l, key, 0);
    snprintf(key, sizeof key, "dilation_%c", axis);
    int64_t reach = spec_attr_int(l, key, 1) * (window - 1) + 1;
    if (in + 2 * pad < reach)
        return base_error(ROTE_ECONFIG, "layer %s: its window covers %lld of %s, but the input with padding has %lld",
                          l->name, (long long)reach, axis == 'h' ? "height" : "width", (long long)(in + 2 * pad));
    if (pool && 2 * pad > window)
        return base_error(ROTE_ECONFIG, "layer %s: pad %lld is more than half of the window %lld", l->name,
                          (long long)pad, (long long)window);
    *out = (in + 2 * pad - reach) / stride + 1;
    return ROTE_OK;
}

static enum rote_status conv_shape(const struct spec_layer *l, struct spec_shape *x, uint64_t *parameters)
{
    int64_t filters = spec_attr_int(l, "filters", 1), groups = spec_attr_int(l, "groups", 1), c = x->c;
    enum rote_status st = ROTE_OK;
    if (c % groups || filters % groups)
        FAIL(ROTE_ECONFIG, "layer %s: %lld groups do not divide its %lld channels and %lld filters", l->name,
             (long long)groups, (long long)c, (long long)filters);
    TRY(side(l, 'h', x->h, false, &x->h));
    TRY(side(l, 'w', x->w, false, &x->w));
    x->c = filters;
    *parameters = (uint64_t)(filters * (c / groups)) * (uint64_t)spec_attr_int(l, "window_h", 1) *
                      (uint64_t)spec_attr_int(l, "window_w", 1) +
                  (uint64_t)(spec_attr_int(l, "bias", 1) ? filters : 0);
out:
    return st;
}

static enum rote_status layer_shape(const struct spec_layer *l, struct spec_shape *x, const struct spec_shape *y,
                                    uint64_t *parameters)
{
    enum rote_status st = ROTE_OK;
    *parameters = 0;
    if (!strcmp(l->type, "conv2d")) {
        TRY(conv_shape(l, x, parameters));
    } else if (!strcmp(l->type, "maxpool") || !strcmp(l->type, "avgpool")) {
        TRY(side(l, 'h', x->h, true, &x->h));
        TRY(side(l, 'w', x->w, true, &x->w));
    } else if (!strcmp(l->type, "globalpool")) {
        x->h = x->w = 1;
    } else if (!strcmp(l->type, "linear")) {
        int64_t features = spec_attr_int(l, "features", 1);
        *parameters = (uint64_t)x->c * (uint64_t)x->h * (uint64_t)x->w * (uint64_t)features +
                      (uint64_t)(spec_attr_int(l, "bias", 1) ? features : 0);
        *x = (struct spec_shape){features, 1, 1};
    } else if (!strcmp(l->type, "batchnorm")) {
        *parameters = 2 * (uint64_t)x->c;
    } else if (!strcmp(l->type, "add") && (x->c != y->c || x->h != y->h || x->w != y->w)) {
        FAIL(ROTE_ECONFIG, "layer %s: its inputs are %lldx%lldx%lld and %lldx%lldx%lld (channels, height, width)",
             l->name, (long long)x->c, (long long)x->h, (long long)x->w, (long long)y->c, (long long)y->h,
             (long long)y->w);
    }
out:
    return st;
}

enum rote_status spec_shapes(const struct spec *s, int64_t channels, int64_t height, int64_t width,
                             struct spec_shape *out, uint64_t *parameters)
{
    const struct spec_shape input = {channels, height, width};
    enum rote_status st = ROTE_OK;
    uint64_t total = 0, n;
    if (channels < 1 || height < 1 || width < 1)
        FAIL(ROTE_EINVAL, "network %s: its input is %lldx%lldx%lld (channels, height, width); each must be at least 1",
             s->name, (long long)channels, (long long)height, (long long)width);
    for (size_t i = 0; i < s->count; i++) {
        int in[2] = {-1, -1};
        spec_inputs(s, i, in);
        struct spec_shape x = in[0] < 0 ? input : out[in[0]], y = in[1] < 0 ? input : out[in[1]];
        TRY(layer_shape(&s->layer[i], &x, &y, &n));
        out[i] = x;
        total += n;
    }
    if (parameters)
        *parameters = total;
out:
    return st;
}
