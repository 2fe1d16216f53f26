/* What the operator tests share: one case (a call with data) made from its words,
 * run by the oracle and by a device's variant, and compared. */
#ifndef HARNESS_H
#define HARNESS_H

#include "op/op.h"

struct harness_case {
    struct call call;
    void *in[CALL_MAX_PORTS];   /* device element types; NULL when not bound */
    void *wide[CALL_MAX_PORTS]; /* the same for the oracle: float as double */
};

struct harness_result {
    bool ran;       /* the variant takes this case */
    double error;   /* greatest error over its tolerance: at most 1 passes */
    char where[160];
};

enum rote_status harness_case_new(const struct op_def *def, const char *words, uint32_t seed, struct harness_case *out);
void harness_case_free(struct harness_case *k);
/* The oracle's outputs; the caller frees each with base_free. Inputs stay as they are. */
enum rote_status harness_reference(const struct harness_case *k, void *out[CALL_MAX_PORTS]);
void harness_outputs_free(void *out[CALL_MAX_PORTS]);
/* Runs `variant` on poisoned outputs and compares every element with `want`. */
enum rote_status harness_check(struct rote_device *dev, const struct harness_case *k, const char *variant,
                               void *const want[CALL_MAX_PORTS], struct harness_result *r);
/* The same with outputs in the memory of inputs, by op_def.in_place: rule number `rule`
 * alone, or, past the last, all that agree with each other. */
enum rote_status harness_check_in_place(struct rote_device *dev, const struct harness_case *k, const char *variant,
                                        int rule, void *const want[CALL_MAX_PORTS], struct harness_result *r);
/* Finite differences of the oracle against the oracles of the backward operators,
 * all named in def->grads: greatest relative error, number of derivatives compared. */
enum rote_status harness_gradient(const struct harness_case *k, double *error, int *compared);

#endif
