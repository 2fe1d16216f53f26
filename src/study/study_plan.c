/* STUDY.yaml: what a study varies, and by which seeds. */
#include "study/study.h"

#include <string.h>

#include "train/config_schema.h"

#define OPT CYAML_FLAG_OPTIONAL
#define INT(s, m) CYAML_FIELD_INT(#m, OPT, struct s, m)
#define REAL(s, m) CYAML_FIELD_FLOAT(#m, OPT, struct s, m)
#define BOOL(s, m) CYAML_FIELD_BOOL(#m, OPT, struct s, m)
#define TEXT(s, m) CYAML_FIELD_STRING_PTR(#m, OPT | CYAML_FLAG_POINTER_NULL_STR, struct s, m, 0, CYAML_UNLIMITED)
#define ENUM(s, m, words) CYAML_FIELD_ENUM(#m, OPT | CYAML_FLAG_STRICT, struct s, m, words, COUNT_OF(words))
#define LIST(s, m, entry) CYAML_FIELD_SEQUENCE(#m, OPT | CYAML_FLAG_POINTER, struct s, m, &entry, 0, CYAML_UNLIMITED)
#define ENTRY(s, fields) {CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct s, fields)}

static const cyaml_strval_t designs[] = {
    {"grid", STUDY_GRID}, {"one_at_a_time", STUDY_ONE_AT_A_TIME}, {"random", STUDY_RANDOM}};
static const cyaml_strval_t searches[] = {{"grid", STUDY_SEARCH_GRID}, {"random", STUDY_SEARCH_RANDOM}};
static const cyaml_strval_t goals[] = {{"maximise", STUDY_MAXIMISE}, {"minimise", STUDY_MINIMISE}};

static const struct cyaml_schema_value word = {CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char *, 0, CYAML_UNLIMITED)};
static const struct cyaml_schema_value seed = {CYAML_VALUE_INT(CYAML_FLAG_DEFAULT, int64_t)};

static const cyaml_schema_field_t tune_fields[] = {
    TEXT(study_tune, key), LIST(study_tune, values, word), REAL(study_tune, low), REAL(study_tune, high),
    BOOL(study_tune, log), BOOL(study_tune, integer), CYAML_FIELD_END};
static const struct cyaml_schema_value tune_entry = ENTRY(study_tune, tune_fields);

static const cyaml_schema_field_t level_fields[] = {
    TEXT(study_level, name), LIST(study_level, set, word), LIST(study_level, tune, tune_entry), CYAML_FIELD_END};
static const struct cyaml_schema_value level_entry = ENTRY(study_level, level_fields);

static const cyaml_schema_field_t factor_fields[] = {
    TEXT(study_factor, name), TEXT(study_factor, key), LIST(study_factor, values, word),
    LIST(study_factor, levels, level_entry), CYAML_FIELD_END};
static const struct cyaml_schema_value factor_entry = ENTRY(study_factor, factor_fields);

static const cyaml_schema_field_t primary_fields[] = {
    TEXT(study_primary, figure), TEXT(study_primary, of), TEXT(study_primary, against),
    REAL(study_primary, benefit), CYAML_FIELD_END};
static const struct cyaml_schema_value primary_entry = ENTRY(study_primary, primary_fields);

static const cyaml_schema_field_t tuning_fields[] = {
    INT(study_tuning, trials), INT(study_tuning, first_epochs), INT(study_tuning, eta),
    ENUM(study_tuning, search, searches), LIST(study_tuning, seeds, seed), TEXT(study_tuning, metric),
    ENUM(study_tuning, goal, goals), CYAML_FIELD_END};

static const cyaml_schema_field_t fields[] = {
    TEXT(study_plan, name),
    TEXT(study_plan, question),
    CYAML_FIELD_MAPPING("base", OPT, struct study_plan, base, config_fields),
    ENUM(study_plan, design, designs),
    INT(study_plan, draws),
    INT(study_plan, seed),
    LIST(study_plan, seeds, seed),
    LIST(study_plan, factors, factor_entry),
    LIST(study_plan, tune, tune_entry),
    CYAML_FIELD_MAPPING("tuning", OPT, struct study_plan, tuning, tuning_fields),
    LIST(study_plan, primary, primary_entry),
    REAL(study_plan, alpha),
    BOOL(study_plan, alone),
    BOOL(study_plan, keep),
    LIST(study_plan, figures, word),
    CYAML_FIELD_END,
};

static const struct schema_bound bounds[] = {
    {"draws", 0, 100000, false, false},        {"seed", 0, 9007199254740991.0, false, false},
    {"seeds[]", 0, 9007199254740991.0, false, false}, {"tuning.seeds[]", 0, 9007199254740991.0, false, false},
    {"tuning.trials", 1, 10000, false, false}, {"tuning.first_epochs", 0, 1000000, false, false},
    {"tuning.eta", 2, 100, false, false},      {"alpha", 0, 1, true, true},
};

static enum rote_status entry_init(const char *sequence, void *entry, int line)
{
    if (!strcmp(sequence, "factors"))
        ((struct study_factor *)entry)->line = line;
    else if (!strcmp(sequence, "levels"))
        ((struct study_level *)entry)->line = line;
    else if (!strcmp(sequence, "tune"))
        ((struct study_tune *)entry)->line = line;
    else if (!strcmp(sequence, "primary"))
        ((struct study_primary *)entry)->line = line;
    else if (!strcmp(sequence, "heads") || !strcmp(sequence, "layers"))
        return config_schema.entry_init(sequence, entry, line);
    return ROTE_OK;
}

