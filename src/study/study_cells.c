/* From factors to cells, and from cells to runs. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/philox.clh"
#include "study/study.h"

#define STREAM_TRIAL 0x747269u
#define STREAM_DRAW 0x647261u

static uint32_t draw(const struct rote_study *s, uint32_t stream, uint32_t a, uint32_t b)
{
    uint64_t seed = (uint64_t)s->plan.seed;
    return philox4x32(a, b, stream, 0, (uint32_t)seed, (uint32_t)(seed >> 32)).v[0];
}

static unsigned level_count(const struct study_factor *f)
{
    return f->values_count ? f->values_count : f->levels_count;
}

const char *study_level_name(const struct study_factor *f, int level)
{
    return f->values_count ? f->values[level] : f->levels[level].name;
}

static enum rote_status add_tune(struct study_cell *c, const struct study_tune *t, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        if (c->n_tune == COUNT_OF(c->tune))
            return base_error(ROTE_ECONFIG, "cell %s searches more than %zu keys", c->id, COUNT_OF(c->tune));
        c->tune[c->n_tune++] = &t[i];
    }
    return ROTE_OK;
}

static enum rote_status count_trials(const struct rote_study *s, struct study_cell *c)
{
    double all = 1;
    if (!c->n_tune)
        return ROTE_OK;
    for (int i = 0; i < c->n_tune; i++) {
        if (s->plan.tuning.search == STUDY_SEARCH_GRID && !c->tune[i]->values_count)
            return base_error(ROTE_ECONFIG, "cell %s: tuning.search is grid, but tune %s has a range; give values",
                              c->id, c->tune[i]->key);
        all *= c->tune[i]->values_count ? c->tune[i]->values_count : INFINITY;
    }
    if (s->plan.tuning.search == STUDY_SEARCH_GRID && all > 10000)
        return base_error(ROTE_ECONFIG, "cell %s: a grid of %g trials; search random, or give fewer values", c->id,
                          all);
    c->trials = s->plan.tuning.search == STUDY_SEARCH_GRID || all < s->plan.tuning.trials ? (int)all
                                                                                         : s->plan.tuning.trials;
    return ROTE_OK;
}

/* The levels' keys; the id names them all. */
static enum rote_status fill(struct rote_study *s, struct study_cell *c)
{
    enum rote_status st = ROTE_OK;
    const struct study_plan *p = &s->plan;
    struct base_buf id = {0};
    for (unsigned i = 0; i < p->factors_count; i++)
        TRY(base_buf_printf(&id, "%s%s=%s", i ? "/" : "", p->factors[i].name,
                            study_level_name(&p->factors[i], c->level[i])));
    TRY(base_strdup(&c->id, id.len ? id.text : "all"));
    c->selected = -1;
    TRY(add_tune(c, p->tune, p->tune_count));
    for (unsigned i = 0; i < p->factors_count; i++) {
        const struct study_level *l = p->factors[i].levels ? &p->factors[i].levels[c->level[i]] : NULL;
        if (l)
            TRY(add_tune(c, l->tune, l->tune_count));
        for (unsigned k = 0; l && k < l->set_count; k++) {
            if (c->n_set == COUNT_OF(c->set))
                FAIL(ROTE_ECONFIG, "cell %s sets more than %zu keys", c->id, COUNT_OF(c->set));
            c->set[c->n_set++] = l->set[k];
        }
    }
    TRY(count_trials(s, c));
out:
    base_buf_free(&id);
    return st;
}

static enum rote_status append(struct rote_study *s, const int *level)
{
    enum rote_status st = ROTE_OK;
    TRY(base_grow(&s->cell, (size_t)s->n_cells + 1, sizeof *s->cell));
    struct study_cell *c = &s->cell[s->n_cells];
    memset(c, 0, sizeof *c);
    memcpy(c->level, level, sizeof c->level);
    s->n_cells++;
    TRY(fill(s, c));
out:
    return st;
}

