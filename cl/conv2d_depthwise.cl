/* Depthwise convolution, a filter for each channel: no product of matrices, but vectors of channels.
 *
 * product:          out[p,q,n,c] = sum over r,s of in[h,w,n,c] * w[r,s,c], h and w as in conv2d.cl
 * filter gradient:  dw[r,s,c] = sum over p,q,n of x[h,w,n,c] * dy[p,q,n,c]
 *
 * A work-item (work-groups of 1) takes NB samples of a pixel after another, so that windows find in the
 * cache what their neighbours read: for each LINE of channels sums of ROWS samples over the taps.
 * Filter gradient: a work-item takes a share of the pixels, NB samples at a time; for each vector of
 * channels TB taps at a time, whose sums stay in its scratch.
 * float32, by fma; taps outside the image are left out. Limit: R*S <= TAPS. */

#include "common/share.clh"
#include "common/vec.clh"
#include "common/window.clh"

#ifndef ROWS
#define ROWS 4
#endif
/* Channels that are written together: what a line of memory holds (vec.clh, VSTREAM). */
#define LINE (VEC < 16 ? 16 : VEC)
#ifndef TB
#define TB 9 /* taps at a time */
#endif
#define TAPS 128

/* The taps of output pixel (p, q) that see the image, and where. */
#define VALID_TAPS(in, p, q, mul_h, mul_w, step_h, step_w, off_h, off_w, div_h, div_w)                             \
    int valid = 0;                                                                                                  \
    for (int r = 0; r < R; r++)                                                                                     \
        for (int s = 0; s < S; s++) {                                                                               \
            const long at = source_pixel(p, q, r, s, mul_h, mul_w, step_h, step_w, off_h, off_w, div_h, div_w, H, W); \
            if (at >= 0) {                                                                                          \
                src[valid] = (in) + at * N * C;                                                                     \
                tap[valid++] = r * S + s;                                                                           \
            }                                                                                                       \
        }

#define WHOLE(p) VLOAD(p)
#define PART(p) vec_load(p, left)

#define DEPTHWISE_ROWS(COUNT, VECTORS, LOAD)                                                                  \
    {                                                                                                         \
        vecf acc[COUNT][VECTORS];                                                                             \
        UNROLL for (int i = 0; i < COUNT * VECTORS; i++)                                                      \
            acc[i / VECTORS][i % VECTORS] = (vecf)(0.0f);                                                     \
        for (int t = 0; t < valid; t++) {                                                                     \
            global const float *x = src[t] + (long)n * C + c;                                                 \
            UNROLL for (int v = 0; v < VECTORS; v++) {                                                        \
                const vecf wv = LOAD(w + (long)tap[t] * C + c + v * VEC);                                     \
                UNROLL for (int i = 0; i < COUNT; i++)                                                        \
                    acc[i][v] = fma(LOAD(x + i * C + v * VEC), wv, acc[i][v]);                                \
            }                                                                                                 \
        }                                                                                                     \
        UNROLL for (int i = 0; i < COUNT * VECTORS; i++)                                                      \
            vec_put(acc[i / VECTORS][i % VECTORS],                                                            \
                    out + (pixel * N + n + i / VECTORS) * C + c + i % VECTORS * VEC, left, stream);           \
    }

