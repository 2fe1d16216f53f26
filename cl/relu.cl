/* y = max(x, 0), NaN stays NaN; dx = dy where y > 0.
 * All tensors dense with n elements; a work-item takes 4 of them, the last group's
 * stragglers one by one. */

kernel void relu_fwd__plain(const ulong n, global const float *restrict x, global float *restrict y)
{
    const ulong i = (ulong)get_global_id(0) * 4;
    if (i + 4 <= n) {
        const float4 v = vload4(0, x + i);
        vstore4(select(v, (float4)(0.0f), v <= 0.0f), 0, y + i);
    } else {
        for (ulong k = i; k < n; k++)
            y[k] = x[k] <= 0.0f ? 0.0f : x[k];
    }
}

kernel void relu_bwd__plain(const ulong n, global const float *restrict y, global const float *restrict dy,
                            global float *restrict dx)
{
    const ulong i = (ulong)get_global_id(0) * 4;
    if (i + 4 <= n) {
        const float4 v = vload4(0, y + i);
        vstore4(select((float4)(0.0f), vload4(0, dy + i), v > 0.0f), 0, dx + i);
    } else {
        for (ulong k = i; k < n; k++)
            dx[k] = y[k] > 0.0f ? dy[k] : 0.0f;
    }
}
