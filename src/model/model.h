/* A network with heads: from its list of layers (spec.h) to graphs of a training step
 * or an evaluation; its parameters in one contiguous buffer, and each as a value with a
 * name, in PyTorch's logical order, that no device knows of. */
#ifndef MODEL_H
#define MODEL_H

#include "graph/graph.h"
#include "model/spec.h"

#define MODEL_MAX_HEADS 256
#define MODEL_NAME 64
/* What the names of nodes that shift an evaluated batch begin with. */
#define MODEL_SHIFT_NODES "batch.shift."
#define MODEL_STATS 8    /* figures of a (sample, head), see cl/head_loss.cl */
#define MODEL_LEDGER 11  /* columns of the ledger, see cl/ledger.cl */

enum model_head_kind { HEAD_CLASS, HEAD_RANDOM, HEAD_RANDOM_PER_CLASS };
/* The codes of cl/head_loss.cl. */
enum model_loss { LOSS_NONE, LOSS_UNLIKELIHOOD, LOSS_CONFUSION, LOSS_REVERSAL, LOSS_ENTROPY, LOSS_OWN };

struct model_head {
    char name[MODEL_NAME];
    char at[MODEL_NAME];   /* a layer's name */
    enum model_head_kind kind;
    int n;                 /* labels; of a class head the data's classes */
    enum model_loss loss;  /* of random heads: the regulariser */
    double lambda;         /* 0: a probe, sends no gradient to the features */
    double smoothing;
    bool probe;            /* sends no gradient to the features, whatever its kind and lambda */
    bool scheduled;        /* lambda is multiplied by the runtime attribute lambda_scale */
    bool redraw;           /* new random labels every epoch: must stay at chance */
    uint64_t seed;
    int own_labels;        /* 1 + its row of the model's own labels; 0: they are drawn */
};

/* How values lie in a parameter's device memory. */
enum model_layout {
    LAYOUT_PLAIN,  /* as they are */
    LAYOUT_FILTER, /* device [R][S][C][K], logical [K][C][R][S]; a linear layer is the case
                      whose window is the image: logical [K][C·H·W] */
    LAYOUT_HEADS,  /* device [G][D][T]: columns of several heads side by side, logical
                      [G][n][D] each; G = 1 unless per class, D = 1 for a bias */
};

struct model_param {
    char name[96];
    struct call_shape shape; /* on the device */
    enum model_layout layout;
    uint64_t offset;         /* bytes in its buffer */
    bool state;              /* not trained: running statistics */
};

/* What files and users see of a parameter: all of it, or one head's part. */
struct model_value {
    char name[96]; /* "block1.0.conv1.weight", "heads.random.bias" */
    int param;
    int rank;
    int64_t dim[4];
    int64_t first, n;      /* LAYOUT_HEADS: the head's columns */
    double bound, initial; /* initial values: uniform in ±bound; bound 0: `initial` */
};

/* Heads with so many labels are computed in chunks of columns, without logits in memory: those of
 * 512 samples would be 4 MiB, more than a core's cache. A head's own n decides, so that no head
 * beside it changes how it is computed. Not per-class heads: their weights, classes x D x n, are
 * far larger than logits of batch x n. */
#define MODEL_LARGE 2048

/* Heads at one layer that share a matrix product. Heads that send gradients to the
 * features and probes never share one, so that a probe changes nothing by
 * construction: not even the shape of a product whose result reaches the trunk. */
struct model_group {
    char at[MODEL_NAME];
    bool per_class, sends, large;
    int own_labels;
    int head[MODEL_MAX_HEADS], first_column[MODEL_MAX_HEADS];
    int n_heads, columns;
};

struct model {
    struct rote_device *dev;
    struct spec *spec; /* owned */
    int channels, height, width, classes;
    bool frozen;       /* only heads are trained, all of them probes */
    bool settled;      /* of a frozen one: its layers are those of an evaluation in training too */
    int n_labels;      /* heads whose labels are given, for so many training samples */
    int64_t labelled;
    struct model_head head[MODEL_MAX_HEADS];
    int n_heads;
    struct model_group *group;
    int n_groups;
    struct model_param *param;
    int n_params, cap_params;
    struct model_value *value;
    int n_values, cap_values;
    uint64_t trunk_bytes, param_bytes, state_bytes; /* the trunk's parameters come first */
    struct rt_mem *params, *grads, *states;         /* contiguous */
};

/* Takes spec over (also when it fails). Heads at layers that do not exist, or two of one
 * name, are refused. The parameters are known once a plan has been made. */
