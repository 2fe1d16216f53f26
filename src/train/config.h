/* A run's configuration: everything that decides what a run computes. docs/config.md
 * explains each key. The struct's members have the YAML keys' names. */
#ifndef CONFIG_H
#define CONFIG_H

#include "base/base.h"
#include "model/spec.h"

struct spec_entry;

#define CONFIG_DATA_KINDS(X) \
    X(FASHION_MNIST, "fashion-mnist") X(IDX, "idx") X(CIFAR10, "cifar10") X(CIFAR100, "cifar100") X(NPY, "npy") \
    X(SYNTHETIC, "synthetic") X(ARRAYS, "arrays")
#define CONFIG_LAYOUTS(X) X(NHWC, "nhwc") X(NCHW, "nchw")
#define CONFIG_OPTIMIZERS(X) X(SGD, "sgd") X(ADAMW, "adamw")
#define CONFIG_LR_SCHEDULES(X) X(CONSTANT, "constant") X(STEP, "step") X(COSINE, "cosine")
#define CONFIG_HEAD_KINDS(X) X(CLASS, "class") X(RANDOM, "random")
#define CONFIG_HEAD_LOSSES(X) \
    X(UNLIKELIHOOD, "unlikelihood") X(CONFUSION, "confusion") X(REVERSAL, "reversal") X(ENTROPY, "entropy")
#define CONFIG_LAMBDA_SCHEDULES(X) X(CONSTANT, "constant") X(GANIN, "ganin")

#define CONFIG_RECOMPUTES(X) X(AUTO, "auto") X(ON, "on") X(OFF, "off")
#define CONFIG_STOPS(X) X(NONE, "none") X(PATIENCE, "patience") X(RLA, "rla")
#define CONFIG_TESTS(X) X(AUTO, "auto") X(EPOCH, "epoch") X(END, "end") X(NEVER, "never")

#define CONFIG_MEMBER_DATA(name, text) CONFIG_DATA_##name,
#define CONFIG_MEMBER_LAYOUT(name, text) CONFIG_LAYOUT_##name,
#define CONFIG_MEMBER_OPTIMIZER(name, text) CONFIG_OPTIMIZER_##name,
#define CONFIG_MEMBER_LR(name, text) CONFIG_LR_##name,
#define CONFIG_MEMBER_HEAD(name, text) CONFIG_HEAD_##name,
#define CONFIG_MEMBER_LOSS(name, text) CONFIG_LOSS_##name,
#define CONFIG_MEMBER_LAMBDA(name, text) CONFIG_LAMBDA_##name,
#define CONFIG_MEMBER_RECOMPUTE(name, text) CONFIG_RECOMPUTE_##name,
#define CONFIG_MEMBER_STOP(name, text) CONFIG_STOP_##name,
#define CONFIG_MEMBER_TEST(name, text) CONFIG_TEST_##name,
enum config_data_kind { CONFIG_DATA_KINDS(CONFIG_MEMBER_DATA) };
enum config_layout { CONFIG_LAYOUTS(CONFIG_MEMBER_LAYOUT) };
enum config_optimizer_kind { CONFIG_OPTIMIZERS(CONFIG_MEMBER_OPTIMIZER) };
enum config_lr_schedule { CONFIG_LR_SCHEDULES(CONFIG_MEMBER_LR) };
enum config_head_kind { CONFIG_HEAD_KINDS(CONFIG_MEMBER_HEAD) };
enum config_head_loss { CONFIG_HEAD_LOSSES(CONFIG_MEMBER_LOSS) };
enum config_recompute { CONFIG_RECOMPUTES(CONFIG_MEMBER_RECOMPUTE) };
enum config_test { CONFIG_TESTS(CONFIG_MEMBER_TEST) };
enum config_stop { CONFIG_STOPS(CONFIG_MEMBER_STOP) };
enum config_lambda_schedule { CONFIG_LAMBDA_SCHEDULES(CONFIG_MEMBER_LAMBDA) };

struct config_data {
    enum config_data_kind kind;
    char *path; /* NULL: the kind's usual folder */
    char *train_images, *train_labels, *test_images, *test_labels; /* idx, npy; NULL: usual names */
    enum config_layout layout;                                     /* npy with 4 dimensions */
    int validation;                                                /* last training samples; 0: none */
    int subset;                                                    /* first of the other training samples; 0: all */
    double label_noise, canaries;
    int folds, fold; /* fold `fold` of so many is not trained on; folds 0: all samples are */
    int classes; /* 0: what the data have */
    int channels, height, width, train_count, test_count; /* synthetic */
};

struct config_seeds { /* -1: the run's seed */
    int64_t init, order, augment, dropout, labels, noise, folds;
};

