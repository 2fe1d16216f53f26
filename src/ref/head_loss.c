#include <math.h>

#include "common/label.clh"
#include "ref/ref.h"

struct row {
    const double *z;
    int64_t K, t;
    double p_t;
};

/* Log-sum-exps with and without the target. */
static void lse(const struct row *r, double *all, double *rest)
{
    double top = -INFINITY, sum = 0, rest_top = -INFINITY, rest_sum = 0;
    for (int64_t j = 0; j < r->K; j++) {
        top = fmax(top, r->z[j]);
        rest_top = j == r->t ? rest_top : fmax(rest_top, r->z[j]);
    }
    for (int64_t j = 0; j < r->K; j++) {
        sum += exp(r->z[j] - top);
        rest_sum += j == r->t ? 0 : exp(r->z[j] - rest_top);
    }
    *all = top + log(sum);
    *rest = rest_top + log(rest_sum);
}

static double gradient(const struct row *r, int32_t loss, int64_t j, double log_p, double entropy, double rest,
                       double eps)
{
    double one = j == r->t, K = (double)r->K, p = exp(log_p);
    switch (loss) {
    case 1:
        return r->p_t * (one ? 1 : -exp(r->z[j] - rest));
    case 2:
        return p - 1 / K;
    case 3:
        return one - p;
    case 4:
        return p * (log_p + entropy);
    case 5:
        return p - (1 - eps) * one - eps / K;
    default:
        return 0;
    }
}

static void do_row(struct row *r, const int32_t *head, const double *real, double share, double lambda_scale,
                   double *g_head, double *g_feat, double *stats)
{
    double all, rest, mean_log = 0, entropy = 0, square = 0, margin = -INFINITY, K = (double)r->K;
    bool hit = true;
    lse(r, &all, &rest);
    r->p_t = exp(r->z[r->t] - all);
    for (int64_t j = 0; j < r->K; j++) {
        double log_p = r->z[j] - all, p = exp(log_p), one = j == r->t;
        mean_log += log_p / K;
        entropy -= p * log_p;
        square += (p - one) * (p - one);
        margin = one ? margin : fmax(margin, r->z[j]);
        hit = hit && (r->z[r->t] > r->z[j] || (r->z[r->t] == r->z[j] && j >= r->t));
    }
    for (int64_t j = 0; j < r->K; j++) {
        double scale = real[1] * (real[2] != 0 ? lambda_scale : 1);
        g_head[j] = share * (exp(r->z[j] - all) - (1 - real[0]) * (j == r->t) - real[0] / K);
        g_feat[j] = share * scale * gradient(r, head[3], j, r->z[j] - all, entropy, rest, real[0]);
    }
    double odds = r->z[r->t] - rest, log_p_t = r->z[r->t] - all;
    const double reg[6] = {0, odds > 0 ? odds + log1p(exp(-odds)) : log1p(exp(odds)), -mean_log, log_p_t, -entropy, 0};
    stats[0] = -(1 - real[0]) * log_p_t - real[0] * mean_log;
    stats[1] = hit;
    stats[2] = r->p_t;
    stats[3] = r->z[r->t] - margin;
    stats[4] = entropy;
    stats[5] = sqrt(square);
    stats[6] = reg[head[3]];
}

void ref_head_loss(const struct call *c, void *const *in, void *const *out)
{
    const double *z = in[0], *weight = in[3], *real = in[5];
    const int32_t *y = in[1], *id = in[2], *table = in[4];
    double *g_head = out[0], *g_feat = out[1], *stats = out[2];
    int64_t N = c->in[0].dim[0], T = c->in[0].dim[1], M = c->in[4].dim[0];
    double mean_over = (double)(call_int(c, "batch") ? call_int(c, "batch") : N);
    struct row r;
    for (int64_t n = 0; n < N; n++)
        for (int64_t m = 0; m < M; m++) {
            const int32_t *head = table + 8 * m;
            int epoch = head[6] ? (int)call_int(c, "epoch") + 1 : 0;
            int64_t first = n * T + head[0];
            r.z = z + first;
            r.K = head[1];
            r.t = head[2] == 0 ? y[n]
                               : random_label((uint32_t)head[4], (uint32_t)head[5], (int)call_int(c, "split"), id[n],
                                              epoch, head[1]);
            do_row(&r, head, real + 4 * m, weight[n] / mean_over, call_float(c, "lambda_scale"), g_head + first,
                   g_feat + first, stats + (n * M + m) * 8);
            stats[(n * M + m) * 8 + 7] = weight[n];
        }
}
