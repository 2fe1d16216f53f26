/* Groups of heads: one matrix product, one fused loss, and for training their own
 * gradients; a group that sends adds the gradient of the features. Of large heads product and
 * loss are one operator, forward and backward. */
#include <math.h>
#include <string.h>

#include "model/model_internal.h"

struct head_nodes {
    char prefix[96];
    const struct model_group *group;
    int64_t features;
    int f, w, b, z, table, real, order, start; /* tensors; z not of large heads */
    int y, weight;                             /* labels, unless they are drawn */
};

/* Weights (rank 2 or 3) or bias of a group; one value a head. */
static enum rote_status group_param(struct build *b, const struct head_nodes *h, const char *what,
                                    const struct call_shape *shape, int *tensor)
{
    enum rote_status st = ROTE_OK;
    const struct model_group *g = h->group;
    bool bias = !strcmp(what, "bias"), fresh;
    struct model_param p = {.shape = *shape, .layout = LAYOUT_HEADS};
    snprintf(p.name, sizeof p.name, "%.80s.%s", h->prefix, what);
    TRY(build_param(b, &p, tensor, &fresh));
    for (int i = 0; fresh && i < g->n_heads; i++) {
        const struct model_head *head = &b->m->head[g->head[i]];
        struct model_value v = {.first = g->first_column[i], .n = head->n, .bound = 1 / sqrt((double)h->features)};
        snprintf(v.name, sizeof v.name, "heads.%.*s.%s", MODEL_NAME, head->name, what);
        if (g->per_class)
            v.dim[v.rank++] = b->m->classes;
        v.dim[v.rank++] = head->n;
        if (!bias)
            v.dim[v.rank++] = h->features;
        TRY(model_add_value(b->m, &v));
    }
out:
    return st;
}

/* A layer's output as [N][D]: pooled first where it is spatial. */
static enum rote_status features_of(struct build *b, int layer, const char *prefix, int *out)
{
    enum rote_status st = ROTE_OK;
    char name[128];
    int t = b->layer_out[layer];
    const struct call_shape *s = &b->g->tensor[t].shape;
    if (s->dim[0] * s->dim[1] > 1) {
        snprintf(name, sizeof name, "%s.pool", prefix);
        TRY(graph_add(b->g, name, "globalpool_fwd", (int[]){t}, &t, "%s", ""));
        s = &b->g->tensor[t].shape;
    }
    TRY(graph_reshape(b->g, t, 2, (int64_t[]){s->dim[2], s->dim[3]}, out));
out:
    return st;
}

/* The storage's flag: no node reads a reshaped tensor that only the host wants. */
static void keep(struct graph *g, int tensor)
{
    g->tensor[g->tensor[tensor].storage].keep = true;
}

enum rote_status build_features(struct build *b, const char *layer)
{
    enum rote_status st = ROTE_OK;
    const struct spec *s = b->m->spec;
    const char **names = NULL;
    int index = spec_find(s, layer);
    TRY(base_alloc(&names, s->count, sizeof *names));
    for (size_t i = 0; i < s->count; i++)
        names[i] = s->layer[i].name;
    const char *near = base_nearest(layer, names, s->count);
    if (index < 0)
        FAIL(ROTE_ENOTFOUND, "network %s has no layer %s; the nearest is %s", s->name, layer,
             near ? near : names[s->count - 1]);
    TRY(features_of(b, index, "kept", &b->p->features));
    keep(b->g, b->p->features);
out:
    base_free(names);
    return st;
}

static enum rote_status shared_params(struct build *b, struct head_nodes *h)
{
    enum rote_status st = ROTE_OK;
    int64_t t = h->group->columns;
    TRY(group_param(b, h, "weight", &(struct call_shape){CALL_F32, 2, {h->features, t}}, &h->w));
    TRY(group_param(b, h, "bias", &(struct call_shape){CALL_F32, 1, {t}}, &h->b));
out:
    return st;
}

static enum rote_status shared_forward(struct build *b, struct head_nodes *h)
{
    enum rote_status st = ROTE_OK;
    char name[128];
    int y;
    int64_t n = b->p->batch, t = h->group->columns;
    TRY(shared_params(b, h));
    snprintf(name, sizeof name, "%s.matmul", h->prefix);
    TRY(graph_add(b->g, name, "matmul", (int[]){h->f, h->w}, &y, "%s", ""));
    TRY(graph_reshape(b->g, y, 4, (int64_t[]){1, 1, n, t}, &y));
    snprintf(name, sizeof name, "%s.bias_add", h->prefix);
    TRY(graph_add(b->g, name, "bias_fwd", (int[]){y, h->b}, &y, "%s", ""));
    TRY(graph_reshape(b->g, y, 2, (int64_t[]){n, t}, &h->z));
out:
    return st;
}

