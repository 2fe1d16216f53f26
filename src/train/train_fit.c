/* What a step keeps in memory, decided before the first: the whole batch; else with cheap parts
 * of the forward pass computed again; else the batch in micro-batches. Recomputation changes no
 * bit and may be decided anew at any time. The size of micro-batches is part of what is computed
 * (batch-norm statistics are a micro-batch's), so that it is decided on the trunk and its class
 * heads alone, whatever random heads there are, and kept in the configuration. */
#include "train/train_internal.h"

/* Without recomputation where that is possible. */
static enum rote_status plan_at(struct rote_run *t, int micro)
{
    enum config_recompute r = t->cfg.memory.recompute;
    t->cfg.micro_batch = micro;
    t->recompute = r == CONFIG_RECOMPUTE_ON;
    enum rote_status st = train_plan(t, true);
    if (st != ROTE_EDEVMEM || r != CONFIG_RECOMPUTE_AUTO)
        return st;
    t->recompute = true;
    return train_plan(t, true);
}

/* The largest divisor of the batch at which the trunk and its class heads fit. */
static enum rote_status largest_that_fits(struct rote_run *t, int *out)
{
    enum rote_status st = ROTE_OK;
    t->recompute = t->cfg.memory.recompute != CONFIG_RECOMPUTE_OFF;
    for (int micro = t->cfg.batch; micro >= 1; micro--) {
        if (t->cfg.batch % micro)
            continue;
        t->cfg.micro_batch = *out = micro;
        st = train_plan(t, false);
        if (st != ROTE_EDEVMEM)
            break;
    }
    if (st)
        base_error_prefix("in micro-batches of %d", *out);
    return st;
}

enum rote_status train_fit(struct rote_run *t)
{
    enum rote_status st = ROTE_OK;
    int given = t->cfg.micro_batch, micro = given ? given : t->cfg.batch;
    st = plan_at(t, micro);
    if (st != ROTE_EDEVMEM || given)
        return st;
    TRY(largest_that_fits(t, &micro));
    if (micro < t->cfg.batch)
        base_warn("batch %d does not fit in memory: it is computed as %d micro-batches of %d; batch-norm statistics "
                  "are a micro-batch's", t->cfg.batch, t->cfg.batch / micro, micro);
    st = plan_at(t, micro);
    if (st == ROTE_EDEVMEM)
        base_error_prefix("the network fits, in micro-batches of %d, but not with its random heads: give it more "
                          "memory, or set micro_batch", micro);
out:
    return st;
}
