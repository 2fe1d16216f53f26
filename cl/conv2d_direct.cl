/* Products with few rows: filters are read where they lie, in one launch, since preparing them as
 * conv2d.cl does would cost as much as the sum.
 *
 * product:              out[m][k] = sum over t, c of a[t][m][c] * b[t][c][k]
 * product, transposed:  out[z][m][k] = sum over c of a[m][c] * b[z][k][c]
 * filter gradient:      dw[t][c][k] = sum over m of x[t][m][c] * dy[m][k]
 *
 * t: the taps of a linear layer's window, z: its pixels, m: rows (samples). The register tile is
 * PT rows (of a filter gradient MC channels) by NV vectors of VEC columns. A work-item
 * (work-groups of 1) takes tile after tile of a panel of KT = NV*VEC columns; a transposed panel is
 * turned once into its scratch. Vectors may reach over a row's end into the next row; only where
 * that would leave the buffer they are loaded in part. float32, by fma in the order t, c. */

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

/* acc[COUNT][NV] += a[COUNT rows][from..to] * b, its rows b_row apart. */
#define DIRECT_SUM(COUNT, from, to, LOAD)                                        \
    for (int c = from; c < to; c++) {                                            \
        global const float *row = b + (long)c * b_row;                           \
        vecf wv[NV];                                                             \
        UNROLL for (int v = 0; v < NV; v++)                                      \
            wv[v] = LOAD;                                                        \
        UNROLL for (int i = 0; i < COUNT; i++) {                                 \
            const vecf x = (vecf)(a[(long)i * C + c]);                           \
            UNROLL for (int v = 0; v < NV; v++)                                  \
                acc[i][v] = fma(x, wv[v], acc[i][v]);                            \
        }                                                                        \
    }

/* Rows m .. m+COUNT of one panel; b_tap: from tap to tap; the last `unsafe` rows of b in part. */
#define DIRECT_TILE(name, COUNT)                                                                             \
    static inline void name(global const float *in, global const float *filters, global float *out,          \
                            const int m, const int M, const int C, const int T, const long b_tap,            \
                            const int b_row, const int unsafe, const int K, const int left)                  \
    {                                                                                                        \
        vecf acc[COUNT][NV];                                                                                 \
        UNROLL for (int i = 0; i < COUNT * NV; i++)                                                          \
            acc[i / NV][i % NV] = (vecf)(0.0f);                                                              \
        for (int t = 0; t < T; t++) {                                                                        \
            global const float *a = in + ((long)t * M + m) * C, *b = filters + t * b_tap;                    \
            const long safe = (long)(T - t) * C - unsafe;                                                    \
            const int whole = safe < 0 ? 0 : safe < C ? (int)safe : C;                                       \
            DIRECT_SUM(COUNT, 0, whole, VLOAD(row + v * VEC))                                                \
            DIRECT_SUM(COUNT, whole, C, vec_load(row + v * VEC, left - v * VEC))                             \
        }                                                                                                    \
        UNROLL for (int i = 0; i < COUNT; i++) {                                                             \
            UNROLL for (int v = 0; v < NV; v++)                                                              \
                vec_store(acc[i][v], out + (long)(m + i) * K + v * VEC, left - v * VEC);                     \
        }                                                                                                    \
    }
DIRECT_TILE(direct_tile, PT)
DIRECT_TILE(direct_row, 1)

/* Rows m0 .. m1; PT at a time, the last ones again where they do not fill a tile: the same sums. */
static inline void direct_rows(global const float *in, global const float *filters, global float *out, const int m0,
                               const int m1, const int M, const int C, const int T, const long b_tap, const int b_row,
                               const int unsafe, const int K, const int left)
{
    int m = m0;
    for (; m + PT <= m1; m += PT)
        direct_tile(in, filters, out, m, M, C, T, b_tap, b_row, unsafe, K, left);
    if (m < m1 && m1 - PT >= m0) {
        direct_tile(in, filters, out, m1 - PT, M, C, T, b_tap, b_row, unsafe, K, left);
        m = m1;
    }
    for (; m < m1; m++)
        direct_row(in, filters, out, m, M, C, T, b_tap, b_row, unsafe, K, left);
}

/* How many of a matrix's last rows, K long, a panel from column k0 must load in part. */
static inline int unsafe_rows(const int k0, const int K)
{
    return (k0 + KT - 1) / K;
}

