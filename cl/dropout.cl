/* y = x / (1 - p) where a Philox draw is at least p, else 0. The draw of element i is word
 * i % 4 of Philox(counter = (i / 4, step, STREAM_DROPOUT, stream), key = seed): backward
 * recomputes it. Four elements a work-item. The gradient is the same map of dy. */

#include "common/philox.clh"

kernel void dropout_fwd__plain(const ulong n, global const float *x, global float *y,
                               const float p, const float scale, const uint seed_lo, const uint seed_hi,
                               const uint step, const uint stream)
{
    const ulong item = get_global_id(0);
    const struct philox r = philox4x32((uint)item, step, STREAM_DROPOUT, stream, seed_lo, seed_hi);
    for (int j = 0; j < 4; j++)
        if (item * 4 + j < n)
            y[item * 4 + j] = philox_unit(r.v[j]) >= p ? x[item * 4 + j] * scale : 0.0f;
}
