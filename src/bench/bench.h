/* Between the files of src/bench. A benchmark's result is one JSON object; tables and pages are
 * made from it. */
#ifndef BENCH_H
#define BENCH_H

#include <jansson.h>
#include <regex.h>

#include "rote/bench.h"
#include "train/train_internal.h"

struct rote_bench {
    struct rote_device *dev;
    const struct config *cfg; /* the caller's, while it measures */
    struct rote_bench_options options;
    regex_t only;
    bool has_only, stopped;
    rote_progress_fn progress;
    void *user;
    double began;
    int done, total;          /* rows, for the progress */
    struct data_set *data;    /* shared by the runs that are made */
    json_t *o;
};

/* bench_time.c: one of several things that are timed in turn. */
struct bench_side {
    enum rote_status (*enqueue)(void *what, int times);
    void *what;
    double least, median; /* seconds a time, after bench_in_turn */
};
/* Everything of a round is enqueued, then waited for once; the sides take turns. A stop by
 * the progress hook gives ROTE_EINTERRUPTED. `doing` names the row. */
enum rote_status bench_in_turn(struct rote_bench *b, const char *doing, struct bench_side *side, int n);
enum rote_status bench_tell(struct rote_bench *b, const char *doing);
bool bench_wanted(const struct rote_bench *b, const char *name);
/* An error when no row's name is wanted, b->total being the number of those that are. */
enum rote_status bench_any(const struct rote_bench *b);

/* bench_peak.c */
json_t *bench_peaks_json(const rote_peaks *p);

/* bench_ops.c, bench_train.c, bench_heads.c: add to b->o. */
enum rote_status bench_ops(struct rote_bench *b);
enum rote_status bench_train(struct rote_bench *b);
enum rote_status bench_heads(struct rote_bench *b);
enum rote_status bench_scale(struct rote_bench *b);

/* bench_train.c: a run of `words` (config_set) over the benchmark's configuration. */
enum rote_status bench_run_new(struct rote_bench *b, const char *const *words, int n, struct rote_run **out);
enum rote_status bench_enqueue_steps(void *run, int times); /* for bench_side */
/* Kernel times of some steps. */
enum rote_status bench_profile(struct rote_run *t, int64_t steps, struct rt_span **out, size_t *count);

/* bench_table.c: what people read, from b->o. */
#define BENCH_COLUMNS 12
struct bench_table {
    char *title;
    int columns, rows;
    const char *head[BENCH_COLUMNS]; /* "<name" is left-aligned */
    char **cell;                     /* rows x columns */
};
enum rote_status bench_tables(const json_t *o, struct bench_table **out, int *count);
void bench_tables_free(struct bench_table *t, int count);
double bench_number(const json_t *o, const char *key); /* 0 where there is none */
const char *bench_string(const json_t *o, const char *key);

/* bench_html.c, bench_roofline.c */
enum rote_status bench_html(const json_t *o, struct base_buf *out);
enum rote_status bench_roofline(const json_t *o, struct base_buf *out);
enum rote_status bench_escape(struct base_buf *out, const char *text);

#endif
