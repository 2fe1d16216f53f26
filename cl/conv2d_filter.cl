/* The filter gradient of cl/conv2d.cl's convolution:
 *   dw[r,s,c,k] = sum over p,q,n of x[h,w,n,c] * dy[p,q,n,k],   h = p*stride + r*dilation - pad
 * A register tile is MC channels by NV vectors of VEC filters of one tap. The rows are split, so
 * that there is work for all; each split's sums are a partial result, added up in order. */

#include "common/tile.clh"

#if ITEMS == 1
#define AHEAD 64 /* rows */

/* One chunk of rows of one (tap, channel tile, panel): acc over the pixels' samples. The first pass over
 * a chunk asks for rows ahead. */
#define FILTER_ROWS(LOAD)                                                        \
    for (long row = chunk; row < chunk_end;) {                                   \
        const int at = (int)(row / N), n0 = (int)(row - (long)at * N), p = at / Q, q = at - p * Q; \
        const long pixel_rows = N - n0 < chunk_end - row ? N - n0 : chunk_end - row;   \
        const long pixel = source_pixel(p, q, r, s, stride_h, stride_w, dilation_h, dilation_w, -pad_h, -pad_w, 1, 1, \
                                        H, W);                                   \
        if (pixel >= 0) {                                                        \
            global const float *xr = x + (pixel * N + n0) * x_row + (long)g * C; \
            global const float *dr = dy + row * dy_row + (long)g * K + k0;       \
            const int asks = first_pass && row + pixel_rows + AHEAD <= rows &&   \
                             pixel * N + n0 + pixel_rows + AHEAD <= (long)H * W * N; \
            for (long left_rows = pixel_rows; left_rows > 0; left_rows--, xr += x_row, dr += dy_row) { \
                for (int v = 0; asks && v < KT; v += 16)                         \
                    PREFETCH(dr + AHEAD * dy_row + v);                           \
                for (int c = 0; asks && c < C; c += 16)                          \
                    PREFETCH(xr + AHEAD * x_row + c);                            \
                TILE_STEP(MC, xr[channel[i]], LOAD)                              \
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
                                const int dilation_h, const int dilation_w, const int pad_h, const int pad_w,
                                const int shares)
{
    const long rows = (long)P * Q * N;
    const int panel_count = (K + KT - 1) / KT;
    const long x_row = (long)C * groups, dy_row = (long)K * groups;
    long unit, unit_end;
    share_of((long)splits * groups * panel_count, shares, get_global_id(0), &unit, &unit_end);
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
                    const int first_pass = tap == 0 && c0 == 0;
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
#else
#define X_CHANNEL(j) (OWN(j) % (TILE_ROWS / VEC) * VEC)
#define DY_COLUMN(j) (OWN(j) % (KT / VEC) * VEC)
#define DY_ROW(j) (row0 + OWN(j) / (KT / VEC))

#define LOAD_FILTER_SLICES                                                                                   \
    UNROLL for (int j = 0; j < OWN_ROWS; j++) {                                                              \
        const long pixel = source_pixel(row_p[j], row_q[j], r, s, stride_h, stride_w, dilation_h, dilation_w, \
                                        -pad_h, -pad_w, 1, 1, H, W);                                         \
        const int inside = pixel >= 0 && row0 + OWN(j) / (TILE_ROWS / VEC) < last;                           \
        next_x[j] = vec_load(x + (pixel * N + row_n[j]) * x_row + (long)g * C + c0 + X_CHANNEL(j),           \
                             inside ? C - c0 - X_CHANNEL(j) : 0);                                            \
    }                                                                                                        \
    UNROLL for (int j = 0; j < OWN_PANEL; j++)                                                               \
        next_dy[j] = vec_load(dy + DY_ROW(j) * dy_row + (long)g * K + k0 + DY_COLUMN(j),                     \
                              DY_ROW(j) < last ? K - k0 - DY_COLUMN(j) : 0);

#define STORE_FILTER_SLICES(at)                                                                         \
    UNROLL for (int j = 0; j < OWN_ROWS; j++) {                                                         \
        if (IS_OWN(j, ROW_VECTORS))                                                                     \
            *(local vecf *)&row_slice[at][OWN(j) / (TILE_ROWS / VEC) * SLICE_ROW + X_CHANNEL(j)] = next_x[j]; \
    }                                                                                                   \
    STORE_PANEL_SLICE(at, next_dy)

/* A work-group takes one (split of the rows, group, tap, tile of channels, panel) at a time. */
TILE_GROUPS
kernel void conv2d_filter__tile(global const float *restrict x, global const float *restrict dy,
                                global float *restrict partial, const int splits, const int chunk_rows, const int N,
                                const int H, const int W, const int C, const int P, const int Q, const int K,
                                const int R, const int S, const int groups, const int stride_h, const int stride_w,
                                const int dilation_h, const int dilation_w, const int pad_h, const int pad_w,
                                const int shares)
{
    const long rows = (long)P * Q * N;
    const int panel_count = (K + KT - 1) / KT, channel_tiles = (C + TILE_ROWS - 1) / TILE_ROWS;
    const long x_row = (long)C * groups, dy_row = (long)K * groups;
    LOCAL_SLICES
    long first, end;
    share_of((long)splits * groups * R * S * channel_tiles * panel_count, shares, GROUP_OF(ITEMS), &first, &end);
    for (uint unit = (uint)first; unit < (uint)end; unit++) { /* 32 bits spare registers; the host sees to it */
        const uint outer = unit / panel_count / channel_tiles, taps = R * S;
        const int k0 = (int)(unit % panel_count) * KT, c0 = (int)(unit / panel_count % channel_tiles) * TILE_ROWS;
        const int split = (int)(outer / taps / groups), tap = (int)(outer % taps), g = (int)(outer / taps % groups);
        const int r = tap / S, s = tap % S;
        long row0, last;
        share_of(rows, splits, split, &row0, &last);
        vecf acc[PT][NV], next_x[OWN_ROWS], next_dy[OWN_PANEL];
        int row_p[OWN_ROWS], row_q[OWN_ROWS], row_n[OWN_ROWS], at = 0;
        UNROLL for (int i = 0; i < PT; i++) {
            UNROLL for (int v = 0; v < NV; v++)
                acc[i][v] = (vecf)(0.0f);
        }
        UNROLL for (int j = 0; j < OWN_ROWS; j++) {
            const long row = row0 + OWN(j) / (TILE_ROWS / VEC);
            row_n[j] = (int)(row % N);
            row_q[j] = (int)(row / N % Q);
            row_p[j] = (int)(row / N / Q);
        }
        barrier(CLK_LOCAL_MEM_FENCE); /* the last unit's slices are done with */
        LOAD_FILTER_SLICES
        STORE_FILTER_SLICES(0)
        while (row0 < last) {
            barrier(CLK_LOCAL_MEM_FENCE);
            row0 += DEPTH;
            UNROLL for (int j = 0; j < OWN_ROWS; j++) {
                for (row_n[j] += DEPTH; row_n[j] >= N; row_n[j] -= N) {
                    row_q[j] = row_q[j] + 1 == Q ? 0 : row_q[j] + 1;
                    row_p[j] += !row_q[j];
                }
            }
            LOAD_FILTER_SLICES
            MULTIPLY_SLICE(at)
            at ^= 1;
            STORE_FILTER_SLICES(at)
        }
        UNROLL for (int i = 0; i < PT; i++) {
            const int c = c0 + item_row * PT + i;
            if (c < C) {
                global float *to = partial + ((split * R * S + tap) * C + c) * dy_row + (long)g * K;
                UNROLL for (int v = 0; v < NV; v++) {
                    const int k = k0 + (v * GROUP_COLUMNS + item_column) * VEC;
                    vec_store(acc[i][v], to + k, K - k);
                }
            }
        }
    }
}
#endif
