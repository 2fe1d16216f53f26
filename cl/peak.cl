/* What a device can do at most, measured: fused multiply-adds in registers, and a stream through
 * memory. Neither is an operator; src/bench/bench_peak.c launches them.
 *
 * peak__fma: each work-item keeps CHAINS independent vectors a, so that the next fma does not wait
 * for the last; 2 CHAINS VEC floating-point operations an iteration. The sums are written, so that
 * nothing is left out. CHAINS by -D, 1 to 16: at most as many as registers hold, at least latency
 * times throughput.
 * peak__triad: a = b + s c over n elements; 12 bytes an element. */

#include "common/span.clh"

#ifndef CHAINS
#define CHAINS 12
#endif

VECTOR_KERNEL void peak__fma(const int iterations, const float m, const float b, global float *restrict out)
{
    vecf a[CHAINS];
    const vecf factor = (vecf)(m), add = (vecf)(b);
    _Pragma("unroll") for (int j = 0; j < CHAINS; j++)
        a[j] = (vecf)((float)(get_global_id(0) + j));
    for (int i = 0; i < iterations; i++) {
        _Pragma("unroll") for (int j = 0; j < CHAINS; j++)
            a[j] = fma(a[j], factor, add);
    }
    vecf sum = a[0];
    _Pragma("unroll") for (int j = 1; j < CHAINS; j++)
        sum += a[j];
    VSTORE(sum, out + get_global_id(0) * VEC);
}

VECTOR_KERNEL void peak__triad(const ulong n, const float s, global const float *restrict b,
                               global const float *restrict c, global float *restrict a)
{
    EACH_VECTOR
        STORE(fma((vecf)(s), LOAD(c), LOAD(b)), a);
}
