/* Sums in a fixed order. x is [rows][C]; the rows go in `parts` equal shares:
 *   partial[part][c] = sum over the share's rows of x[row][c]    (a work-item: part, VEC columns)
 *   y[c] = sum over parts of partial[part][c]                    (a work-item: c)
 * The second dimension of the first launch is the part. */

#include "common/vec.clh"

kernel void reduce_rows_part(global const float *restrict x, global float *restrict partial, const ulong rows,
                             const int C, const int parts)
{
    const int c = (int)get_global_id(0) * VEC, part = (int)get_global_id(1);
    const ulong first = rows * (ulong)part / (ulong)parts, end = rows * (ulong)(part + 1) / (ulong)parts;
    vecf sum = (vecf)(0.0f);
    if (c + VEC <= C) {
        for (ulong r = first; r < end; r++)
            sum += VLOAD(x + r * C + c);
    } else {
        for (ulong r = first; r < end; r++)
            sum += vec_load(x + r * C + c, C - c);
    }
    vec_store(sum, partial + (ulong)part * C + c, C - c);
}

kernel void reduce_rows_all(global const float *restrict partial, global float *restrict y, const int C,
                            const int parts)
{
    const int c = get_global_id(0);
    if (c >= C)
        return;
    float sum = partial[c];
    for (int p = 1; p < parts; p++)
        sum += partial[(ulong)p * C + c];
    y[c] = sum;
}
