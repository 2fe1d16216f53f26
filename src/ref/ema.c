#include "ref/ref.h"

void ref_ema(const struct call *c, void *const *in, void *const *out)
{
    const double *p = in[1];
    double *s = out[0];
    for (int64_t i = 0; i < call_elements(&c->in[0]); i++)
        s[i] += (1 - call_float(c, "decay")) * (p[i] - s[i]);
}
