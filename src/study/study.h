/* Inside src/study. */
#ifndef STUDY_H
#define STUDY_H

#include <jansson.h>
#include <sqlite3.h>
#include <sys/types.h>

#include "base/schema.h"
#include "rote/statistics.h"
#include "rote/study.h"
#include "train/config.h"

#define STUDY_KEY 17 /* 16 hexadecimal digits */

enum study_design { STUDY_GRID, STUDY_ONE_AT_A_TIME, STUDY_RANDOM };
enum study_search { STUDY_SEARCH_GRID, STUDY_SEARCH_RANDOM };
enum study_goal { STUDY_MAXIMISE, STUDY_MINIMISE };

/* A key that is searched: values, or a range. */
struct study_tune {
    char *key, **values;
    unsigned values_count;
    double low, high;
    bool log, integer;
    int line;
};

struct study_level {
    char *name, **set; /* assignments, as `rote train --set` takes them */
    unsigned set_count;
    struct study_tune *tune;
    unsigned tune_count;
    int line;
};

/* A key with values, or levels that each set several keys. */
struct study_factor {
    char *name, *key, **values;
    unsigned values_count;
    struct study_level *levels;
    unsigned levels_count;
    int line;
};

/* A comparison that is declared beforehand: of - against, paired by seed. */
struct study_primary {
    char *figure, *of, *against;
    double benefit; /* the least mean difference that would be worth it */
    int line;
};

struct study_tuning {
    int trials, first_epochs, eta;
    enum study_search search;
    int64_t *seeds;
    unsigned seeds_count;
    char *metric;
    enum study_goal goal;
};

/* STUDY.yaml; the members have its keys' names. */
struct study_plan {
    char *name, *question;
    struct config base;
    enum study_design design;
    int draws;
    int64_t seed;
    int64_t *seeds;
    unsigned seeds_count;
    struct study_factor *factors;
    unsigned factors_count;
    struct study_tune *tune;
    unsigned tune_count;
    struct study_tuning tuning;
    struct study_primary *primary;
    unsigned primary_count;
    double alpha;
    bool alone; /* the runs' cost is measured: one at a time on the machine */
    bool keep;  /* the runs' folders */
    char **figures; /* names of log.csv's figures that are kept of each epoch; none: all */
    unsigned figures_count;
};

/* One combination of levels. */
struct study_cell {
    char *id;
    int level[16]; /* of each factor */
    const char *set[64];
    int n_set;
    const struct study_tune *tune[16];
    int n_tune, trials, selected; /* trials 0: nothing to tune; selected -1: not known yet */
};

/* A run of the plan. */
struct study_run {
    int cell, trial; /* trial -1: of the comparison */
    int64_t seed;
    int64_t epochs;      /* that it is to do as far as is known; 0: it does not go on */
    struct config config;
    char *assignments;   /* NULL: not known before the tuning is over */
    char key[STUDY_KEY];
    /* as the database has it */
    int64_t done; /* epochs */
    int64_t last; /* epoch that there are figures of; less than done where the run stopped by itself */
    bool ended;   /* by an error, or a loss that is no number */
};

struct rote_study {
    struct study_plan plan;
    struct study_cell *cell;
    int n_cells;
    struct study_run *run;
    int n_runs;
    char *path, *folder; /* of the database; of the runs' folders */
    sqlite3 *db;
    int lock, machine; /* file descriptors, -1 without */
};

/* study_plan.c */
/* "": the defaults. `path` starts error messages. */
enum rote_status study_plan_text(const char *text, const char *path, struct study_plan *out);
enum rote_status study_plan_load(const char *path, struct study_plan *out);
void study_plan_free(struct study_plan *p);

/* study_cells.c: combinations of levels, and their runs */
enum rote_status study_cells(struct rote_study *s);
void study_cells_free(struct rote_study *s);
/* The value of dimension d in trial t, as a YAML value. */
void study_trial_value(const struct rote_study *s, const struct study_cell *c, int trial, int d, char out[64]);
/* What all runs of a cell have in common, without what is tuned; out is {0}. */
enum rote_status study_cell_config(const struct rote_study *s, const struct study_cell *c, struct config *out);
const char *study_level_name(const struct study_factor *f, int level);
/* Configuration, assignments and key of a run; of a comparison's, once its cell's trial is selected. */
enum rote_status study_run_make(struct rote_study *s, struct study_run *r);

/* study_db.c */
enum rote_status study_db_open(struct rote_study *s);
/* Brings done, ended up to date. */
enum rote_status study_db_load(struct rote_study *s);
struct study_result {
    const char *state, *error; /* "done", "diverged", "failed" */
    const char *device, *driver, *rote;
    int64_t epochs, peak_bytes;
    double seconds, training_seconds, instrument_seconds, joules; /* NAN: not known */
    const char *figures;    /* lines "epoch,set,head,figure,value" */
};
enum rote_status study_db_put(struct rote_study *s, const char *key, const char *assignments,
                              const struct study_result *r);
