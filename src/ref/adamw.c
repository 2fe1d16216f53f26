#include <math.h>

#include "ref/ref.h"

void ref_adamw(const struct call *c, void *const *in, void *const *out)
{
    const double *g = in[1];
    double *p = out[0], *m = out[1], *v = out[2];
    double lr = call_float(c, "lr"), b1 = call_float(c, "beta1"), b2 = call_float(c, "beta2");
    double t = (double)call_int(c, "step") + 1;
    for (int64_t i = 0; i < call_elements(&c->in[0]); i++) {
        p[i] -= lr * call_float(c, "decay") * p[i];
        m[i] = b1 * m[i] + (1 - b1) * g[i];
        v[i] = b2 * v[i] + (1 - b2) * g[i] * g[i];
        p[i] -= lr / (1 - pow(b1, t)) * m[i] / (sqrt(v[i] / (1 - pow(b2, t))) + call_float(c, "eps"));
    }
}
