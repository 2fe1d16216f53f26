/* Exponential moving average: s += (1 - decay) (p - s). Four of n values a work-item. */

kernel void ema__plain(const ulong n, global float *restrict s, global const float *restrict p, const float rate)
{
    const ulong first = (ulong)get_global_id(0) * 4, end = first + 4 < n ? first + 4 : n;
    for (ulong i = first; i < end; i++)
        s[i] = fma(rate, p[i] - s[i], s[i]);
}
