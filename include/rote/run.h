/* Training: a configuration, data, and a run of both on a device.
 *
 *   rote_config_new(&c); rote_config_set(c, "epochs=3"); rote_run_new(dev, c, NULL, &run);
 *   rote_run_train(run, NULL, NULL); rote_run_report(run, &report);
 *
 * Thread safety: a run belongs to its device's thread; configurations and data sets to
 * one thread at a time. */
#ifndef ROTE_RUN_H
#define ROTE_RUN_H

#include "rote/array.h"
#include "rote/device.h"

#ifdef __cplusplus
extern "C" {
#endif

/* --- configuration: the keys are documented in docs/config.md ------------------------ */
typedef struct rote_config rote_config;

/* Defaults: cnn on Fashion-MNIST with a class head and one random head. */
ROTE_API enum rote_status rote_config_new(rote_config **out);
ROTE_API void rote_config_free(rote_config *c);
/* A YAML file over what c has. ROTE_ECONFIG names file, line, key and the nearest key. */
ROTE_API enum rote_status rote_config_load(rote_config *c, const char *path);
/* In place of what c has: the configuration of the run in `folder`, to train heads on its finished network. `init` is
 * the folder, `frozen` is true, heads' lambda is 0, early_stop none, ema 0. ROTE_ENOTFOUND: no run's folder. */
ROTE_API enum rote_status rote_config_probe(rote_config *c, const char *folder);
/* "optimizer.momentum=0.95", "heads[0].lambda=10", "heads=[]". */
ROTE_API enum rote_status rote_config_set(rote_config *c, const char *assignment);
/* The key `device` alone: a selector is no YAML. *selector is the caller's (rote_free), or
 * NULL where there is none. */
ROTE_API enum rote_status rote_config_set_device(rote_config *c, const char *selector);
ROTE_API enum rote_status rote_config_device(const rote_config *c, char **selector);
/* Appends a layer to the network in c, which then replaces the zoo's. from: names of
 * earlier layers, blank separated, "" the one before; attributes "filters=32 window=3". */
ROTE_API enum rote_status rote_config_add_layer(rote_config *c, const char *name, const char *type, const char *from,
                                                const char *attributes);
/* All of it as YAML; *text is the caller's (rote_free). */
ROTE_API enum rote_status rote_config_yaml(const rote_config *c, char **text);

/* --- data ---------------------------------------------------------------------------- */
typedef struct rote_data rote_data;

/* Copies of the caller's arrays. Images: uint8 or float32, [N][F], [N][H][W] or
 * [N][H][W][C] (nchw: [N][C][H][W]); labels: uint8, int32 or int64 [N], from 0.
 * test arrays may be NULL. classes 0: the largest label + 1. */
ROTE_API enum rote_status rote_data_from_arrays(const struct rote_array *train_images,
                                                const struct rote_array *train_labels,
                                                const struct rote_array *test_images,
                                                const struct rote_array *test_labels, int nchw, int classes,
                                                rote_data **out);
ROTE_API void rote_data_free(rote_data *d);

/* --- runs ---------------------------------------------------------------------------- */
typedef struct rote_run rote_run;

/* Plans everything. data NULL: what the configuration names. c and data are not needed
 * afterwards; they stay the caller's to free. */
ROTE_API enum rote_status rote_run_new(rote_device *device, const rote_config *c, const rote_data *data,
                                       rote_run **out);
ROTE_API void rote_run_free(rote_run *run);

/* Makes the folder that config.yaml, logs, checkpoints and summary.json go to; path NULL:
 * the configuration's `out`, else a new one under runs/. Without it nothing is written. */
ROTE_API enum rote_status rote_run_create_folder(rote_run *run, const char *path);
ROTE_API const char *rote_run_folder(const rote_run *run); /* NULL without one */
/* The run of a folder, as its newest checkpoint (or the one named) has it: to go on with
 * it, or only to evaluate it, in which case the folder is not written to. */
ROTE_API enum rote_status rote_run_resume(rote_device *device, const char *folder, const char *checkpoint,
                                          rote_run **out);
ROTE_API enum rote_status rote_run_open(rote_device *device, const char *folder, const char *checkpoint,
                                        rote_run **out);
/* As rote_run_open, to evaluate on shifted test samples too, whatever the configuration's `shifted` is. */
ROTE_API enum rote_status rote_run_open_shifted(rote_device *device, const char *folder, const char *checkpoint,
                                                rote_run **out);
/* The device selector in a run folder's config.yaml; *selector is the caller's, NULL where
 * there is none. */
ROTE_API enum rote_status rote_run_folder_device(const char *folder, char **selector);

struct rote_progress {
    int64_t step, steps;
    int epoch, epochs;
    double loss, accuracy;     /* of the class head, in this epoch so far */
    double seconds, remaining; /* remaining < 0: not known yet */
    const char *doing;         /* "training", "evaluating" */
};
/* Called every few steps. Returning 0 ends the run with ROTE_EINTERRUPTED, after a
 * checkpoint if the run has a folder. */
typedef int (*rote_progress_fn)(void *user, const struct rote_progress *p);

/* To the last epoch. */
ROTE_API enum rote_status rote_run_train(rote_run *run, rote_progress_fn progress, void *user);
/* Evaluates every head on a subset of the training samples, on the validation split where there is one, and, whatever
 * the key `test` says, on test samples; with `shifted`, the first class head on shifted ones. */
ROTE_API enum rote_status rote_run_evaluate(rote_run *run, rote_progress_fn progress, void *user);

/* Means over samples. */
struct rote_figures {
    double loss, accuracy;
    double p;          /* probability of the target */
    double margin;     /* target's logit minus the largest other */
    double entropy, el2n;
    double regulariser; /* the head's regulariser, before lambda */
    double samples;    /* 0: not measured, and the rest is NaN */
};

struct rote_head_report {
    char name[64], at[64];
    int random;              /* 0: a class head */
    int per_class;
    int n;                   /* labels */
    double lambda;
    struct rote_figures stream;   /* training batches of the last epoch, before each update */
    struct rote_figures clean;    /* training samples, not augmented, evaluation mode */
    struct rote_figures held_out;   /* test samples; their random labels must stay at chance */
    struct rote_figures validation; /* of the validation split; its random labels must stay at chance too */
    struct rote_figures control;  /* the same head on the frozen initial network */
    double chance_corrected; /* (n a - 1) / (n - 1), a the accuracy on clean */
    double null_accuracy;    /* of a least-squares head on random features: a guide */
};

struct rote_report {
    int64_t step, steps, epoch, epochs;
    double seconds, images_per_second;
    double first_step_seconds; /* from rote_device_open to the end of this process's first step; 0: none */
    uint64_t predicted_bytes, peak_bytes; /* device memory */
    /* Of the first class head. NaN: without test data or where the key `test` let it be; without a validation split. */
    double test_accuracy, test_loss;
    double validation_accuracy, validation_loss;
    /* Its expected calibration error, 15 bins; measured at a run's end and by rote_run_evaluate, else NaN. */
    double test_ece, validation_ece;
    const char *stopped_early; /* "patience" or "rla": why the key early_stop ended it with epoch `epoch`; else NULL */
    int n_heads;
    /* Over the whole run: the network's steps, heads and ledger within them; and what is measured
     * besides: evaluations of training samples, and the control's steps and evaluations. */
    double training_seconds, instrument_seconds;
};
/* Of the last evaluation; ROTE_EINVAL before the first. */
ROTE_API enum rote_status rote_run_report(const rote_run *run, struct rote_report *out);
ROTE_API enum rote_status rote_run_head_report(const rote_run *run, int head, struct rote_head_report *out);
/* How well measures of the ledger find the samples that data.canaries gave a wrong label, among those visited.
 * auroc: that a canary ranks above another sample; auprc: average precision, which for a measure that knows
 * nothing is the canaries' share. */
#define ROTE_CANARY_MEASURES 9
struct rote_canary_measure {
    char name[16]; /* docs/train.md */
    double auroc, auprc;
};
/* *planted 0: there are none, and *out stays as it is. */
ROTE_API enum rote_status rote_run_canaries(const rote_run *run, struct rote_canary_measure out[ROTE_CANARY_MEASURES],
                                            int64_t *planted);
/* Accuracies of the first class head on the test samples under shifts of distribution (docs/eval.md), by severity. */
#define ROTE_SHIFT_KINDS 5
#define ROTE_SHIFT_SEVERITIES 5
struct rote_shift {
    char name[16];
    double accuracy[ROTE_SHIFT_SEVERITIES];
};
/* *mean is that of all; NaN: they were not evaluated, and *out stays as it is. */
ROTE_API enum rote_status rote_run_shifts(const rote_run *run, struct rote_shift out[ROTE_SHIFT_KINDS], double *mean);
/* All of it as JSON; *text is the caller's (rote_free). */
ROTE_API enum rote_status rote_run_report_json(const rote_run *run, char **text);

/* What the network says of every sample, in the data's order, as NPY files in folder/train, folder/test and (where
 * there is such a split) folder/validation, which are made: classes, class heads' logits and probabilities, random
 * heads' labels and predicted labels (docs/eval.md has names and types). layer NULL, or one whose output is written
 * as float32 [samples][channels], averaged over pixels; ROTE_ENOTFOUND: the network has none of that name. */
ROTE_API enum rote_status rote_run_write_predictions(rote_run *run, const char *folder, const char *layer,
                                                     rote_progress_fn progress, void *user);

/* The plan of a training step: nodes, variants, layouts, memory. */
ROTE_API enum rote_status rote_run_plan(const rote_run *run, int json, char **text);

/* Trained values as PyTorch orders them: "conv1.weight" [K][C][R][S]. *out is the
 * caller's (rote_array_free). */
ROTE_API enum rote_status rote_run_parameter(rote_run *run, const char *name, struct rote_array *out);

/* --- cross-validation ---------------------------------------------------------------- */
#define ROTE_FOLDS_MEASURES 2
struct rote_folds_report {
    int64_t samples;
    int folds, classes;
    double accuracy, loss; /* out of sample, on the labels that were trained on; loss in nats */
    int64_t planted;       /* data.canaries; 0: the measures are empty */
    struct rote_canary_measure canaries[ROTE_FOLDS_MEASURES]; /* self_confidence, margin: docs/folds.md */
};
/* Trains c once for each fold, on all training samples outside of it, in folder/fold-0 and so on, and writes
 * every sample's class probabilities by the run that has not seen it: probabilities.npy float32 [samples][classes],
 * labels.npy int64 and fold.npy int32 [samples]. folds 0: data.folds, or 5. Folds that are finished in the folder
 * stay, and one that was ended goes on from its checkpoint; ROTE_ECONFIG where the folder was begun with another
 * configuration. Data that a program holds can't be used: runs are resumed from what the configuration names. */
ROTE_API enum rote_status rote_folds(rote_device *device, const rote_config *c, int folds, const char *folder,
                                     rote_progress_fn progress, void *user, struct rote_folds_report *out);
/* summary.json's content; *text is the caller's (rote_free). */
ROTE_API enum rote_status rote_folds_json(const struct rote_folds_report *report, char **text);

#ifdef __cplusplus
}
#endif
#endif
