/* Depthwise convolution, a filter for each channel: no product of matrices, but vectors of channels.
 *
 * product:          out[p,q,n,c] = sum over r,s of in[h,w,n,c] * w[r,s,c], h and w as in conv2d.cl
 * filter gradient:  dw[r,s,c] = sum over p,q,n of x[h,w,n,c] * dy[p,q,n,c]
 *
 * A work-item (work-groups of 1) takes ROWS samples of a pixel after another: for each vector of
 * channels ROWS sums over the taps. Filter gradient: a work-item takes a share of the pixels, and
 * for each vector of channels TB taps at a time over all samples; sums stay in its scratch.
 * float32, by fma; taps outside the image are left out. Limit: R*S <= TAPS. */

#include "common/share.clh"
#include "common/vec.clh"
#include "common/window.clh"

#ifndef ROWS
#define ROWS 8
#endif
#ifndef TB
#define TB 9 /* taps at a time */
#endif
#define TAPS 128

#define DEPTHWISE_ROWS(COUNT)                                                                  \
    for (int c = 0; c < C; c += VEC) {                                                         \
        const int left = C - c;                                                                \
        vecf acc[COUNT];                                                                       \
        UNROLL for (int i = 0; i < COUNT; i++)                                                 \
            acc[i] = (vecf)(0.0f);                                                             \
        for (int t = 0; t < valid; t++) {                                                      \
            const vecf wv = vec_load(w + (long)tap[t] * C + c, left);                          \
            global const float *x = src[t] + (long)n * C + c;                                  \
            UNROLL for (int i = 0; i < COUNT; i++)                                             \
                acc[i] = fma(vec_load(x + i * C, left), wv, acc[i]);                           \
        }                                                                                      \
        UNROLL for (int i = 0; i < COUNT; i++)                                                 \
            vec_store(acc[i], out + ((long)pixel * N + n + i) * C + c, left);                  \
    }

SINGLE_ITEM_GROUPS
kernel void conv2d_product__depthwise(global const float *restrict in, global const float *restrict w,
                                      global float *restrict out, const int N, const int H, const int W, const int C,
                                      const int P, const int Q, const int R, const int S, const int mul_h,
                                      const int mul_w, const int step_h, const int step_w, const int off_h,
                                      const int off_w, const int div_h, const int div_w)
{
    int pixel;
    long first, end;
    share_of((long)P * Q, get_global_size(0), get_global_id(0), &first, &end);
    for (pixel = (int)first; pixel < end; pixel++) {
        global const float *src[TAPS];
        int tap[TAPS], valid = 0;
        for (int t = 0; t < R * S; t++) {
            const long at = source_pixel(pixel / Q, pixel % Q, t / S, t % S, mul_h, mul_w, step_h, step_w, off_h,
                                         off_w, div_h, div_w, H, W);
            if (at >= 0) {
                src[valid] = in + at * N * C;
                tap[valid++] = t;
            }
        }
        int n = 0;
        for (; n + ROWS <= N; n += ROWS)
            DEPTHWISE_ROWS(ROWS)
        for (; n < N; n++)
            DEPTHWISE_ROWS(1)
    }
}

/* partial (in work, where there are several splits) [split of the pixels][R*S][C]; scratch of each
 * work-item: sums [R*S + 1][C in whole vectors], the last row for places of a block that are over. */
SINGLE_ITEM_GROUPS
kernel void conv2d_filter__depthwise(global const float *restrict x, global const float *restrict dy,
                                     global float *work, global float *partial, const ulong scratch_at,
                                     const int splits, const int N, const int H, const int W, const int C,
                                     const int P, const int Q, const int R, const int S, const int stride_h,
                                     const int stride_w, const int dilation_h, const int dilation_w, const int pad_h,
                                     const int pad_w)
{
    const int padded = (C + VEC - 1) / VEC * VEC, taps = R * S;
    global float *sums = work + scratch_at + get_global_id(0) * (ulong)((taps + 1) * padded);
    long split, end;
    share_of(splits, get_global_size(0), get_global_id(0), &split, &end);
    for (; split < end; split++) {
        long pixel, last;
        share_of((long)P * Q, splits, split, &pixel, &last);
        for (int i = 0; i < (taps + 1) * padded; i += VEC)
            VSTORE((vecf)(0.0f), sums + i);
        for (; pixel < last; pixel++) {
            global const float *src[TAPS + TB];
            int tap[TAPS + TB], valid = 0;
            for (int t = 0; t < taps; t++) {
                const long at = source_pixel((int)(pixel / Q), (int)(pixel % Q), t / S, t % S, stride_h, stride_w,
                                             dilation_h, dilation_w, -pad_h, -pad_w, 1, 1, H, W);
                if (at >= 0) {
                    src[valid] = x + at * N * C;
                    tap[valid++] = t;
                }
            }
            for (int t = valid; valid && t % TB; t++) {
                src[t] = src[0];
                tap[t] = taps;
            }
            for (int c = 0; c < C; c += VEC) {
                const int left = C - c;
                global const float *d = dy + pixel * N * C + c;
                for (int t0 = 0; t0 < valid; t0 += TB) {
                    vecf acc[TB];
                    UNROLL for (int t = 0; t < TB; t++)
                        acc[t] = VLOAD(sums + tap[t0 + t] * padded + c);
                    for (int n = 0; n < N; n++) {
                        const vecf g = vec_load(d + (long)n * C, left);
                        UNROLL for (int t = 0; t < TB; t++)
                            acc[t] = fma(vec_load(src[t0 + t] + (long)n * C + c, left), g, acc[t]);
                    }
                    UNROLL for (int t = 0; t < TB; t++)
                        VSTORE(acc[t], sums + tap[t0 + t] * padded + c);
                }
            }
        }
        for (int t = 0; t < taps; t++)
            for (int c = 0; c < C; c += VEC)
                vec_store(VLOAD(sums + t * padded + c), partial + (split * taps + t) * C + c, C - c);
    }
}
