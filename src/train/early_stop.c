/* Early warning and early stopping. Both follow from figures of each epoch that checkpoints keep, so that a resumed run
 * warns and stops where an undisturbed one does. A row of the history: the validation loss, then of each head its
 * excess: the random-label accuracy on training samples minus chance, or minus the control's where there is one. */
#include <math.h>
#include <string.h>

#include "train/train_internal.h"

#define WINDOW 3 /* epochs that an excess rises over */

static bool watched(const struct model_head *h)
{
    return h->kind != HEAD_CLASS && !h->redraw && !h->own_labels; /* what is drawn, and stays, can be memorised */
}

static double excess_now(const struct rote_run *t, int head)
{
    struct rote_head_report r;
    if (train_head_report(t, head, &r) || !watched(&t->net.m->head[head]))
        return NAN;
    return r.clean.accuracy - (r.control.samples > 0 ? r.control.accuracy : 1.0 / r.n);
}

int64_t train_history_rows(const struct rote_run *t)
{
    return t->net.validation ? t->step / t->steps_per_epoch : 0;
}

int64_t train_history_width(const struct rote_run *t)
{
    return 1 + t->net.m->n_heads;
}

enum rote_status train_history_add(struct rote_run *t)
{
    enum rote_status st = ROTE_OK;
    int64_t rows = train_history_rows(t), width = train_history_width(t);
    if (!rows)
        return ROTE_OK;
    TRY(base_grow(&t->history, (size_t)(rows * width), sizeof *t->history));
    double *row = t->history + (rows - 1) * width;
    row[0] = t->net.validation_figures[train_class_head(t)].loss;
    for (int i = 0; i < t->net.m->n_heads; i++)
        row[1 + i] = excess_now(t, i);
out:
    return st;
}

static double loss_at(const struct rote_run *t, int64_t epoch)
{
    return t->history[epoch * train_history_width(t)];
}

static double excess_at(const struct rote_run *t, int64_t epoch, int head)
{
    return t->history[epoch * train_history_width(t) + 1 + head];
}

/* The epoch, from 0, of the least validation loss among the first `epochs`; the first of several. */
static int64_t best_of(const struct rote_run *t, int64_t epochs)
{
    int64_t best = 0;
    for (int64_t i = 1; i < epochs; i++)
        if (loss_at(t, i) < loss_at(t, best))
            best = i;
    return best;
}

/* Whether, after this epoch, a head's excess has risen over the last ones by more than two standard errors of an
 * accuracy at chance while the validation loss did not fall below what it was before. */
static bool rises(const struct rote_run *t, int64_t epoch, int head)
{
    if (epoch < WINDOW || !watched(&t->net.m->head[head]) || best_of(t, epoch + 1) > epoch - WINDOW)
        return false;
    double chance = 1.0 / t->net.m->head[head].n, error = sqrt(chance * (1 - chance) / (double)t->clean_count);
    return excess_at(t, epoch, head) - excess_at(t, epoch - WINDOW, head) > 2 * error;
}

static bool any_rises(const struct rote_run *t, int64_t epoch)
{
    bool any = false;
    for (int i = 0; i < t->net.m->n_heads; i++)
        any = any || rises(t, epoch, i);
    return any;
}

const char *train_stop_reason(const struct rote_run *t)
{
    int64_t rows = train_history_rows(t), patience = t->cfg.early_stop_patience, held = 0;
    if (!rows || t->step != rows * t->steps_per_epoch || rows >= t->cfg.epochs)
        return NULL;
    if (t->cfg.early_stop == CONFIG_STOP_PATIENCE)
        return rows - 1 - best_of(t, rows) >= patience ? "patience" : NULL;
    if (t->cfg.early_stop != CONFIG_STOP_RLA)
        return NULL;
    while (held < rows && any_rises(t, rows - 1 - held))
        held++;
    return held >= patience ? "rla" : NULL;
}

enum rote_status train_hint(struct rote_run *t)
{
    enum rote_status st = ROTE_OK;
    int64_t epoch = train_history_rows(t) - 1;
    for (int i = 0; i < t->net.m->n_heads && epoch >= WINDOW && !t->cfg.frozen; i++) {
        if (!rises(t, epoch, i) || rises(t, epoch - 1, i))
            continue;
        int64_t best = best_of(t, epoch + 1);
        struct train_hint h = {.head = t->net.m->head[i].name, .excess = excess_at(t, epoch, i),
                               .rise = excess_at(t, epoch, i) - excess_at(t, epoch - WINDOW, i), .epochs = WINDOW,
                               .loss = loss_at(t, epoch), .best_loss = loss_at(t, best), .best_epoch = best + 1};
        base_warn("epoch %lld: the network memorises more, and gets no better: random-label accuracy of head %s is "
                  "%.2f points above %s, %.2f more than %d epochs ago; the validation loss is %.4f, its least was %.4f "
                  "in epoch %lld", (long long)epoch + 1, h.head, 100 * h.excess, t->control.m ? "the control's" : "chance",
                  100 * h.rise, WINDOW, h.loss, h.best_loss, (long long)h.best_epoch);
        if (t->log)
            TRY(runlog_hint(t, &h));
    }
out:
    return st;
}
