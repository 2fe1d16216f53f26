/* Convolution of images of few channels, as in a network's first layer: the sum over the window's
 * R*S*C places is too short for what conv2d.cl prepares for each tap.
 *
 * product:          out[p,q,n,k] = sum over m of in[place m of the window at (p,q)][n] * w[m][k]
 * filter gradient:  dw[m][k] = sum over p,q,n of x[place m of the window at (p,q)][n] * dy[p,q,n,k]
 * m = (r*S + s)*C + c, as filters lie in memory.
 *
 * A work-item (work-groups of 1) goes through the pixels (p,q) of one panel of KT = NV*VEC filters;
 * where the window's places begin is worked out once a pixel, for all its samples. The register
 * tile is PT samples (of a filter gradient MC places) by NV vectors of filters.
 * Limits: R*S <= TAPS, R*S*C <= PLACES. float32, by fma in the order of m; places outside the
 * image are left out of a product, and zeros in a filter gradient. */

#include "common/epilogue.clh"
#include "common/share.clh"
#include "common/vec.clh"

#ifndef NV
#define NV 2
#endif
#ifndef PT
#define PT 6
#endif
#ifndef MC
#define MC 6
#endif
#define KT (NV * VEC)
#define TAPS 32
#define PLACES 128

/* acc[COUNT samples][NV] of a pixel's valid taps. */
#define THIN_TILE(COUNT)                                                         \
    {                                                                            \
        vecf acc[COUNT][NV];                                                     \
        UNROLL for (int i = 0; i < COUNT * NV; i++)                              \
            acc[i / NV][i % NV] = (vecf)(0.0f);                                  \
        for (int t = 0; t < valid; t++) {                                        \
            global const float *a = src[t] + (long)n * C, *b = rows_of[t];       \
            for (int c = 0; c < C; c++, b += KT) {                               \
                vecf wv[NV];                                                     \
                UNROLL for (int v = 0; v < NV; v++)                              \
                    wv[v] = VLOAD(b + v * VEC);                                  \
                UNROLL for (int i = 0; i < COUNT; i++) {                         \
                    const vecf x = (vecf)(a[i * C + c]);                         \
                    UNROLL for (int v = 0; v < NV; v++)                          \
                        acc[i][v] = fma(x, wv[v], acc[i][v]);                    \
                }                                                                \
            }                                                                    \
        }                                                                        \
        UNROLL for (int i = 0; i < COUNT; i++) {                                 \
            UNROLL for (int v = 0; v < NV; v++)                                  \
                vec_put(with_epilogue(acc[i][v], bias + k0 + v * VEC, left - v * VEC, epilogue), \
                        o + (long)(n + i) * K + v * VEC, left - v * VEC, stream);               \
        }                                                                        \
    }

/* The panel [m][KT] of filters from w [m][K], zeros past K. */
static inline void load_panel(global const float *w, global float *panel, const int places, const int k0, const int K)
{
    for (int m = 0; m < places; m++)
        for (int v = 0; v < NV; v++)
            VSTORE(k0 + v * VEC < K ? vec_load(w + (long)m * K + k0 + v * VEC, K - k0 - v * VEC) : (vecf)(0.0f),
                   panel + m * KT + v * VEC);
}

/* scratch: a panel of R*S*C rows for each work-item. */
SINGLE_ITEM_GROUPS
kernel void conv2d_product__thin(global const float *restrict in, global const float *restrict w,
                                 global float *restrict scratch, global float *restrict out,
                                 global const float *restrict bias, const int N, const int H, const int W, const int C,
                                 const int P, const int Q, const int K, const int R, const int S, const int mul_h,
                                 const int mul_w, const int step_h, const int step_w, const int off_h, const int off_w,
                                 const int epilogue, const int stream, const int shares)
{
    const int panels = (K + KT - 1) / KT, places = R * S * C;
    global float *panel = scratch + get_global_id(0) * (ulong)(places * KT);
    long unit, end, loaded = -1;
    share_of((long)P * Q * panels, shares, get_global_id(0), &unit, &end);
    for (; unit < end; unit++) {
        const int k0 = (int)(unit / ((long)P * Q)) * KT, pixel = (int)(unit % ((long)P * Q)), left = K - k0;
        if (loaded != k0)
            load_panel(w, panel, places, k0, K);
        loaded = k0;
        const int h0 = pixel / Q * mul_h + off_h, w0 = pixel % Q * mul_w + off_w;
        global const float *src[TAPS], *rows_of[TAPS];
        int valid = 0;
        for (int r = 0; r < R; r++)
            for (int s = 0; s < S; s++) {
                const int y = h0 + r * step_h, x = w0 + s * step_w;
                if (y >= 0 && y < H && x >= 0 && x < W) {
                    src[valid] = in + ((long)y * W + x) * N * C;
                    rows_of[valid++] = panel + (r * S + s) * C * KT;
                }
            }
        global float *o = out + (long)pixel * N * K + k0;
        int n = 0;
        for (; n + PT <= N; n += PT)
            THIN_TILE(PT)
        if (n < N && N >= PT) { /* the last ones again: the same sums */
            n = N - PT;
            THIN_TILE(PT)
            n = N;
        }
        for (; n < N; n++)
            THIN_TILE(1)
    }
}