static const struct schema schema = {.fields = fields, .size = sizeof(struct study_plan), .bounds = bounds,
                                     .n_bounds = COUNT_OF(bounds), .entry_init = entry_init};

static const char defaults[] =
    "name: study\n"
    "seeds: [1, 2, 3, 4, 5, 6]\n"
    "seed: 1\n"
    "alpha: 0.05\n"
    "tuning: {trials: 8, first_epochs: 0, eta: 3, search: random, seeds: [1001],\n"
    "         metric: validation.class.accuracy, goal: maximise}\n";

static enum rote_status check_tune(const char *path, const struct study_tune *t)
{
    if (!t->key)
        return base_error(ROTE_ECONFIG, "%s:%d: tune: give the key that is searched, as in "
                          "{key: optimizer.decay, low: 1e-5, high: 1e-2, log: true}", path, t->line);
    if (t->values_count ? t->low != 0 || t->high != 0 : t->high <= t->low)
        return base_error(ROTE_ECONFIG, "%s:%d: tune %s: give values: [..], or low and a higher high", path, t->line,
                          t->key);
    if (t->log && !t->values_count && t->low <= 0)
        return base_error(ROTE_ECONFIG, "%s:%d: tune %s: log needs a low above 0", path, t->line, t->key);
    return ROTE_OK;
}

static enum rote_status check_factor(const char *path, const struct study_factor *f)
{
    enum rote_status st = ROTE_OK;
    if (!f->name)
        FAIL(ROTE_ECONFIG, "%s:%d: a factor needs a name", path, f->line);
    if (!!f->values_count == !!f->levels_count || (f->values_count && !f->key) || (f->levels_count && f->key))
        FAIL(ROTE_ECONFIG, "%s:%d: factor %s: give key and values, or levels", path, f->line, f->name);
    for (unsigned i = 0; i < f->levels_count; i++) {
        const struct study_level *l = &f->levels[i];
        if (!l->name)
            FAIL(ROTE_ECONFIG, "%s:%d: a level of factor %s needs a name", path, l->line, f->name);
        for (unsigned k = 0; k < i; k++)
            if (!strcmp(f->levels[k].name, l->name))
                FAIL(ROTE_ECONFIG, "%s:%d: factor %s has two levels %s", path, l->line, f->name, l->name);
        for (unsigned k = 0; k < l->tune_count; k++)
            TRY(check_tune(path, &l->tune[k]));
    }
out:
    return st;
}

static enum rote_status check(const char *path, const struct study_plan *p)
{
    enum rote_status st = ROTE_OK;
    if (!p->seeds_count)
        FAIL(ROTE_ECONFIG, "%s: seeds is empty; give [1, 2, 3, 4, 5, 6] or as many as the comparison needs", path);
    for (unsigned i = 0; i < p->seeds_count; i++)
        for (unsigned k = 0; k < i; k++)
            if (p->seeds[i] == p->seeds[k])
                FAIL(ROTE_ECONFIG, "%s: seed %lld is given twice", path, (long long)p->seeds[i]);
    for (unsigned i = 0; i < p->tuning.seeds_count; i++)
        for (unsigned k = 0; k < p->seeds_count; k++)
            if (p->tuning.seeds[i] == p->seeds[k])
                FAIL(ROTE_ECONFIG, "%s: seed %lld tunes and compares; a comparison on what was tuned for is no "
                     "comparison", path, (long long)p->seeds[k]);
    if (!strncmp(p->tuning.metric, "test.", 5))
        FAIL(ROTE_ECONFIG, "%s: tuning.metric is '%s'; the test split is not there to choose by: give data.validation "
             "in base, and validation.class.accuracy", path, p->tuning.metric);
    if (p->design == STUDY_RANDOM && !p->draws)
        FAIL(ROTE_ECONFIG, "%s: design random needs draws, the number of combinations", path);
    for (unsigned i = 0; i < p->factors_count; i++) {
        TRY(check_factor(path, &p->factors[i]));
        for (unsigned k = 0; k < i; k++)
            if (!strcmp(p->factors[k].name, p->factors[i].name))
                FAIL(ROTE_ECONFIG, "%s:%d: there are two factors %s", path, p->factors[i].line, p->factors[i].name);
    }
    for (unsigned i = 0; i < p->tune_count; i++)
        TRY(check_tune(path, &p->tune[i]));
    for (unsigned i = 0; i < p->primary_count; i++)
        if (!p->primary[i].of || !p->primary[i].against)
            FAIL(ROTE_ECONFIG, "%s:%d: a primary comparison is {figure: test.class.accuracy, of: CELL, against: CELL}",
                 path, p->primary[i].line);
out:
    return st;
}

enum rote_status study_plan_text(const char *text, const char *path, struct study_plan *out)
{
    enum rote_status st = ROTE_OK;
    struct study_plan p = {0};
    TRY(config_defaults(&p.base));
    TRY(schema_load(&schema, defaults, "defaults", &p));
    if (*text)
        TRY(schema_load(&schema, text, path, &p));
    TRY(check(path, &p));
    *out = p;
    memset(&p, 0, sizeof p);
out:
    study_plan_free(&p);
    return st;
}

enum rote_status study_plan_load(const char *path, struct study_plan *out)
{
    enum rote_status st = ROTE_OK;
    char *text = NULL;
    TRY(base_read_file(path, &text, NULL));
    TRY(study_plan_text(text, path, out));
out:
    base_free(text);
    return st;
}

void study_plan_free(struct study_plan *p)
{
    base_free(p->base.source);
    schema_free(&schema, p);
}