/* A work-item takes MB rows of a panel after another. */
SINGLE_ITEM_GROUPS
kernel void conv2d_product__direct(global const float *restrict in, global const float *restrict w,
                                   global float *restrict out, const int M, const int C, const int K, const int T,
                                   const int MB)
{
    const int panels = (K + KT - 1) / KT, blocks = (M + MB - 1) / MB;
    long unit, end;
    share_of((long)panels * blocks, get_global_size(0), get_global_id(0), &unit, &end);
    for (; unit < end; unit++) {
        const int k0 = (int)(unit / blocks) * KT, m0 = (int)(unit % blocks) * MB;
        direct_rows(in, w + k0, out + k0, m0, m0 + MB < M ? m0 + MB : M, M, C, T, (long)C * K, K, unsafe_rows(k0, K),
                    K, K - k0);
    }
}

/* Z matrices b [K][C], one for each pixel of out; scratch of each work-item: C in whole vectors
 * rows of KT. */
SINGLE_ITEM_GROUPS
kernel void conv2d_product__direct_transposed(global const float *restrict in, global const float *restrict w,
                                              global float *restrict scratch, global float *restrict out, const int M,
                                              const int C, const int K, const int Z)
{
    const int panels = (K + KT - 1) / KT, padded = (C + VEC - 1) / VEC * VEC;
    const long filters = (long)Z * K * C;
    global float *panel = scratch + get_global_id(0) * (ulong)(padded * KT);
    long unit, end;
    share_of((long)panels * Z, get_global_size(0), get_global_id(0), &unit, &end);
    for (; unit < end; unit++) {
        const int k0 = (int)(unit % panels) * KT;
        const long z = unit / panels;
        for (int v = 0; v < NV; v++)
            for (int c = 0; c < C; c += VEC) {
                vecf block[VEC];
                UNROLL for (int i = 0; i < VEC; i++) {
                    const int k = k0 + v * VEC + i < K ? k0 + v * VEC + i : K - 1; /* past K: not stored */
                    const long at = (z * K + k) * C + c;
                    block[i] = at + VEC <= filters ? VLOAD(w + at) : vec_load(w + at, C - c);
                }
                vec_transpose(block);
                UNROLL for (int i = 0; i < VEC; i++)
                    VSTORE(block[i], panel + (long)(c + i) * KT + v * VEC);
            }
        direct_rows(in, panel, out + z * M * K + k0, 0, M, M, C, 1, 0, KT, 0, K, K - k0);
    }
}

#define DIRECT_GRADIENT(from, to, LOAD)                                          \
    for (int m = from; m < to; m++) {                                            \
        global const float *row = dy + (long)m * K + k0;                         \
        vecf g[NV];                                                              \
        UNROLL for (int v = 0; v < NV; v++)                                      \
            g[v] = LOAD;                                                         \
        UNROLL for (int i = 0; i < MC; i++) {                                    \
            const vecf value = (vecf)(a[(long)m * C + i]);                       \
            UNROLL for (int v = 0; v < NV; v++)                                  \
                acc[i][v] = fma(value, g[v], acc[i][v]);                         \
        }                                                                        \
    }

/* A work-item takes MC channels of a tap and panel after another; C >= MC, the last ones of a tap
 * again where they do not fill a tile. */
SINGLE_ITEM_GROUPS
kernel void conv2d_filter__direct(global const float *restrict x, global const float *restrict dy,
                                  global float *restrict dw, const int M, const int C, const int K, const int T)
{
    const int panels = (K + KT - 1) / KT, tiles = (C + MC - 1) / MC;
    long unit, end;
    share_of((long)panels * T * tiles, get_global_size(0), get_global_id(0), &unit, &end);
    for (; unit < end; unit++) {
        const int k0 = (int)(unit / tiles / T) * KT, t = (int)(unit / tiles % T), left = K - k0;
        const int wanted = (int)(unit % tiles) * MC, c0 = wanted + MC <= C ? wanted : C - MC;
        global const float *a = x + (long)t * M * C + c0;
        const int safe = M - unsafe_rows(k0, K) > 0 ? M - unsafe_rows(k0, K) : 0;
        vecf acc[MC][NV];
        UNROLL for (int i = 0; i < MC * NV; i++)
            acc[i / NV][i % NV] = (vecf)(0.0f);
        DIRECT_GRADIENT(0, safe, VLOAD(row + v * VEC))
        DIRECT_GRADIENT(safe, M, vec_load(row + v * VEC, left - v * VEC))
        UNROLL for (int i = 0; i < MC; i++) {
            if (c0 + i >= wanted) { /* each channel is written by one work-item */
                UNROLL for (int v = 0; v < NV; v++)
                    vec_store(acc[i][v], dw + ((long)t * C + c0 + i) * K + k0 + v * VEC, left - v * VEC);
            }
        }
    }
}