/* Combination i of all. */
static void combination(const struct study_plan *p, uint64_t i, int level[16])
{
    memset(level, 0, 16 * sizeof *level);
    for (unsigned f = p->factors_count; f-- > 0;) { /* the last factor runs fastest */
        level[f] = (int)(i % level_count(&p->factors[f]));
        i /= level_count(&p->factors[f]);
    }
}

static enum rote_status make_cells(struct rote_study *s)
{
    enum rote_status st = ROTE_OK;
    const struct study_plan *p = &s->plan;
    uint64_t all = 1, drawn = 0;
    int level[16] = {0};
    if (p->factors_count > 16)
        FAIL(ROTE_ECONFIG, "%u factors; there may be 16", p->factors_count);
    for (unsigned f = 0; f < p->factors_count; f++)
        if (!base_mul(all, level_count(&p->factors[f]), &all) || all > 100000)
            FAIL(ROTE_ECONFIG, "the factors have more than 100000 combinations; use fewer values, or design "
                               "one_at_a_time");
    if (p->design == STUDY_ONE_AT_A_TIME) {
        TRY(append(s, level));
        for (unsigned f = 0; f < p->factors_count; f++, memset(level, 0, sizeof level))
            for (level[f] = 1; level[f] < (int)level_count(&p->factors[f]); level[f]++)
                TRY(append(s, level));
        goto out;
    }
    uint64_t want = p->design == STUDY_RANDOM && (uint64_t)p->draws < all ? (uint64_t)p->draws : all;
    for (uint64_t i = 0; i < all && drawn < want; i++) { /* each combination left is as likely as the others */
        bool take = p->design == STUDY_GRID || draw(s, STREAM_DRAW, (uint32_t)i, 0) % (all - i) < want - drawn;
        combination(p, i, level);
        if (take)
            TRY(append(s, level));
        drawn += take;
    }
out:
    return st;
}

void study_trial_value(const struct rote_study *s, const struct study_cell *c, int trial, int d, char out[64])
{
    const struct study_tune *t = c->tune[d];
    uint32_t name = 0;
    for (const char *k = t->key; *k; k++)
        name = name * 31 + (unsigned char)*k;
    double u = (draw(s, STREAM_TRIAL, (uint32_t)trial, name) + 0.5) / 4294967296.0;
    unsigned index = t->values_count ? (unsigned)(u * t->values_count) : 0;
    bool all = true; /* so few values that each combination is a trial */
    double combinations = 1;
    for (int i = 0; i < c->n_tune; i++) {
        all = all && c->tune[i]->values_count;
        combinations *= c->tune[i]->values_count;
    }
    if (all && combinations == c->trials) {
        int rest = trial;
        for (int i = c->n_tune - 1; i > d; i--)
            rest /= (int)c->tune[i]->values_count;
        index = (unsigned)rest % t->values_count;
    }
    if (t->values_count) {
        snprintf(out, 64, "%s", t->values[index]);
        return;
    }
    double v = t->log ? t->low * pow(t->high / t->low, u) : t->low + (t->high - t->low) * u;
    snprintf(out, 64, t->integer ? "%.0f" : "%.6g", t->integer ? round(v) : v);
}

static enum rote_status set(struct config *c, const char *key, const char *value)
{
    enum rote_status st = ROTE_OK;
    char *text = NULL;
    TRY(base_sprintf(&text, "%s=%s", key, value));
    TRY(config_set(c, text));
out:
    base_free(text);
    return st;
}

enum rote_status study_cell_config(const struct rote_study *s, const struct study_cell *c, struct config *out)
{
    enum rote_status st = ROTE_OK;
    const struct study_plan *p = &s->plan;
    TRY(config_copy(&p->base, out));
    for (unsigned f = 0; f < p->factors_count; f++)
        if (p->factors[f].key)
            TRY(set(out, p->factors[f].key, p->factors[f].values[c->level[f]]));
    for (int i = 0; i < c->n_set; i++)
        TRY(config_set(out, c->set[i]));
out:
    return st;
}

