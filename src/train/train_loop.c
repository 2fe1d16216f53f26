/* The loop. A step is one walk over the plan's nodes, enqueued without waiting; the host
 * waits every few steps, lets the control follow, and reads the heads' sums where the log has a
 * line. */
#include <math.h>
#include <string.h>

#include "train/train_internal.h"

#define STEPS_AHEAD 8

void train_set_step(struct train_net *n, const struct rote_run *t, int64_t step)
{
    struct graph *g = n->step->g;
    const struct config *c = &t->cfg;
    int64_t epoch = step / t->steps_per_epoch;
    graph_set_int(g, "epoch", epoch);
    graph_set_int(g, "count", t->train_count);
    graph_set_int(g, "augment", 1);
    graph_set_float(g, "lr", schedule_lr(c, step, t->steps_per_epoch));
    graph_set_float(g, "lambda_scale", schedule_lambda(c, step, t->steps_per_epoch));
}

/* gather and dropout both call theirs `seed`. */
static void set_seeds(struct train_net *n, const struct config *c)
{
    struct graph *g = n->step->g;
    for (int i = 0; i < g->n_nodes; i++) {
        bool dropout = !strncmp(g->node[i].call.sig->name, "dropout", 7);
        op_inst_set_int(g->node[i].inst, "seed", config_seed(c, dropout ? c->seeds.dropout : c->seeds.augment));
    }
}

enum rote_status train_take_sums(struct train_net *n)
{
    double sums[MODEL_MAX_HEADS * MODEL_STATS];
    enum rote_status st = model_plan_take_sums(n->m, n->step, sums);
    if (st)
        return st;
    for (int i = 0; i < n->m->n_heads * MODEL_STATS; i++) {
        n->sums[i] += sums[i];
        n->epoch_sums[i] += sums[i];
    }
    return ROTE_OK;
}

int train_tell(const struct rote_run *t, const struct train_hooks *hooks, const char *doing)
{
    if (!hooks || !hooks->progress)
        return 1;
    struct rote_figures f;
    train_figures_of(t->net.epoch_sums + train_class_head(t) * MODEL_STATS, &f);
    int64_t steps = t->steps_per_epoch * t->cfg.epochs;
    struct rote_progress p = {.step = t->step, .steps = steps, .epoch = (int)(t->step / t->steps_per_epoch),
                               .epochs = t->cfg.epochs, .loss = f.loss, .accuracy = f.accuracy, .doing = doing,
                               .remaining = -1};
    double now = base_now();
    p.seconds = t->seconds + now - t->started;
    if (t->measured_steps > 0) /* evaluations and checkpoints included */
        p.remaining = (now - t->began) / (double)t->measured_steps * (double)(steps - t->step);
    return hooks->progress(hooks->user, &p);
}

static enum rote_status log_step(struct rote_run *t)
{
    enum rote_status st = ROTE_OK;
    TRY(train_take_sums(&t->net));
    if (t->control.m)
        TRY(train_take_sums(&t->control));
    for (int i = 0; i < t->net.m->n_heads; i++)
        if (!isfinite(t->net.sums[i * MODEL_STATS]))
            FAIL(ROTE_ENUMERIC,
                 "head %s: the loss is not a finite number at step %lld; lower lr.base (now %g) or a head's lambda",
                 t->net.m->head[i].name, (long long)t->step, t->cfg.lr.base);
    if (t->log)
        TRY(runlog_step(t));
    memset(t->net.sums, 0, sizeof t->net.sums);
    memset(t->control.sums, 0, sizeof t->control.sums);
out:
    return st;
}

/* The micro-batches in order, each with dropout masks of its own, then the optimiser. */
static enum rote_status run_step(struct rote_run *t, struct train_net *n, int64_t step)
{
    enum rote_status st = ROTE_OK;
    struct graph *g = n->step->g;
    int64_t offset = step % t->steps_per_epoch * t->cfg.batch, parts = t->cfg.batch / t->cfg.micro_batch;
    train_set_step(n, t, step);
    for (int64_t i = 0; i < parts; i++) {
        graph_set_int(g, "offset", offset + i * t->cfg.micro_batch);
        graph_set_int(g, "step", step * parts + i);
        graph_set_int(g, "first", i == 0);
        TRY(graph_run(g, 0, n->step->n_micro));
    }
    graph_set_int(g, "step", step);
    TRY(graph_run(g, n->step->n_micro, g->n_nodes));
out:
    return st;
}

static enum rote_status one_step(struct rote_run *t)
{
    enum rote_status st = ROTE_OK;
    TRY(run_step(t, &t->net, t->step));
    t->step++;
    t->measured_steps++;
out:
    return st;
}

enum rote_status train_enqueue(struct rote_run *t, int64_t steps)
{
    enum rote_status st = ROTE_OK;
    if (t->began == 0) {
        TRY(train_start(t));
        t->began = base_now();
        set_seeds(&t->net, &t->cfg);
        if (t->control.m)
            set_seeds(&t->control, &t->cfg);
        TRY(train_load_order(t, 0));
    }
    for (int64_t i = 0; i < steps; i++) {
        TRY(one_step(t));
        t->step %= t->steps_per_epoch;
    }
out:
    return st;
}

/* The queue is empty and stays so: the control does the steps from `first` on that the network
 * has done, and both get their time. *began: from when the network's counts. */