static enum rote_status per_class_forward(struct build *b, struct head_nodes *h)
{
    enum rote_status st = ROTE_OK;
    char name[128];
    int64_t classes = b->m->classes, t = h->group->columns;
    TRY(group_param(b, h, "weight", &(struct call_shape){CALL_F32, 3, {classes, h->features, t}}, &h->w));
    TRY(group_param(b, h, "bias", &(struct call_shape){CALL_F32, 2, {classes, t}}, &h->b));
    if (b->p->training) {
        snprintf(name, sizeof name, "%s.rows", h->prefix);
        TRY(graph_add(b->g, name, "segment_rows", (int[]){b->p->y}, &h->order, "classes=%d", b->m->classes));
        h->start = graph_output(b->g, name, "start");
    }
    snprintf(name, sizeof name, "%s.segment", h->prefix);
    TRY(graph_add(b->g, name, "segment_fwd", (int[]){h->f, h->w, h->b, b->p->y}, &h->z, "%s", ""));
out:
    return st;
}

static enum rote_status table(struct build *b, const struct head_nodes *h, const char *what, enum call_dtype type,
                              int64_t width, int *tensor)
{
    char name[128];
    snprintf(name, sizeof name, "%s.%s", h->prefix, what);
    return graph_tensor_add(b->g, GRAPH_EXTERNAL, name, &(struct call_shape){type, 2, {h->group->n_heads, width}},
                            tensor);
}

/* No reverse pass reaches the heads: their gradients are given. */
static void own_gradient(struct build *b, int param_tensor, int grad)
{
    b->g->tensor[param_tensor].grad = grad;
}

static enum rote_status shared_backward(struct build *b, const struct head_nodes *h, int g_head, int g_feat, int *df)
{
    enum rote_status st = ROTE_OK;
    char name[128];
    int dw, db, flat;
    snprintf(name, sizeof name, "%s.dw", h->prefix);
    TRY(graph_add(b->g, name, "matmul", (int[]){h->f, g_head}, &dw, "trans_a=1"));
    own_gradient(b, h->w, dw);
    TRY(graph_reshape(b->g, g_head, 4, (int64_t[]){1, 1, b->p->batch, h->group->columns}, &flat));
    snprintf(name, sizeof name, "%s.db", h->prefix);
    TRY(graph_add(b->g, name, "bias_bwd", (int[]){flat, h->b}, &db, "%s", ""));
    own_gradient(b, h->b, db);
    if (h->group->sends) {
        snprintf(name, sizeof name, "%s.df", h->prefix);
        TRY(graph_add(b->g, name, "matmul", (int[]){g_feat, h->w}, df, "trans_b=1"));
    }
out:
    return st;
}

static enum rote_status per_class_backward(struct build *b, const struct head_nodes *h, int g_head, int g_feat,
                                           int *df)
{
    enum rote_status st = ROTE_OK;
    char name[128];
    int dw;
    snprintf(name, sizeof name, "%s.dw", h->prefix);
    TRY(graph_add(b->g, name, "segment_bwd_filter", (int[]){h->f, g_head, h->order, h->start}, &dw, "%s", ""));
    own_gradient(b, h->w, dw);
    own_gradient(b, h->b, graph_output(b->g, name, "db"));
    if (h->group->sends) {
        snprintf(name, sizeof name, "%s.df", h->prefix);
        TRY(graph_add(b->g, name, "segment_bwd_data", (int[]){g_feat, h->w, b->p->y}, df, "%s", ""));
    }
out:
    return st;
}

/* What graph_output gives of node <prefix>.<node>. */
static int output(const struct build *b, const struct head_nodes *h, const char *node, const char *port)
{
    char name[128];
    snprintf(name, sizeof name, "%s.%s", h->prefix, node);
    return graph_output(b->g, name, port);
}

