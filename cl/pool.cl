/* Pooling over [H][W][N][C]; a work-item takes 4 channels (the last fewer) of one
 * (pixel, sample): dimension 0 the channel quads, dimension 1 pixel*N + sample.
 *   maxpool: y = greatest x of the window, index = its h*W+w (first of equals; NaN wins)
 *   avgpool: y = sum of x / (window_h*window_w), padding counts as zeros
 *   globalpool: y = mean over all pixels
 * Gradients are gathered: dx asks every window that may hold it, in fixed order. */

#ifndef CHANNELS
#define CHANNELS 4
#endif

kernel void maxpool_fwd__plain(global const float *restrict x, global float *restrict y, global int *restrict index,
                               const int H, const int W, const int N, const int C, const int P, const int Q,
                               const int window_h, const int window_w, const int stride_h, const int stride_w,
                               const int pad_h, const int pad_w)
{
    const int c0 = (int)get_global_id(0) * CHANNELS;
    const ulong row = get_global_id(1);
    const int n = (int)(row % (ulong)N), q = (int)(row / (ulong)N % (ulong)Q), p = (int)(row / (ulong)N / (ulong)Q);
    for (int c = c0; c < C && c < c0 + CHANNELS; c++) {
        float best = 0.0f;
        int at = -1;
        for (int r = 0; r < window_h; r++) {
            const int h = p * stride_h - pad_h + r;
            for (int s = 0; s < window_w; s++) {
                const int w = q * stride_w - pad_w + s;
                if (h < 0 || h >= H || w < 0 || w >= W)
                    continue;
                const float v = x[(((ulong)h * W + w) * N + n) * C + c];
                if (at < 0 || v > best || (isnan(v) && !isnan(best))) {
                    best = v;
                    at = h * W + w;
                }
            }
        }
        y[row * C + c] = best;
        index[row * C + c] = at;
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

kernel void maxpool_bwd__plain(global const float *restrict dy, global const int *restrict index,
                               global float *restrict dx, const int H, const int W, const int N, const int C,
                               const int P, const int Q, const int window_h, const int window_w, const int stride_h,
                               const int stride_w, const int pad_h, const int pad_w)
{
    const int c0 = (int)get_global_id(0) * CHANNELS;
    const ulong row = get_global_id(1);
    const int n = (int)(row % (ulong)N), w = (int)(row / (ulong)N % (ulong)W), h = (int)(row / (ulong)N / (ulong)W);
    const int p0 = first_window(h, window_h, stride_h, pad_h), p1 = last_window(h, stride_h, pad_h, P);
    const int q0 = first_window(w, window_w, stride_w, pad_w), q1 = last_window(w, stride_w, pad_w, Q);
    for (int c = c0; c < C && c < c0 + CHANNELS; c++) {
        float sum = 0.0f;
        for (int p = p0; p <= p1; p++)
            for (int q = q0; q <= q1; q++) {
                const ulong at = (((ulong)p * Q + q) * N + n) * C + c;
                if (index[at] == h * W + w)
                    sum += dy[at];
            }
        dx[row * C + c] = sum;
    }
}

kernel void avgpool_fwd__plain(global const float *restrict x, global float *restrict y, const int H, const int W,
                               const int N, const int C, const int P, const int Q, const int window_h,
                               const int window_w, const int stride_h, const int stride_w, const int pad_h,
                               const int pad_w)
{
    const int c0 = (int)get_global_id(0) * CHANNELS;
    const ulong row = get_global_id(1);
    const int n = (int)(row % (ulong)N), q = (int)(row / (ulong)N % (ulong)Q), p = (int)(row / (ulong)N / (ulong)Q);
    for (int c = c0; c < C && c < c0 + CHANNELS; c++) {
        float sum = 0.0f;
        for (int r = 0; r < window_h; r++)
            for (int s = 0; s < window_w; s++) {
                const int h = p * stride_h - pad_h + r, w = q * stride_w - pad_w + s;
                if (h >= 0 && h < H && w >= 0 && w < W)
                    sum += x[(((ulong)h * W + w) * N + n) * C + c];
            }
        y[row * C + c] = sum / (float)(window_h * window_w);
    }
}

kernel void avgpool_bwd__plain(global const float *restrict dy, global float *restrict dx, const int H, const int W,
                               const int N, const int C, const int P, const int Q, const int window_h,
                               const int window_w, const int stride_h, const int stride_w, const int pad_h,
                               const int pad_w)
{
    const int c0 = (int)get_global_id(0) * CHANNELS;
    const ulong row = get_global_id(1);
    const int n = (int)(row % (ulong)N), w = (int)(row / (ulong)N % (ulong)W), h = (int)(row / (ulong)N / (ulong)W);
    const int p0 = first_window(h, window_h, stride_h, pad_h), p1 = last_window(h, stride_h, pad_h, P);
    const int q0 = first_window(w, window_w, stride_w, pad_w), q1 = last_window(w, stride_w, pad_w, Q);
    for (int c = c0; c < C && c < c0 + CHANNELS; c++) {
        float sum = 0.0f;
        for (int p = p0; p <= p1; p++)
            for (int q = q0; q <= q1; q++)
                sum += dy[(((ulong)p * Q + q) * N + n) * C + c];
        dx[row * C + c] = sum / (float)(window_h * window_w);
    }
}

/* Dimension 1 is the sample. */
kernel void globalpool_fwd__plain(global const float *restrict x, global float *restrict y, const int pixels,
                                  const int N, const int C)
{
    const int c0 = (int)get_global_id(0) * CHANNELS;
    const ulong n = get_global_id(1);
    for (int c = c0; c < C && c < c0 + CHANNELS; c++) {
        float sum = 0.0f;
        for (int i = 0; i < pixels; i++)
            sum += x[((ulong)i * N + n) * C + c];
        y[n * C + c] = sum / (float)pixels;
    }
}

kernel void globalpool_bwd__plain(global const float *restrict dy, global float *restrict dx, const int pixels,
                                  const int N, const int C)
{
    const int c0 = (int)get_global_id(0) * CHANNELS;
    const ulong row = get_global_id(1), n = row % (ulong)N;
    for (int c = c0; c < C && c < c0 + CHANNELS; c++)
        dx[row * C + c] = dy[n * C + c] / (float)pixels;
}
