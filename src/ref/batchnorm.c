#include <math.h>
#include <stddef.h>

#include "ref/ref.h"

enum mode { PLAIN, RELU, ADD_RELU };

/* y over v = (x - mean) * scale + beta. */
static double finish(double v, const double *r, int64_t i, enum mode mode)
{
    if (mode == ADD_RELU)
        v += r[i];
    return mode != PLAIN && v <= 0 ? 0 : v;
}

static void fwd(const struct call *c, void *const *in, void *const *out, enum mode mode)
{
    const double *x = in[0], *gamma = in[1], *beta = in[2], *residual = mode == ADD_RELU ? in[5] : NULL;
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
        for (int64_t r = 0; r < n; r++) {
            int64_t i = r * channels + k;
            y[i] = finish((x[i] - mean[k]) * rstd[k] * gamma[k] + beta[k], residual, i, mode);
        }
        running_mean[k] += momentum * (mean[k] - running_mean[k]);
        running_var[k] += momentum * (square / (double)(n - 1) - running_var[k]);
    }
}

/* The gradient behind the relu. */
static double behind(void *const *in, int64_t i, int64_t k, enum mode mode)
{
    const double *x = in[0], *gamma = in[1], *mean = in[2], *rstd = in[3], *dy = in[4];
    const double *beta = mode == RELU ? in[5] : NULL, *y = mode == ADD_RELU ? in[5] : NULL;
    if (mode == PLAIN)
        return dy[i];
    double v = mode == RELU ? (x[i] - mean[k]) * rstd[k] * gamma[k] + beta[k] : y[i];
    return v > 0 ? dy[i] : 0;
}

static void bwd(const struct call *c, void *const *in, void *const *out, enum mode mode)
{
    const double *x = in[0], *gamma = in[1], *mean = in[2], *rstd = in[3];
    double *dx = out[0], *dgamma = out[1], *dbeta = out[2], *dr = mode == ADD_RELU ? out[3] : NULL;
    int64_t channels = c->in[0].dim[3], n = call_elements(&c->in[0]) / channels;
    for (int64_t k = 0; k < channels; k++) {
        dgamma[k] = dbeta[k] = 0;
        for (int64_t r = 0; r < n; r++) {
            double d = behind(in, r * channels + k, k, mode);
            dbeta[k] += d;
            dgamma[k] += d * (x[r * channels + k] - mean[k]) * rstd[k];
        }
        for (int64_t r = 0; r < n; r++) {
            int64_t i = r * channels + k;
            double xhat = (x[i] - mean[k]) * rstd[k], d = behind(in, i, k, mode);
            dx[i] = gamma[k] * rstd[k] * (d - dbeta[k] / (double)n - xhat * dgamma[k] / (double)n);
            if (dr)
                dr[i] = d;
        }
    }
}

static void eval(const struct call *c, void *const *in, void *const *out, enum mode mode)
{
    const double *x = in[0], *gamma = in[1], *beta = in[2], *mean = in[3], *var = in[4];
    const double *residual = mode == ADD_RELU ? in[5] : NULL;
    double *y = out[0], eps = call_float(c, "eps");
    int64_t channels = c->in[0].dim[3];
    for (int64_t i = 0; i < call_elements(&c->in[0]); i++) {
        int64_t k = i % channels;
        y[i] = finish((x[i] - mean[k]) / sqrt(var[k] + eps) * gamma[k] + beta[k], residual, i, mode);
    }
}

static void apply(const struct call *c, void *const *in, void *const *out, enum mode mode)
{
    const double *x = in[0], *gamma = in[1], *beta = in[2], *mean = in[3], *rstd = in[4];
    const double *residual = mode == ADD_RELU ? in[5] : NULL;
    double *y = out[0];
    int64_t channels = c->in[0].dim[3];
    for (int64_t i = 0; i < call_elements(&c->in[0]); i++) {
        int64_t k = i % channels;
        y[i] = finish((x[i] - mean[k]) * rstd[k] * gamma[k] + beta[k], residual, i, mode);
    }
}

void ref_batchnorm_fwd(const struct call *c, void *const *in, void *const *out)
{
    fwd(c, in, out, PLAIN);
}

void ref_batchnorm_bwd(const struct call *c, void *const *in, void *const *out)
{
    bwd(c, in, out, PLAIN);
}

void ref_batchnorm_apply(const struct call *c, void *const *in, void *const *out)
{
    apply(c, in, out, PLAIN);
}

void ref_batchnorm_eval(const struct call *c, void *const *in, void *const *out)
{
    eval(c, in, out, PLAIN);
}

void ref_batchnorm_relu_fwd(const struct call *c, void *const *in, void *const *out)
{
    fwd(c, in, out, RELU);
}

void ref_batchnorm_relu_bwd(const struct call *c, void *const *in, void *const *out)
{
    bwd(c, in, out, RELU);
}

void ref_batchnorm_relu_apply(const struct call *c, void *const *in, void *const *out)
{
    apply(c, in, out, RELU);
}

void ref_batchnorm_relu_eval(const struct call *c, void *const *in, void *const *out)
{
    eval(c, in, out, RELU);
}

void ref_batchnorm_add_relu_fwd(const struct call *c, void *const *in, void *const *out)
{
    fwd(c, in, out, ADD_RELU);
}

void ref_batchnorm_add_relu_bwd(const struct call *c, void *const *in, void *const *out)
{
    bwd(c, in, out, ADD_RELU);
}

void ref_batchnorm_add_relu_apply(const struct call *c, void *const *in, void *const *out)
{
    apply(c, in, out, ADD_RELU);
}

void ref_batchnorm_add_relu_eval(const struct call *c, void *const *in, void *const *out)
{
    eval(c, in, out, ADD_RELU);
}
