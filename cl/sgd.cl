/* Stochastic gradient descent with momentum, decay added to the gradient:
 *   g' = g + decay p;  m = momentum m + g';  p -= lr (nesterov ? g' + momentum m : m) */

#include "common/span.clh"

VECTOR_KERNEL void sgd__plain(const ulong n, global float *restrict p, global const float *restrict g,
                              global float *restrict m, const float lr, const float momentum, const float decay,
                              const int nesterov)
{
    EACH_VECTOR {
        const vecf old = LOAD(p), d = fma((vecf)(decay), old, LOAD(g)), v = fma((vecf)(momentum), LOAD(m), d);
        STORE(v, m);
        STORE(fma((vecf)(-lr), nesterov ? fma((vecf)(momentum), v, d) : v, old), p);
    }
}
