/* y[row][c] = x[row][c] + b[c]; x is [rows][C]. A work-item: VEC channels of 16 rows. */

#include "common/vec.clh"

VECTOR_KERNEL void bias_fwd__plain(global const float *x, global const float *restrict b, global float *y,
                                   const ulong rows, const int C)
{
    const int c = (int)get_global_id(0) * VEC;
    const ulong first = (ulong)get_global_id(1) * 16, end = first + 16 < rows ? first + 16 : rows;
    const vecf v = vec_load(b + c, C - c);
    for (ulong r = first; r < end; r++)
        vec_store(vec_load(x + r * C + c, C - c) + v, y + r * C + c, C - c);
}
