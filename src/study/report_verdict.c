/* What the comparisons that were declared beforehand say to the one who decides. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "study/report.h"

#define MOST_ALTERNATIVES 12

/* Of both cells: runs that are still to be done, and runs that ended without a result. */
static void count_runs(const struct rote_study *s, const struct study_difference *d, int *left, int *lost)
{
    const int side[2] = {study_cell_of(s, d->of), study_cell_of(s, d->against)};
    *left = *lost = 0;
    for (int k = 0; k < 2; k++)
        for (unsigned i = 0; i < s->plan.seeds_count; i++) {
            const struct study_run *r = study_run_of(s, side[k], s->plan.seeds[i]);
            *left += !r->assignments || study_unfinished(r);
            *lost += r->assignments && r->ended;
        }
}

/* The rule, as docs/report.md and the page state it. */
static const char *decide(const struct rote_study *s, const struct study_difference *d, int left, int lost)
{
    double sign = d->benefit < 0 ? -1 : 1, wanted = fabs(d->benefit), mean = sign * d->mean;
    double most = sign > 0 ? d->t.high : -d->t.low;
    bool shown = d->adjusted <= s->plan.alpha; /* false for NAN */
    if (left)
        return "unfinished";
    if (d->benefit == 0)
        return "no threshold";
    if (d->pairs < 2)
        return "extend";
    if (shown && mean >= wanted)
        return lost ? "extend" : "go";
    if (most < wanted || (shown && mean < wanted))
        return "no-go";
    return "extend";
}

/* Seeds in all with which, were mean and deviation to stay, the interval would leave out what decides; at least those
 * without which the test can show nothing. 0: not known. */
static int seeds_to_decide(const struct rote_study *s, const struct study_difference *d)
{
    double sign = d->benefit < 0 ? -1 : 1, mean = sign * d->mean, wanted = fabs(d->benefit);
    int least = rote_seeds_needed(s->plan.primary_count, s->plan.alpha), by_width;
    if (d->pairs < 2)
        return least;
    by_width = mean >= wanted
                   ? rote_seeds_for_interval(d->deviation, mean, 1 - s->plan.alpha / s->plan.primary_count)
                   : rote_seeds_for_interval(d->deviation, wanted - mean, 1 - s->plan.alpha);
    return !by_width ? 0 : by_width > least ? by_width : least;
}

static enum rote_status add_difference(struct rote_study *s, const char *figure, const char *of, const char *against,
                                       json_t *out)
{
    enum rote_status st = ROTE_OK;
    struct study_difference d = {.figure = figure, .of = of, .against = against};
    TRY(study_compare_pair(s, &d));
    if (d.pairs)
        json_array_append_new(out, study_difference_json(s, &d, false));
out:
    return st;
}

/* What else differs between the two cells: outcomes of class heads, memorisation that random heads see. */
static enum rote_status side_effects(struct rote_study *s, const struct study_difference *d, json_t *out)
{
    static const char *const outcomes[] = {"test.%s.accuracy", "test.%s.loss", "test.%s.ece", "clean.%s.accuracy"};
    enum rote_status st = ROTE_OK;
    struct config c = {0};
    char *figure = NULL;
    TRY(study_cell_config(s, &s->cell[study_cell_of(s, d->of)], &c));
    for (unsigned i = 0; i < c.heads_count; i++) {
        bool random = c.heads[i].kind == CONFIG_HEAD_RANDOM;
        for (size_t k = 0; k < (random ? 1 : COUNT_OF(outcomes)); k++) {
            TRY(base_sprintf(&figure, random ? "clean.%s.chance_corrected" : outcomes[k], c.heads[i].name));
            if (strcmp(figure, d->figure))
                TRY(add_difference(s, figure, d->of, d->against, out));
            base_free(figure);
            figure = NULL;
        }
    }
    if (strcmp(d->figure, "shifted.all.accuracy"))
        TRY(add_difference(s, "shifted.all.accuracy", d->of, d->against, out));
out:
    base_free(figure);
    config_free(&c);
    return st;
}

static int levels_apart(const struct rote_study *s, int a, int b)
{
    int n = 0;
    for (unsigned f = 0; f < s->plan.factors_count; f++)
        n += s->cell[a].level[f] != s->cell[b].level[f];
    return n;
}

/* Other cells in the place of `of`: those that differ from `against` in one factor, in the plan's order. */
static enum rote_status alternatives(struct rote_study *s, const struct study_difference *d, json_t *out)
{
    enum rote_status st = ROTE_OK;
    int of = study_cell_of(s, d->of), against = study_cell_of(s, d->against);
    for (int c = 0; c < s->n_cells && json_array_size(out) < MOST_ALTERNATIVES; c++)
        if (c != of && levels_apart(s, c, against) == 1)
            TRY(add_difference(s, d->figure, s->cell[c].id, d->against, out));
out:
    return st;
}

static enum rote_status add_primary(struct rote_study *s, const struct study_difference *d, json_t *out)
{
    enum rote_status st = ROTE_OK;
    json_t *o = study_difference_json(s, d, true), *side = json_array(), *others = json_array();
    int left, lost, needed = seeds_to_decide(s, d);
    json_array_append_new(out, o);
    json_object_set_new(o, "side", side);
    json_object_set_new(o, "alternatives", others);
    count_runs(s, d, &left, &lost);
    json_object_set_new(o, "left", json_integer(left));
    json_object_set_new(o, "lost", json_integer(lost));
    json_object_set_new(o, "sd", study_json_real(d->pairs > 1 ? d->deviation : NAN));
    json_object_set_new(o, "decision", json_string(decide(s, d, left, lost)));
    json_object_set_new(o, "needed", json_integer(needed));
    json_object_set_new(o, "more", json_integer(!needed ? 0 : needed > d->pairs ? needed - d->pairs : 1));
    TRY(side_effects(s, d, side));
    TRY(alternatives(s, d, others));
out:
    return st;
}

enum rote_status report_primary(struct rote_study *s, json_t *out)
{
    enum rote_status st = ROTE_OK;
    struct study_difference *d = NULL;
    TRY(study_compare_primary(s, &d));
    for (unsigned i = 0; i < s->plan.primary_count; i++)
        TRY(add_primary(s, &d[i], out));
out:
    base_free(d);
    return st;
}
