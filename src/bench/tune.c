/* The search over variants and tunables. Which call: those of a step, by estimated share. What:
 * every variant at its defaults, over all calls, since that is where most is won; then, call by
 * call, the best variant's tunables one at a time, each value against the best so far. The
 * tuning file is written when a call is done with, so that a search that ends anywhere has lost
 * one call at most; what it holds is not searched again. */
#include "rote/tune.h"

#include <stdlib.h>
#include <string.h>

#include "op/case.h"
#include "graph/graph.h"
#include "rt/rt_tuning.h"
#include "train/train.h"

#define WIN 0.97            /* a candidate takes at most this share of the incumbent's time */
#define FLOPS_SECOND 1e11   /* only their ratio matters: what is near the top of the list */
#define BYTES_SECOND 1e10

struct item {
    struct call call;
    char *words;
    double runs, cost;
    char initial[OP_VARIANT_WORDS], best[OP_VARIANT_WORDS];
    double initial_ms, ms;
    int trials;
    bool complete, variants_done, touched;
};

struct rote_tune {
    struct rote_device *dev;
    struct item *item;
    size_t count, cap;
    double cost;
    int left_out;
    const struct rote_tune_options *options; /* during a search */
    bool stop;
    int pass;
};

enum rote_status rote_tune_new(rote_device *device, rote_tune **out)
{
    enum rote_status st = ROTE_OK;
    struct rote_tune *t = NULL;
    if (!device || !out)
        return base_null_argument("rote_tune_new");
    TRY(base_alloc(&t, 1, sizeof *t));
    t->dev = device;
    *out = t;
out:
    return st;
}

void rote_tune_free(rote_tune *t)
{
    for (size_t i = 0; t && i < t->count; i++)
        base_free(t->item[i].words);
    if (t)
        base_free(t->item);
    base_free(t);
}

static double cost_of(const struct call *c)
{
    const struct op_def *def = op_def_of(c);
    double flops = def->flops ? def->flops(c) : (double)call_elements(&c->out[0]), bytes = 0;
    for (int i = 0; i < c->sig->n_in; i++)
        bytes += c->in_present[i] && !(c->sig->in[i].flags & PORT_SHAPE_ONLY) ? (double)op_bytes(&c->in[i]) : 0;
    for (int i = 0; i < c->sig->n_out; i++)
        bytes += (double)op_bytes(&c->out[i]);
    double compute = flops / FLOPS_SECOND, traffic = bytes / BYTES_SECOND;
    return compute > traffic ? compute : traffic;
}

static bool accepts(const struct rote_tune *t, const struct op_variant *v, const struct call *c)
{
    return !v->accepts || v->accepts(rt_facts_of(t->dev), c);
}

/* Two variants that take it, or one with tunables. */
static bool has_choice(const struct rote_tune *t, const struct call *c)
{
    int n = 0;
    for (const struct op_variant *const *v = op_def_of(c)->variants; *v; v++)
        if (accepts(t, *v, c))
            n += 1 + ((*v)->tunables && (*v)->tunables->name);
    return n > 1;
}

static enum rote_status add_call(struct rote_tune *t, const struct call *c, double runs)
{
    enum rote_status st = ROTE_OK;
    struct base_buf words = {0};
    struct item *item = NULL;
    TRY(op_call_words(c, &words));
    t->cost += runs * cost_of(c);
    for (size_t i = 0; i < t->count && !item; i++)
        if (!strcmp(t->item[i].words, words.text))
            item = &t->item[i];
    if (!item && !has_choice(t, c)) {
        t->left_out++;
        goto out;
    }
    if (!item) {
        if (t->count == t->cap) {
            TRY(base_grow(&t->item, t->cap * 2 + 16, sizeof *t->item));
            t->cap = t->cap * 2 + 16;
        }
        item = &t->item[t->count];
        *item = (struct item){.call = *c, .words = words.text};
        words.text = NULL;
        t->count++;
    }
    item->runs += runs;
    item->cost += runs * cost_of(c);
out:
    base_buf_free(&words);
    return st;
}

static int by_cost(const void *a, const void *b)
{
    const struct item *x = a, *y = b;
    if (x->cost != y->cost)
        return x->cost > y->cost ? -1 : 1;
    return strcmp(x->words, y->words);
}

enum rote_status rote_tune_add(rote_tune *t, const rote_run *run)
{
    enum rote_status st = ROTE_OK;
    const struct graph *g;
    double per_step;
    if (!t || !run)
        return base_null_argument("rote_tune_add");
    for (int i = 0; (g = train_graph(run, i, &per_step)); i++)
        for (int k = 0; k < g->n_nodes; k++)
            TRY(add_call(t, &g->node[k].call, per_step));
    if (t->count)
        qsort(t->item, t->count, sizeof *t->item, by_cost);
out:
    return st;
}

/* What a variant's words come to, without building: complete words and kernels' hash. NULL: the
 * untuned choice. */
