/* What the network says of each sample: an evaluation of its own that keeps the heads' logits and a layer's output
 * until they are read, in the memory of the training step. */
#include <math.h>
#include <string.h>

#include "train/train_internal.h"

const struct data_split *train_split_data(const struct rote_run *t, enum split split)
{
    return split == SPLIT_TRAINING ? &t->data->train : split == SPLIT_TEST ? &t->data->test : &t->data->validation;
}

enum rote_status train_predict_plan(const struct rote_run *t, enum split split, const char *layer,
                                    struct model_plan **out)
{
    struct model_plan_options o = train_plan_options(t, false);
    o.training = false;
    o.crop = o.flip = o.cutout = 0;
    o.data_count = o.order_count = train_split_data(t, split)->count;
    o.logits = true;
    o.features = layer;
    return model_plan_new(t->net.m, &o, out);
}

static enum rote_status read_rows(const struct graph *g, int tensor, int64_t first, int64_t rows, float *out)
{
    if (!out)
        return ROTE_OK;
    int64_t width = g->tensor[tensor].shape.dim[1];
    return rt_read(g->tensor[g->tensor[tensor].storage].mem, 0, out + first * width,
                   (uint64_t)(rows * width) * sizeof *out);
}

void train_predictions_free(struct train_predictions *p)
{
    for (size_t k = 0; k < COUNT_OF(p->logits); k++)
        base_free(p->logits[k]);
    base_free(p->features);
    *p = (struct train_predictions){0};
}

static enum rote_status allocate(const struct model_plan *p, int64_t count, int group, struct train_predictions *out)
{
    enum rote_status st = ROTE_OK;
    for (int k = 0; k < p->n_groups; k++)
        if (group < 0 || group == k)
            TRY(base_alloc(&out->logits[k], (size_t)(count * p->g->tensor[p->logits[k]].shape.dim[1]), sizeof(float)));
    if (p->features >= 0) {
        out->channels = p->g->tensor[p->features].shape.dim[1];
        TRY(base_alloc(&out->features, (size_t)(count * out->channels), sizeof(float)));
    }
out:
    return st;
}

enum rote_status train_predict(struct rote_run *t, struct model_plan *p, const int32_t *samples, int64_t count,
                               int group, const struct train_hooks *hooks, struct train_predictions *out)
{
    enum rote_status st = ROTE_OK;
    struct train_predictions made = {0};
    double sums[MODEL_MAX_HEADS * MODEL_STATS];
    TRY(allocate(p, count, group, &made));
    if (samples)
        TRY(rt_write(t->mem.train.order, 0, samples, (uint64_t)count * sizeof *samples));
    graph_set_int(p->g, "count", count);
    for (int64_t i = 0; i < count; i += p->batch) {
        int64_t rows = count - i < p->batch ? count - i : p->batch;
        graph_set_int(p->g, "offset", i);
        TRY(graph_run(p->g, 0, p->g->n_nodes));
        for (int k = 0; k < p->n_groups; k++)
            TRY(read_rows(p->g, p->logits[k], i, rows, made.logits[k]));
        TRY(read_rows(p->g, p->features, i, rows, made.features));
        if (!train_tell(t, hooks, "predicting") && !hooks->finish_evaluation)
            FAIL(ROTE_EINTERRUPTED, "the predictions were stopped");
    }
    TRY(model_plan_take_sums(t->net.m, p, sums)); /* nobody wants them, but they must not grow without end */
    *out = made;
    made = (struct train_predictions){0};
out:
    train_predictions_free(&made);
    return st;
}

/* In the step's memory; where that is too small, in an arena of its own. */
static enum rote_status bind(struct rote_run *t, struct model_plan *p, enum split split, struct graph_arena *own)
{
    enum rote_status st = ROTE_OK;
    const struct train_data *m = &t->mem;
    const struct train_split *s = split == SPLIT_TRAINING ? &m->train : split == SPLIT_TEST ? &m->test : &m->validation;
    bool fits = p->g->arena_bytes <= t->arena_bytes;
    if (!fits)
        TRY(graph_arena_new(t->dev, p->g->arena_bytes, own));
    TRY(train_bind_evaluation(t, &t->net, p, s, s->order, fits ? &t->arena : own));
    graph_set_int(p->g, "split", split);
    graph_set_int(p->g, "epoch", train_last_epoch(t));
out:
    return st;
}

enum rote_status train_predict_once(struct rote_run *t, enum split split, const int32_t *samples, int64_t count,
                                    const char *layer, const struct train_hooks *hooks, struct train_predictions *out)
{
    enum rote_status st = ROTE_OK;
    struct model_plan *p = NULL;
    struct graph_arena own = {0};
    TRY(train_start(t));
    if (t->started == 0)
        t->started = base_now();
    TRY(train_predict_plan(t, split, layer, &p));
    TRY(bind(t, p, split, &own));
    TRY(train_predict(t, p, samples, count, -1, hooks, out));
out:
    model_plan_free(p);
    graph_arena_free(&own);
    return st;
}

const struct model_group *train_group_of(const struct model *m, int head, int *group, int *column)
{
    for (int i = 0; i < m->n_groups; i++)
        for (int k = 0; k < m->group[i].n_heads; k++)
            if (m->group[i].head[k] == head) {
                *group = i;
                *column = m->group[i].first_column[k];
                return &m->group[i];
            }
    return NULL;
}

void train_softmax(const float *z, int n, float *p)
{
    double top = z[0], sum = 0;
    for (int j = 1; j < n; j++)
        top = fmax(top, z[j]);
    for (int j = 0; j < n; j++)
        sum += exp(z[j] - top);
    for (int j = 0; j < n; j++)
        p[j] = (float)(exp(z[j] - top) / sum);
}

int32_t train_greatest(const float *z, int n)
{
    int32_t best = 0;
    for (int j = 1; j < n; j++)
        best = z[j] > z[best] ? j : best;
    return best;
}
