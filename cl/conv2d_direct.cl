/* Products with few rows, in one launch: all of the filter prepared first, as conv2d.cl does, would
 * cost as much as the sum.
 *
 * product:              out[m][k] = sum over t, c of a[t][m][c] * b[t][c][k]
 * product, transposed:  out[z][m][k] = sum over c of a[m][c] * b[z][k][c]
 * filter gradient:      dw[t][c][k] = sum over m of x[t][m][c] * dy[m][k]
 *
 * t: the taps of a linear layer's window, z: its pixels, m: rows (samples). The register tile is
 * PT rows (of a filter gradient channels) by NV vectors of VEC columns. A work-item
 * (work-groups of 1) takes one panel of KT = NV*VEC columns after another; what all its tiles read
 * is copied to its scratch, DB channels at a time, since rows of a panel lie far apart. Columns past K
 * are computed with what lies there and not stored. float32, by fma in the order t, c; m. */

#include "common/share.clh"
#include "common/vec.clh"

#ifndef NV
#define NV 2
#endif
#ifndef PT
#define PT 6
#endif
#define HALF (PT > 1 ? PT / 2 : 1)
#define KT (NV * VEC)

/* to[rows][width] from rows `row` floats apart; what would leave the buffer, `end`, is loaded in part. */
static inline void copy_rows(global float *to, global const float *from, global const float *end, const long row,
                             const int rows, const int width)
{
    for (int r = 0; r < rows; r++, from += row)
        for (int v = 0; v < width; v += VEC) {
            const long left = end - from - v;
            VSTORE(vec_load(from + v, left < VEC ? (int)left : VEC), to + (long)r * width + v);
        }
}

/* out[COUNT rows][KT] = (add ? out : 0) + sum over d of a[i * a_row + d * a_step] * b[d * b_row ..]. Each step
 * asks for a line of what is copied next, `ahead`, rows ahead_row apart. */
#define DIRECT_TILE(name, COUNT)                                                                              \
    static inline void name(global const float *a, const long a_row, const long a_step,                       \
                            global const float *b, const long b_row, global float *out, const long out_row,   \
                            const int depth, const int add, const int left, global const float *ahead,        \
                            const long ahead_row)                                                               \
    {                                                                                                          \
        vecf acc[COUNT][NV];                                                                                   \
        UNROLL for (int i = 0; i < COUNT; i++) {                                                               \
            UNROLL for (int v = 0; v < NV; v++)                                                                \
                acc[i][v] = add ? vec_load(out + i * out_row + v * VEC, left - v * VEC) : (vecf)(0.0f);        \
        }                                                                                                      \
        for (int d = 0; d < depth; d++, a += a_step, b += b_row) {                                             \
            vecf wv[NV];                                                                                       \
            PREFETCH(ahead + d * ahead_row);                                                                   \
            UNROLL for (int v = 0; v < NV; v++)                                                                \
                wv[v] = VLOAD(b + v * VEC);                                                                    \
            UNROLL for (int i = 0; i < COUNT; i++) {                                                           \
                const vecf x = (vecf)(a[i * a_row]);                                                           \
                UNROLL for (int v = 0; v < NV; v++)                                                            \
                    acc[i][v] = fma(x, wv[v], acc[i][v]);                                                      \
            }                                                                                                  \
        }                                                                                                      \
        UNROLL for (int i = 0; i < COUNT; i++) {                                                               \
            UNROLL for (int v = 0; v < NV; v++)                                                                \
                vec_store(acc[i][v], out + i * out_row + v * VEC, left - v * VEC);                             \
        }                                                                                                      \
    }
DIRECT_TILE(direct_tile, PT)
DIRECT_TILE(direct_half, HALF)
DIRECT_TILE(direct_row, 1)

/* The same for any number of rows. */
static inline void direct_rows(global const float *a, const long a_row, const long a_step, global const float *b,
                               const long b_row, global float *out, const long K, const int rows, const int depth,
                               const int add, const int left, global const float *ahead, const long ahead_row)
{
    int m = 0;
#define AT_M a + m * a_row, a_row, a_step, b, b_row, out + m * K, K, depth, add, left, ahead + m / PT * 16, ahead_row
    for (; m + PT <= rows; m += PT)
        direct_tile(AT_M);
    for (; m + HALF <= rows; m += HALF)
        direct_half(AT_M);
    for (; m < rows; m++)
        direct_row(AT_M);
#undef AT_M
}

/* scratch of each work-item: DB >= KT rows of KT. A work-item takes MB rows of a panel after another; it
 * copies the panel where that pays (`copies`), or at the buffer's end. */
