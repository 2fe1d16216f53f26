/* Depthwise convolution, a filter for each channel: no product of matrices, but vectors of channels.
 *
 * product:          out[p,q,n,c] = sum over r,s of in[h,w,n,c] * w[r,s,c], h and w as in conv2d.cl
 * filter gradient:  dw[r,s,c] = sum over p,q,n of x[h,w,n,c] * dy[p,q,n,c]
 *
 * A work-item (work-groups of 1) takes NB samples of `span` pixels of a row of the output after another: PIXELS
 * neighbours whose windows lie within the row together, SAMPLES samples at a time, so that what their windows
 * share is read while it is near; others one by one, ROWS samples at a time.
 * Windows of 3 by 3 that are one pixel apart: NB samples of a tile of TILE_P rows by TILE_Q columns after another.
 * Filter gradient: a work-item takes a share of the pixels, NB samples at a time, in runs of neighbours whose windows
 * lie within the row; for two vectors of channels at a time TB taps, whose sums stay in its scratch.
 * float32, by fma; taps outside the image are left out. Limit: R*S <= TAPS. */

#include "common/epilogue.clh"
#include "common/share.clh"
#include "common/vec.clh"
#include "common/window.clh"

#ifndef ROWS
#define ROWS 4
#endif
#ifndef PIXELS
#define PIXELS 3
#endif
#ifndef SAMPLES
#define SAMPLES 2
#endif
/* Channels that are written together: what a line of memory holds (vec.clh, VSTREAM). */
#define LINE (VEC < 16 ? 16 : VEC)
#ifndef TB
#define TB 3 /* taps at a time */
#endif
#define TAPS 128
#define WINDOW 3
#ifndef TILE_P
#define TILE_P 2
#endif
#ifndef TILE_Q
#define TILE_Q 4
#endif

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

/* COUNT samples from n on of PIXEL_COUNT pixels, whose sources are `next` floats apart. */
#define DEPTHWISE_TILE(PIXEL_COUNT, COUNT, VECTORS, LOAD)                                                     \
    {                                                                                                         \
        vecf acc[PIXEL_COUNT * COUNT][VECTORS];                                                               \
        UNROLL for (int i = 0; i < PIXEL_COUNT * COUNT * VECTORS; i++)                                        \
            acc[i / VECTORS][i % VECTORS] = (vecf)(0.0f);                                                     \
        for (int t = 0; t < valid; t++) {                                                                     \
            global const float *x = src[t] + (long)n * C + c;                                                 \
            UNROLL for (int v = 0; v < VECTORS; v++) {                                                        \
                const vecf wv = LOAD(w + (long)tap[t] * C + c + v * VEC);                                     \
                UNROLL for (int i = 0; i < PIXEL_COUNT * COUNT; i++)                                          \
                    acc[i][v] = fma(LOAD(x + i / COUNT * next + i % COUNT * C + v * VEC), wv, acc[i][v]);     \
            }                                                                                                 \
        }                                                                                                     \
        UNROLL for (int i = 0; i < PIXEL_COUNT * COUNT * VECTORS; i++)                                        \
            vec_put(with_epilogue(acc[i / VECTORS][i % VECTORS], bias + c + i % VECTORS * VEC, left, epilogue), \
                    out + ((pixel + i / VECTORS / COUNT) * N + n + i / VECTORS % COUNT) * C + c + i % VECTORS * VEC, \
                    left, stream);                                                                            \
    }

#define DEPTHWISE_CHANNELS(PIXEL_COUNT, COUNT)                                  \
    {                                                                           \
        int c = 0, left = LINE;                                                 \
        for (; c + LINE <= C; c += LINE)                                        \
            DEPTHWISE_TILE(PIXEL_COUNT, COUNT, (LINE / VEC), WHOLE)             \
        for (left = C - c; left > 0; c += VEC, left -= VEC)                     \
            DEPTHWISE_TILE(PIXEL_COUNT, COUNT, 1, PART)                         \
    }