/* Which runs of the plan a key is. */
enum rote_status study_db_members(struct rote_study *s, const char *key);
enum rote_status study_db_forget_failed(struct rote_study *s);
/* Of "test.class.accuracy" after this epoch; NAN where there is none. */
enum rote_status study_db_figure(struct rote_study *s, const char *key, int64_t epoch, const char *figure, double *out);
enum rote_status study_db_prepare(struct rote_study *s, const char *sql, sqlite3_stmt **out);
enum rote_status study_db_error(struct rote_study *s, const char *doing);

/* study_halving.c: what each run is to do next, by what is known; selects the trials */
enum rote_status study_next(struct rote_study *s);
bool study_unfinished(const struct study_run *r);

/* study_json.c */
json_t *study_json_real(double v); /* null for what is not finite */
/* Bytes that are no UTF-8 are shown as '?'. NULL: null. */
json_t *study_json_text(const char *text);
json_t *study_json_column(sqlite3_stmt *q, int i);
/* Appends it and a line break; o NULL (there was no memory to make it) is ROTE_ENOMEM. */
enum rote_status study_json_write(const json_t *o, size_t flags, struct base_buf *out);

/* study_energy.c: what the machine's processors use, by the kernel's power counters, and its GPUs */
#define STUDY_PACKAGES 16
#define STUDY_GPUS 16
struct study_energy {
    int counters;       /* 0: the machine does not tell */
    double last[STUDY_PACKAGES + STUDY_GPUS]; /* microjoules, each at a place of its own */
    bool known[STUDY_PACKAGES + STUDY_GPUS];
    double joules;      /* since the start */
    double counted;     /* base_now() */
};
void study_energy_start(struct study_energy *e);
/* To be called every few minutes at least, for the counters wrap, and at the end; before that it reads them once a second
 * at most. */
void study_energy_count(struct study_energy *e, bool end);
/* study_energy_nvml.c: GPUs' counters, NAN of those that do not tell; returns their number, `room` at most. */
int study_energy_gpus(double *microjoules, int room);

/* study_warning.c */
#define STUDY_SIGNALS 5
struct study_warning {
    const char *signal;
    int runs, turned;           /* that have the signal; whose validation loss has its least value before their last epoch */
    int warned, false_warnings; /* at the turn or before, of those that turn; of the others */
    double auroc, lead;         /* lead: median of those that warned at all, in epochs; NAN: not known */
};
/* *runs below 2: too few have what it takes, and *out stays as it is. */
enum rote_status study_warnings(struct rote_study *s, struct study_warning out[STUDY_SIGNALS], int *runs);

/* study_figures.c: a run's figures after each epoch, lines "epoch,part,head,figure,value"; complete: it is at its
 * end; what is measured there belongs to its last epoch, which is before `epochs` where it stopped by itself. Of the
 * log those that the plan keeps; NULL: all. */
enum rote_status study_read_figures(const char *folder, int64_t epochs, bool complete, const struct study_plan *plan,
                                    struct base_buf *out);

/* study_compare.c: differences of - against, of runs that share a seed */
struct study_difference {
    const char *figure, *of, *against; /* cells */
    double mean, deviation, benefit, p, adjusted; /* benefit 0: none was declared; NAN: not known */
    struct rote_interval t, bca;
    int pairs;
};
/* What is compared where nothing else is said: the first primary comparison's figure, or test.class.accuracy, or
 * where no run is tested validation.class.accuracy. */
const char *study_main_figure(const struct rote_study *s);
int study_cell_of(const struct rote_study *s, const char *id); /* -1: there is none */
/* The comparison's run of a cell. */
const struct study_run *study_run_of(const struct rote_study *s, int cell, int64_t seed);
/* NAN where that run is not done, ended early, or has no such figure. */
enum rote_status study_value(struct rote_study *s, int cell, int64_t seed, const char *figure, double *out);
/* Fills in a difference whose figure, of and against are set. */
enum rote_status study_compare_pair(struct rote_study *s, struct study_difference *d);
/* The plan's primary comparisons in their order, and each factor's levels against its first one, everything else
 * being equal; *out is the caller's. */
enum rote_status study_compare_primary(struct rote_study *s, struct study_difference **out);
enum rote_status study_explore(struct rote_study *s, const char *figure, struct study_difference **out, size_t *count);
/* Early warnings, where there are any to tell of. */
enum rote_status study_warnings_json(struct rote_study *s, json_t *out);
json_t *study_difference_json(const struct rote_study *s, const struct study_difference *d, bool primary);

/* study_status.c */
/* Of DATABASE.lock: who holds it does this run. */
off_t study_lock_byte(const struct study_run *r);
double study_remaining(struct rote_study *s);
void study_count(const struct rote_study *s, int *done, int *total);

#endif
