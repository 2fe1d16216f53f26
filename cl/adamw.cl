/* AdamW (Loshchilov and Hutter, 1711.05101), step t counted from 1:
 *   p -= lr decay p;  m += (1 - b1)(g - m);  v = b2 v + (1 - b2) g^2
 *   p -= lr / (1 - b1^t) * m / (sqrt(v / (1 - b2^t)) + eps)
 * rate and root are the two corrections, lr / (1 - b1^t) and 1 / sqrt(1 - b2^t); c1 and c2
 * are 1 - b1 and 1 - b2, which the host subtracts before it rounds.
 * Four of n values a work-item. */

kernel void adamw__plain(const ulong n, global float *restrict p, global const float *restrict g,
                         global float *restrict m, global float *restrict v, const float rate, const float root,
                         const float shrink, const float c1, const float b2, const float c2, const float eps)
{
    const ulong first = (ulong)get_global_id(0) * 4, end = first + 4 < n ? first + 4 : n;
    for (ulong i = first; i < end; i++) {
        m[i] = fma(c1, g[i] - m[i], m[i]);
        v[i] = fma(b2, v[i], c2 * g[i] * g[i]);
        p[i] = p[i] * shrink - rate * m[i] / fma(sqrt(v[i]), root, eps);
    }
}
