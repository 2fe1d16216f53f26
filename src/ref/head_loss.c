#include <math.h>

#include "common/label.clh"
#include "ref/head_row.h"
#include "ref/ref.h"

double ref_head_logit(const struct ref_head_row *r, int64_t j)
{
    if (r->z)
        return r->z[j];
    double sum = r->b[j];
    for (int64_t d = 0; d < r->D; d++)
        sum += r->x[d] * r->w[d * r->T + j];
    return sum;
}

/* The greatest logit and the logarithm of the sum of exp(z - it); without column `but`. */
static void log_sum_exp(const struct ref_head_row *r, int64_t but, double *top, double *log_sum)
{
    double sum = 0;
    *top = -INFINITY;
    for (int64_t j = 0; j < r->K; j++)
        *top = j == but ? *top : fmax(*top, ref_head_logit(r, j));
    for (int64_t j = 0; j < r->K; j++)
        sum += j == but ? 0 : exp(ref_head_logit(r, j) - *top);
    *log_sum = log(sum);
}

struct ref_head_softmax ref_head_softmax(const struct ref_head_row *r)
{
    struct ref_head_softmax s;
    double top, log_sum;
    log_sum_exp(r, -1, &top, &log_sum);
    log_sum_exp(r, r->t, &s.rest_top, &s.rest_log_sum);
    s.log_miss = s.rest_top + s.rest_log_sum - top - log_sum;
    s.log_p = ref_head_logit(r, r->t) - top - log_sum;
    s.miss = exp(s.log_miss);
    return s;
}

void ref_head_figures(const struct ref_head_row *r, int32_t loss, const double *real, double *stats)
{
    double top, log_sum, mean_log = 0, entropy = 0, square = 0, z_t = ref_head_logit(r, r->t);
    struct ref_head_softmax s = ref_head_softmax(r);
    bool hit = true;
    log_sum_exp(r, -1, &top, &log_sum);
    for (int64_t j = 0; j < r->K; j++) {
        double z = ref_head_logit(r, j), log_p = z - top - log_sum, p = exp(log_p), one = j == r->t;
        mean_log += log_p / (double)r->K;
        entropy -= p * log_p;
        square += (p - one) * (p - one);
        hit = hit && (z_t > z || (z_t == z && j >= r->t));
    }
    double odds = z_t - s.rest_top - s.rest_log_sum;
    const double reg[6] = {0, odds > 0 ? odds + log1p(exp(-odds)) : log1p(exp(odds)), -mean_log, s.log_p, -entropy, 0};
    stats[0] = -(1 - real[0]) * s.log_p - real[0] * mean_log;
    stats[1] = hit;
    stats[2] = exp(s.log_p);
    stats[3] = z_t - s.rest_top;
    stats[4] = entropy;
    stats[5] = sqrt(square);
    stats[6] = reg[loss];
}

void ref_head_gradient(const struct ref_head_row *r, int64_t j, int32_t loss, const double *real,
                       struct ref_head_softmax s, const double *stats, double *own, double *feature)
{
    double one = j == r->t, K = (double)r->K, log_q = ref_head_logit(r, j) - s.rest_top - s.rest_log_sum;
    double p = j == r->t ? stats[2] : s.miss * exp(log_q), log_p = j == r->t ? s.log_p : log_q + s.log_miss;
    *own = p - (1 - real[0]) * one - real[0] / K;
    switch (loss) {
    case 1:
        *feature = stats[2] * (j == r->t ? 1 : -exp(log_q));
        break;
    case 2:
        *feature = p - 1 / K;
        break;
    case 3:
        *feature = one - p;
        break;
    case 4:
        *feature = p * (log_p + stats[4]);
        break;
    case 5:
        *feature = *own;
        break;
    default:
        *feature = 0;
    }
}

void ref_head_loss(const struct call *c, void *const *in, void *const *out)
{
    const double *z_all = in[0], *weight = in[3], *real_all = in[5];
    const int32_t *y = in[1], *id = in[2], *table = in[4];
    double *g_head = out[0], *g_feat = out[1], *stats_all = out[2];
    int64_t N = c->in[0].dim[0], T = c->in[0].dim[1], M = c->in[4].dim[0];
    double mean_over = (double)(call_int(c, "batch") ? call_int(c, "batch") : N);
    for (int64_t n = 0; n < N; n++)
        for (int64_t m = 0; m < M; m++) {
            const int32_t *head = table + 8 * m;
            const double *real = real_all + 4 * m;
            double share = weight[n] / mean_over;
            int epoch = head[6] ? (int)call_int(c, "epoch") + 1 : 0;
            int64_t first = n * T + head[0];
            struct ref_head_row r = {.z = z_all + first, .K = head[1]};
            double scale = real[1] * (real[2] != 0 ? call_float(c, "lambda_scale") : 1);
            double *stats = stats_all + (n * M + m) * 8;
            r.t = head[2] == 0 ? y[n]
                               : random_label((uint32_t)head[4], (uint32_t)head[5], (int)call_int(c, "split"), id[n],
                                              epoch, head[1]);
            struct ref_head_softmax s = ref_head_softmax(&r);
            ref_head_figures(&r, head[3], real, stats);
            stats[7] = weight[n];
            for (int64_t j = 0; j < head[1]; j++) {
                double own, feature;
                ref_head_gradient(&r, j, head[3], real, s, stats, &own, &feature);
                g_head[first + j] = share * own;
                g_feat[first + j] = share * scale * feature;
            }
        }
}
