/* Values: between a parameter's device order and the logical one; initial values. */
#include <math.h>
#include <string.h>

#include "common/philox.clh"
#include "model/model.h"

static uint64_t name_hash(const char *s)
{
    uint64_t h = 14695981039346656037u; /* FNV-1a */
    for (; *s; s++)
        h = (h ^ (unsigned char)*s) * 1099511628211u;
    return h;
}

uint64_t model_head_key(const struct model_head *h)
{
    return h->seed * 0x9E3779B97F4A7C15u ^ name_hash(h->name);
}

int model_find_value(const struct model *m, const char *name)
{
    for (int i = 0; i < m->n_values; i++)
        if (!strcmp(m->value[i].name, name))
            return i;
    return -1;
}

int64_t model_value_count(const struct model_value *v)
{
    int64_t n = 1;
    for (int i = 0; i < v->rank; i++)
        n *= v->dim[i];
    return n;
}

int64_t model_trained(const struct model *m)
{
    int64_t n = 0;
    for (int i = 0; i < m->n_params; i++)
        n += m->param[i].state ? 0 : call_elements(&m->param[i].shape);
    return n;
}

/* Where logical element e of a value lies in its parameter's device memory. */
static int64_t device_index(const struct model_param *p, const struct model_value *v, int64_t e)
{
    const int64_t *d = p->shape.dim;
    if (p->layout == LAYOUT_FILTER) { /* e = ((k·C + c)·R + r)·S + s */
        int64_t s = e % d[1], r = e / d[1] % d[0], c = e / (d[1] * d[0]) % d[2], k = e / (d[1] * d[0] * d[2]);
        return ((r * d[1] + s) * d[2] + c) * d[3] + k;
    }
    if (p->layout == LAYOUT_HEADS) { /* e = (g·n + t)·D + f */
        int64_t columns = d[p->shape.rank - 1];
        int64_t features = strstr(p->name, ".bias") ? 1 : d[p->shape.rank - 2];
        int64_t f = e % features, t = e / features % v->n, g = e / features / v->n;
        return (g * features + f) * columns + v->first + t;
    }
    return e;
}

enum rote_status model_read_value(struct model *m, int value, struct rt_mem *buffer, uint64_t first, float *floats)
{
    enum rote_status st = ROTE_OK;
    const struct model_value *v = &m->value[value];
    const struct model_param *p = &m->param[v->param];
    float *raw = NULL;
    TRY(base_alloc(&raw, (size_t)call_elements(&p->shape), sizeof *raw));
    TRY(rt_read(buffer, p->offset - first, raw, op_bytes(&p->shape)));
    for (int64_t e = 0; e < model_value_count(v); e++)
        floats[e] = raw[device_index(p, v, e)];
out:
    base_free(raw);
    return st;
}

enum rote_status model_write_value(struct model *m, int value, struct rt_mem *buffer, uint64_t first,
                                   const float *floats)
{
    enum rote_status st = ROTE_OK;
    const struct model_value *v = &m->value[value];
    const struct model_param *p = &m->param[v->param];
    bool part = model_value_count(v) < call_elements(&p->shape);
    float *raw = NULL;
    TRY(base_alloc(&raw, (size_t)call_elements(&p->shape), sizeof *raw));
    if (part)
        TRY(rt_read(buffer, p->offset - first, raw, op_bytes(&p->shape)));
    for (int64_t e = 0; e < model_value_count(v); e++)
        raw[device_index(p, v, e)] = floats[e];
    TRY(rt_write(buffer, p->offset - first, raw, op_bytes(&p->shape)));
out:
    base_free(raw);
    return st;
}

/* A head's draws go by the head's own name, so that heads beside it do not change them. */
static float initial_value(const struct model_value *v, int64_t e, uint64_t seed)
{
    if (v->bound == 0)
        return (float)v->initial;
    uint64_t name = name_hash(v->name);
    struct philox r = philox4x32((uint32_t)e, (uint32_t)((uint64_t)e >> 32), STREAM_INIT, (uint32_t)(name >> 32),
                                 (uint32_t)seed ^ (uint32_t)name, (uint32_t)(seed >> 32));
    return (float)(v->bound * (2.0 * (r.v[0] + 0.5) / 4294967296.0 - 1.0));
}

enum rote_status model_init(struct model *m, uint64_t seed)
{
    enum rote_status st = ROTE_OK;
    float *floats = NULL;
    for (int i = 0; i < m->n_values; i++) {
        const struct model_value *v = &m->value[i];
        TRY(base_alloc(&floats, (size_t)model_value_count(v), sizeof *floats));
        for (int64_t e = 0; e < model_value_count(v); e++)
            floats[e] = initial_value(v, e, seed);
        TRY(model_write_value(m, i, m->param[v->param].state ? m->states : m->params, 0, floats));
        base_free(floats);
        floats = NULL;
    }
out:
    base_free(floats);
    return st;
}

enum rote_status model_weight_norm(struct model *m, double *out)
{
    enum rote_status st = ROTE_OK;
    float *w = NULL;
    double sum = 0;
    size_t n = (size_t)m->trunk_bytes / sizeof *w;
    TRY(base_alloc(&w, n, sizeof *w));
    TRY(rt_read(m->params, 0, w, m->trunk_bytes));
    for (size_t i = 0; i < n; i++)
        sum += (double)w[i] * w[i];
    *out = sqrt(sum);
out:
    base_free(w);
    return st;
}
