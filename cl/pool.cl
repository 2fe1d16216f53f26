/* Pooling over [H][W][N][C]. Samples and channels of a pixel are one run of NC floats, all treated
 * alike: dimension 0 are `span` floats of the run, dimension 1 the pixel that is written.
 *   maxpool: y = greatest x of the window, index = its h*W+w (first of equals; NaN wins)
 *   avgpool: y = sum of x / (window_h*window_w), padding counts as zeros
 *   globalpool: y = mean over all pixels
 * Gradients are gathered: dx asks every window that may hold it, in fixed order. */

#include "common/vec.clh"

#ifndef SUMS
#define SUMS 1 /* vectors that an item of globalpool_fwd adds up */
#endif

/* What is asked for ahead: pages that lie apart, and windows' short stretches, are not foreseen by the hardware. */
#define AHEAD 4 /* pixels */
#define AHEAD_IN_RUN (NC - i > 128 ? 128 : 0)

/* For each vector of this item's span: `i` its place in the run, `left` what remains. */
#define SPAN_LOOP                                                                                                    \
    const int first = (int)get_global_id(0) * span, end = NC - first < span ? NC : first + span;                      \
    for (int i = first, left = end - first; i < end; i += VEC, left -= VEC)

VECTOR_KERNEL void maxpool_fwd__plain(global const float *restrict x, global float *restrict y,
                                      global int *restrict index, const int span, const int NC, const int H,
                                      const int W, const int P, const int Q, const int window_h, const int window_w,
                                      const int stride_h, const int stride_w, const int pad_h, const int pad_w,
                                      const int stream)
{
    const int pixel = get_global_id(1), h0 = pixel / Q * stride_h - pad_h, w0 = pixel % Q * stride_w - pad_w;
    const int h_first = max(h0, 0), h_end = min(h0 + window_h, H), w_first = max(w0, 0), w_end = min(w0 + window_w, W);
    const int some = h_first < h_end && w_first < w_end;
    SPAN_LOOP
    {
        vecf best = (vecf)(some ? -INFINITY : 0.0f);
        veci at = (veci)(some ? h_first * W + w_first : -1);
        for (int h = h_first; h < h_end; h++)
            for (int w = w_first; w < w_end; w++) {
                global const float *from = x + ((ulong)h * W + w) * NC + i;
                const vecf v = vec_load(from, left);
                PREFETCH(from + AHEAD_IN_RUN);
                const veci take = ~(v <= best) & (best == best); /* a NaN, too, but none after it */
                best = select(best, v, take);
                at = select(at, (veci)(h * W + w), take);
            }
        vec_put(best, y + (ulong)pixel * NC + i, left, stream);
        veci_put(at, index + (ulong)pixel * NC + i, left, stream);
    }
}

/* Windows p whose span [p*stride - pad, + window) holds h: first <= p <= last. */
int first_window(const int h, const int window, const int stride, const int pad)
{
    const int a = h + pad - window + 1;
    return a <= 0 ? 0 : (a + stride - 1) / stride;
}

int last_window(const int h, const int stride, const int pad, const int count)
{
    const int b = (h + pad) / stride;
    return b < count ? b : count - 1;
}

VECTOR_KERNEL void maxpool_bwd__plain(global const float *restrict dy, global const int *restrict index,
                                      global float *restrict dx, const int span, const int NC, const int H,
                                      const int W, const int P, const int Q, const int window_h, const int window_w,
                                      const int stride_h, const int stride_w, const int pad_h, const int pad_w,
                                      const int stream)
{
    const int pixel = get_global_id(1), h = pixel / W, w = pixel % W;
    const int p0 = first_window(h, window_h, stride_h, pad_h), p1 = last_window(h, stride_h, pad_h, P);
    const int q0 = first_window(w, window_w, stride_w, pad_w), q1 = last_window(w, stride_w, pad_w, Q);
    SPAN_LOOP
    {
        vecf sum = (vecf)(0.0f);
        for (int p = p0; p <= p1; p++)
            for (int q = q0; q <= q1; q++) {
                const ulong at = ((ulong)p * Q + q) * NC + i;
                sum += select((vecf)(0.0f), vec_load(dy + at, left), veci_load(index + at, left) == (veci)(pixel));
            }
        vec_put(sum, dx + (ulong)pixel * NC + i, left, stream);
    }
}