/* Logits, then the loss with both logit gradients; *df: the gradient of the features. */
static enum rote_status logits_and_loss(struct build *b, struct head_nodes *h, int *df)
{
    enum rote_status st = ROTE_OK;
    const struct model_plan *p = b->p;
    char name[128];
    bool per_class = h->group->per_class;
    TRY(per_class ? per_class_forward(b, h) : shared_forward(b, h));
    snprintf(name, sizeof name, "%s.loss", h->prefix);
    TRY(graph_add(b->g, name, "head_loss", (int[]){h->z, h->y, p->id, h->weight, h->table, h->real}, NULL, "batch=%d",
                  p->whole_batch));
    int g_head = output(b, h, "loss", "g_head"), g_feat = output(b, h, "loss", "g_feat");
    if (p->training)
        TRY(per_class ? per_class_backward(b, h, g_head, g_feat, df) : shared_backward(b, h, g_head, g_feat, df));
out:
    return st;
}

/* Both at once; the backward operator makes the logits anew. */
static enum rote_status large_loss(struct build *b, struct head_nodes *h, int *df)
{
    enum rote_status st = ROTE_OK;
    const struct model_plan *p = b->p;
    char name[128];
    TRY(shared_params(b, h));
    snprintf(name, sizeof name, "%s.loss", h->prefix);
    TRY(graph_add(b->g, name, "head_large_fwd",
                  (int[]){h->f, h->w, h->b, h->y, p->id, h->weight, h->table, h->real}, NULL, "%s", ""));
    if (!p->training)
        goto out;
    int in[] = {h->f, h->w, h->b, output(b, h, "loss", "target"), h->table, h->real, output(b, h, "loss", "stats"),
                output(b, h, "loss", "softmax")};
    snprintf(name, sizeof name, "%s.dw", h->prefix);
    TRY(graph_add(b->g, name, h->group->sends ? "head_large_bwd" : "head_large_bwd_probe", in, NULL, "batch=%d",
                  p->whole_batch));
    own_gradient(b, h->w, output(b, h, "dw", "dw"));
    own_gradient(b, h->b, output(b, h, "dw", "db"));
    *df = output(b, h, "dw", "dx");
out:
    return st;
}

/* Labels that were given are of training samples, by index; what has none does not count. */
static enum rote_status labels_of(struct build *b, struct head_nodes *h)
{
    enum rote_status st = ROTE_OK;
    const struct model_plan *p = b->p;
    char name[128];
    h->y = p->y;
    h->weight = p->weight;
    if (!h->group->own_labels)
        return ROTE_OK;
    snprintf(name, sizeof name, "%s.labels", h->prefix);
    TRY(graph_add(b->g, name, "gather_labels", (int[]){p->own_labels, p->id, p->weight}, &h->y, "row=%d",
                  h->group->own_labels - 1));
    h->weight = graph_output(b->g, name, "counted");
out:
    return st;
}

enum rote_status build_group(struct build *b, int index, int *features, int *features_grad)
{
    enum rote_status st = ROTE_OK;
    struct model_plan *p = b->p;
    const struct model_group *g = &b->m->group[index];
    struct head_nodes h = {.group = g};
    char name[128];
    int df = -1;
    snprintf(h.prefix, sizeof h.prefix, "heads/%s.%s%s", g->at,
             g->per_class ? "per_class" : g->large ? "large" : "shared", g->sends ? "" : ".probe");
    if (g->own_labels)
        snprintf(h.prefix + strlen(h.prefix), sizeof h.prefix - strlen(h.prefix), ".own%d", g->own_labels);
    *features = *features_grad = -1;
    TRY(features_of(b, spec_find(b->m->spec, g->at), h.prefix, &h.f));
    h.features = b->g->tensor[h.f].shape.dim[1];
    TRY(table(b, &h, "table", CALL_I32, 8, &h.table));
    TRY(table(b, &h, "real", CALL_F32, 4, &h.real));
    TRY(table(b, &h, "sums", CALL_F32, MODEL_STATS, &p->acc[index]));
    TRY(labels_of(b, &h));
    TRY(g->large && !b->o->logits ? large_loss(b, &h, &df) : logits_and_loss(b, &h, &df));
    p->logits[index] = b->o->logits ? h.z : -1;
    if (b->o->logits)
        keep(b->g, h.z);
    p->table[index] = h.table;
    p->real[index] = h.real;
    p->stats[index] = output(b, &h, "loss", "stats");
    snprintf(name, sizeof name, "%s.metrics", h.prefix);
    TRY(graph_add(b->g, name, "metrics", (int[]){p->stats[index], p->acc[index]}, NULL, "%s", ""));
    if (p->training && g->sends) {
        *features = h.f;
        *features_grad = df;
    }
out:
    return st;
}
