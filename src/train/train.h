/* A run: configuration, data on the device, the network with its heads, the loop, and
 * the folder that all of it is written to. Where data and model meet. */
#ifndef TRAIN_H
#define TRAIN_H

#include "data/data.h"
#include "model/model.h"
#include "rote/run.h"
#include "train/config.h"
#include "train/safetensors.h"
#include "train/tfevents.h"

/* The public handle (run_api.c). */
struct rote_config {
    struct config c;
};

struct train_hooks {
    rote_progress_fn progress; /* NULL: none */
    void *user;
    bool finish_evaluation; /* an evaluation within training is not stopped half-way */
};

/* Takes the configuration over (it becomes {0}), and data if not NULL, also when it
 * fails. Plans everything; the device's memory is taken by train_start. */
enum rote_status train_new(struct rote_device *dev, struct config *c, struct data_set *data, struct rote_run **out);
/* Allocates, uploads the data, makes initial values; train_run does it when needed. */
enum rote_status train_start(struct rote_run *t);
void train_free(struct rote_run *t);
/* Makes the run folder, with config.yaml. NULL: a new folder under runs/. */
enum rote_status train_create_folder(struct rote_run *t, const char *folder);
/* The run in a folder, at its latest checkpoint or, if not NULL, the one named. */
enum rote_status train_resume(struct rote_device *dev, const char *folder, const char *checkpoint,
                              struct rote_run **out);
/* As train_resume, for evaluation: the folder is not written to. shifted: as if the configuration had it. */
enum rote_status train_open(struct rote_device *dev, const char *folder, const char *checkpoint, bool shifted,
                            struct rote_run **out);

/* To the end, or ROTE_EINTERRUPTED after a checkpoint was written. */
enum rote_status train_run(struct rote_run *t, const struct train_hooks *hooks);
/* Until so many epochs are done, with a checkpoint at each; false in *more after the configuration's last. */
enum rote_status train_until(struct rote_run *t, int64_t epoch, const struct train_hooks *hooks, bool *more);
/* One epoch; false in *more after the last. */
enum rote_status train_epoch(struct rote_run *t, const struct train_hooks *hooks, bool *more);
/* Enqueues so many training steps and nothing else, for benchmarks: no log, no evaluation, no
 * checkpoint, always the first epoch's order of samples. Not to be mixed with train_run. */
enum rote_status train_enqueue(struct rote_run *t, int64_t steps);
/* Every head on training samples and, where there is one, the validation split; and on the test split. */
enum rote_status train_evaluate(struct rote_run *t, const struct train_hooks *hooks);
enum rote_status train_evaluate_test(struct rote_run *t, const struct train_hooks *hooks);
/* What is measured once, at a run's end: the first class head's calibration and, where the configuration has `shifted`,
 * its accuracy on shifted test samples. `test` false: nothing of the test split. */
enum rote_status train_evaluate_end(struct rote_run *t, bool test, const struct train_hooks *hooks);
/* What the network says of every sample, as NPY files in folder/train, folder/test and folder/validation
 * (docs/eval.md); layer: whose output is written too, NULL: none. */
enum rote_status train_write_predictions(struct rote_run *t, const char *folder, const char *layer,
                                         const struct train_hooks *hooks);
/* Trains c once for each fold, in folder/fold-0 and so on, and writes out-of-sample probabilities (docs/folds.md).
 * What is finished in the folder stays. */
enum rote_status train_folds(struct rote_device *dev, const struct config *c, int folds, const char *folder,
                             const struct train_hooks *hooks, struct rote_folds_report *out);
enum rote_status train_folds_json(const struct rote_folds_report *r, struct base_buf *out);

/* The last evaluation. */
enum rote_status train_report(const struct rote_run *t, struct rote_report *out);
enum rote_status train_head_report(const struct rote_run *t, int head, struct rote_head_report *out);
enum rote_status train_shifts(const struct rote_run *t, struct rote_shift out[ROTE_SHIFT_KINDS], double *mean);
enum rote_status train_report_json(const struct rote_run *t, struct base_buf *out);
/* The plan of a training step as text, or as JSON: nodes, variants, layouts, memory. */
enum rote_status train_describe(const struct rote_run *t, bool json, struct base_buf *out);
/* The graphs that a run walks, `index` from 0, and how often per training step; NULL past the
 * last. */
const struct graph *train_graph(const struct rote_run *t, int index, double *per_step);
const char *train_folder(const struct rote_run *t); /* NULL before train_create_folder */
/* The configuration that a run's folder has; c is {0} or freed before. */
enum rote_status train_folder_config(const char *folder, struct config *c);
/* How well the ledger of a finished run's folder finds its canaries: the measures, and the points of their ROC curves
 * at train_roc_rates. *planted 0: there are none, and *out stays as it is. */
#define TRAIN_ROC_POINTS 17
extern const double train_roc_rates[TRAIN_ROC_POINTS];
struct train_roc {
    struct rote_canary_measure measure;
    double tpr[TRAIN_ROC_POINTS];
};
enum rote_status train_folder_canaries(const char *folder, struct train_roc out[ROTE_CANARY_MEASURES],
                                       int64_t *planted);
struct model *train_model(struct rote_run *t);
const struct config *train_config(const struct rote_run *t);

#endif
