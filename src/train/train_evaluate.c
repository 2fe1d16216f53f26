/* Evaluation: every head on the test samples, whose random labels are another split and
 * must stay at chance, and on a fixed subset of the training samples as they are. */
#include <math.h>
#include <string.h>

#include "train/train_internal.h"

void train_figures_of(const double sums[MODEL_STATS], struct rote_figures *out)
{
    double n = sums[7] > 0 ? sums[7] : NAN;
    *out = (struct rote_figures){sums[0] / n, sums[1] / n, sums[2] / n, sums[3] / n,
                                  sums[4] / n, sums[5] / n, sums[6] / n, sums[7]};
}

int64_t train_last_epoch(const struct rote_run *t)
{
    return t->step ? (t->step - 1) / t->steps_per_epoch : 0;
}

static enum rote_status run(struct rote_run *t, struct train_net *n, struct model_plan *p, int64_t count,
                            enum split split, struct rote_figures *out, const struct train_hooks *hooks)
{
    enum rote_status st = ROTE_OK;
    double sums[MODEL_MAX_HEADS * MODEL_STATS];
    int64_t epoch = train_last_epoch(t);
    if (n == &t->control) /* the last that it was trained in: its figures are of then */
        epoch -= epoch % t->cfg.control.every;
    graph_set_int(p->g, "count", count);
    graph_set_int(p->g, "split", split);
    graph_set_int(p->g, "epoch", epoch);
    TRY(model_plan_take_sums(n->m, p, sums));
    for (int64_t i = 0; i < count; i += p->batch) {
        graph_set_int(p->g, "offset", i);
        TRY(graph_run(p->g, 0, p->g->n_nodes));
        if (i / p->batch % 8 == 7) {
            TRY(rt_finish(t->dev));
            if (!train_tell(t, hooks, "evaluating") && !hooks->finish_evaluation)
                FAIL(ROTE_EINTERRUPTED, "the evaluation was stopped");
        }
    }
    TRY(model_plan_take_sums(n->m, p, sums));
    for (int i = 0; i < n->m->n_heads; i++)
        train_figures_of(sums + i * MODEL_STATS, &out[i]);
out:
    return st;
}

enum rote_status train_evaluate(struct rote_run *t, const struct train_hooks *hooks)
{
    enum rote_status st = ROTE_OK;
    TRY(train_start(t));
    if (t->net.validation)
        TRY(run(t, &t->net, t->net.validation, t->data->validation.count, SPLIT_VALIDATION, t->net.validation_figures,
                hooks));
    double began = base_now(); /* run() leaves the queue empty */
    TRY(run(t, &t->net, t->net.clean, t->clean_count, SPLIT_TRAINING, t->net.clean_figures, hooks));
    bool stale = t->control.m && (train_last_epoch(t) % t->cfg.control.every == 0 || !t->control_evaluated);
    if (stale)
        TRY(run(t, &t->control, t->control.clean, t->clean_count, SPLIT_TRAINING, t->control.clean_figures,
                hooks));
    t->control_evaluated = t->control_evaluated || stale;
    t->instrument_seconds += base_now() - began;
    t->evaluated = true;
out:
    return st;
}

enum rote_status train_evaluate_test(struct rote_run *t, const struct train_hooks *hooks)
{
    enum rote_status st = ROTE_OK;
    TRY(train_start(t));
    if (t->net.test)
        TRY(run(t, &t->net, t->net.test, t->data->test.count, SPLIT_TEST, t->net.test_figures, hooks));
out:
    return st;
}

static enum rote_status evaluate_shifts(struct rote_run *t, const struct train_hooks *hooks)
{
    enum rote_status st = ROTE_OK;
    struct rote_figures figures[MODEL_MAX_HEADS];
    struct graph *g = t->net.test ? t->net.test->g : NULL;
    int head = train_class_head(t);
    if (!(t->cfg.shifted || t->cfg.also_shifted) || !g)
        return ROTE_OK;
    for (int kind = 0; kind < ROTE_SHIFT_KINDS; kind++)
        for (int s = 0; s < ROTE_SHIFT_SEVERITIES; s++) {
            graph_set_int(g, "kind", kind);
            graph_set_int(g, "severity", s + 1);
            TRY(run(t, &t->net, t->net.test, t->data->test.count, SPLIT_TEST, figures, hooks));
            t->shifted[kind][s] = figures[head].accuracy;
        }
    t->shifts_evaluated = true;
out:
    graph_set_int(g, "severity", 0);
    return st;
}

enum rote_status train_evaluate_end(struct rote_run *t, bool test, const struct train_hooks *hooks)
{
    enum rote_status st = ROTE_OK;
    TRY(train_calibration(t, SPLIT_VALIDATION, hooks, &t->validation_ece));
    t->test_ece = NAN;
    if (test) {
        TRY(train_calibration(t, SPLIT_TEST, hooks, &t->test_ece));
        TRY(evaluate_shifts(t, hooks));
    }
    t->end_evaluated = true;
out:
    return st;
}

