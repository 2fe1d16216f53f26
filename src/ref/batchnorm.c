#include <math.h>

#include "ref/ref.h"

void ref_batchnorm_fwd(const struct call *c, void *const *in, void *const *out)
{
    const double *x = in[0], *gamma = in[1], *beta = in[2];
    double *y = out[0], *mean = out[1], *rstd = out[2], *running_mean = out[3], *running_var = out[4];
    double momentum = call_float(c, "momentum");
    int64_t channels = c->in[0].dim[3], n = call_elements(&c->in[0]) / channels;
    for (int64_t k = 0; k < channels; k++) {
        double sum = 0, square = 0;
        for (int64_t r = 0; r < n; r++)
            sum += x[r * channels + k];
        mean[k] = sum / (double)n;
        for (int64_t r = 0; r < n; r++)
            square += (x[r * channels + k] - mean[k]) * (x[r * channels + k] - mean[k]);
        rstd[k] = 1 / sqrt(square / (double)n + call_float(c, "eps"));
        for (int64_t r = 0; r < n; r++)
            y[r * channels + k] = (x[r * channels + k] - mean[k]) * rstd[k] * gamma[k] + beta[k];
        running_mean[k] += momentum * (mean[k] - running_mean[k]);
        running_var[k] += momentum * (square / (double)(n - 1) - running_var[k]);
    }
}

void ref_batchnorm_bwd(const struct call *c, void *const *in, void *const *out)
{
    const double *x = in[0], *gamma = in[1], *mean = in[2], *rstd = in[3], *dy = in[4];
    double *dx = out[0], *dgamma = out[1], *dbeta = out[2];
    int64_t channels = c->in[0].dim[3], n = call_elements(&c->in[0]) / channels;
    for (int64_t k = 0; k < channels; k++) {
        dgamma[k] = dbeta[k] = 0;
        for (int64_t r = 0; r < n; r++) {
            dbeta[k] += dy[r * channels + k];
            dgamma[k] += dy[r * channels + k] * (x[r * channels + k] - mean[k]) * rstd[k];
        }
        for (int64_t r = 0; r < n; r++) {
            double xhat = (x[r * channels + k] - mean[k]) * rstd[k];
            dx[r * channels + k] =
                gamma[k] * rstd[k] * (dy[r * channels + k] - dbeta[k] / (double)n - xhat * dgamma[k] / (double)n);
        }
    }
}

void ref_batchnorm_eval(const struct call *c, void *const *in, void *const *out)
{
    const double *x = in[0], *gamma = in[1], *beta = in[2], *mean = in[3], *var = in[4];
    double *y = out[0], eps = call_float(c, "eps");
    int64_t channels = c->in[0].dim[3];
    for (int64_t i = 0; i < call_elements(&c->in[0]); i++) {
        int64_t k = i % channels;
        y[i] = (x[i] - mean[k]) / sqrt(var[k] + eps) * gamma[k] + beta[k];
    }
}