SINGLE_ITEM_GROUPS
kernel void conv2d_product__direct(global const float *restrict in, global const float *restrict w,
                                   global float *restrict scratch, global float *restrict out, const int M,
                                   const int C, const int K, const int T, const int MB, const int DB,
                                   const int shares, const int copies)
{
    const int panels = (K + KT - 1) / KT, blocks = (M + MB - 1) / MB;
    global float *panel = scratch + get_global_id(0) * ((ulong)DB * KT);
    long unit, end;
    share_of((long)panels * blocks, shares, get_global_id(0), &unit, &end);
    for (; unit < end; unit++) {
        const int k0 = (int)(unit / blocks) * KT, m0 = (int)(unit % blocks) * MB, rows = M - m0 < MB ? M - m0 : MB;
        for (int t = 0; t < T; t++)
            for (int c0 = 0, depth; c0 < C; c0 += depth) {
                global const float *b = w + ((long)t * C + c0) * K + k0, *end = w + (long)T * C * K;
                const long whole = (end - b - KT) / K + 1; /* rows of which a panel's vectors end in the buffer */
                const int copy = copies || end - b < KT, most = copy ? DB : whole < C ? (int)whole : C;
                depth = C - c0 < most ? C - c0 : most;
                if (copy)
                    copy_rows(panel, b, end, K, depth, KT);
                direct_rows(in + ((long)t * M + m0) * C + c0, C, 1, copy ? panel : b, copy ? KT : K,
                            out + (long)m0 * K + k0, K, rows, depth, t + c0 > 0, K - k0, b + (long)depth * K, K);
            }
    }
}

/* Z matrices b [K][C], one for each pixel of out; DB is a multiple of VEC. */
SINGLE_ITEM_GROUPS
kernel void conv2d_product__direct_transposed(global const float *restrict in, global const float *restrict w,
                                              global float *restrict scratch, global float *restrict out, const int M,
                                              const int C, const int K, const int Z, const int MB, const int DB,
                                              const int shares)
{
    const int panels = (K + KT - 1) / KT, blocks = (M + MB - 1) / MB;
    const long filters = (long)Z * K * C;
    global float *panel = scratch + get_global_id(0) * ((ulong)DB * KT);
    long unit, end;
    share_of((long)panels * blocks * Z, shares, get_global_id(0), &unit, &end);
    for (; unit < end; unit++) {
        const int k0 = (int)(unit / blocks % panels) * KT, m0 = (int)(unit % blocks) * MB;
        const long z = unit / blocks / panels;
        for (int c0 = 0; c0 < C; c0 += DB) {
            const int depth = C - c0 < DB ? C - c0 : DB;
            for (int v = 0; v < KT; v += VEC)
                for (int c = 0; c < depth; c += VEC) {
                    vecf block[VEC];
                    UNROLL for (int i = 0; i < VEC; i++) {
                        const int k = k0 + v + i < K ? k0 + v + i : K - 1; /* past K: not stored */
                        const long at = (z * K + k) * C + c0 + c;
                        block[i] = at + VEC <= filters ? VLOAD(w + at) : vec_load(w + at, C - c0 - c);
                    }
                    vec_transpose(block);
                    UNROLL for (int i = 0; i < VEC; i++)
                        VSTORE(block[i], panel + (long)(c + i) * KT + v);
                }
            direct_rows(in + (long)m0 * C + c0, C, 1, panel, KT, out + (z * M + m0) * K + k0, K,
                        M - m0 < MB ? M - m0 : MB, depth, c0 > 0, K - k0, w, 0);
        }
    }
}

/* scratch of each work-item: M rows of a panel of dy, M rows of XB channels, whole vectors. A work-item
 * takes XB channels of a tap and panel after another. */
SINGLE_ITEM_GROUPS
kernel void conv2d_filter__direct(global const float *restrict x, global const float *restrict dy,
                                  global float *restrict scratch, global float *restrict dw, const int M, const int C,
                                  const int K, const int T, const int XB, const int shares)
{
    const int panels = (K + KT - 1) / KT, blocks = (C + XB - 1) / XB;
    global float *panel = scratch + get_global_id(0) * ((ulong)M * (KT + XB)), *columns = panel + (long)M * KT;
    long unit, end;
    int copied = -1;
    share_of((long)panels * T * blocks, shares, get_global_id(0), &unit, &end);
    for (; unit < end; unit++) {
        const int k0 = (int)(unit / blocks / T) * KT, t = (int)(unit / blocks % T), c0 = (int)(unit % blocks) * XB;
        const int channels = C - c0 < XB ? C - c0 : XB;
        global float *to = dw + ((long)t * C + c0) * K + k0;
        if (k0 != copied)
            copy_rows(panel, dy + k0, dy + (long)M * K, K, M, KT);
        copied = k0;
        copy_rows(columns, x + (long)t * M * C + c0, x + (long)T * M * C, C, M, XB);
        direct_rows(columns, 1, XB, panel, KT, to, K, channels, M, 0, K - k0, x + (long)t * M * C + c0 + XB, C);
    }
}
