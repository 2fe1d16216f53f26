#include "ref/ref.h"

void ref_sgd(const struct call *c, void *const *in, void *const *out)
{
    const double *g = in[1];
    double *p = out[0], *m = out[1], momentum = call_float(c, "momentum");
    for (int64_t i = 0; i < call_elements(&c->in[0]); i++) {
        double d = g[i] + call_float(c, "decay") * p[i];
        m[i] = momentum * m[i] + d;
        p[i] -= call_float(c, "lr") * (call_int(c, "nesterov") ? d + momentum * m[i] : m[i]);
    }
}
