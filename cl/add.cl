/* y = a + b. Dense tensors of n elements. */

#include "common/span.clh"

VECTOR_KERNEL void add_fwd__plain(const ulong n, global const float *restrict a, global const float *restrict b,
                                  global float *restrict y)
{
    EACH_VECTOR
        STORE(LOAD(a) + LOAD(b), y);
}
