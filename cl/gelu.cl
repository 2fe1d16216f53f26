/* y = x * Phi(x), Phi the normal distribution function; dx = dy * (Phi(x) + x * phi(x)).
 * Dense tensors of n elements. */

#include "common/span.clh"

static inline vecf distribution(const vecf x)
{
    return 0.5f * erfc(-0.70710678f * x);
}

VECTOR_KERNEL void gelu_fwd__plain(const ulong n, global const float *x, global float *y, const int stream)
{
    EACH_VECTOR {
        const vecf v = LOAD(x);
        PUT(v * distribution(v), y);
    }
}

VECTOR_KERNEL void gelu_bwd__plain(const ulong n, global const float *x, global const float *dy, global float *dx,
                                   const int stream)
{
    EACH_VECTOR {
        const vecf v = LOAD(x);
        PUT(LOAD(dy) * (distribution(v) + v * 0.39894228f * exp(-0.5f * v * v)), dx);
    }
}
