/* Stochastic gradient descent with momentum, decay added to the gradient:
 *   g' = g + decay p;  m = momentum m + g';  p -= lr (nesterov ? g' + momentum m : m)
 * Four of n values a work-item. */

kernel void sgd__plain(const ulong n, global float *restrict p, global const float *restrict g,
                       global float *restrict m, const float lr, const float momentum, const float decay,
                       const int nesterov)
{
    const ulong first = (ulong)get_global_id(0) * 4, end = first + 4 < n ? first + 4 : n;
    for (ulong i = first; i < end; i++) {
        const float d = fma(decay, p[i], g[i]), v = fma(momentum, m[i], d);
        m[i] = v;
        p[i] = fma(-lr, nesterov ? fma(momentum, v, d) : v, p[i]);
    }
}
