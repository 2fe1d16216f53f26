#include "common/philox.clh"
#include "ref/ref.h"

static void apply(const struct call *c, const double *x, double *y)
{
    uint64_t seed = (uint64_t)call_int(c, "seed");
    float p = (float)call_float(c, "p");
    for (int64_t i = 0; i < call_elements(&c->in[0]); i++) {
        struct philox r = philox4x32((uint32_t)(i / 4), (uint32_t)call_int(c, "step"), STREAM_DROPOUT,
                                     (uint32_t)call_int(c, "stream"), (uint32_t)seed, (uint32_t)(seed >> 32));
        y[i] = philox_unit(r.v[i % 4]) >= p ? x[i] / (1 - (double)p) : 0;
    }
}

void ref_dropout_fwd(const struct call *c, void *const *in, void *const *out)
{
    apply(c, in[0], out[0]);
}

void ref_dropout_bwd(const struct call *c, void *const *in, void *const *out)
{
    apply(c, in[0], out[0]);
}