SINGLE_ITEM_GROUPS
kernel void conv2d_product__depthwise(global const float *restrict in, global const float *restrict w,
                                      global float *restrict out, const int NB, const int N, const int H, const int W,
                                      const int C, const int P, const int Q, const int R, const int S, const int mul_h,
                                      const int mul_w, const int step_h, const int step_w, const int off_h,
                                      const int off_w, const int div_h, const int div_w, const int stream,
                                      const int shares)
{
    const long pixels = (long)P * Q;
    long unit, end;
    share_of(pixels * ((N + NB - 1) / NB), shares, get_global_id(0), &unit, &end);
    for (; unit < end; unit++) {
        global const float *src[TAPS];
        int tap[TAPS];
        const long pixel = unit % pixels;
        const int n0 = (int)(unit / pixels) * NB, n_end = n0 + NB < N ? n0 + NB : N, p = (int)(pixel / Q);
        VALID_TAPS(in, p, (int)(pixel - (long)p * Q), mul_h, mul_w, step_h, step_w, off_h, off_w, div_h, div_w)
        int c = 0;
        for (; c + LINE <= C; c += LINE) {
            const int left = LINE;
            int n = n0;
            for (; n + ROWS <= n_end; n += ROWS)
                DEPTHWISE_ROWS(ROWS, (LINE / VEC), WHOLE)
            for (; n < n_end; n++)
                DEPTHWISE_ROWS(1, (LINE / VEC), WHOLE)
        }
        for (; c < C; c += VEC) {
            const int left = C - c;
            int n = n0;
            for (; n + ROWS <= n_end && left >= VEC; n += ROWS)
                DEPTHWISE_ROWS(ROWS, 1, WHOLE)
            for (; n < n_end; n++)
                DEPTHWISE_ROWS(1, 1, PART)
        }
    }
}

/* acc[t] += x[n] at tap t * dy[n] for n0 .. n_end, of a vector of channels. */
#define DEPTHWISE_GRADIENT(LOAD)                                                      \
    for (int n = n0; n < n_end; n++) {                                                \
        const vecf g = LOAD(d + (long)n * C);                                         \
        UNROLL for (int t = 0; t < TB; t++)                                           \
            acc[t] = fma(LOAD(src[t0 + t] + (long)n * C + c), g, acc[t]);             \
    }

/* partial (in work, where there are several splits) [split of the pixels][R*S][C]; scratch of each
 * work-item: sums [R*S + 1][C in whole vectors], the last row for places of a block that are over. */
SINGLE_ITEM_GROUPS
kernel void conv2d_filter__depthwise(global const float *restrict x, global const float *restrict dy,
                                     global float *work, global float *partial, const ulong scratch_at,
                                     const int splits, const int NB, const int N, const int H, const int W,
                                     const int C, const int P, const int Q, const int R, const int S,
                                     const int stride_h, const int stride_w, const int dilation_h,
                                     const int dilation_w, const int pad_h, const int pad_w, const int shares)
{
    const int padded = (C + VEC - 1) / VEC * VEC, taps = R * S;
    global float *sums = work + scratch_at + get_global_id(0) * (ulong)((taps + 1) * padded);
    long split, end;
    share_of(splits, shares, get_global_id(0), &split, &end);
    for (; split < end; split++) {
        long first, last;
        share_of((long)P * Q, splits, split, &first, &last);
        for (int i = 0; i < (taps + 1) * padded; i += VEC)
            VSTORE((vecf)(0.0f), sums + i);
        for (int n0 = 0; n0 < N; n0 += NB) {
            const int n_end = n0 + NB < N ? n0 + NB : N;
            for (long pixel = first; pixel < last; pixel++) {
                global const float *src[TAPS + TB];
                int tap[TAPS + TB];
                const int p = (int)(pixel / Q);
                VALID_TAPS(x, p, (int)(pixel - (long)p * Q), stride_h, stride_w, dilation_h, dilation_w, -pad_h, -pad_w,
                           1, 1)
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
                        if (left >= VEC)
                            DEPTHWISE_GRADIENT(WHOLE)
                        else
                            DEPTHWISE_GRADIENT(PART)
                        UNROLL for (int t = 0; t < TB; t++)
                            VSTORE(acc[t], sums + tap[t0 + t] * padded + c);
                    }
                }
            }
        }
        for (int t = 0; t < taps; t++)
            for (int c = 0; c < C; c += VEC)
                vec_store(VLOAD(sums + t * padded + c), partial + (split * taps + t) * C + c, C - c);
    }
}
