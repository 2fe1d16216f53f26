#include <math.h>

#include "ref/ref.h"

void ref_gelu_fwd(const struct call *c, void *const *in, void *const *out)
{
    const double *x = in[0];
    double *y = out[0];
    for (int64_t i = 0; i < call_elements(&c->in[0]); i++)
        y[i] = 0.5 * x[i] * (1 + erf(x[i] * 0.7071067811865475244));
}

void ref_gelu_bwd(const struct call *c, void *const *in, void *const *out)
{
    const double *x = in[0], *dy = in[1];
    double *dx = out[0];
    for (int64_t i = 0; i < call_elements(&c->in[0]); i++) {
        double density = 0.3989422804014326779 * exp(-0.5 * x[i] * x[i]);
        dx[i] = dy[i] * (0.5 * (1 + erf(x[i] * 0.7071067811865475244)) + x[i] * density);
    }
}