/* Sums over one pixel's samples: acc[m][v] += place m * dy. */
#define THIN_GRADIENT(LOAD)                                                      \
    for (int n = 0; n < N; n++, d += K) {                                        \
        vecf g[NV];                                                              \
        for (int v = 0; m0 == 0 && v < KT; v += 16)                              \
            PREFETCH(d + ahead + v);                                             \
        UNROLL for (int v = 0; v < NV; v++)                                      \
            g[v] = LOAD;                                                         \
        UNROLL for (int m = 0; m < MC; m++) {                                    \
            const vecf value = (vecf)(place[m][n * C]);                          \
            UNROLL for (int v = 0; v < NV; v++)                                  \
                acc[m][v] = fma(value, g[v], acc[m][v]);                         \
        }                                                                        \
    }

/* partial (in work, where there are several splits) [split of the pixels][R*S*C][K]; scratch of each work-item: N*C zeros, then sums
 * [R*S*C in whole MC][KT]. */
SINGLE_ITEM_GROUPS
kernel void conv2d_filter__thin(global const float *restrict x, global const float *restrict dy,
                                global float *work, global float *partial, const ulong scratch_at, const int splits,
                                const int N, const int H, const int W, const int C, const int P, const int Q,
                                const int K, const int R, const int S, const int stride_h, const int stride_w,
                                const int dilation_h, const int dilation_w, const int pad_h, const int pad_w,
                                const int shares)
{
    const int panels = (K + KT - 1) / KT, places = R * S * C, rounded = (places + MC - 1) / MC * MC;
    global float *zeros = work + scratch_at + get_global_id(0) * (ulong)(N * C + rounded * KT), *sums = zeros + N * C;
    long unit, unit_end;
    for (int i = 0; i < N * C; i++)
        zeros[i] = 0.0f;
    share_of((long)splits * panels, shares, get_global_id(0), &unit, &unit_end);
    for (; unit < unit_end; unit++) {
        const int k0 = (int)(unit % panels) * KT, left = K - k0;
        const long split = unit / panels;
        long pixel, end;
        share_of((long)P * Q, splits, split, &pixel, &end);
        for (int i = 0; i < rounded * NV; i++)
            VSTORE((vecf)(0.0f), sums + i * VEC);
        for (; pixel < end; pixel++) {
            const int h0 = (int)(pixel / Q) * stride_h - pad_h, w0 = (int)(pixel % Q) * stride_w - pad_w;
            const long ahead = pixel + 1 < (long)P * Q ? (long)N * K : 0;
            global const float *where[PLACES + MC];
            for (int m = 0; m < rounded; m++) {
                const int tap = m / C, h = h0 + tap / S * dilation_h, ww = w0 + tap % S * dilation_w;
                const int inside = m < places && h >= 0 && h < H && ww >= 0 && ww < W;
                where[m] = inside ? x + ((long)h * W + ww) * N * C + m % C : zeros;
            }
            for (int m0 = 0; m0 < places; m0 += MC) {
                global const float *place[MC], *d = dy + pixel * N * K + k0;
                global float *to = sums + m0 * KT;
                vecf acc[MC][NV];
                UNROLL for (int m = 0; m < MC; m++)
                    place[m] = where[m0 + m];
                UNROLL for (int i = 0; i < MC * NV; i++)
                    acc[i / NV][i % NV] = VLOAD(to + i * VEC);
                if (left >= KT)
                    THIN_GRADIENT(VLOAD(d + v * VEC))
                else
                    THIN_GRADIENT(vec_load(d + v * VEC, left - v * VEC))
                UNROLL for (int i = 0; i < MC * NV; i++)
                    VSTORE(acc[i / NV][i % NV], to + i * VEC);
            }
        }
        for (int m = 0; m < places; m++)
            for (int v = 0; v < NV; v++)
                vec_store(VLOAD(sums + m * KT + v * VEC), partial + (split * places + m) * K + k0 + v * VEC,
                          left - v * VEC);
    }
}