static enum rote_status control_follows(struct rote_run *t, int64_t first, double *began)
{
    enum rote_status st = ROTE_OK;
    double now = base_now();
    t->training_seconds += now - *began;
    *began = now;
    if (!t->control.m || first / t->steps_per_epoch % t->cfg.control.every)
        return ROTE_OK;
    for (int64_t step = first; step < t->step; step++) {
        TRY(run_step(t, &t->control, step));
    }
    TRY(rt_finish(t->dev));
    *began = base_now();
    t->instrument_seconds += *began - now;
out:
    return st;
}

static void settle_time(struct rote_run *t)
{
    double now = base_now();
    t->seconds += now - t->started;
    t->started = now;
}

static enum rote_status save(struct rote_run *t)
{
    if (!t->folder)
        return ROTE_OK;
    settle_time(t);
    return checkpoint_save(t);
}

static enum rote_status interrupted(struct rote_run *t)
{
    enum rote_status st = save(t);
    if (st)
        return st;
    return base_error(ROTE_EINTERRUPTED, "stopped after step %lld; %s", (long long)t->step,
                      t->folder ? "a checkpoint was written" : "the run has no folder, nothing was written");
}

/* The training part of an epoch, from wherever t->step is in it. */
static enum rote_status steps(struct rote_run *t, const struct train_hooks *hooks)
{
    enum rote_status st = ROTE_OK;
    int64_t end = (t->step / t->steps_per_epoch + 1) * t->steps_per_epoch, first = t->step;
    double began = base_now(), counted = began;
    while (t->step < end) {
        TRY(one_step(t));
        if (t->first_step == 0) {
            TRY(rt_finish(t->dev));
            t->first_step = base_now() - rt_opened(t->dev);
        }
        bool line = t->step % t->cfg.log_every == 0 || t->step == end, ahead = t->step % STEPS_AHEAD == 0;
        bool checkpoint = t->step < end && t->cfg.checkpoint_every && t->step % t->cfg.checkpoint_every == 0;
        if (!line && !ahead && !checkpoint)
            continue;
        TRY(rt_finish(t->dev));
        TRY(control_follows(t, first, &counted));
        first = t->step;
        if (line)
            TRY(log_step(t));
        if (checkpoint)
            TRY(save(t));
        if ((line || ahead) && !train_tell(t, hooks, "training") && t->step < end)
            TRY(interrupted(t));
    }
    t->measured_seconds += base_now() - began;
out:
    return st;
}

static bool finished(const struct rote_run *t)
{
    return t->step >= t->steps_per_epoch * t->cfg.epochs || train_stop_reason(t);
}

static bool test_is_due(const struct rote_run *t)
{
    enum config_test when = config_test_when(&t->cfg);
    return when == CONFIG_TEST_EPOCH || (when == CONFIG_TEST_END && finished(t));
}

enum rote_status train_epoch(struct rote_run *t, const struct train_hooks *hooks, bool *more)
{
    enum rote_status st = ROTE_OK;
    struct train_hooks whole = hooks ? *hooks : (struct train_hooks){0};
    whole.finish_evaluation = true;
    TRY(train_start(t));
    *more = !finished(t);
    if (!*more) {
        if (!t->evaluated) {
            TRY(train_evaluate(t, hooks));
            if (test_is_due(t))
                TRY(train_evaluate_test(t, hooks));
            TRY(train_evaluate_end(t, t->cfg.test != CONFIG_TEST_NEVER, hooks));
        }
        goto out;
    }
    t->started = base_now();
    if (t->began == 0)
        t->began = t->started;
    set_seeds(&t->net, &t->cfg);
    if (t->control.m)
        set_seeds(&t->control, &t->cfg);
    TRY(train_load_order(t, t->step / t->steps_per_epoch));
    TRY(steps(t, hooks));
    for (int i = 0; i < t->net.m->n_heads; i++)
        train_figures_of(t->net.epoch_sums + i * MODEL_STATS, &t->net.stream[i]);
    train_tell(t, hooks, "evaluating");
    TRY(train_evaluate(t, &whole));
    TRY(train_history_add(t));
    if (test_is_due(t))
        TRY(train_evaluate_test(t, &whole));
    if (t->log)
        TRY(runlog_epoch(t));
    TRY(train_hint(t));
    TRY(train_write_epoch(t, &whole));
    memset(t->net.epoch_sums, 0, sizeof t->net.epoch_sums);
    memset(t->control.epoch_sums, 0, sizeof t->control.epoch_sums);
    *more = !finished(t);
    if (!*more)
        TRY(train_evaluate_end(t, t->cfg.test != CONFIG_TEST_NEVER, &whole));
    TRY(save(t));
    if (*more && !train_tell(t, hooks, "training"))
        TRY(interrupted(t));
out:
    return st;
}

enum rote_status train_until(struct rote_run *t, int64_t epoch, const struct train_hooks *hooks, bool *more)
{
    enum rote_status st = ROTE_OK;
    *more = true;
    TRY(train_start(t));
    if (t->folder && !t->log)
        TRY(runlog_open(t, NULL));
    while (*more && t->step < epoch * t->steps_per_epoch)
        TRY(train_epoch(t, hooks, more));
out:
    return st;
}

enum rote_status train_run(struct rote_run *t, const struct train_hooks *hooks)
{
    enum rote_status st = ROTE_OK;
    bool more, was_finished = t->step > 0 && finished(t);
    char *summary = NULL;
    TRY(train_until(t, INT32_MAX, hooks, &more));
    if (!t->folder)
        goto out;
    TRY(base_sprintf(&summary, "%s/summary.json", t->folder));
    if (!was_finished || !base_file_exists(summary)) /* that of a finished run knows more */
        TRY(summary_write(t));
out:
    base_free(summary);
    return st;
}