static enum rote_status resolve(const struct rote_tune *t, const struct call *c, const char *variant,
                                char words[OP_VARIANT_WORDS], char kernels[RT_HASH])
{
    struct op_inst *inst = NULL;
    rt_collect(t->dev, true);
    enum rote_status st = variant ? op_inst_new(t->dev, c, variant, &inst) : op_inst_new_untuned(t->dev, c, &inst);
    rt_collect(t->dev, false);
    if (!st) {
        op_inst_words(inst, words);
        op_inst_kernels_hash(inst, kernels);
    }
    op_inst_free(inst);
    return st;
}

static struct rote_tune_call view(const struct rote_tune *t, const struct item *it)
{
    return (struct rote_tune_call){.call = it->words, .runs = it->runs, .share = t->cost > 0 ? it->cost / t->cost : 0,
                                   .initial = it->initial, .chosen = it->best, .initial_ms = it->initial_ms,
                                   .ms = it->ms, .trials = it->trials, .complete = it->complete,
                                   .skipped = !it->touched};
}

static void tell(const struct rote_tune *t, const struct item *it, const char *candidate)
{
    struct rote_tune_call c = view(t, it);
    if (t->options->progress)
        t->options->progress(t->options->user, t->pass, (int)(it - t->item), &c, candidate);
}

/* A variant that must not be tried again: the reason, by its kernels as they are. */
static enum rote_status remember(struct rote_tune *t, const struct item *it, const char *candidate,
                                 const char *kernels, enum rote_verdict v, const char *why)
{
    struct rote_tune_call c = view(t, it);
    struct rt_tuning_line line = {.call = it->words, .variant = (char *)candidate};
    if (t->options->failure)
        t->options->failure(t->options->user, &c, candidate, v, why);
    if (v == ROTE_TRIAL_REFUSED)
        return ROTE_OK;
    snprintf(line.failure, sizeof line.failure, "%s", rote_verdict_word(v));
    memcpy(line.kernels, kernels, RT_HASH);
    return rt_tuning_put(t->dev, &line);
}

/* *won: the candidate is right, and faster than `incumbent` by more than 3%. */
static enum rote_status try(struct rote_tune *t, struct item *it, const char *incumbent, const char *candidate,
                            double ms[2], bool *won)
{
    char words[OP_VARIANT_WORDS], kernels[RT_HASH], why[400] = "";
    *won = false;
    if (resolve(t, &it->call, candidate, words, kernels))
        return ROTE_OK; /* does not take this call, or not with these values */
    const struct rt_tuning_line *known = rt_tuning_failure(t->dev, it->words, words);
    if (known && !strcmp(known->kernels, kernels) && !t->options->all)
        return ROTE_OK;
    tell(t, it, words);
    enum rote_verdict v = t->options->trial(t->options->user, it->words, incumbent, words, ms, why, sizeof why);
    t->stop = v == ROTE_TRIAL_STOP;
    if (t->stop)
        return ROTE_OK;
    it->trials++;
    it->touched = true;
    if (v != ROTE_TRIAL_DONE)
        return remember(t, it, words, kernels, v, why);
    *won = ms[1] < WIN * ms[0];
    return ROTE_OK;
}

static enum rote_status try_against_best(struct rote_tune *t, struct item *it, const char *candidate)
{
    double ms[2];
    bool won;
    char same[OP_VARIANT_WORDS];
    snprintf(same, sizeof same, "%s", candidate);
    if (!strcmp(same, it->best))
        return ROTE_OK;
    enum rote_status st = try(t, it, it->best, same, ms, &won);
    if (!st && won)
        snprintf(it->best, sizeof it->best, "%s", same);
    return st;
}

/* The best against what runs untuned, in turn: the two numbers of the file's line, and the last
 * word on whether it is one. */
static enum rote_status settle(struct rote_tune *t, struct item *it)
{
    enum rote_status st = ROTE_OK;
    double ms[2] = {0, 0};
    bool won;
    char kernels[RT_HASH], words[OP_VARIANT_WORDS];
    TRY(try(t, it, it->initial, it->best, ms, &won));
    if (t->stop || !(ms[0] > 0))
        goto out;
    if (!won)
        snprintf(it->best, sizeof it->best, "%s", it->initial);
    it->initial_ms = ms[0];
    it->ms = won ? ms[1] : ms[0];
    TRY(resolve(t, &it->call, it->best, words, kernels));
    struct rt_tuning_line line = {.call = it->words, .variant = it->best, .ms = it->ms, .initial_ms = it->initial_ms,
                                  .complete = it->complete};
    memcpy(line.kernels, kernels, RT_HASH);
    TRY(rt_tuning_put(t->dev, &line));
out:
    return st;
}

static enum rote_status search_variants(struct rote_tune *t, struct item *it)
{
    enum rote_status st = ROTE_OK;
    bool alone = true;
    for (const struct op_variant *const *v = op_def_of(&it->call)->variants; *v && !t->stop; v++) {
        if (!accepts(t, *v, &it->call) || !strcmp((*v)->name, it->initial))
            continue;
        alone = false;
        TRY(try_against_best(t, it, (*v)->name));
    }
    it->variants_done = !t->stop;
    if (!t->stop && !alone)
        TRY(settle(t, it));
out:
    return st;
}

