/* Which layers are computed in one operator: a batchnorm with the relu that follows it, or with
 * the addition of a residual and then the relu; the bias of a convolution or a linear layer with
 * the relu that follows. What lies between is not kept, so nothing else
 * may use it: a head there keeps its layers apart. Apart or not, the same floating-point
 * operations happen in the same order, so that a probe changes no bit of the network. */
#include <string.h>

#include "model/model_internal.h"

static bool is(const struct spec *s, int layer, const char *type)
{
    return layer >= 0 && !strcmp(s->layer[layer].type, type);
}

static bool has_bias(const struct spec *s, int layer)
{
    return (is(s, layer, "conv2d") || is(s, layer, "linear")) && spec_attr_int(&s->layer[layer], "bias", 1);
}

static bool is_read(const struct model *m, const char *kept, int layer)
{
    if (kept && !strcmp(kept, m->spec->layer[layer].name))
        return true;
    for (int i = 0; i < m->n_heads; i++)
        if (!strcmp(m->head[i].at, m->spec->layer[layer].name))
            return true;
    return false;
}

/* The only layer that uses this one, if nothing else does; -1. */
static int only_user(const struct model *m, const char *kept, int layer)
{
    int user = -1, uses = 0;
    for (size_t i = (size_t)layer + 1; i < m->spec->count; i++) {
        int in[2] = {-1, -1}, n = spec_inputs(m->spec, i, in);
        for (int k = 0; k < n; k++)
            if (in[k] == layer) {
                user = (int)i;
                uses++;
            }
    }
    return uses == 1 && !is_read(m, kept, layer) ? user : -1;
}

void fuse_layers(const struct model *m, const char *kept, struct fused *f)
{
    const struct spec *s = m->spec;
    for (size_t i = 0; i < s->count; i++)
        f[i] = (struct fused){.first = -1, .residual = FUSED_NO_RESIDUAL};
    for (int i = 0; i < (int)s->count; i++) {
        bool norm = is(s, i, "batchnorm");
        int next = norm || has_bias(s, i) ? only_user(m, kept, i) : -1, sum = -1, in[2] = {-1, -1};
        if (norm && is(s, next, "add")) {
            sum = next;
            spec_inputs(s, (size_t)sum, in);
            next = only_user(m, kept, sum);
        }
        if (!is(s, next, "relu") || f[next].first >= 0)
            continue;
        f[next].first = i;
        f[i].away = true;
        if (sum >= 0) {
            f[sum].away = true;
            f[next].residual = in[0] == i ? in[1] : in[0];
        }
    }
}
