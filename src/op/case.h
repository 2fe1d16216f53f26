/* A call with data: made from words, run by the oracle and by a device's variants, compared. What
 * operator tests, self-test, certification and tuning share. */
#ifndef OP_CASE_H
#define OP_CASE_H

#include "op/op.h"

struct op_case {
    struct call call;
    void *in[CALL_MAX_PORTS];   /* device element types; NULL when not bound */
    void *wide[CALL_MAX_PORTS]; /* the same for the oracle: float as double */
};

struct op_case_result {
    bool ran;       /* the variant takes this case; else `where` says why not */
    double error;   /* greatest error over its tolerance: at most 1 passes */
    double ulp;     /* the same in units of 2^-23 max(|reference|, its rms) */
    bool unsteady;  /* a second run on the same data gave other bits */
    enum rote_status status; /* set by op_known_answers: why a run failed, which then has error 2 */
    char where[160];
};
/* Within its tolerance, and steady; also where it did not run. */
bool op_case_good(const struct op_case_result *r);

/* The variants that cases are checked with, `host` last; with `settings` also settings of their tunables, far
 * from what a device's class takes by itself, and of `tile` the form for GPUs. */
#define OP_CASE_VARIANTS 24
size_t op_case_variants(const struct op_def *def, bool settings, const char *name[OP_CASE_VARIANTS]);
/* Whether a variant takes the operator's case `words`; *own: by the very programs that inst has. Builds nothing. */
bool op_case_fits(const struct op_inst *inst, const char *words, const char *variant, bool *own, double *work);
/* Operations of a call, to tell small ones. */
double op_case_work(const struct call *c);

enum rote_status op_case_new(const struct op_def *def, const char *words, uint32_t seed, struct op_case *out);
/* Data for a call whose shapes are inferred; without `wide`, which only the oracle reads. */
enum rote_status op_case_fill(const struct call *c, uint32_t seed, struct op_case *out);
void op_case_free(struct op_case *k);
/* The oracle's outputs; the caller frees each with base_free. Inputs stay as they are. */
enum rote_status op_case_reference(const struct op_case *k, void *out[CALL_MAX_PORTS]);
void op_outputs_free(void *out[CALL_MAX_PORTS]);
/* Every element of the outputs `got` against `want`, as the oracle gives them; the tolerance is
 * the variant's times `slack`. */
void op_case_compare(const struct call *c, const struct op_variant *v, double slack, int port, const void *got,
                   const void *want, struct op_case_result *r);

/* Buffers of a call's inputs and outputs. */
struct op_memory {
    struct rt_mem *in[CALL_MAX_PORTS], *out[CALL_MAX_PORTS];
};
enum rote_status op_memory_new(struct rote_device *dev, const struct call *c, struct op_memory *out);
void op_memory_free(struct op_memory *m);
/* Inputs as the case has them, NaN in outputs that are not also inputs. */
enum rote_status op_memory_load(const struct op_memory *m, const struct op_case *k);
/* *workspace is the caller's (rt_mem_free), NULL where the variant wants none; it is filled with NaN. */
enum rote_status op_memory_bind(const struct op_memory *m, struct op_inst *inst, struct rt_mem **workspace);
/* An output as the oracle has it, float as double; the caller's. */
enum rote_status op_memory_read(const struct op_memory *m, const struct call *c, int port, void **out);

/* An instance with memory of its own, bound to it. */
struct op_bound {
    struct op_inst *inst;
    struct op_memory memory;
    struct rt_mem *workspace;
};
/* The outcome is the caller's (op_bound_free), also when it fails. */
enum rote_status op_bound_new(struct rote_device *dev, const struct call *c, const char *variant, struct op_bound *out);
/* Waits for the device first. */
void op_bound_free(struct op_bound *b);

/* Runs `variant` twice on poisoned outputs, the second time past the caches where the rows allow it, and compares every
 * element with `want`. */
enum rote_status op_case_check(struct rote_device *dev, const struct op_case *k, const char *variant,
                             void *const want[CALL_MAX_PORTS], struct op_case_result *r);
/* The same with outputs in the memory of inputs, by op_def.in_place: rule number `rule`
 * alone, or, past the last, all that agree with each other. */
enum rote_status op_case_check_in_place(struct rote_device *dev, const struct op_case *k, const char *variant,
                                      int rule, void *const want[CALL_MAX_PORTS], struct op_case_result *r);
/* How many values of `rule` there are: each alone, and all together. */
int op_case_places(const struct op_def *def);

#endif
