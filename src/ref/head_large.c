#include <string.h>

#include "common/label.clh"
#include "ref/head_row.h"
#include "ref/ref.h"

/* Sample n's row of a head; its target is still to be set. */
static struct ref_head_row row_of(const struct call *c, void *const *in, const int32_t *head, int64_t n)
{
    const double *x = in[0], *w = in[1], *b = in[2];
    struct ref_head_row r = {.D = c->in[0].dim[1], .T = c->in[1].dim[1], .K = head[1]};
    r.x = x + n * r.D;
    r.w = w + head[0];
    r.b = b + head[0];
    return r;
}

void ref_head_large_fwd(const struct call *c, void *const *in, void *const *out)
{
    const double *weight = in[5], *real = in[7];
    const int32_t *y = in[3], *id = in[4], *table = in[6];
    double *stats = out[0], *softmax = out[1];
    int32_t *target = out[2];
    int64_t N = c->in[0].dim[0], M = c->in[6].dim[0];
    for (int64_t i = 0; i < N * M; i++) {
        int64_t n = i / M, m = i % M;
        const int32_t *head = table + 8 * m;
        struct ref_head_row r = row_of(c, in, head, n);
        int epoch = head[6] ? (int)call_int(c, "epoch") + 1 : 0;
        target[i] = head[2] == 0 ? y[n]
                                 : random_label((uint32_t)head[4], (uint32_t)head[5], (int)call_int(c, "split"), id[n],
                                                epoch, head[1]);
        r.t = target[i];
        struct ref_head_softmax s = ref_head_softmax(&r);
        ref_head_figures(&r, head[3], real + 4 * m, stats + 8 * i);
        stats[8 * i + 7] = weight[n];
        const double row[5] = {s.rest_top, s.rest_log_sum, s.log_miss, s.log_p, s.miss};
        memcpy(softmax + 5 * i, row, sizeof row);
    }
}

/* One (sample, head); dx NULL: heads that do not send. */
static void add_row(const struct call *c, void *const *in, int64_t n, int64_t m, double *dw, double *db, double *dx)
{
    const int32_t *target = in[3], *head = (const int32_t *)in[4] + 8 * m;
    const double *real = (const double *)in[5] + 4 * m;
    int64_t N = c->in[0].dim[0], i = n * c->in[4].dim[0] + m;
    const double *stats = (const double *)in[6] + 8 * i, *sm = (const double *)in[7] + 5 * i;
    struct ref_head_row r = row_of(c, in, head, n);
    struct ref_head_softmax s = {sm[0], sm[1], sm[2], sm[3], sm[4]};
    double share = stats[7] / (double)(call_int(c, "batch") ? call_int(c, "batch") : N), scale = real[1] * (real[2] != 0 ? call_float(c, "lambda_scale") : 1);
    r.t = target[i];
    for (int64_t j = 0; j < r.K; j++) {
        double own, feature;
        int64_t k = head[0] + j;
        ref_head_gradient(&r, j, head[3], real, s, stats, &own, &feature);
        db[k] += share * own;
        for (int64_t d = 0; d < r.D; d++) {
            dw[d * r.T + k] += share * own * r.x[d];
            if (dx)
                dx[n * r.D + d] += share * scale * feature * r.w[d * r.T + j];
        }
    }
}

static void backward(const struct call *c, void *const *in, double *dw, double *db, double *dx)
{
    int64_t N = c->in[0].dim[0], D = c->in[0].dim[1], T = c->in[1].dim[1];
    memset(dw, 0, (size_t)(D * T) * sizeof *dw);
    memset(db, 0, (size_t)T * sizeof *db);
    if (dx)
        memset(dx, 0, (size_t)(N * D) * sizeof *dx);
    for (int64_t n = 0; n < N; n++)
        for (int64_t m = 0; m < c->in[4].dim[0]; m++)
            add_row(c, in, n, m, dw, db, dx);
}

void ref_head_large_bwd(const struct call *c, void *const *in, void *const *out)
{
    backward(c, in, out[0], out[1], out[2]);
}

void ref_head_large_bwd_probe(const struct call *c, void *const *in, void *const *out)
{
    backward(c, in, out[0], out[1], NULL);
}
