/* Convolution as a sum over window taps of matrix products.
 *
 * product:  out[p,q,n,k] = sum over r,s,c of in[h,w,n,c] * w[r,s,c,k]
 *   h = (p*mul_h + r*step_h + off_h) / div_h where that divides and lies in the image,
 *   w likewise. Forward: mul = stride, step = dilation, off = -pad, div = 1. Data
 *   gradient (in = dy, out = dx, the filter transposed): mul = 1, step = -dilation,
 *   off = pad, div = stride.
 *
 * Activations are [H][W][N][C]: a row is one (pixel, sample), rows of one pixel follow
 * each other. A register tile is PT rows by NV vectors of VEC filters:
 *
 *             KT = NV*VEC filters          acc[i][v] += in[row i][c] * panel[tap][c][v]
 *           +------+------+------+         The filter is packed into panels of KT columns,
 *   PT rows | acc  | acc  | acc  |         zeros in the last one's tail:
 *           +------+------+------+         [group][panel][tap][c][KT].
 *
 * A work-group takes a contiguous run of tiles: `block` tiles of rows of a panel, then of the next panel,
 * then the next block, so that what is read again is in its core's cache. Accumulation is float32 by fma in the order
 * tap, channel: independent of batch and panel count. */

#include "common/epilogue.clh"
#include "common/tile.clh"

/* panels[g][panel][tap][c][KT]; in a transposed pack the roles of c and k in the
 * filter [taps][C][K] are exchanged. One work-item PACK_COLUMNS of a (g, panel, tap) and c-row. */
