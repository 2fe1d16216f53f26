/* y[row][c] = x[row][c] + b[c], or max of that and 0; x is [rows][C]. A work-item: VEC channels of
 * 16 rows. The gradient behind the relu is dx = dy where y > 0, else 0, and of b the sum of dx over
 * the rows, in the order of cl/reduce.cl, which ends it: a work-item has one of `parts` equal
 * shares of the rows (dimension 1). */

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

VECTOR_KERNEL void bias_relu_fwd__plain(global const float *x, global const float *restrict b, global float *y,
                                        const ulong rows, const int C)
{
    const int c = (int)get_global_id(0) * VEC;
    const ulong first = (ulong)get_global_id(1) * 16, end = first + 16 < rows ? first + 16 : rows;
    const vecf bias = vec_load(b + c, C - c);
    for (ulong r = first; r < end; r++) {
        const vecf v = vec_load(x + r * C + c, C - c) + bias;
        vec_store(select(v, (vecf)(0.0f), v <= 0.0f), y + r * C + c, C - c);
    }
}

VECTOR_KERNEL void bias_relu_bwd__plain(global const float *y, global const float *dy, global float *dx,
                                        global float *restrict partial, const ulong rows, const int C,
                                        const int parts)
{
    const int c = (int)get_global_id(0) * VEC, part = (int)get_global_id(1);
    const ulong first = rows * (ulong)part / (ulong)parts, end = rows * (ulong)(part + 1) / (ulong)parts;
    vecf sum = (vecf)(0.0f);
    for (ulong r = first; r < end; r++) {
        const ulong at = r * C + c;
        const vecf d = select((vecf)(0.0f), vec_load(dy + at, C - c), vec_load(y + at, C - c) > 0.0f);
        vec_store(d, dx + at, C - c);
        sum += d;
    }
    vec_store(sum, partial + (ulong)part * C + c, C - c);
}