VECTOR_KERNEL void avgpool_fwd__plain(global const float *restrict x, global float *restrict y, const int span,
                                      const int NC, const int H, const int W, const int P, const int Q,
                                      const int window_h, const int window_w, const int stride_h, const int stride_w,
                                      const int pad_h, const int pad_w,
                                      const int stream)
{
    const int pixel = get_global_id(1), h0 = pixel / Q * stride_h - pad_h, w0 = pixel % Q * stride_w - pad_w;
    SPAN_LOOP
    {
        vecf sum = (vecf)(0.0f);
        for (int r = 0; r < window_h; r++)
            for (int s = 0; s < window_w; s++) {
                const int h = h0 + r, w = w0 + s;
                if (h >= 0 && h < H && w >= 0 && w < W) {
                    global const float *from = x + ((ulong)h * W + w) * NC + i;
                    sum += vec_load(from, left);
                    PREFETCH(from + AHEAD_IN_RUN);
                }
            }
        vec_put(sum / (float)(window_h * window_w), y + (ulong)pixel * NC + i, left, stream);
    }
}

VECTOR_KERNEL void avgpool_bwd__plain(global const float *restrict dy, global float *restrict dx, const int span,
                                      const int NC, const int H, const int W, const int P, const int Q,
                                      const int window_h, const int window_w, const int stride_h, const int stride_w,
                                      const int pad_h, const int pad_w,
                                      const int stream)
{
    const int pixel = get_global_id(1), h = pixel / W, w = pixel % W;
    const int p0 = first_window(h, window_h, stride_h, pad_h), p1 = last_window(h, stride_h, pad_h, P);
    const int q0 = first_window(w, window_w, stride_w, pad_w), q1 = last_window(w, stride_w, pad_w, Q);
    SPAN_LOOP
    {
        vecf sum = (vecf)(0.0f);
        for (int p = p0; p <= p1; p++)
            for (int q = q0; q <= q1; q++)
                sum += vec_load(dy + ((ulong)p * Q + q) * NC + i, left);
        vec_put(sum / (float)(window_h * window_w), dx + (ulong)pixel * NC + i, left, stream);
    }
}

/* Sums of SUMS vectors of the run over one of `parts` shares of the pixels (dimension 1), in the
 * order in which they lie in memory: to[part][i] = sum / divisor. */
VECTOR_KERNEL void globalpool_fwd__plain(global const float *restrict x, global float *restrict to, const int NC,
                                         const int pixels, const int parts, const float divisor)
{
    const int first = (int)get_global_id(0) * SUMS * VEC, part = get_global_id(1), left = NC - first;
    const int begin = (int)((long)pixels * part / parts), end = (int)((long)pixels * (part + 1) / parts);
    const int vectors = left < SUMS * VEC ? (left + VEC - 1) / VEC : SUMS;
    vecf sum[SUMS];
    for (int v = 0; v < SUMS; v++)
        sum[v] = (vecf)(0.0f);
    for (int p = begin; p < end; p++) {
        global const float *from = x + (ulong)p * NC + first, *ahead = from + (p + AHEAD < end ? AHEAD * (ulong)NC : 0);
        if (left >= SUMS * VEC) {
            for (int v = 0; v < SUMS; v++) {
                if (v * VEC % 16 == 0)
                    PREFETCH(ahead + v * VEC);
                sum[v] += VLOAD(from + v * VEC);
            }
        } else {
            for (int v = 0; v < vectors; v++)
                sum[v] += vec_load(from + v * VEC, left - v * VEC);
        }
    }
    for (int v = 0; v < vectors; v++)
        vec_store(sum[v] / divisor, to + (ulong)part * NC + first + v * VEC, left - v * VEC);
}

VECTOR_KERNEL void globalpool_merge(global const float *restrict partial, global float *restrict y, const int span,
                                    const int NC, const int pixels, const int parts)
{
    SPAN_LOOP
    {
        vecf sum = vec_load(partial + i, left);
        for (int part = 1; part < parts; part++)
            sum += vec_load(partial + (ulong)part * NC + i, left);
        vec_store(sum / (float)pixels, y + i, left);
    }
}

VECTOR_KERNEL void globalpool_bwd__plain(global const float *restrict dy, global float *restrict dx, const int span,
                                         const int NC, const int pixels)
{
    const ulong to = get_global_id(1) * (ulong)NC;
    SPAN_LOOP
        vec_store(vec_load(dy + i, left) / (float)pixels, dx + to + i, left);
}
