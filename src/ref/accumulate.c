#include "ref/ref.h"

void ref_accumulate(const struct call *c, void *const *in, void *const *out)
{
    const double *g = in[1];
    double *sum = out[0];
    bool first = call_int(c, "first");
    for (int64_t i = 0; i < call_elements(&c->in[0]); i++)
        sum[i] = first ? g[i] : sum[i] + g[i];
}
