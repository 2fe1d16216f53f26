/* A call with data: made from words, run by the oracle and by a device's variants, compared. What
 * the operator tests and tuning share. */
#ifndef BENCH_CASE_H
#define BENCH_CASE_H

#include "op/op.h"

struct bench_case {
    struct call call;
    void *in[CALL_MAX_PORTS];   /* device element types; NULL when not bound */
    void *wide[CALL_MAX_PORTS]; /* the same for the oracle: float as double */
};

struct bench_result {
    bool ran;       /* the variant takes this case */
    double error;   /* greatest error over its tolerance: at most 1 passes */
    char where[160];
};

enum rote_status bench_case_new(const struct op_def *def, const char *words, uint32_t seed, struct bench_case *out);
/* Data for a call whose shapes are inferred; without `wide`, which only the oracle reads. */
enum rote_status bench_case_fill(const struct call *c, uint32_t seed, struct bench_case *out);
void bench_case_free(struct bench_case *k);
/* The oracle's outputs; the caller frees each with base_free. Inputs stay as they are. */
enum rote_status bench_reference(const struct bench_case *k, void *out[CALL_MAX_PORTS]);
void bench_outputs_free(void *out[CALL_MAX_PORTS]);
/* Every element of the outputs `got` against `want`, as the oracle gives them; the tolerance is
 * the variant's times `slack`. */
void bench_compare(const struct call *c, const struct op_variant *v, double slack, int port, const void *got,
                   const void *want, struct bench_result *r);

/* Buffers of a call's inputs and outputs. */
struct bench_memory {
    struct rt_mem *in[CALL_MAX_PORTS], *out[CALL_MAX_PORTS];
};
enum rote_status bench_memory_new(struct rote_device *dev, const struct call *c, struct bench_memory *out);
void bench_memory_free(struct bench_memory *m);
/* Inputs as the case has them, NaN in outputs that are not also inputs. */
enum rote_status bench_memory_load(const struct bench_memory *m, const struct bench_case *k);
/* *workspace is the caller's (rt_mem_free), NULL where the variant wants none; it is filled with NaN. */
enum rote_status bench_bind(const struct bench_memory *m, struct op_inst *inst, struct rt_mem **workspace);
/* An output as the oracle has it, float as double; the caller's. */
enum rote_status bench_read(const struct bench_memory *m, const struct call *c, int port, void **out);

/* Runs `variant` on poisoned outputs and compares every element with `want`. */
enum rote_status bench_check(struct rote_device *dev, const struct bench_case *k, const char *variant,
                             void *const want[CALL_MAX_PORTS], struct bench_result *r);
/* The same with outputs in the memory of inputs, by op_def.in_place: rule number `rule`
 * alone, or, past the last, all that agree with each other. */
enum rote_status bench_check_in_place(struct rote_device *dev, const struct bench_case *k, const char *variant,
                                      int rule, void *const want[CALL_MAX_PORTS], struct bench_result *r);

#endif
