/* Convolution as a sum over window taps of matrix products.
 *
 * product:  out[p,q,n,k] = sum over r,s,c of in[h,w,n,c] * w[r,s,c,k]
 *   h = (p*mul_h + r*step_h + off_h) / div_h where that divides and lies in the image,
 *   w likewise. Forward: mul = stride, step = dilation, off = -pad, div = 1. Data
 *   gradient (in = dy, out = dx, the filter transposed): mul = 1, step = -dilation,
 *   off = pad, div = stride.
 * filter gradient:  dw[r,s,c,k] = sum over p,q,n of x[h,w,n,c] * dy[p,q,n,k]
 *
 * Activations are [H][W][N][C]: a row is one (pixel, sample), rows of one pixel follow
 * each other. A register tile is PT rows (or MC channels) by NV vectors of VEC filters:
 *
 *             KT = NV*VEC filters          acc[i][v] += in[row i][c] * panel[tap][c][v]
 *           +------+------+------+         The filter is packed into panels of KT columns,
 *   PT rows | acc  | acc  | acc  |         zeros in the last one's tail:
 *           +------+------+------+         [group][panel][tap][c][KT].
 *
 * A work-item (work-groups of 1) takes a contiguous run of tiles, all rows of a panel
 * before the next panel, so that a panel stays in its core's cache. Accumulation is
 * float32 by fma in the order tap, channel: independent of batch and panel count. */

#include "common/share.clh"
#include "common/vec.clh" /* VEC: the device's native vector */

#ifndef NV
#define NV 2 /* 1..4 */
#endif
#ifndef PT
#define PT 6 /* rows of a tile; PT*NV accumulators should fit the registers */
#endif
#ifndef MC
#define MC 6 /* channels of a tile in the filter gradient */
#endif
#define KT (NV * VEC)

/* Offset of the source pixel for output pixel (p, q) and a tap, -1 outside. */
long source_pixel(const int p, const int q, const int r, const int s, const int mul_h, const int mul_w,
                  const int step_h, const int step_w, const int off_h, const int off_w, const int div_h,
                  const int div_w, const int H, const int W)
{
    const int nh = p * mul_h + r * step_h + off_h, nw = q * mul_w + s * step_w + off_w;
    if (nh < 0 || nw < 0)
        return -1;
    const int h = nh / div_h, w = nw / div_w;
    if (h >= H || w >= W || h * div_h != nh || w * div_w != nw)
        return -1;
    return (long)h * W + w;
}

/* panels[g][panel][tap][c][KT]; in a transposed pack the roles of c and k in the
 * filter [taps][C][K] are exchanged. One work-item a (g, panel, tap) and c-row. */
kernel void conv2d_pack(global const float *restrict w, global float *restrict panels, const int taps, const int rows,
                        const int columns, const int groups, const int transposed, const ulong panels_at)
{
    const int panel_count = (columns + KT - 1) / KT;
    const long index = get_global_id(0);
    if (index >= (long)groups * panel_count * taps * rows)
        return;
    const int c = (int)(index % rows);
    const int tap = (int)(index / rows % taps);
    const int panel = (int)(index / rows / taps % panel_count);
    const int g = (int)(index / rows / taps / panel_count);
    global float *to = panels + panels_at + (ulong)index * KT;
    for (int j = 0; j < KT; j++) {
        const int k = panel * KT + j;
        float v = 0.0f;
        if (k < columns)
            v = transposed ? w[((long)tap * columns + k) * ((long)rows * groups) + (long)g * rows + c]
                           : w[((long)tap * rows + c) * ((long)columns * groups) + (long)g * columns + k];
        to[j] = v;
    }
}

kernel void conv2d_zero(global float *restrict out, const ulong at, const ulong n)
{
    const ulong i = get_global_id(0);
    if (i < n)
        out[at + i] = 0.0f;
}

