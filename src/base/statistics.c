/* Intervals, tests and rankings. Distributions by their definitions and bisection: they are asked a few times. */
#include "rote/statistics.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "common/philox.clh"

#define EXACT_MOST 20 /* differences whose signs are all tried */
#define HALVINGS 200
#define STREAM_RESAMPLE 0x100u /* beside philox.clh's, which kernels know */
#define STREAM_SIGNS 0x101u

static enum rote_status check_values(const char *call, const double *x, size_t n, size_t least)
{
    if (n < least)
        return base_error(ROTE_EINVAL, "%s: %zu values, %zu are the least", call, n, least);
    for (size_t i = 0; i < n; i++)
        if (!isfinite(x[i]))
            return base_error(ROTE_EINVAL, "%s: value %zu is not finite", call, i);
    return ROTE_OK;
}

static enum rote_status check_level(const char *call, double level)
{
    if (level > 0 && level < 1)
        return ROTE_OK;
    return base_error(ROTE_EINVAL, "%s: a level of %g; it is between 0 and 1", call, level);
}

static double mean_of(const double *x, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += x[i];
    return sum / (double)n;
}

/* --- distributions -------------------------------------------------------------------- */

static double normal_cdf(double x)
{
    return 0.5 * erfc(-x / sqrt(2));
}

/* The continued fraction of the incomplete beta function, DLMF 8.17.22, by Lentz's algorithm. */
static double beta_fraction(double a, double b, double x)
{
    const double tiny = 1e-300;
    double c = 1, d = 1 - (a + b) * x / (a + 1), h;
    d = 1 / (fabs(d) < tiny ? tiny : d);
    h = d;
    for (int m = 1; m < 1000; m++) {
        double even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
        double odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
        double factor = 1;
        for (int k = 0; k < 2; k++) {
            double t = k ? odd : even;
            d = 1 + t * d;
            c = 1 + t / c;
            d = 1 / (fabs(d) < tiny ? tiny : d);
            c = fabs(c) < tiny ? tiny : c;
            factor = c * d;
            h *= factor;
        }
        if (fabs(factor - 1) < 1e-16)
            break;
    }
    return h;
}

/* Regularised, I_x(a, b). */
static double incomplete_beta(double a, double b, double x)
{
    if (x <= 0 || x >= 1)
        return x >= 1;
    double front = exp(lgamma(a + b) - lgamma(a) - lgamma(b) + a * log(x) + b * log1p(-x));
    if (x < (a + 1) / (a + b + 2))
        return front * beta_fraction(a, b, x) / a;
    return 1 - front * beta_fraction(b, a, 1 - x) / b;
}

/* P(|T| > t) for t >= 0. */
static double t_tails(double t, double freedom)
{
    return incomplete_beta(freedom / 2, 0.5, freedom / (freedom + t * t));
}

static double normal_quantile(double p)
{
    double low = -40, high = 40;
    for (int i = 0; i < HALVINGS; i++) {
        double middle = (low + high) / 2;
        if (normal_cdf(middle) < p)
            low = middle;
        else
            high = middle;
    }
    return (low + high) / 2;
}

/* The t beyond which, to both sides, so much lies. */
static double t_quantile(double tails, double freedom)
{
    double low = 0, high = 1;
    while (t_tails(high, freedom) > tails)
        high *= 2;
    for (int i = 0; i < HALVINGS; i++) {
        double middle = (low + high) / 2;
        if (t_tails(middle, freedom) > tails)
            low = middle;
        else
            high = middle;
    }
    return (low + high) / 2;
}

/* --- intervals ------------------------------------------------------------------------ */

