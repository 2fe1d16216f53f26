/* Gradients by central differences. */
#ifndef BENCH_GRADIENT_H
#define BENCH_GRADIENT_H

#include "op/case.h"

/* Finite differences of the oracle of a forward call against the backward operators named in def->grads, as `dev`
 * computes them, or their oracles where dev is NULL: the greatest relative error, and how many derivatives were
 * compared. */
enum rote_status bench_gradient(struct rote_device *dev, const struct op_case *k, double *error, int *compared);

#endif