kernel void conv2d_pack(global const float *restrict w, global float *restrict panels, const int taps, const int rows,
                        const int columns, const int groups, const int transposed, const ulong panels_at)
{
    const int panel_count = (columns + KT - 1) / KT, panel_rows = PANEL_ROWS(rows);
    const long index = (long)get_global_id(0) * PACK_COLUMNS / KT;
    if (index >= (long)groups * panel_count * taps * panel_rows)
        return;
    const int c = (int)(index % panel_rows), first = (int)((long)get_global_id(0) * PACK_COLUMNS % KT);
    const int tap = (int)(index / panel_rows % taps);
    const int panel = (int)(index / panel_rows / taps % panel_count);
    const int g = (int)(index / panel_rows / taps / panel_count);
    global float *to = panels + panels_at + (ulong)index * KT;
    for (int j = first; j < first + PACK_COLUMNS; j++) {
        const int k = panel * KT + j;
        float v = 0.0f;
        if (k < columns && c < rows)
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

#define SOURCE(p, q, r, s) \
    source_pixel(p, q, r, s, mul_h, mul_w, step_h, step_w, off_h, off_w, div_h, div_w, H, W)

/* Where this work-item's rows begin in the image, for tap (r, s); outside of it: zeros. Rows that follow
 * each other in a pixel share its place. */
#define ROWS_AT(r, s, any)                                                             \
    {                                                                                  \
        long pixel = -1;                                                               \
        UNROLL for (int i = 0; i < OWN_ROWS; i++) {                                    \
            if (ITEMS > 1 || i == 0 || row_n[i] == 0)                                  \
                pixel = SOURCE(row_p[i], row_q[i], r, s);                              \
            a[i] = pixel < 0 ? work : in + (pixel * N + row_n[i]) * in_row + (long)g * C; \
            any |= pixel >= 0;                                                         \
        }                                                                              \
    }

#if ITEMS > 1
#define ROW_CHANNEL(j) (OWN(j) % (DEPTH / VEC) * VEC)

/* Taps are counted, and the tile's first pixel is kept as (p0, q0): quotients take scalar registers of their
 * own, which some GPUs lack here; so do 64-bit products (the host sees to it that this one is below 2^32). */
#define NEXT_TAP                              \
    {                                         \
        s = s + 1 == S ? 0 : s + 1;           \
        r += !s;                              \
        panel_w += (uint)PANEL_ROWS(C) * KT;  \
    }

/* The next tap from (r, s) on that any of the tile's few pixels sees in the image. */
#define SKIP_TAPS                                                                  \
    for (int seen = few_pixels < 0; !seen && r < R;) {                             \
        for (int i = 0, p = p0, q = q0; i <= few_pixels; i++) {                    \
            seen |= SOURCE(p, q, r, s) >= 0;                                       \
            q = q + 1 == Q ? 0 : q + 1;                                            \
            p += !q;                                                               \
        }                                                                          \
        if (!seen)                                                                 \
            NEXT_TAP                                                               \
    }

#define LOAD_SLICES                                                                               \
    UNROLL for (int j = 0; j < OWN_ROWS; j++)                                                     \
        next_row[j] = vec_load(a[j] + c0 + ROW_CHANNEL(j), C - c0 - ROW_CHANNEL(j));              \
    UNROLL for (int j = 0; j < OWN_PANEL; j++)                                                    \
        next_panel[j] =                                                                           \
            ((global const vecf *)(panel_w + (long)c0 * KT))[IS_OWN(j, PANEL_VECTORS) ? OWN(j) : 0];

#define STORE_SLICES(at)                                                                          \
    UNROLL for (int j = 0; j < OWN_ROWS; j++) {                                                   \
        float t[VEC];                                                                             \
        VSTORE(next_row[j], t);                                                                   \
        if (IS_OWN(j, ROW_VECTORS)) {                                                             \
            UNROLL for (int u = 0; u < VEC; u++)                                                  \
                row_slice[at][(ROW_CHANNEL(j) + u) * SLICE_ROW + OWN(j) / (DEPTH / VEC)] = t[u];  \
        }                                                                                         \
    }                                                                                             \
    STORE_PANEL_SLICE(at, next_panel)
#endif

/* C and K are a group's channels and columns; in has C*groups a row, out K*groups. `block` tiles of rows
 * pass all panels before the next ones do. */
TILE_GROUPS
kernel void conv2d_product__tile(global const float *restrict in, global const float *restrict work,
                                 global float *restrict out, global const float *restrict bias,
                                 const ulong panels_at, const int block, const int N,
                                 const int H, const int W, const int C, const int P, const int Q, const int K,
                                 const int R, const int S, const int groups, const int mul_h, const int mul_w,
                                 const int step_h, const int step_w, const int off_h, const int off_w,
                                 const int div_h, const int div_w, const int epilogue, const int stream,
                                 const int shares)
{
    const long rows = (long)P * Q * N, row_tiles = (rows + TILE_ROWS - 1) / TILE_ROWS;
    const int panel_count = (K + KT - 1) / KT;
    const long in_row = (long)C * groups, out_row = (long)K * groups;
#if ITEMS > 1
    LOCAL_SLICES
#else
    const int pointwise = P == H && Q == W && off_h == 0 && off_w == 0; /* only windows of 1 by 1 keep the size so */
#endif
    long tile, end;
    share_of(row_tiles * panel_count * groups, shares, GROUP_OF(ITEMS), &tile, &end);
    for (; tile < end; tile++) {
        const int g = (int)(tile / (row_tiles * panel_count));
        const long in_group = tile - g * row_tiles * panel_count;
        const long block_first = in_group / ((long)block * panel_count) * block;
        const long in_block = in_group - block_first * panel_count, size = min((long)block, row_tiles - block_first);
        const int panel = (int)(in_block / size);
        const long first = (block_first + in_block - panel * size) * TILE_ROWS;
        global const float *panel_w = work + panels_at + ((long)g * panel_count + panel) * R * S * PANEL_ROWS(C) * KT;
        global const float *a[OWN_ROWS];
        vecf acc[PT][NV];
        int row_p[OWN_ROWS], row_q[OWN_ROWS], row_n[OWN_ROWS];
        UNROLL for (int i = 0; i < PT; i++) {
            UNROLL for (int v = 0; v < NV; v++)
                acc[i][v] = (vecf)(0.0f);
        }
#if ITEMS > 1
        const int at_pixel = (int)(first / N);
        const uint n0 = (uint)(first - (long)at_pixel * N), last_row = (uint)min((long)TILE_ROWS, rows - first) - 1;
        UNROLL for (int i = 0; i < OWN_ROWS; i++) { /* past the last row: that one again */
            const uint row = n0 + min((uint)OWN(i) / (DEPTH / VEC), last_row), pixel = at_pixel + row / (uint)N;
            row_n[i] = row % (uint)N;
            row_q[i] = pixel % (uint)Q;
            row_p[i] = pixel / (uint)Q;
        }
#else
        if (pointwise) { /* a row is the image's row of that number */
            UNROLL for (int i = 0; i < PT; i++)
                a[i] = in + min(first + i, rows - 1) * in_row + (long)g * C;
        } else {
            const int at_pixel = (int)(first / N);
            row_n[0] = (int)(first - (long)at_pixel * N);
            row_p[0] = at_pixel / Q;
            row_q[0] = at_pixel - row_p[0] * Q;
            UNROLL for (int i = 1; i < PT; i++) { /* past the last row: that one again */
                const int next = row_n[i - 1] + (first + i < rows), wrap = next == N;
                row_n[i] = wrap ? 0 : next;
                row_q[i] = row_q[i - 1] + wrap == Q ? 0 : row_q[i - 1] + wrap;
                row_p[i] = row_p[i - 1] + (row_q[i - 1] + wrap == Q);
            }
        }
#endif
#if ITEMS > 1
        const int p0 = (uint)at_pixel / (uint)Q, q0 = (uint)at_pixel % (uint)Q, more_pixels = (n0 + last_row) / (uint)N;
        const int few_pixels = more_pixels < 4 ? more_pixels : -1;
        vecf next_row[OWN_ROWS], next_panel[OWN_PANEL];
        int r = 0, s = 0, c0 = 0, at = 0, any = 0;
        SKIP_TAPS
        barrier(CLK_LOCAL_MEM_FENCE); /* the last tile's slices are done with */
        if (r < R) {
            ROWS_AT(r, s, any)
            LOAD_SLICES
            STORE_SLICES(0)
        }
        while (r < R) {
            for (c0 = DEPTH; c0 < C; c0 += DEPTH) {
                barrier(CLK_LOCAL_MEM_FENCE);
                LOAD_SLICES
                MULTIPLY_SLICE(at)
                at ^= 1;
                STORE_SLICES(at)
            }
            barrier(CLK_LOCAL_MEM_FENCE);
            c0 = 0;
            NEXT_TAP
            SKIP_TAPS
            if (r < R) {
                ROWS_AT(r, s, any)
                LOAD_SLICES
            }
            MULTIPLY_SLICE(at)
            at ^= 1;
            if (r < R) {
                STORE_SLICES(at)
            }
        }
        const long first_row = first + item_row * PT;
        const int first_column = panel * KT + item_column * VEC;
#else
        for (int tap = 0; tap < R * S; tap++) {
            int any = pointwise;
            if (!any)
                ROWS_AT(tap / S, tap % S, any)
            if (!any)
                continue;
            global const float *b = panel_w + (long)tap * C * KT;
            int c = 0;
            for (; c + 4 <= C; c += 4, b += 4 * KT) {
                UNROLL for (int u = 0; u < 4; u++)
                    TILE_STEP(PT, a[i][c + u], VLOAD(b + u * KT + v * VEC))
            }
            for (; c < C; c++, b += KT)
                TILE_STEP(PT, a[i][c], VLOAD(b + v * VEC))
        }
        const long first_row = first;
        const int first_column = panel * KT;
#endif
#define STORE_SUMS(VALUE)                                                         \
    {                                                                             \
        UNROLL for (int i = 0; i < PT; i++) {                                     \
            if (first_row + i < rows) {                                           \
                global float *o = out + (first_row + i) * out_row + (long)g * K;  \
                UNROLL for (int v = 0; v < NV; v++) {                             \
                    const int k = first_column + v * GROUP_COLUMNS * VEC;         \
                    vec_put(VALUE, o + k, K - k, stream);                         \
                }                                                                 \
            }                                                                     \
        }                                                                         \
    }
        if (epilogue) /* asked once: where sums are short, stores count */
            STORE_SUMS(with_epilogue(acc[i][v], bias + (long)g * K + k, K - k, epilogue))
        else
            STORE_SUMS(acc[i][v])
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
