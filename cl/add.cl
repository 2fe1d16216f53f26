/* y = a + b. Dense tensors of n elements, four a work-item. */

kernel void add_fwd__plain(const ulong n, global const float *restrict a, global const float *restrict b,
                           global float *restrict y)
{
    const ulong i = (ulong)get_global_id(0) * 4;
    if (i + 4 <= n) {
        vstore4(vload4(0, a + i) + vload4(0, b + i), 0, y + i);
    } else {
        for (ulong k = i; k < n; k++)
            y[k] = a[k] + b[k];
    }
}