SINGLE_ITEM_GROUPS
kernel void conv2d_product__depthwise(global const float *restrict in, global const float *restrict w,
                                      global float *restrict out, global const float *restrict bias, const int NB,
                                      const int N, const int H, const int W,
                                      const int C, const int P, const int Q, const int R, const int S, const int mul_h,
                                      const int mul_w, const int step_h, const int step_w, const int off_h,
                                      const int off_w, const int div_h, const int div_w,
                                      const int epilogue, const int stream, const int span, const int shares)
{
    const int spans = (Q + span - 1) / span, reach = (S - 1) * step_w;
    const int before = off_w + min(reach, 0), after = off_w + max(reach, 0); /* a window's ends, from q * mul_w */
    const long next = (long)mul_w * N * C;
    long unit, end;
    share_of((long)P * spans * ((N + NB - 1) / NB), shares, get_global_id(0), &unit, &end);
    for (; unit < end; unit++) {
        const int p = (int)(unit / spans % P), n0 = (int)(unit / spans / P) * NB;
        const int n_end = n0 + NB < N ? n0 + NB : N, q0 = (int)(unit % spans) * span;
        const int q_end = q0 + span < Q ? q0 + span : Q;
        for (int q = q0, pixels; q < q_end; q += pixels) {
            global const float *src[TAPS];
            int tap[TAPS], n = n0;
            const long pixel = (long)p * Q + q;
            const int together = div_w == 1 && q + PIXELS <= q_end && q * mul_w + before >= 0 &&
                                 (q + PIXELS - 1) * mul_w + after < W && n_end - n0 >= SAMPLES;
            pixels = together ? PIXELS : 1;
            VALID_TAPS(in, p, q, mul_h, mul_w, step_h, step_w, off_h, off_w, div_h, div_w)
            if (together) {
                for (; n + SAMPLES <= n_end; n += SAMPLES)
                    DEPTHWISE_CHANNELS(PIXELS, SAMPLES)
                if (n < n_end) { /* the last ones again: the same sums */
                    n = n_end - SAMPLES;
                    DEPTHWISE_CHANNELS(PIXELS, SAMPLES)
                }
            } else {
                for (; n + ROWS <= n_end; n += ROWS)
                    DEPTHWISE_CHANNELS(1, ROWS)
                for (; n < n_end; n++)
                    DEPTHWISE_CHANNELS(1, 1)
            }
        }
    }
}

/* One vector of channels of a sample's TILE_P by TILE_Q output pixels: each pixel of their windows is loaded once, and
 * goes to all sums that it is part of. Whole tiles that nothing is done to are stored without further question. */
#define WINDOW_TILE(LOAD)                                                                                         \
    {                                                                                                             \
        vecf acc[TILE_P][TILE_Q], wv[WINDOW][WINDOW];                                                             \
        UNROLL for (int t = 0; t < WINDOW * WINDOW; t++)                                                          \
            wv[t / WINDOW][t % WINDOW] = LOAD(w + (long)(flip ? WINDOW * WINDOW - 1 - t : t) * C + c);            \
        UNROLL for (int i = 0; i < TILE_P * TILE_Q; i++)                                                          \
            acc[i / TILE_Q][i % TILE_Q] = (vecf)(0.0f);                                                           \
        UNROLL for (int a = 0; a < TILE_P + WINDOW - 1; a++)                                                      \
            UNROLL for (int b = 0; b < TILE_Q + WINDOW - 1; b++)                                                  \
                if ((uint)(top + a) < (uint)H && (uint)(left_edge + b) < (uint)W) {                               \
                    const vecf x = LOAD(from + a * row + b * pixel + c);                                          \
                    UNROLL for (int i = 0; i < TILE_P; i++)                                                       \
                        UNROLL for (int j = 0; j < TILE_Q; j++)                                                   \
                            if (a - i >= 0 && a - i < WINDOW && b - j >= 0 && b - j < WINDOW)                     \
                                acc[i][j] = fma(x, wv[a - i][b - j], acc[i][j]);                                  \
                }                                                                                                 \
        if (plain && left >= VEC) {                                                                               \
            UNROLL for (int i = 0; i < TILE_P * TILE_Q; i++)                                                      \
                VSTREAM(acc[i / TILE_Q][i % TILE_Q], to + ((long)(i / TILE_Q) * Q + i % TILE_Q) * pixel + c);     \
        } else {                                                                                                  \
            UNROLL for (int i = 0; i < TILE_P * TILE_Q; i++)                                                      \
                if (i / TILE_Q < rows && i % TILE_Q < columns)                                                    \
                    vec_put(with_epilogue(acc[i / TILE_Q][i % TILE_Q], bias + c, left, epilogue),                 \
                            to + ((long)(i / TILE_Q) * Q + i % TILE_Q) * pixel + c, left, stream);                \
        }                                                                                                         \
    }