enum rote_status rote_t_interval(const double *x, size_t n, double level, struct rote_interval *out)
{
    enum rote_status st = ROTE_OK;
    double square = 0;
    if (!x || !out)
        return base_null_argument("rote_t_interval");
    TRY(check_values("rote_t_interval", x, n, 2));
    TRY(check_level("rote_t_interval", level));
    double mean = mean_of(x, n);
    for (size_t i = 0; i < n; i++)
        square += (x[i] - mean) * (x[i] - mean);
    double half = t_quantile(1 - level, (double)n - 1) * sqrt(square / (double)(n - 1) / (double)n);
    *out = (struct rote_interval){mean - half, mean + half};
out:
    return st;
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Of sorted values, linear between neighbours. */
static double quantile(const double *sorted, size_t n, double p)
{
    double at = p * (double)(n - 1);
    size_t below = (size_t)at;
    if (below + 1 >= n)
        return sorted[n - 1];
    return sorted[below] + (at - (double)below) * (sorted[below + 1] - sorted[below]);
}

static double resampled_mean(const double *x, size_t n, uint32_t resample, uint64_t seed)
{
    double sum = 0;
    struct philox r = {{0}};
    for (size_t i = 0; i < n; i++) {
        if (i % 4 == 0)
            r = philox4x32((uint32_t)(i / 4), resample, STREAM_RESAMPLE, 0, (uint32_t)seed, (uint32_t)(seed >> 32));
        sum += x[((uint64_t)r.v[i % 4] * n) >> 32];
    }
    return sum / (double)n;
}

/* By the jackknife, of the mean: what leaving x[i] out does is (mean - x[i]) / (n - 1). */
static double acceleration(const double *x, size_t n)
{
    double mean = mean_of(x, n), square = 0, cube = 0;
    for (size_t i = 0; i < n; i++) {
        double d = (x[i] - mean) / (double)(n - 1);
        square += d * d;
        cube += d * d * d;
    }
    return square > 0 ? cube / (6 * pow(square, 1.5)) : 0;
}

enum rote_status rote_bca_interval(const double *x, size_t n, double level, int resamples, uint64_t seed,
                                   struct rote_interval *out)
{
    enum rote_status st = ROTE_OK;
    double *mean = NULL;
    if (!x || !out)
        return base_null_argument("rote_bca_interval");
    TRY(check_values("rote_bca_interval", x, n, 2));
    TRY(check_level("rote_bca_interval", level));
    if (n > UINT32_MAX)
        FAIL(ROTE_EINVAL, "rote_bca_interval: %zu values are too many", n);
    if (resamples < 100)
        FAIL(ROTE_EINVAL, "rote_bca_interval: %d resamples; 100 are the least, 10000 usual", resamples);
    TRY(base_alloc(&mean, (size_t)resamples, sizeof *mean));
    for (int b = 0; b < resamples; b++)
        mean[b] = resampled_mean(x, n, (uint32_t)b, seed);
    qsort(mean, (size_t)resamples, sizeof *mean, ascending);
    double observed = mean_of(x, n), below = 0;
    for (int b = 0; b < resamples; b++)
        below += mean[b] < observed ? 1 : mean[b] == observed ? 0.5 : 0;
    double z0 = normal_quantile(below / resamples), a = acceleration(x, n);
    double end[2] = {(1 - level) / 2, (1 + level) / 2};
    for (int i = 0; i < 2; i++) {
        double z = z0 + normal_quantile(end[i]);
        end[i] = quantile(mean, (size_t)resamples, normal_cdf(z0 + z / (1 - a * z)));
    }
    *out = (struct rote_interval){end[0], end[1]};
out:
    base_free(mean);
    return st;
}

/* --- tests ---------------------------------------------------------------------------- */

enum rote_status rote_sign_flip_test(const double *x, size_t n, uint64_t seed, double *p)
{
    enum rote_status st = ROTE_OK;
    double observed = 0, size = 0;
    if (!x || !p)
        return base_null_argument("rote_sign_flip_test");
    TRY(check_values("rote_sign_flip_test", x, n, 1));
    for (size_t i = 0; i < n; i++) {
        observed += x[i];
        size += fabs(x[i]);
    }
    if (!isfinite(size))
        FAIL(ROTE_EINVAL, "rote_sign_flip_test: the values' sum is not finite");
    /* sums that are equal but for rounding count as reached */
    double reach = fabs(observed) - 1e-12 * size;
    uint32_t draws = 1u << (n < EXACT_MOST ? n : EXACT_MOST), reached = 0;
    for (uint32_t d = 0; d < draws; d++) {
        double sum = 0;
        struct philox r = {{0}};
        for (size_t i = 0; i < n; i++) {
            if (n > EXACT_MOST && i % 128 == 0)
                r = philox4x32((uint32_t)(i / 128), d, STREAM_SIGNS, 0, (uint32_t)seed, (uint32_t)(seed >> 32));
            uint32_t bit = n > EXACT_MOST ? r.v[i % 128 / 32] >> i % 32 & 1 : d >> i & 1;
            sum += bit ? -x[i] : x[i];
        }
        reached += fabs(sum) >= reach;
    }
    /* the signs that were seen are among all of them; of drawn ones they are one more */
    *p = n > EXACT_MOST ? ((double)reached + 1) / ((double)draws + 1) : (double)reached / (double)draws;
out:
    return st;
}

struct ranked {
    double value;
    size_t index;
};

static int by_value(const void *a, const void *b)
{
    const struct ranked *x = a, *y = b;
    if (x->value != y->value)
        return x->value > y->value ? 1 : -1;
    return (x->index > y->index) - (x->index < y->index);
}

static enum rote_status rank(const double *x, size_t n, struct ranked **out)
{
    enum rote_status st = ROTE_OK;
    TRY(base_alloc(out, n, sizeof **out));
    for (size_t i = 0; i < n; i++)
        (*out)[i] = (struct ranked){x[i], i};
    qsort(*out, n, sizeof **out, by_value);
out:
    return st;
}

enum rote_status rote_holm(const double *p, size_t m, double *adjusted)
{
    enum rote_status st = ROTE_OK;
    struct ranked *r = NULL;
    double most = 0;
    if (!p || !adjusted)
        return base_null_argument("rote_holm");
    TRY(check_values("rote_holm", p, m, 1));
    for (size_t i = 0; i < m; i++)
        if (p[i] < 0 || p[i] > 1)
            FAIL(ROTE_EINVAL, "rote_holm: p[%zu] is %g", i, p[i]);
    TRY(rank(p, m, &r));
    for (size_t i = 0; i < m; i++) {
        most = fmax(most, fmin(1, r[i].value * (double)(m - i)));
        adjusted[r[i].index] = most;
    }
out:
    base_free(r);
    return st;
}

int rote_seeds_needed(size_t m, double alpha)
{
    int n = 1;
    if (!m || !(alpha > 0 && alpha < 1))
        return 0;
    for (double least = (double)m; least > alpha * (1 + 1e-12); n++)
        least /= 2;
    return n;
}

int rote_seeds_for_interval(double deviation, double half, double level)
{
    int low = 1, high = 2;
    if (!(level > 0 && level < 1 && half > 0 && isfinite(half) && deviation >= 0 && isfinite(deviation)))
        return 0;
    while (t_quantile(1 - level, high - 1) * deviation / sqrt(high) > half) {
        low = high;
        high *= 2;
        if (high > 1 << 20)
            return 0;
    }
    while (high - low > 1) {
        int n = low + (high - low) / 2;
        if (t_quantile(1 - level, n - 1) * deviation / sqrt(n) > half)
            low = n;
        else
            high = n;
    }
    return high;
}

/* --- rankings ------------------------------------------------------------------------- */

static enum rote_status rank_scores(const char *call, const double *score, const int *positive, size_t n,
                                    struct ranked **out, size_t *count)
{
    enum rote_status st = ROTE_OK;
    if (!score || !positive)
        return base_null_argument(call);
    TRY(check_values(call, score, n, 1));
    *count = 0;
    for (size_t i = 0; i < n; i++)
        *count += positive[i] != 0;
    if (!*count || *count == n)
        FAIL(ROTE_EINVAL, "%s: %zu of %zu are positive; there must be some of either kind", call, *count, n);
    TRY(rank(score, n, out));
out:
    return st;
}

/* Those from `from` on that share its score. */
static size_t ties(const struct ranked *r, size_t n, size_t from, const int *positive, size_t *hits)
{
    size_t end = from;
    for (*hits = 0; end < n && r[end].value == r[from].value; end++)
        *hits += positive[r[end].index] != 0;
    return end;
}

enum rote_status rote_auroc(const double *score, const int *positive, size_t n, double *out)
{
    enum rote_status st = ROTE_OK;
    struct ranked *r = NULL;
    size_t positives, hits, negatives = 0;
    double won = 0;
    if (!out)
        return base_null_argument("rote_auroc");
    TRY(rank_scores("rote_auroc", score, positive, n, &r, &positives));
    for (size_t i = 0, end; i < n; i = end) {
        end = ties(r, n, i, positive, &hits);
        won += (double)hits * ((double)negatives + 0.5 * (double)(end - i - hits));
        negatives += end - i - hits;
    }
    *out = won / ((double)positives * (double)negatives);
out:
    base_free(r);
    return st;
}

enum rote_status rote_auprc(const double *score, const int *positive, size_t n, double *out)
{
    enum rote_status st = ROTE_OK;
    struct ranked *r = NULL;
    double *low = NULL, sum = 0;
    size_t positives, hits, found = 0;
    if (!out)
        return base_null_argument("rote_auprc");
    TRY(rank_scores("rote_auprc", score, positive, n, &r, &positives));
    base_free(r);
    r = NULL;
    TRY(base_alloc(&low, n, sizeof *low));
    for (size_t i = 0; i < n; i++)
        low[i] = -score[i]; /* the highest first */
    TRY(rank(low, n, &r));
    for (size_t i = 0, end; i < n; i = end) {
        end = ties(r, n, i, positive, &hits);
        found += hits;
        sum += (double)hits * (double)found / (double)end;
    }
    *out = sum / (double)positives;
out:
    base_free(low);
    base_free(r);
    return st;
}

enum rote_status rote_roc(const double *score, const int *positive, size_t n, const double *fpr, size_t points,
                          double *tpr)
{
    enum rote_status st = ROTE_OK;
    struct ranked *r = NULL;
    size_t positives, hits, found = 0;
    double f0 = 0, t0 = 0;
    if (!fpr || !tpr)
        return base_null_argument("rote_roc");
    TRY(rank_scores("rote_roc", score, positive, n, &r, &positives));
    for (size_t k = 0; k < points; k++)
        if (!(fpr[k] >= 0 && fpr[k] <= 1))
            FAIL(ROTE_EINVAL, "rote_roc: rate %zu is %g; rates are 0 to 1", k, fpr[k]);
    for (size_t end = n, from; end > 0; end = from) { /* the highest first */
        for (from = end; from > 0 && r[from - 1].value == r[end - 1].value; from--)
            ;
        ties(r, n, from, positive, &hits);
        found += hits;
        double f1 = (double)(n - from - found) / (double)(n - positives), t1 = (double)found / (double)positives;
        for (size_t k = 0; k < points; k++)
            if (fpr[k] >= f0 && fpr[k] <= f1)
                tpr[k] = f1 > f0 ? t0 + (t1 - t0) * (fpr[k] - f0) / (f1 - f0) : t1;
        f0 = f1;
        t0 = t1;
    }
out:
    base_free(r);
    return st;
}