/* C and K are a group's channels and columns; in has C*groups a row, out K*groups. */
SINGLE_ITEM_GROUPS
kernel void conv2d_product__tile(global const float *restrict in, global const float *restrict work,
                                 global float *restrict out, const ulong panels_at, const int N, const int H,
                                 const int W, const int C, const int P, const int Q, const int K, const int R,
                                 const int S, const int groups, const int mul_h, const int mul_w, const int step_h,
                                 const int step_w, const int off_h, const int off_w, const int div_h, const int div_w)
{
    const long rows = (long)P * Q * N, row_tiles = (rows + PT - 1) / PT;
    const int panel_count = (K + KT - 1) / KT;
    const long in_row = (long)C * groups, out_row = (long)K * groups;
    long tile, end;
    share_of(row_tiles * panel_count * groups, get_global_size(0), get_global_id(0), &tile, &end);
    for (; tile < end; tile++) {
        const long first = tile % row_tiles * PT;
        const int panel = (int)(tile / row_tiles % panel_count), g = (int)(tile / row_tiles / panel_count);
        global const float *panel_w = work + panels_at + ((long)g * panel_count + panel) * R * S * C * KT;
        vecf acc[PT][NV];
        int row_p[PT], row_q[PT], row_n[PT];
        UNROLL for (int i = 0; i < PT; i++) {
            UNROLL for (int v = 0; v < NV; v++)
                acc[i][v] = (vecf)(0.0f);
            const long row = first + i < rows ? first + i : rows - 1;
            row_n[i] = (int)(row % N);
            row_q[i] = (int)(row / N % Q);
            row_p[i] = (int)(row / N / Q);
        }
        for (int tap = 0; tap < R * S; tap++) {
            const int r = tap / S, s = tap % S;
            global const float *a[PT];
            int any = 0;
            UNROLL for (int i = 0; i < PT; i++) {
                const long pixel = source_pixel(row_p[i], row_q[i], r, s, mul_h, mul_w, step_h, step_w, off_h, off_w,
                                                div_h, div_w, H, W);
                a[i] = pixel < 0 ? work : in + (pixel * N + row_n[i]) * in_row + (long)g * C;
                any |= pixel >= 0;
            }
            if (!any)
                continue;
            global const float *b = panel_w + (long)tap * C * KT;
            int c = 0;
            for (; c + 4 <= C; c += 4, b += 4 * KT) {
                UNROLL for (int u = 0; u < 4; u++) {
                    vecf wv[NV];
                    UNROLL for (int v = 0; v < NV; v++)
                        wv[v] = VLOAD(b + u * KT + v * VEC);
                    UNROLL for (int i = 0; i < PT; i++) {
                        const vecf x = (vecf)(a[i][c + u]);
                        UNROLL for (int v = 0; v < NV; v++)
                            acc[i][v] = fma(x, wv[v], acc[i][v]);
                    }
                }
            }
            for (; c < C; c++, b += KT) {
                UNROLL for (int i = 0; i < PT; i++) {
                    const vecf x = (vecf)(a[i][c]);
                    UNROLL for (int v = 0; v < NV; v++)
                        acc[i][v] = fma(x, VLOAD(b + v * VEC), acc[i][v]);
                }
            }
        }
        const int left = K - panel * KT;
        UNROLL for (int i = 0; i < PT; i++) {
            if (first + i < rows) {
                global float *o = out + (first + i) * out_row + (long)g * K + panel * KT;
                UNROLL for (int v = 0; v < NV; v++)
                    vec_store(acc[i][v], o + v * VEC, left - v * VEC);
            }
        }
    }
}

/* One chunk of rows of one (tap, channel tile, panel): acc over the pixels' samples. */
#define FILTER_ROWS(LOAD)                                                        \
    for (long row = chunk; row < chunk_end;) {                                   \
        const int n0 = (int)(row % N), q = (int)(row / N % Q), p = (int)(row / N / Q); \
        const long pixel_rows = N - n0 < chunk_end - row ? N - n0 : chunk_end - row;   \
        const long pixel = source_pixel(p, q, r, s, stride_h, stride_w, dilation_h, dilation_w, -pad_h, -pad_w, 1, 1, \
                                        H, W);                                   \
        if (pixel >= 0) {                                                        \
            global const float *xr = x + (pixel * N + n0) * x_row + (long)g * C; \
            global const float *dr = dy + row * dy_row + (long)g * K + k0;       \
            for (long i = 0; i < pixel_rows; i++, xr += x_row, dr += dy_row) {   \
                vecf d[NV];                                                      \
                UNROLL for (int v = 0; v < NV; v++)                              \
                    d[v] = LOAD;                                                 \
                UNROLL for (int m = 0; m < MC; m++) {                            \
                    const vecf xv = (vecf)(xr[channel[m]]);                      \
                    UNROLL for (int v = 0; v < NV; v++)                          \
                        acc[m][v] = fma(xv, d[v], acc[m][v]);                    \
                }                                                                \
            }                                                                    \
        }                                                                        \
        row += pixel_rows;                                                       \
    }

/* A work-item takes one (split of the rows, group, panel) at a time and goes through
 * its rows in chunks that stay in cache while all taps and channels pass over them.
 * partial is [split][taps][C][K*groups]. */
