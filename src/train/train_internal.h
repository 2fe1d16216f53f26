/* Between the files of src/train. */
#ifndef TRAIN_INTERNAL_H
#define TRAIN_INTERNAL_H

#include "train/train.h"

#define MAX_ITEMS 64

/* One device buffer of the run: listed first, so that the predicted memory is the sum,
 * then allocated from the same list. */
struct train_item {
    const char *what;
    uint64_t bytes;
    struct rt_mem **mem;
};

/* A model with the plans it runs by: the network that is trained, and the control, a
 * frozen copy with its initial values whose random heads alone are trained. */
struct train_net {
    struct model *m;
    struct model_plan *step, *clean, *test, *validation; /* test and validation are NULL for the control */
    struct model_plan *predict; /* for predictions_every; NULL without */
    struct model_plan *test_logits, *validation_logits; /* for the calibration at the end; NULL: it is not measured */
    struct rt_mem *m1, *m2, *ema;
    double sums[MODEL_MAX_HEADS * MODEL_STATS];  /* since the last line of the log */
    double epoch_sums[MODEL_MAX_HEADS * MODEL_STATS];
    struct rote_figures stream[MODEL_MAX_HEADS], clean_figures[MODEL_MAX_HEADS], test_figures[MODEL_MAX_HEADS];
    struct rote_figures validation_figures[MODEL_MAX_HEADS];
};

/* Random labels differ by it: cl/common/label.clh. */
enum split { SPLIT_TRAINING, SPLIT_TEST, SPLIT_VALIDATION };
const struct data_split *train_split_data(const struct rote_run *t, enum split split);

struct train_split {
    struct rt_mem *images, *labels, *order;
};

struct train_data {
    struct train_split train, test, validation;
    struct rt_mem *norm, *clean_order, *own_labels;
};

struct rote_run {
    struct config cfg;
    struct rote_device *dev;
    struct data_set *data;
    uint8_t *canary; /* of each training sample: 1, it was given a wrong label on purpose; NULL without any */
    int32_t *fold;       /* of each training sample; NULL: none is left out */
    int64_t train_count; /* samples that are trained on */
    int32_t *own_labels; /* of each head that has its own [n_labels][training samples]; negative: none */
    int n_labels;
    struct train_net net, control; /* control.m is NULL without one */
    struct train_data mem;
    struct rt_mem *ledger;
    struct graph_arena arena;
    uint64_t arena_bytes, predicted_bytes, limit_bytes;
    bool recompute; /* as memory.recompute came out */
    struct train_item item[MAX_ITEMS];
    int n_items;
    int64_t clean_count;    /* training samples in the evaluation's subset */
    int64_t step;           /* steps done */
    int64_t steps_per_epoch;
    double seconds;         /* spent in the loop, over all resumptions */
    double training_seconds;   /* the network's steps, over all resumptions */
    double instrument_seconds; /* evaluations of training samples, and all the control does */
    double started;         /* base_now() up to which `seconds` counts */
    double began;           /* base_now() of this process's first step */
    double first_step;      /* seconds from opening the device to the end of its first step here */
    int64_t measured_steps; /* in this process, for images per second */
    double measured_seconds;
    bool evaluated, control_evaluated;
    double *history; /* early_stop.c: [epochs done][1 + heads]; only with a validation split */
    bool end_evaluated, shifts_evaluated;
    double test_ece, validation_ece; /* NAN: not measured */
    double shifted[ROTE_SHIFT_KINDS][ROTE_SHIFT_SEVERITIES]; /* accuracies */
    char *folder;
    int lock; /* file descriptor, -1 without */
    char *device_id;        /* what a resumed run started on */
    struct runlog *log;
};

/* train_setup.c */
/* Models and plans of cfg.micro_batch samples at a time, and their memory; `probes` false: with
 * the class heads alone. ROTE_EDEVMEM: it does not fit. What was planned before is dropped. */
enum rote_status train_plan(struct rote_run *t, bool probes);
struct model_plan_options train_plan_options(const struct rote_run *t, bool control); /* of a training step */

/* Allocates, uploads, and sets initial values: train_start without `init`, for a checkpoint to follow. */
enum rote_status train_prepare(struct rote_run *t);

/* head_labels.c */
/* Reads the files of heads that have labels of their own, in the order of cfg.heads; `given`: training samples before
 * data.subset. Sets the n of those that have none. */
enum rote_status train_read_labels(struct rote_run *t, int64_t given);

/* train_memory.c */
enum rote_status train_list_memory(struct rote_run *t);
uint64_t train_table_bytes(const struct train_net *n); /* of all its plans */
enum rote_status train_allocate(struct rote_run *t);
enum rote_status train_upload(struct rote_run *t);
/* Gives an evaluation its memory: the data, the parameters that are evaluated. */
enum rote_status train_bind_evaluation(struct rote_run *t, struct train_net *n, struct model_plan *p,
                                       const struct train_split *s, struct rt_mem *order, struct graph_arena *arena);
/* `what` tells shuffles of one seed apart: 0 the order of an epoch, 1 the folds. */
void train_shuffle(int32_t *v, int64_t n, int64_t epoch, uint32_t what, uint64_t seed);
/* Trained samples in the order of this epoch; -1: the order that the evaluated subset is the head of. */
enum rote_status train_make_order(const struct rote_run *t, int64_t epoch, int32_t **out);
enum rote_status train_load_order(struct rote_run *t, int64_t epoch);

/* train_fit.c: models and plans, in as large a part of the batch at a time as fits */
enum rote_status train_fit(struct rote_run *t);

