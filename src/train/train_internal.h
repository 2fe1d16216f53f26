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
    struct rt_mem *m1, *m2, *ema;
    double sums[MODEL_MAX_HEADS * MODEL_STATS];  /* since the last line of the log */
    double epoch_sums[MODEL_MAX_HEADS * MODEL_STATS];
    struct rote_figures stream[MODEL_MAX_HEADS], clean_figures[MODEL_MAX_HEADS], test_figures[MODEL_MAX_HEADS];
    struct rote_figures validation_figures[MODEL_MAX_HEADS];
};

struct train_split {
    struct rt_mem *images, *labels, *order;
};

struct train_data {
    struct train_split train, test, validation;
    struct rt_mem *norm, *clean_order;
};

struct rote_run {
    struct config cfg;
    struct rote_device *dev;
    struct data_set *data;
    uint8_t *canary; /* of each training sample: 1, it was given a wrong label on purpose; NULL without any */
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
    bool shifts_evaluated;
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

/* train_memory.c */
enum rote_status train_list_memory(struct rote_run *t);
uint64_t train_table_bytes(const struct train_net *n); /* of all its plans */
enum rote_status train_allocate(struct rote_run *t);
enum rote_status train_upload(struct rote_run *t);
/* Samples in the order of this epoch; -1: the order that the evaluated subset is the head of. */
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

/* choices.c */
enum rote_status train_choices_digest(const struct rote_run *t, char out[65]);

/* checkpoint.c */
enum rote_status checkpoint_save(struct rote_run *t);
enum rote_status checkpoint_load(struct rote_run *t, const char *path, bool logs);
/* "checkpoint-00000300.safetensors" of the folder's file `latest`. */
bool checkpoint_any(const char *folder);
enum rote_status checkpoint_latest(const char *folder, char **path);

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