/* p + off_h, q + off_w: where the window of output pixel (p, q) begins; `flip` reads the filters from their end. */
SINGLE_ITEM_GROUPS
kernel void conv2d_product__depthwise_window(global const float *restrict in, global const float *restrict w,
                                             global float *restrict out, global const float *restrict bias,
                                             const int NB, const int N, const int H, const int W, const int C,
                                             const int P, const int Q, const int off_h, const int off_w, const int flip,
                                             const int epilogue, const int stream, const int span, const int shares)
{
    const int spans = (Q + span - 1) / span, tiles = (P + TILE_P - 1) / TILE_P;
    const long pixel = (long)N * C, row = W * pixel;
    /* A load whose address ends like that of a store under way waits for it: not towards lines just stored. */
    const long ahead = ((long)(size_t)out - (long)(size_t)in) & 4095;
    const int backwards = ahead > 0 && ahead < 2048;
    long unit, end;
    share_of((long)tiles * spans * ((N + NB - 1) / NB), shares, get_global_id(0), &unit, &end);
    for (; unit < end; unit++) {
        const int p = (int)(unit / spans % tiles) * TILE_P, n0 = (int)(unit / spans / tiles) * NB;
        const int n_end = n0 + NB < N ? n0 + NB : N, q0 = (int)(unit % spans) * span;
        const int q_end = q0 + span < Q ? q0 + span : Q, top = p + off_h, rows = P - p;
        for (int q = q0; q < q_end; q += TILE_Q) {
            const int left_edge = q + off_w, columns = q_end - q;
            const int plain = stream && !epilogue && rows >= TILE_P && columns >= TILE_Q;
            for (int n = n0; n < n_end; n++) {
                global const float *from = in + ((long)top * W + left_edge) * pixel + (long)n * C;
                global float *to = out + ((long)p * Q + q) * pixel + (long)n * C;
                int c = backwards ? C / VEC * VEC - VEC : 0, left = VEC;
                for (int i = 0; i < C / VEC; i++, c += backwards ? -VEC : VEC)
                    WINDOW_TILE(WHOLE)
                left = C % VEC;
                c = C - left;
                if (left > 0)
                    WINDOW_TILE(PART)
            }
        }
    }
}

/* Sums of TB taps, VECTORS vectors of channels: acc[t] += x[n] at tap t * dy[n] for all samples of the block and all
 * pixels of the run. */
#define DEPTHWISE_GRADIENT(VECTORS, LOAD)                                                                  \
    for (int t0 = 0; t0 < valid; t0 += TB) {                                                               \
        vecf acc[TB][VECTORS];                                                                             \
        UNROLL for (int i = 0; i < TB * VECTORS; i++)                                                      \
            acc[i / VECTORS][i % VECTORS] =                                                                \
                VLOAD(sums + tap[t0 + i / VECTORS] * padded + c + i % VECTORS * VEC);                      \
        for (int i = 0; i < run; i++)                                                                      \
            for (int n = n0; n < n_end; n++) {                                                             \
                const long at = (long)n * C + c;                                                           \
                UNROLL for (int v = 0; v < VECTORS; v++) {                                                 \
                    const vecf g = LOAD(dy + (pixel + i) * N * C + at + v * VEC);                          \
                    UNROLL for (int t = 0; t < TB; t++)                                                    \
                        acc[t][v] = fma(LOAD(src[t0 + t] + i * next + at + v * VEC), g, acc[t][v]);        \
                }                                                                                          \
            }                                                                                              \
        UNROLL for (int i = 0; i < TB * VECTORS; i++)                                                      \
            VSTORE(acc[i / VECTORS][i % VECTORS], sums + tap[t0 + i / VECTORS] * padded + c + i % VECTORS * VEC); \
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
    const int padded = (C + VEC - 1) / VEC * VEC, taps = R * S, reach = (S - 1) * dilation_w;
    const long next = (long)stride_w * N * C;
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
            for (long pixel = first, run; pixel < last; pixel += run) {
                global const float *src[TAPS + TB];
                int tap[TAPS + TB], c = 0, left;
                const int p = (int)(pixel / Q), q = (int)(pixel - (long)p * Q), w0 = q * stride_w - pad_w;
                run = 1; /* pixels whose windows lie within the row */
                if (w0 >= 0 && w0 + reach < W)
                    run = min((long)min((W - 1 - reach - w0) / stride_w + 1, Q - q), last - pixel);
                VALID_TAPS(x, p, q, stride_h, stride_w, dilation_h, dilation_w, -pad_h, -pad_w, 1, 1)
                for (int t = valid; valid && t % TB; t++) {
                    src[t] = src[0];
                    tap[t] = taps;
                }
                for (; c + 2 * VEC <= C; c += 2 * VEC)
                    DEPTHWISE_GRADIENT(2, WHOLE)
                for (left = C - c; left > 0; c += VEC, left -= VEC)
                    DEPTHWISE_GRADIENT(1, PART)
            }
        }
        for (int t = 0; t < taps; t++)
            for (int c = 0; c < C; c += VEC)
                vec_store(VLOAD(sums + t * padded + c), partial + (split * taps + t) * C + c, C - c);
    }
}
