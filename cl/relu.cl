/* y = max(x, 0), NaN stays NaN; dx = dy where y > 0. Dense tensors of n elements. */

#include "common/span.clh"

VECTOR_KERNEL void relu_fwd__plain(const ulong n, global const float *x, global float *y, const int stream)
{
    EACH_VECTOR {
        const vecf v = LOAD(x);
        PUT(select(v, (vecf)(0.0f), v <= 0.0f), y);
    }
}

VECTOR_KERNEL void relu_bwd__plain(const ulong n, global const float *y, global const float *dy, global float *dx,
                                   const int stream)
{
    EACH_VECTOR
        PUT(select((vecf)(0.0f), LOAD(dy), LOAD(y) > 0.0f), dx);
}