enum rote_status model_new(struct rote_device *dev, struct spec *spec, int channels, int height, int width,
                           int classes, const struct model_head *head, int n_heads, struct model **out);
void model_free(struct model *m);
/* Device memory for parameters, states and, for training, gradients; initial values
 * that depend on seed, the value's name and the place in it alone. */
enum rote_status model_allocate(struct model *m, bool training);
enum rote_status model_init(struct model *m, uint64_t seed);

/* A value in its logical order from or to `buffer`, which is laid out as the parameters
 * (or, of a state, the states) are from their byte `first` on. */
int64_t model_value_count(const struct model_value *v);
int model_find_value(const struct model *m, const char *name); /* -1: none */
enum rote_status model_read_value(struct model *m, int value, struct rt_mem *buffer, uint64_t first, float *floats);
enum rote_status model_write_value(struct model *m, int value, struct rt_mem *buffer, uint64_t first,
                                   const float *floats);
/* Of the trained parameters that are not heads'; padding is zero. */
enum rote_status model_weight_norm(struct model *m, double *out);
int64_t model_trained(const struct model *m); /* number of trained values */
/* The 64-bit key of a head's labels: its seed mixed with its name. */
uint64_t model_head_key(const struct model_head *h);

enum model_optimizer { OPTIMIZER_SGD, OPTIMIZER_ADAMW };

struct model_plan_options {
    int batch;                        /* samples a run of the graph */
    int whole_batch;                  /* of several micro-batches: samples between two updates; 0: batch */
    bool recompute;                   /* what is cheap again in the reverse pass, to save memory */
    bool training;
    bool floats;                      /* the data set is float, not uint8 */
    int64_t data_count, order_count;  /* samples; entries of the order */
    int crop, flip, cutout;
    double cutout_p;
    enum model_optimizer optimizer;
    double momentum, decay, beta1, beta2, eps;
    bool nesterov;
    bool ledger;
    double ema;                       /* 0: none */
    bool shift;                       /* of an evaluation: batches pass through the operator `shift` */
    const char *variant;              /* for every operator that has it; NULL: the first */
    bool logits;                      /* every head's are kept, large ones' too: not for training */
    const char *features;             /* a layer whose output is kept, averaged over pixels; NULL: none */
};

/* One built graph: a training step or the evaluation of a batch. Members named as
 * tensors are graph tensors, -1 where there is none. */
struct model_plan {
    struct graph *g;
    int batch, whole_batch;
    bool training;
    int images, labels, order, norm; /* externals of the gather node */
    int own_labels;                  /* external [n_labels][labelled], -1 without */
    int x, y, id, weight;            /* its outputs */
    int *param_tensor, n_param_tensors; /* of each parameter */
    int n_groups;
    int *stats, *table, *real, *acc;               /* of each group */
    int *logits;                     /* of each group [batch][columns]; -1 unless they were asked for */
    int features;                    /* [batch][channels], -1 unless asked for */
    struct rt_mem **table_mem, **real_mem, **acc_mem;
    int ledger;
    int p, grad, m1, m2, ema, ema_p; /* the optimiser's externals */
    struct rt_mem **view;            /* of parameters and gradients, owned */
    int n_views;
    int n_forward;                   /* nodes before the reverse pass */
    int n_micro;                     /* nodes before the optimiser: those that each micro-batch runs */
};

/* Builds and plans: afterwards plan->g->arena_bytes is known; nothing is on the device yet. */
enum rote_status model_plan_new(struct model *m, const struct model_plan_options *o, struct model_plan **out);
/* Bytes of the plan's tables, as buffers of their own. */
uint64_t model_plan_table_bytes(const struct model_plan *p, const struct model *m);
/* Gives parameters (those in `params`, usually m->params), gradients and activations
 * their memory. Before it the caller has set images, labels, order, norm, ledger and the
 * optimiser's m1, m2, ema with graph_set_mem. */
enum rote_status model_plan_bind(struct model *m, struct model_plan *p, struct rt_mem *params, struct graph_arena *a);
void model_plan_free(struct model_plan *p);
/* The heads' sums since the last call, [head][MODEL_STATS] in the order of model->head;
 * sets them to zero on the device. */
enum rote_status model_plan_take_sums(struct model *m, struct model_plan *p, double *sums);
/* The same as they are on the device, not set to zero: for checkpoints. */
enum rote_status model_plan_read_sums(struct model *m, struct model_plan *p, float *sums);
enum rote_status model_plan_write_sums(struct model *m, struct model_plan *p, const float *sums);

#endif
