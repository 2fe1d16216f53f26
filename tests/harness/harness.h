/* What the operator tests add to bench/case.h. */
#ifndef HARNESS_H
#define HARNESS_H

#include "bench/case.h"

/* Finite differences of the oracle against the oracles of the backward operators,
 * all named in def->grads: greatest relative error, number of derivatives compared. */
enum rote_status harness_gradient(const struct bench_case *k, double *error, int *compared);

#endif
