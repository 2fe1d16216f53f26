#include "ref/ref.h"

void ref_bias_fwd(const struct call *c, void *const *in, void *const *out)
{
    const double *x = in[0], *b = in[1];
    double *y = out[0];
    int64_t channels = c->in[1].dim[0];
    for (int64_t i = 0; i < call_elements(&c->in[0]); i++)
        y[i] = x[i] + b[i % channels];
}

void ref_add_bias(const struct call *c, void *const *in, void *const *out)
{
    const double *b = in[2];
    double *y = out[0];
    int64_t channels = c->in[2].dim[0], relu = call_int(c, "relu");
    for (int64_t i = 0; i < call_elements(&c->out[0]); i++) {
        y[i] += b[i % channels];
        if (relu && y[i] <= 0)
            y[i] = 0;
    }
}

void ref_bias_bwd(const struct call *c, void *const *in, void *const *out)
{
    const double *dy = in[0];
    double *db = out[0];
    int64_t channels = c->in[1].dim[0];
    for (int64_t k = 0; k < channels; k++)
        db[k] = 0;
    for (int64_t i = 0; i < call_elements(&c->in[0]); i++)
        db[i % channels] += dy[i];
}

void ref_bias_relu_fwd(const struct call *c, void *const *in, void *const *out)
{
    double *y = out[0];
    ref_bias_fwd(c, in, out);
    for (int64_t i = 0; i < call_elements(&c->in[0]); i++)
        y[i] = y[i] <= 0 ? 0 : y[i];
}

void ref_bias_relu_bwd(const struct call *c, void *const *in, void *const *out)
{
    const double *y = in[0], *dy = in[1];
    double *dx = out[0], *db = out[1];
    int64_t channels = c->out[1].dim[0];
    for (int64_t k = 0; k < channels; k++)
        db[k] = 0;
    for (int64_t i = 0; i < call_elements(&c->in[0]); i++) {
        dx[i] = y[i] > 0 ? dy[i] : 0;
        db[i % channels] += dx[i];
    }
}