SINGLE_ITEM_GROUPS
kernel void conv2d_filter__tile(global const float *restrict x, global const float *restrict dy,
                                global float *restrict partial, const int splits, const int chunk_rows, const int N,
                                const int H, const int W, const int C, const int P, const int Q, const int K,
                                const int R, const int S, const int groups, const int stride_h, const int stride_w,
                                const int dilation_h, const int dilation_w, const int pad_h, const int pad_w)
{
    const long rows = (long)P * Q * N;
    const int panel_count = (K + KT - 1) / KT;
    const long x_row = (long)C * groups, dy_row = (long)K * groups;
    long unit, unit_end;
    share_of((long)splits * groups * panel_count, get_global_size(0), get_global_id(0), &unit, &unit_end);
    for (; unit < unit_end; unit++) {
        const int panel = (int)(unit % panel_count), g = (int)(unit / panel_count % groups);
        const long split = unit / panel_count / groups;
        const int k0 = panel * KT, left = K - k0;
        long first, last;
        share_of(rows, splits, split, &first, &last);
        for (long chunk = first; chunk < last || chunk == first; chunk += chunk_rows) {
            const long chunk_end = chunk + chunk_rows < last ? chunk + chunk_rows : last;
            for (int tap = 0; tap < R * S; tap++) {
                const int r = tap / S, s = tap % S;
                for (int c0 = 0; c0 < C; c0 += MC) {
                    vecf acc[MC][NV];
                    int channel[MC];
                    global float *to = partial + ((split * R * S + tap) * C + c0) * dy_row + (long)g * K + k0;
                    UNROLL for (int m = 0; m < MC; m++) {
                        channel[m] = c0 + m < C ? c0 + m : C - 1;
                        UNROLL for (int v = 0; v < NV; v++)
                            acc[m][v] = chunk == first || c0 + m >= C
                                            ? (vecf)(0.0f)
                                            : vec_load(to + m * dy_row + v * VEC, left - v * VEC);
                    }
                    if (left >= KT) {
                        FILTER_ROWS(VLOAD(dr + v * VEC))
                    } else {
                        FILTER_ROWS(vec_load(dr + v * VEC, left - v * VEC))
                    }
                    UNROLL for (int m = 0; m < MC; m++) {
                        if (c0 + m < C) {
                            UNROLL for (int v = 0; v < NV; v++)
                                vec_store(acc[m][v], to + m * dy_row + v * VEC, left - v * VEC);
                        }
                    }
                }
            }
        }
    }
}

/* dw[i] = sum over splits of partial[split][i], in order. */
kernel void conv2d_reduce(global const float *restrict partial, global float *restrict dw, const int splits,
                          const ulong n)
{
    const ulong i = get_global_id(0);
    if (i < n) {
        float sum = partial[i];
        for (int s = 1; s < splits; s++)
            sum += partial[(ulong)s * n + i];
        dw[i] = sum;
    }
}

/* The filter [taps][K][C*groups] as [taps][C][K*groups]: within each group. */
kernel void conv2d_transpose(global const float *restrict w, global float *restrict out, const ulong at,
                             const int taps, const int C, const int K, const int groups)
{
    const ulong i = get_global_id(0);
    if (i >= (ulong)taps * C * K * groups)
        return;
    const long k = (long)(i % (ulong)K), g = (long)(i / (ulong)K % (ulong)groups);
    const long c = (long)(i / (ulong)K / (ulong)groups % (ulong)C), tap = (long)(i / (ulong)K / (ulong)groups / (ulong)C);
    out[at + i] = w[(tap * K + k) * ((long)C * groups) + g * C + c];
}

/* col[row][tap][c] for rows first .. first+count of group g: the matrix that makes
 * the product a plain GEMM. One work-item a (row, tap). */
kernel void conv2d_im2col(global const float *restrict in, global float *restrict col, const ulong col_at,
                          const ulong first, const ulong count, const int g, const int N, const int H, const int W,
                          const int C, const int Q, const int R, const int S, const int groups, const int mul_h,
                          const int mul_w, const int step_h, const int step_w, const int off_h, const int off_w,
                          const int div_h, const int div_w)
{
    const ulong index = get_global_id(0);
    if (index >= count * (ulong)(R * S))
        return;
    const int tap = (int)(index % (ulong)(R * S));
    const ulong row = first + index / (ulong)(R * S);
    const int n = (int)(row % (ulong)N), q = (int)(row / (ulong)N % (ulong)Q), p = (int)(row / (ulong)N / (ulong)Q);
    const long pixel = source_pixel(p, q, tap / S, tap % S, mul_h, mul_w, step_h, step_w, off_h, off_w, div_h, div_w,
                                    H, W);
    global float *to = col + col_at + index * (ulong)C;
    global const float *from = in + (pixel * N + n) * ((long)C * groups) + (long)g * C;
    for (int c = 0; c < C; c++)
        to[c] = pixel < 0 ? 0.0f : from[c];
}
