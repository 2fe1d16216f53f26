/* y = x * Phi(x), Phi the normal distribution function; dx = dy * (Phi(x) + x * phi(x)).
 * Dense tensors of n elements, four a work-item. */

float distribution(const float x)
{
    return 0.5f * erfc(-0.70710678f * x);
}

kernel void gelu_fwd__plain(const ulong n, global const float *restrict x, global float *restrict y)
{
    const ulong first = (ulong)get_global_id(0) * 4, end = first + 4 < n ? first + 4 : n;
    for (ulong i = first; i < end; i++)
        y[i] = x[i] * distribution(x[i]);
}

kernel void gelu_bwd__plain(const ulong n, global const float *restrict x, global const float *restrict dy,
                            global float *restrict dx)
{
    const ulong first = (ulong)get_global_id(0) * 4, end = first + 4 < n ? first + 4 : n;
    for (ulong i = first; i < end; i++) {
        const float v = x[i];
        dx[i] = dy[i] * (distribution(v) + v * 0.39894228f * exp(-0.5f * v * v));
    }
}