/* The value of a tunable in "winograd:items=4,block=640", or 0. */
static int value_in(const char *words, const char *name)
{
    size_t n = strlen(name);
    for (const char *at = strpbrk(words, ":,"); at; at = strpbrk(at + 1, ","))
        if (!strncmp(at + 1, name, n) && at[1 + n] == '=')
            return atoi(at + n + 2);
    return 0;
}

/* `words` with one tunable set to another value. */
static void with_value(const struct op_variant *v, const char *words, int tunable, int value,
                       char out[OP_VARIANT_WORDS])
{
    int at = snprintf(out, OP_VARIANT_WORDS, "%s", v->name);
    char mark = ':';
    for (int i = 0; v->tunables[i].name && at < OP_VARIANT_WORDS; i++) {
        int now = i == tunable ? value : value_in(words, v->tunables[i].name);
        if (now)
            at += snprintf(out + at, (size_t)(OP_VARIANT_WORDS - at), "%c%s=%d", mark, v->tunables[i].name, now);
        mark = now ? ',' : mark;
    }
}

static enum rote_status search_tunables(struct rote_tune *t, struct item *it)
{
    enum rote_status st = ROTE_OK;
    const struct op_variant *v = NULL;
    char words[OP_VARIANT_WORDS];
    for (const struct op_variant *const *p = op_def_of(&it->call)->variants; *p; p++)
        if (!strncmp((*p)->name, it->best, strlen((*p)->name)) && strchr(":", it->best[strlen((*p)->name)]))
            v = *p;
    for (int i = 0; v && v->tunables && v->tunables[i].name && !t->stop; i++)
        for (const int *value = v->tunables[i].values; *value && !t->stop; value++) {
            with_value(v, it->best, i, *value, words);
            TRY(try_against_best(t, it, words));
        }
    it->complete = !t->stop;
    if (!t->stop)
        TRY(settle(t, it));
    it->complete = it->complete && !t->stop;
out:
    return st;
}

/* What the file holds of this call, if its kernels are still these. */
static enum rote_status recall(struct rote_tune *t, struct item *it)
{
    char kernels[RT_HASH], words[OP_VARIANT_WORDS];
    enum rote_status st = resolve(t, &it->call, NULL, it->initial, kernels);
    if (st)
        return st;
    memcpy(it->best, it->initial, sizeof it->best);
    const struct rt_tuning_line *line = rt_tuning_choice(t->dev, it->words);
    if (!line || t->options->all || resolve(t, &it->call, line->variant, words, kernels) ||
        strcmp(kernels, line->kernels))
        return ROTE_OK;
    memcpy(it->best, words, sizeof it->best);
    it->ms = line->ms;
    it->initial_ms = line->initial_ms;
    it->complete = line->complete;
    it->variants_done = true;
    return ROTE_OK;
}

enum rote_status rote_tune_search(rote_tune *t, const struct rote_tune_options *o)
{
    enum rote_status st = ROTE_OK;
    if (!t || !o || !o->trial)
        return base_null_argument("rote_tune_search");
    t->options = o;
    t->stop = false;
    for (size_t i = 0; i < t->count; i++) {
        struct item *it = &t->item[i];
        it->trials = 0;
        it->complete = it->variants_done = it->touched = false;
        it->ms = it->initial_ms = 0;
        TRY(recall(t, it));
    }
    for (t->pass = 0; t->pass < 2; t->pass++)
        for (size_t i = 0; i < t->count && !t->stop; i++) {
            struct item *it = &t->item[i];
            if (t->pass ? it->complete : it->variants_done)
                continue;
            char settled[OP_VARIANT_WORDS];
            memcpy(settled, it->best, sizeof settled);
            TRY(t->pass ? search_tunables(t, it) : search_variants(t, it));
            if (t->stop) /* what was ahead so far is not in the file */
                memcpy(it->best, settled, sizeof settled);
            tell(t, it, NULL);
        }
out:
    t->options = NULL;
    return st;
}

int rote_tune_count(const rote_tune *t)
{
    return t ? (int)t->count : 0;
}

int rote_tune_left_out(const rote_tune *t)
{
    return t ? t->left_out : 0;
}

enum rote_status rote_tune_get(const rote_tune *t, int index, struct rote_tune_call *out)
{
    if (!t || !out)
        return base_null_argument("rote_tune_get");
    if (index < 0 || (size_t)index >= t->count)
        return base_error(ROTE_ENOTFOUND, "there are %zu calls to tune, none with number %d", t->count, index);
    *out = view(t, &t->item[index]);
    return ROTE_OK;
}

enum rote_status rote_tune_path(const rote_tune *t, char **path)
{
    return t && path ? rt_tuning_path(t->dev, path) : base_null_argument("rote_tune_path");
}

int rote_device_tuned(rote_device *device)
{
    return device && rt_tuning_any(device);
}
