/* y = a + b. Dense tensors of n elements. */

#include "common/span.clh"

VECTOR_KERNEL void add_fwd__plain(const ulong n, global const float *a, global const float *b, global float *y,
                                  const int stream)
{
    EACH_VECTOR
        PUT(LOAD(a) + LOAD(b), y);
}