enum rote_status study_run_make(struct rote_study *s, struct study_run *r)
{
    enum rote_status st = ROTE_OK;
    const struct study_cell *c = &s->cell[r->cell];
    struct base_buf text = {0};
    struct base_sha256 sha;
    char hex[65], value[64];
    int trial = r->trial < 0 && c->trials ? c->selected : r->trial;
    TRY(study_cell_config(s, c, &r->config));
    for (int d = 0; d < c->n_tune; d++) {
        study_trial_value(s, c, trial, d, value);
        TRY(set(&r->config, c->tune[d]->key, value));
    }
    r->config.seed = r->seed;
    if (r->trial >= 0)
        r->config.test = CONFIG_TEST_NEVER;
    TRY(config_inline_network(&r->config));
    TRY(config_validate(&r->config));
    TRY(config_assignments(&r->config, &text));
    base_sha256_init(&sha);
    base_sha256_add(&sha, text.text, text.len);
    base_sha256_hex(&sha, hex);
    snprintf(r->key, sizeof r->key, "%.16s", hex);
    TRY(base_strdup(&r->assignments, text.text));
out:
    if (st)
        base_error_prefix("cell %s", c->id);
    base_buf_free(&text);
    return st;
}

static enum rote_status add_run(struct rote_study *s, int cell, int trial, int64_t seed)
{
    enum rote_status st = ROTE_OK;
    TRY(base_grow(&s->run, (size_t)s->n_runs + 1, sizeof *s->run));
    struct study_run *r = &s->run[s->n_runs];
    memset(r, 0, sizeof *r);
    r->cell = cell;
    r->trial = trial;
    r->seed = seed;
    s->n_runs++;
    if (trial >= 0 || !s->cell[cell].trials)
        TRY(study_run_make(s, r));
out:
    return st;
}

/* The tuning's first, then seed by seed, so that an unfinished study compares whole seeds. */
enum rote_status study_cells(struct rote_study *s)
{
    enum rote_status st = ROTE_OK;
    const struct study_plan *p = &s->plan;
    bool tunes = false;
    TRY(make_cells(s));
    for (int c = 0; c < s->n_cells; c++)
        for (int t = 0; t < s->cell[c].trials; t++, tunes = true)
            for (unsigned i = 0; i < p->tuning.seeds_count; i++)
                TRY(add_run(s, c, t, p->tuning.seeds[i]));
    for (unsigned i = 0; i < p->seeds_count; i++)
        for (int c = 0; c < s->n_cells; c++)
            TRY(add_run(s, c, -1, p->seeds[i]));
    if (tunes && !p->tuning.seeds_count)
        FAIL(ROTE_ECONFIG, "tuning.seeds is empty, but there are keys to tune");
    for (int i = 0; i < s->n_runs; i++)
        if (s->run[i].trial >= 0 && !s->run[i].config.data.validation && !strncmp(p->tuning.metric, "validation.", 11))
            FAIL(ROTE_ECONFIG, "cell %s is tuned by %s: give data.validation in base, the number of training samples "
                 "to set apart", s->cell[s->run[i].cell].id, p->tuning.metric);
    for (unsigned i = 0; i < p->primary_count; i++) {
        const char *side[] = {p->primary[i].of, p->primary[i].against};
        for (int k = 0; k < 2; k++) {
            bool found = false;
            for (int c = 0; c < s->n_cells; c++)
                found = found || !strcmp(s->cell[c].id, side[k]);
            if (!found)
                FAIL(ROTE_ECONFIG, "primary comparison in line %d: there is no cell '%s'; the first is '%s'",
                     p->primary[i].line, side[k], s->cell[0].id);
        }
    }
out:
    return st;
}

void study_cells_free(struct rote_study *s)
{
    for (int i = 0; i < s->n_cells; i++)
        base_free(s->cell[i].id);
    for (int i = 0; i < s->n_runs; i++) {
        config_free(&s->run[i].config);
        base_free(s->run[i].assignments);
    }
    base_free(s->cell);
    base_free(s->run);
}