/* schedule.c: of step `step` counted from 0 */
double schedule_lr(const struct config *c, int64_t step, int64_t steps_per_epoch);
double schedule_lambda(const struct config *c, int64_t step, int64_t steps_per_epoch); /* lambda_scale */

/* train_loop.c */
/* Calls the progress hook; 0: the user wants to stop. */
int train_tell(const struct rote_run *t, const struct train_hooks *hooks, const char *doing);
/* The runtime attributes of step `step` counted from 0. */
void train_set_step(struct train_net *n, const struct rote_run *t, int64_t step);
/* Adds the sums on the device to n->sums and n->epoch_sums. */
enum rote_status train_take_sums(struct train_net *n);

/* train_evaluate.c */
int64_t train_last_epoch(const struct rote_run *t); /* the epoch of the last step, from 0 */
void train_figures_of(const double sums[MODEL_STATS], struct rote_figures *out);
/* The accuracy that a least-squares head on d isotropic random features of m samples
 * has on its own n random labels; memorization: "the null". */
double train_null_accuracy(double n, double d, double m);
int train_class_head(const struct rote_run *t); /* the first */
int64_t train_head_features(const struct rote_run *t, int head);

/* early_stop.c: nothing without a validation split */
int64_t train_history_rows(const struct rote_run *t);
int64_t train_history_width(const struct rote_run *t);
/* The figures of the epoch that was just evaluated. */
enum rote_status train_history_add(struct rote_run *t);
/* Why the run ends here, before its last epoch; NULL: it does not. */
const char *train_stop_reason(const struct rote_run *t);
/* Warns and logs where a head's excess has begun to rise while the validation loss does not fall. */
enum rote_status train_hint(struct rote_run *t);
/* train_predict.c */
/* An evaluation that keeps the heads' logits and, unless `layer` is NULL, that layer's output. */
enum rote_status train_predict_plan(const struct rote_run *t, enum split split, const char *layer,
                                    struct model_plan **out);
struct train_predictions {
    float *logits[MODEL_MAX_HEADS]; /* of each group of heads [count][columns]; NULL: not wanted */
    float *features;                /* [count][channels]; NULL without a layer */
    int64_t channels;
};
void train_predictions_free(struct train_predictions *p);
/* By a plan that is bound, of these training samples, or (samples NULL) of the first `count` of a split that is held
 * out. group -1: the logits of all. *out is the caller's. */
enum rote_status train_predict(struct rote_run *t, struct model_plan *p, const int32_t *samples, int64_t count,
                               int group, const struct train_hooks *hooks, struct train_predictions *out);
/* The same by a plan that is made for it. */
enum rote_status train_predict_once(struct rote_run *t, enum split split, const int32_t *samples, int64_t count,
                                    const char *layer, const struct train_hooks *hooks, struct train_predictions *out);
const struct model_group *train_group_of(const struct model *m, int head, int *group, int *column);
void train_softmax(const float *z, int n, float *p);
int32_t train_greatest(const float *z, int n); /* the first of the greatest */

/* calibration.c */
/* Not where logits of a large head would have to be kept for it, nor of a test split that is not to be touched. */
bool train_calibrates(const struct rote_run *t, enum split split);
/* The first class head's expected calibration error; NAN where it is not measured. */
enum rote_status train_calibration(struct rote_run *t, enum split split, const struct train_hooks *hooks, double *out);

/* predictions.c: predictions/epoch-000N.npy, where predictions_every wants it now */
enum rote_status train_write_epoch(struct rote_run *t, const struct train_hooks *hooks);

/* folds.c */
/* Assigns the training samples to folds, where the configuration has them; t->train_count. */
enum rote_status train_make_folds(struct rote_run *t);

/* choices.c */
enum rote_status train_choices_digest(const struct rote_run *t, char out[65]);

/* checkpoint.c */
enum rote_status checkpoint_save(struct rote_run *t);
enum rote_status checkpoint_load(struct rote_run *t, const char *path, bool logs);
/* "checkpoint-00000300.safetensors" of the folder's file `latest`. */
bool checkpoint_any(const char *folder);
enum rote_status checkpoint_latest(const char *folder, char **path);

/* checkpoint_init.c: the network's values, and those of heads with the same names and shapes, from a checkpoint or the
 * newest of a run's folder; the moving averages where it has them. */
enum rote_status checkpoint_init(struct rote_run *t, const char *path);

/* runlog.c: log.jsonl, log.csv, the event file */
struct runlog_offsets {
    int64_t jsonl, csv, events;
};
enum rote_status runlog_open(struct rote_run *t, const struct runlog_offsets *resume); /* NULL: new */
void runlog_close(struct runlog *l);
enum rote_status runlog_step(struct rote_run *t);
enum rote_status runlog_epoch(struct rote_run *t);
struct train_hint {
    const char *head;
    double excess, rise; /* accuracies; the rise is over so many epochs */
    int epochs;
    double loss, best_loss; /* of validation */
    int64_t best_epoch;     /* from 1 */
};
enum rote_status runlog_hint(struct rote_run *t, const struct train_hint *h);
enum rote_status runlog_offsets(struct rote_run *t, struct runlog_offsets *out); /* flushed and synced */

/* summary.c */
enum rote_status summary_write(struct rote_run *t); /* summary.json and the ledger */

/* ledger.c: ledger.npy; ledger.csv and canaries.npy where the configuration has them */
enum rote_status ledger_write(const struct rote_run *t);
/* How well each measure finds the canaries; *planted 0: there are none, and *out is as it was. */
enum rote_status ledger_canaries(const struct rote_run *t, struct rote_canary_measure out[ROTE_CANARY_MEASURES],
                                 int64_t *planted);

#endif
