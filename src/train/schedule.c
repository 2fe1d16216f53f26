/* Learning rates and the regularisers' factor as functions of the step.
 *   warm-up   base · (step + 1) / warm-up steps
 *   step      base · gamma^(boundaries passed)
 *   cosine    final + (base − final)(1 + cos π u)/2, u the share done after the warm-up
 *   Ganin     2/(1 + exp(−10 t)) − 1, t the share of training done (1409.7495) */
#include <math.h>

#include "train/train_internal.h"

double schedule_lr(const struct config *c, int64_t step, int64_t steps_per_epoch)
{
    const struct config_lr *lr = &c->lr;
    double epoch = (double)step / (double)steps_per_epoch;
    double warmup = floor(lr->warmup_epochs * (double)steps_per_epoch + 0.5);
    double total = (double)c->epochs * (double)steps_per_epoch;
    if ((double)step < warmup)
        return lr->base * ((double)step + 1) / warmup;
    if (lr->schedule == CONFIG_LR_STEP) {
        double rate = lr->base;
        for (unsigned i = 0; i < lr->step_epochs_count; i++)
            rate *= epoch >= lr->step_epochs[i] ? lr->gamma : 1;
        return rate;
    }
    if (lr->schedule == CONFIG_LR_COSINE) {
        double u = ((double)step - warmup) / (total - warmup);
        return lr->final + (lr->base - lr->final) * 0.5 * (1 + cos(3.14159265358979323846 * u));
    }
    return lr->base;
}

double schedule_lambda(const struct config *c, int64_t step, int64_t steps_per_epoch)
{
    double t = (double)step / ((double)c->epochs * (double)steps_per_epoch);
    return 2 / (1 + exp(-10 * t)) - 1;
}
