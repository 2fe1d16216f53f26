/* AdamW (Loshchilov and Hutter, 1711.05101), step t counted from 1:
 *   p -= lr decay p;  m += (1 - b1)(g - m);  v = b2 v + (1 - b2) g^2
 *   p -= lr / (1 - b1^t) * m / (sqrt(v / (1 - b2^t)) + eps)
 * rate and root are the two corrections, lr / (1 - b1^t) and 1 / sqrt(1 - b2^t); c1 and c2
 * are 1 - b1 and 1 - b2, which the host subtracts before it rounds. */

#include "common/span.clh"

VECTOR_KERNEL void adamw__plain(const ulong n, global float *restrict p, global const float *restrict g,
                                global float *restrict m, global float *restrict v, const float rate,
                                const float root, const float shrink, const float c1, const float b2, const float c2,
                                const float eps)
{
    EACH_VECTOR {
        const vecf d = LOAD(g), old = LOAD(m);
        const vecf first_moment = fma((vecf)(c1), d - old, old), second = fma((vecf)(b2), LOAD(v), c2 * d * d);
        STORE(first_moment, m);
        STORE(second, v);
        STORE(LOAD(p) * shrink - rate * first_moment / fma(sqrt(second), (vecf)(root), (vecf)(eps)), p);
    }
}