struct config_optimizer {
    enum config_optimizer_kind kind;
    double momentum;
    bool nesterov;
    double decay, beta1, beta2, eps;
};

struct config_lr {
    enum config_lr_schedule schedule;
    double base, warmup_epochs;
    int *step_epochs; /* rising */
    unsigned step_epochs_count;
    double gamma, final;
};

struct config_augment {
    int crop; /* pixels of padding; 0: none */
    bool flip;
    int cutout; /* side of the square; 0: none */
    double cutout_p;
};

struct config_head {
    char *name;
    enum config_head_kind kind;
    bool per_class;
    char *at;
    int n; /* 0: class: the data set's classes; random: 10 */
    double lambda;
    enum config_head_loss loss;
    enum config_lambda_schedule schedule;
    bool redraw;
    int64_t seed; /* -1: seeds.labels */
    char *labels; /* NPY file of its labels; NULL: they are drawn */
    int line;     /* in config.source; 0: not from a file */
};

struct config_memory {
    char *limit; /* "512M"; NULL: what the device has */
    enum config_recompute recompute;
};

struct config_control {
    bool enabled;
    int every; /* epochs */
};

struct config {
    /* At most one is given: a network of the zoo, a file, or layers; none: cnn. */
    char *model, *network;
    struct spec_entry *layers;
    unsigned layers_count;
    struct config_data data;
    int batch, epochs;
    int micro_batch; /* samples that are computed at a time; 0: as many of the batch as fit */
    struct config_memory memory;
    int64_t seed;
    struct config_seeds seeds;
    char *device;  /* NULL: the default device */
    char *variant; /* preferred for every operator that has it; NULL: the best */
    struct config_optimizer optimizer;
    struct config_lr lr;
    struct config_augment augment;
    double label_smoothing, dropout;
    struct config_head *heads;
    unsigned heads_count;
    double ema; /* decay; 0: none */
    char *init; /* a checkpoint, or a run's folder, whose values the network begins with; NULL: initial ones */
    bool frozen; /* only the heads are trained */
    int checkpoint_every, log_every; /* steps */
    int rla_subset;
    enum config_test test; /* when the test split is evaluated */
    enum config_stop early_stop;
    int early_stop_patience; /* epochs */
    int predictions_every; /* epochs; 0: none */
    bool ledger_csv;
    bool shifted; /* the test split under shifts of distribution, at the end */
    struct config_control control;
    char *out; /* NULL: a new folder under runs/ */
    /* No keys. The file that heads and layers with a line were read from. */
    char *source;
    bool also_shifted; /* evaluates as with `shifted`, without being another configuration */
};

/* Fills a config that is {0} or freed. */
enum rote_status config_defaults(struct config *c);
/* Over what c has; keys that the text does not have stay. c keeps its values when
 * this fails for anything but memory. `what` starts error messages. */
enum rote_status config_load(struct config *c, const char *path);
enum rote_status config_load_text(struct config *c, const char *text, const char *what);
/* "optimizer.momentum=0.95", "heads[0].lambda=10", "lr.step_epochs=[60,120]". */
enum rote_status config_set(struct config *c, const char *assignment);
/* Ranges, and what must fit together; call it when all is set. */
enum rote_status config_validate(const struct config *c);
/* Every key: loading it over the defaults gives the same config. */
enum rote_status config_to_yaml(const struct config *c, struct base_buf *out);
/* The keys that differ from the defaults, as config_set takes them, a line each and in the schema's order: what a
 * run computes, in few words that stay the same when keys are added. Without `out` and `device`. */
enum rote_status config_assignments(const struct config *c, struct base_buf *out);
/* Into a config that is {0} or freed; with the lines and the source, for errors. */
enum rote_status config_copy(const struct config *from, struct config *to);
void config_free(struct config *c);

/* The network, with config.dropout, for inputs of this shape; heads' layers exist. */
enum rote_status config_spec(const struct config *c, int channels, int height, int width, struct spec **out);
/* Replaces `network: file` by the layers in it, so that config_to_yaml needs no file. */
enum rote_status config_inline_network(struct config *c);

/* seeds.x or, where that is -1, the run's seed: `config_seed(c, c->seeds.order)`. */
int64_t config_seed(const struct config *c, int64_t own);
int64_t config_head_seed(const struct config *c, const struct config_head *h);
/* c->test, and what `auto` stands for. */
enum config_test config_test_when(const struct config *c);
/* memory.limit in bytes, UINT64_MAX where there is none. */
enum rote_status config_memory_limit(const struct config *c, uint64_t *bytes);
/* Labels of a head; `classes` is the data set's number. */
int config_head_labels(const struct config_head *h, int classes);

#endif
