/* sum = first ? g : sum + g. Dense tensors of n elements. What sum holds at first may be anything. */

#include "common/span.clh"

VECTOR_KERNEL void accumulate__plain(const ulong n, global float *restrict sum, global const float *restrict g,
                                     const int first_time)
{
    EACH_VECTOR
        STORE(first_time ? LOAD(g) : LOAD(sum) + LOAD(g), sum);
}
