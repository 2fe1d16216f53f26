/* Operators on a device: the registry (ops.def), the choice of a variant, and
 * instances that run. A newcomer finds operator x in op/x.c (shapes, variants,
 * launch), ref/x.c (float64 oracle), cl/x.cl (kernels), tests/op/x.c. */
#ifndef OP_H
#define OP_H

#include "ref/call.h"
#include "rt/rt.h"

#define OP_MAX_KERNELS 8
#define OP_MAX_TUNABLES 8
#define OP_VARIANT_WORDS 96

struct op_inst;

/* What a variant lets a tuner choose. Where nothing is chosen the variant takes a value from the
 * device's class and the shapes, by op_tuned(). */
struct op_tunable {
    const char *name;
    const int *values; /* positive, worth trying; 0 ends */
    const char *text;
};

struct op_variant {
    const char *name;
    /* NULL accepts everything. */
    bool (*accepts)(const struct rt_facts *f, const struct call *c);
    /* Builds kernels into inst->kernel[], sets inst->workspace_bytes. */
    enum rote_status (*prepare)(struct op_inst *inst);
    enum rote_status (*enqueue)(struct op_inst *inst);
    double tolerance; /* c of this variant, where it is stated apart; 0: the operator's */
    const struct op_tunable *tunables; /* a nameless one ends; NULL: none */
};

struct op_def {
    struct call_signature sig;
    const char *text; /* one line: what it computes, as a formula */
    /* Checks in[] against attributes, sets the shapes of out[]. */
    enum rote_status (*infer)(struct call *c);
    /* The float64 oracle: F32 ports are double arrays, others as they are. In-place
     * outputs are the input's array. Absent ports are NULL. */
    void (*ref)(const struct call *c, void *const *in, void *const *out);
    /* Most specialised first; `host` (the oracle itself) is appended to each. */
    const struct op_variant *const *variants;
    /* Backward operators, by name, NULL-terminated; NULL: no gradient. */
    const char *const *grads;
    /* The operator that also adds a bias to output 0, its ports followed by `b` and its attributes by `relu`; NULL:
     * none. The graph puts it in this one's place. */
    const char *with_bias;
    /* "dx=dy": output dx may be written over input dy, where nobody reads that any more: every
     * element is read before its place is written. NULL-terminated; NULL: none. */
    const char *const *in_place;
    /* The operator that gives output 0 once more, the same bits, from tensors of this call, bound
     * by port names; cheap, so that the output need not be kept. NULL: none. */
    const char *again;
    /* Length of the longest sum behind an output element, for the tolerance
     * c·sqrt(length)·eps relative to max(|ref|, rms(ref)). NULL: 1. */
    double (*length)(const struct call *c);
    double tolerance;                        /* c, at most 16; 0: exact */
    double (*flops)(const struct call *c);   /* NULL: one per element of the first input or output */
    double (*bytes)(const struct call *c);   /* read and written; NULL: every port once */
    /* Test data for an input port: float, int32_t or uint8_t elements. NULL, or a
     * port the hook leaves alone: standard normals, int32 0, uint8 uniform.
     * `r` gives the next 32 random bits from a state the caller owns. */
    void (*fill)(const struct call *c, int port, uint32_t (*r)(void *), void *state, void *data);
    /* Whether indices from outside keep inside what they index: `in` are host arrays in the
     * ports' element types, NULL where absent. NULL: this operator takes no indices. */
    enum rote_status (*check)(const struct call *c, const void *const *in);
    /* "x=5x7x2x3 w=3x3x3x4 stride=2": port shapes, then attributes; NULL ends. */
    const char *const *cases;
};

#define OP(name) extern const struct op_def op_##name;
#include "ref/ops.def"
#undef OP

const struct op_def *op_find(const char *name); /* NULL when there is none */
const struct op_def *const *op_list(size_t *count);

/* A call with default attributes and no ports. */
void op_call_init(struct call *c, const struct op_def *def);
/* Reads one "name=value" into an attribute or a port's shape ("x=2x3x4x5"). */
enum rote_status op_call_set(struct call *c, const char *word);
/* Blank-separated words. */
enum rote_status op_call_parse(struct call *c, const char *words);
/* The inverse: "conv2d_fwd x=8x8x64x32 w=... pad_h=1", what fixes a plan: present inputs, then
 * attributes that differ from their defaults, runtime ones aside. Appends. */