enum rote_status train_shifts(const struct rote_run *t, struct rote_shift out[ROTE_SHIFT_KINDS], double *mean)
{
    static const char *const names[ROTE_SHIFT_KINDS] = {"noise", "blur", "contrast", "translation", "occlusion"};
    double sum = 0;
    *mean = NAN;
    if (!t->shifts_evaluated)
        return ROTE_OK;
    for (int kind = 0; kind < ROTE_SHIFT_KINDS; kind++) {
        snprintf(out[kind].name, sizeof out[kind].name, "%s", names[kind]);
        for (int s = 0; s < ROTE_SHIFT_SEVERITIES; s++)
            sum += out[kind].accuracy[s] = t->shifted[kind][s];
    }
    *mean = sum / (ROTE_SHIFT_KINDS * ROTE_SHIFT_SEVERITIES);
    return ROTE_OK;
}

/* The trapezoidal rule over ∫ φ(x−Δ) Φ(x)^(n−1) dx, Δ = √(n·ρ/(1−ρ)), ρ = d/m. */
double train_null_accuracy(double n, double d, double m)
{
    const double step = 0.005;
    double rho = d / m;
    if (rho >= 1)
        return 1;
    double delta = sqrt(n * rho / (1 - rho)), sum = 0;
    for (double x = delta - 9; x <= delta + 9; x += step) {
        double density = 0.3989422804014326779 * exp(-0.5 * (x - delta) * (x - delta));
        sum += step * density * pow(0.5 * erfc(-x * 0.7071067811865475244), n - 1);
    }
    return sum;
}

int train_class_head(const struct rote_run *t)
{
    int i = 0;
    while (t->net.m->head[i].kind != HEAD_CLASS) /* a configuration without one is refused */
        i++;
    return i;
}

int64_t train_head_features(const struct rote_run *t, int head)
{
    char name[96];
    snprintf(name, sizeof name, "heads.%.*s.weight", MODEL_NAME, t->net.m->head[head].name);
    int v = model_find_value(t->net.m, name);
    return v < 0 ? 0 : t->net.m->value[v].dim[t->net.m->value[v].rank - 1];
}

enum rote_status train_head_report(const struct rote_run *t, int i, struct rote_head_report *r)
{
    if (!t->evaluated)
        return base_error(ROTE_EINVAL, "nothing was evaluated yet");
    if (i < 0 || i >= t->net.m->n_heads)
        return base_error(ROTE_EINVAL, "head %d; there are %d", i, t->net.m->n_heads);
    const struct model_head *h = &t->net.m->head[i];
    *r = (struct rote_head_report){.random = h->kind != HEAD_CLASS, .per_class = h->kind == HEAD_RANDOM_PER_CLASS,
                                   .n = h->n, .lambda = h->lambda, .stream = t->net.stream[i],
                                   .clean = t->net.clean_figures[i], .held_out = t->net.test_figures[i],
                                   .validation = t->net.validation_figures[i]};
    memcpy(r->name, h->name, sizeof r->name);
    memcpy(r->at, h->at, sizeof r->at);
    r->chance_corrected = (h->n * r->clean.accuracy - 1) / (h->n - 1);
    double samples = (double)t->train_count;
    if (h->kind == HEAD_RANDOM_PER_CLASS)
        samples /= t->data->classes;
    r->null_accuracy = train_null_accuracy(h->n, (double)train_head_features(t, i), samples);
    for (int k = 0; t->control.m && k < t->control.m->n_heads; k++)
        if (!strcmp(t->control.m->head[k].name, h->name))
            r->control = t->control.clean_figures[k];
    return ROTE_OK;
}

enum rote_status train_report(const struct rote_run *t, struct rote_report *out)
{
    if (!t->evaluated)
        return base_error(ROTE_EINVAL, "nothing was evaluated yet");
    *out = (struct rote_report){.step = t->step, .steps = t->steps_per_epoch * t->cfg.epochs,
                                .epoch = t->step / t->steps_per_epoch, .epochs = t->cfg.epochs,
                                .seconds = t->seconds, .predicted_bytes = t->predicted_bytes,
                                .peak_bytes = rt_peak_bytes(t->dev), .training_seconds = t->training_seconds,
                                .instrument_seconds = t->instrument_seconds, .n_heads = t->net.m->n_heads};
    out->first_step_seconds = t->first_step;
    out->test_ece = t->end_evaluated ? t->test_ece : NAN;
    out->validation_ece = t->end_evaluated ? t->validation_ece : NAN;
    out->stopped_early = train_stop_reason(t);
    if (t->measured_seconds > 0)
        out->images_per_second = (double)(t->measured_steps * t->cfg.batch) / t->measured_seconds;
    int i = train_class_head(t);
    out->test_accuracy = t->net.test_figures[i].accuracy;
    out->test_loss = t->net.test_figures[i].loss;
    out->validation_accuracy = t->net.validation_figures[i].accuracy;
    out->validation_loss = t->net.validation_figures[i].loss;
    return ROTE_OK;
}
