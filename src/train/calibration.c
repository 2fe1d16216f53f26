/* Expected calibration error of the first class head: the mean over samples of |accuracy - confidence| within each of
 * 15 bins of equal width of the confidence, the greatest probability (Guo et al., ICML 2017). */
#include <math.h>

#include "train/train_internal.h"

#define BINS 15

static double error_of(const float *z, int64_t stride, int n, const int32_t *label, int64_t count, float *p)
{
    double confidence[BINS] = {0}, hits[BINS] = {0}, sum = 0;
    for (int64_t i = 0; i < count; i++) {
        train_softmax(z + i * stride, n, p);
        int32_t best = train_greatest(p, n);
        if (!isfinite(p[best])) /* the network diverged */
            return NAN;
        int bin = (int)ceil((double)p[best] * BINS) - 1; /* a bin has its upper end */
        bin = bin < 0 ? 0 : bin >= BINS ? BINS - 1 : bin;
        confidence[bin] += p[best];
        hits[bin] += best == label[i];
    }
    for (int b = 0; b < BINS; b++)
        sum += fabs(hits[b] - confidence[b]);
    return sum / (double)count;
}

bool train_calibrates(const struct rote_run *t, enum split split)
{
    const struct model *m = t->net.m;
    for (int i = 0; i < m->n_groups; i++)
        if (m->group[i].large)
            return false;
    return train_split_data(t, split)->count && !(split == SPLIT_TEST && t->cfg.test == CONFIG_TEST_NEVER);
}

enum rote_status train_calibration(struct rote_run *t, enum split split, const struct train_hooks *hooks, double *out)
{
    enum rote_status st = ROTE_OK;
    struct model_plan *plan = split == SPLIT_TEST ? t->net.test_logits : t->net.validation_logits;
    const struct data_split *s = train_split_data(t, split);
    int head = train_class_head(t), group = 0, column = 0, n = t->net.m->head[head].n;
    int64_t stride = train_group_of(t->net.m, head, &group, &column)->columns;
    struct train_predictions made = {0};
    float *p = NULL;
    *out = NAN;
    if (!plan)
        return ROTE_OK;
    TRY(base_alloc(&p, (size_t)n, sizeof *p));
    graph_set_int(plan->g, "split", split);
    graph_set_int(plan->g, "epoch", train_last_epoch(t));
    TRY(train_predict(t, plan, NULL, s->count, group, hooks, &made));
    *out = error_of(made.logits[group] + column, stride, n, s->labels, s->count, p);
out:
    train_predictions_free(&made);
    base_free(p);
    return st;
}
