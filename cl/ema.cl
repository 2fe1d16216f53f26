/* Exponential moving average: s += (1 - decay) (p - s). */

#include "common/span.clh"

VECTOR_KERNEL void ema__plain(const ulong n, global float *restrict s, global const float *restrict p,
                              const float rate)
{
    EACH_VECTOR {
        const vecf v = LOAD(s);
        STORE(fma((vecf)(rate), LOAD(p) - v, v), s);
    }
}
