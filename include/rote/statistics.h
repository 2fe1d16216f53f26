/* Statistics of paired runs: how sure a difference between two arms of a study is, and how well a score
 * finds what it should. Everything is deterministic; resampling takes a seed.
 *
 * x is the differences, one a seed, of runs that share all their seeds. n is their number. Errors: ROTE_EINVAL
 * for too few values, values that are not finite, and levels that are not between 0 and 1. */
#ifndef ROTE_STATISTICS_H
#define ROTE_STATISTICS_H

#include <stddef.h>
#include <stdint.h>

#include "rote/status.h"

#ifdef __cplusplus
extern "C" {
#endif

struct rote_interval {
    double low, high;
};

/* Of the mean, by Student's t with n - 1 degrees of freedom; n >= 2, level 0.95 for 95%. */
ROTE_API enum rote_status rote_t_interval(const double *x, size_t n, double level, struct rote_interval *out);
/* Of the mean, by the bootstrap, bias-corrected and accelerated (Efron, "Better bootstrap confidence intervals",
 * JASA 82, 1987): z0 from the share of resamples below the mean, ties by half, a by the jackknife. n >= 2. With few
 * values it covers less than it says: 86% for 95% at n = 6. */
ROTE_API enum rote_status rote_bca_interval(const double *x, size_t n, double level, int resamples, uint64_t seed,
                                            struct rote_interval *out);
/* Two-sided p of a mean of 0, by the signs that the differences might as well have had. All 2^n of them up to
 * n = 20, where the least possible p is 2^(1 - n), else 2^20 drawn ones and the signs as they are. */
ROTE_API enum rote_status rote_sign_flip_test(const double *x, size_t n, uint64_t seed, double *p);
/* p of m comparisons, adjusted (Holm, Scand. J. Statist. 6, 1979): reject where adjusted[i] <= alpha. In any
 * order; adjusted may be p. */
ROTE_API enum rote_status rote_holm(const double *p, size_t m, double *adjusted);
/* The seeds without which the sign-flip test can't be significant for any of m comparisons after Holm, at
 * alpha: the least n with m 2^(1 - n) <= alpha; above 20 the test draws, and its p is not below 2^-20. 0: no m,
 * or alpha is not between 0 and 1. */
ROTE_API int rote_seeds_needed(size_t m, double alpha);
/* The seeds with which the t interval of this level is at most `half` to either side of the mean, where differences
 * have the standard deviation `deviation`; at least 2. 0: more than a million, or no such level, half or deviation. */
ROTE_API int rote_seeds_for_interval(double deviation, double half, double level);

/* How well a score ranks the positive ones (positive[i] not 0) above the others: the probability that a
 * positive one has the higher score, ties by half. ROTE_EINVAL where there is none of either kind. */
ROTE_API enum rote_status rote_auroc(const double *score, const int *positive, size_t n, double *out);
/* Average precision: the precision at each positive one's score, averaged over them; equal scores are one
 * threshold. */
ROTE_API enum rote_status rote_auprc(const double *score, const int *positive, size_t n, double *out);

/* The ROC curve: for each share of the others that is let through (false-positive rates, 0 to 1, `points` of them) the
 * share of the positive ones (*tpr). Linear between thresholds, so that ties count by half. */
ROTE_API enum rote_status rote_roc(const double *score, const int *positive, size_t n, const double *fpr, size_t points,
                                   double *tpr);

#ifdef __cplusplus
}
#endif
#endif