enum rote_status op_call_words(const struct call *c, struct base_buf *out);
/* Ranges, ranks, dtypes, required ports, then def->infer. */
enum rote_status op_call_infer(struct call *c);
const struct op_def *op_def_of(const struct call *c);

/* An operator, with shapes, on a device, by a variant. */
struct op_inst {
    struct rote_device *dev;
    const struct op_def *def;
    const struct op_variant *variant;
    int tuned[OP_MAX_TUNABLES]; /* by index in variant->tunables; 0: not chosen */
    struct call call; /* runtime attributes may be changed between runs */
    struct rt_kernel *kernel[OP_MAX_KERNELS];
    uint64_t workspace_bytes;      /* wanted by the variant */
    void *extra;                   /* the variant's plan-time data, base_free'd */
    struct rt_mem *in[CALL_MAX_PORTS], *out[CALL_MAX_PORTS]; /* borrowed, set before a run */
    struct rt_mem *workspace;      /* borrowed */
    bool streams;                  /* outputs of any size go past the caches, where op_streams allows it: for tests */
};

/* variant NULL or "": what the device's tuning says, else the first that accepts and prepares; else a name, with tunables' values
 * behind a colon: "winograd:items=4,block=512". A variant refuses in `prepare` values that it
 * cannot run with. */
enum rote_status op_inst_new(struct rote_device *dev, const struct call *c, const char *variant, struct op_inst **out);
enum rote_status op_inst_run(struct op_inst *inst);
void op_inst_free(struct op_inst *inst);
/* The chosen value of a tunable of this variant, or `initial`. */
int64_t op_tuned(const struct op_inst *inst, const char *tunable, int64_t initial);
/* Chooses it, unless it is chosen: what a driver made the variant fall to, so that op_inst_words gives it again. */
void op_settle(struct op_inst *inst, const char *tunable, int64_t value);
/* Variant and chosen tunables as op_inst_new takes them. */
void op_inst_words(const struct op_inst *inst, char out[OP_VARIANT_WORDS]);
/* Of the sources of the kernels that it runs. */
void op_inst_kernels_hash(const struct op_inst *inst, char out[RT_HASH]);
/* The first that accepts and prepares, tuning or not. */
enum rote_status op_inst_new_untuned(struct rote_device *dev, const struct call *c, struct op_inst **out);
/* Sets a runtime attribute; an operator without it is left alone. */
void op_inst_set_int(struct op_inst *inst, const char *attr, int64_t v);
void op_inst_set_float(struct op_inst *inst, const char *attr, double v);

extern const struct op_variant op_variant_host;

/* Bytes of a port of this call. */
uint64_t op_bytes(const struct call_shape *s);

/* Shape rules' helpers: each sets the error detail naming operator and port. */
enum rote_status op_shape_error(const struct call *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* For op_def.check: every value of an int32 port in [0, limit). */
enum rote_status op_check_below(const struct call *c, int port, const void *data, int64_t limit);
void op_set_out(struct call *c, int port, int rank, const int64_t *dims);
/* The work-group size of one-dimensional launches: 64 or what the device allows. */
size_t op_group_1d(const struct op_inst *inst);
/* The vector width of channel loops (cl/common/vec.clh): the native one on CPUs, 4 on
 * GPUs, no wider than needed; and as options "-DVEC=8". */
int op_vec(const struct op_inst *inst, int64_t channels);
void op_vec_options(const struct op_inst *inst, int64_t channels, char out[16]);
/* For a kernel file's options: " -DCACHE_HINTS" where PREFETCH and VSTREAM (cl/common/vec.clh) can be had, or "". */
const char *op_cache_option(const struct op_inst *inst);
/* Whether an output whose rows have `row` floats goes past the caches (VSTREAM of cl/common/vec.clh, `vec` floats a
 * vector): they would not keep it until it is read. */
bool op_streams(const struct op_inst *inst, int64_t bytes, int64_t row, int vec);

#endif
