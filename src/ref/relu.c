#include "ref/ref.h"

void ref_relu_fwd(const struct call *c, void *const *in, void *const *out)
{
    const double *x = in[0];
    double *y = out[0];
    for (int64_t i = 0; i < call_elements(&c->in[0]); i++)
        y[i] = x[i] > 0 ? x[i] : x[i] != x[i] ? x[i] : 0;
}

void ref_relu_bwd(const struct call *c, void *const *in, void *const *out)
{
    const double *y = in[0], *dy = in[1];
    double *dx = out[0];
    for (int64_t i = 0; i < call_elements(&c->in[0]); i++)
        dx[i] = y[i] > 0 ? dy[i] : 0;
}
