/* One row of a head's loss, for the oracles of head_loss and head_large. */
#ifndef REF_HEAD_ROW_H
#define REF_HEAD_ROW_H

#include <stdint.h>

/* Of the logits but the target's: the greatest, the logarithm of the sum of exp(z - it). Then
 * log(1 - p), log p, 1 - p, p being the target's. */
struct ref_head_softmax {
    double rest_top, rest_log_sum, log_miss, log_p, miss;
};

/* K logits and the target among them. Logit j is z[j] or, where z is NULL, b[j] + sum over d of
 * x[d] * w[d * T + j]. */
struct ref_head_row {
    const double *z, *x, *w, *b;
    int64_t D, T, K, t;
};

double ref_head_logit(const struct ref_head_row *r, int64_t j);
struct ref_head_softmax ref_head_softmax(const struct ref_head_row *r);
/* stats[0] to [6]; real as in cl/head_loss.cl. */
void ref_head_figures(const struct ref_head_row *r, int32_t loss, const double *real, double *stats);
/* Both gradients by logit j, not yet multiplied by weight, 1/N and scale;
 * stats[2] and stats[4] are used. */
void ref_head_gradient(const struct ref_head_row *r, int64_t j, int32_t loss, const double *real,
                       struct ref_head_softmax s, const double *stats, double *own, double *feature);

#endif
