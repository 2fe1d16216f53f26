/* The filter gradient of a 3x3 convolution of stride 1 or 2, by the derivative of the forward product's
 * transforms (cl/conv2d_winograd.cl); summed over all tiles and samples.
 *   V[PLANES][rows][C']         transformed patches of x; a row is one sample at one tile of dy
 *   Y[PLANES][rows][K']         transformed tiles of dy
 *   D[FILTER_PLANES][C'][K']    their products summed over rows
 *
 *   6x6 of x --B'dB--> V \
 *                         36 x (C x rows)(rows x K) --> D --G'DG--> 3x3 of dw   (stride 1, TILE 4)
 *   4x4 of dy -A dy A'-> Y /
 *
 * A work-item (work-groups of 1) takes (split of the rows, group, block of CB channels, block of KB
 * filters) after another, and goes through the split's rows TB at a time, with V, Y and D in a
 * stretch of scratch of its own: V and Y should stay in its core's cache, and with small blocks D. A patch is
 * transformed anew for each block, which costs less than keeping it. While it multiplies it asks for the next rows' pixels. The register tile is MC channels by NV
 * vectors of filters. partial is [split][3][3][C][K*groups]; rows are summed in order. */

#include "common/winograd.clh"

#ifndef NV
#define NV 2
#endif
#ifndef MC
#define MC 4 /* channels of a register tile; CB is a multiple */
#endif
#define KT (NV * VEC)

/* A dy A' of VEC filters, LOAD(x) being pixel x of the tile; to Y, planes apart. */
#define OUTPUT_PATCH(LOAD, Y, plane)                          \
    {                                                         \
        vecf t[TILE * SIDE];                                  \
        UNROLL for (int j = 0; j < TILE; j++) {               \
            vecf d[TILE];                                     \
            UNROLL for (int i = 0; i < TILE; i++)             \
                d[i] = LOAD(TILE * i + j);                    \
            OUTPUT_TRANSPOSED(COLUMN_TILE_OUT, VECTOR_IN)     \
        }                                                     \
        UNROLL for (int i = 0; i < SIDE; i++) {               \
            vecf v[SIDE];                                     \
            OUTPUT_TRANSPOSED(VECTOR_OUT, ROW_TILE_IN)        \
            UNROLL for (int j = 0; j < SIDE; j++)             \
                VSTORE(v[j], (Y) + (SIDE * i + j) * (plane)); \
        }                                                     \
    }
#define COLUMN_TILE_OUT(i) t[TILE * (i) + j]
#define ROW_TILE_IN(j) t[TILE * i + (j)]

static inline void transform_gradient(global const float **src, const long *mask, const long row, const int rows,
                                      const int K, global float *Y, const long plane, const int Y_row)
{
    const int padded = (K + KT - 1) / KT * KT;
    for (int r = 0; r < rows; r++)
        for (int k = 0; k < padded; k += VEC) {
            const long at = r * row + k;
            const int left = K - k;
            global float *to = Y + (long)r * Y_row + k;
#define WHOLE(x) VLOAD(src[x] + (at & mask[x]))
#define PART(x) vec_load(src[x] + (at & mask[x]), left)
            if (left >= VEC)
                OUTPUT_PATCH(WHOLE, to, plane)
            else
                OUTPUT_PATCH(PART, to, plane)
#undef WHOLE
#undef PART
        }
}

/* D += V' Y for one place of the patch: a [rows][CB], b [rows][KB], d [CB][KB]; of these the
 * first `channels` and `filters`, rounded up to register tiles. */
static inline void multiply(global const float *a, global const float *b, global float *d, const int rows,
                            const int channels, const int filters, const int CB, const int KB, const int first)
{
    for (int k = 0; k < filters; k += KT)
        for (int c = 0; c < channels; c += MC) {
            vecf acc[MC][NV];
            global float *to = d + (long)c * KB + k;
            global const float *left = a + c, *right = b + k;
            UNROLL for (int m = 0; m < MC; m++) {
                UNROLL for (int v = 0; v < NV; v++)
                    acc[m][v] = first ? (vecf)(0.0f) : VLOAD(to + m * KB + v * VEC);
            }
            for (int r = 0; r < rows; r++, left += CB, right += KB) {
                vecf y[NV];
                UNROLL for (int v = 0; v < NV; v++)
                    y[v] = VLOAD(right + v * VEC);
                UNROLL for (int m = 0; m < MC; m++) {
                    const vecf x = (vecf)(left[m]);
                    UNROLL for (int v = 0; v < NV; v++)
                        acc[m][v] = fma(x, y[v], acc[m][v]);
                }
            }
            UNROLL for (int m = 0; m < MC; m++) {
                UNROLL for (int v = 0; v < NV; v++)
                    VSTORE(acc[m][v], to + m * KB + v * VEC);
            }
        }
}

#define COLUMN_FILTER_OUT(i) t[FILTER_SIDE * (i) + j]
#define ROW_FILTER_IN(j) t[FILTER_SIDE * i + (j)]

/* G' D G of `channels` channels and `filters` filters to dw. */
static inline void transform_product(global const float *D, const long plane, const int KB, global float *dw,
                                     const long C, const long dw_row, const int channels, const int filters)
{
    for (int c = 0; c < channels; c++)
        for (int k = 0; k < filters; k += VEC) {
            vecf t[3 * FILTER_SIDE];
            UNROLL for (int j = 0; j < FILTER_SIDE; j++) {
                vecf d[FILTER_SIDE];
                UNROLL for (int i = 0; i < FILTER_SIDE; i++)
                    d[i] = VLOAD(D + (FILTER_SIDE * i + j) * plane + (long)c * KB + k);
                FILTER_TRANSPOSED(COLUMN_FILTER_OUT, VECTOR_IN)
            }
            for (int i = 0; i < 3; i++) {
                vecf v[3];
                FILTER_TRANSPOSED(VECTOR_OUT, ROW_FILTER_IN)
                for (int j = 0; j < 3; j++)
                    vec_store(v[j], dw + ((3 * i + j) * C + c) * dw_row + k, filters - k);
            }
        }
}

/* Where rows of one tile begin in x and dy. */
typedef struct {
    global const float *x[IN_SIDE * IN_SIDE], *dy[TILE * TILE];
    long x_mask[IN_SIDE * IN_SIDE], dy_mask[TILE * TILE];
} piece;

/* The piece at `row`: as many rows as are of its tile, at most `most`; their number. */
static inline int piece_at(piece *at, global const float *x, global const float *dy, global const float *zeros,
                           const long row, const long most, const int tiles_q, const int N, const int H, const int W,
                           const int P, const int Q, const long x_row, const long dy_row, const int off_h,
                           const int off_w)
{
    const int n0 = (int)(row % N), tile = (int)(row / N);
    const int p0 = tile / tiles_q * TILE, q0 = tile % tiles_q * TILE;
    patch_at(at->x, at->x_mask, x + n0 * x_row, zeros, IN_SIDE, MUL * p0 + off_h, MUL * q0 + off_w, H, W, N * x_row);
    patch_at(at->dy, at->dy_mask, dy + n0 * dy_row, zeros, TILE, p0, q0, P, Q, N * dy_row);
    return N - n0 < most ? N - n0 : (int)most;
}

/* Asks for rows ahead of their transform. */
static inline void ask_for(global const float *from, const long row, const int rows, const int columns)
{
    for (int r = 0; r < rows; r++)
        for (int c = 0; c < columns; c += 16)
            PREFETCH(from + r * row + c);
}

SINGLE_ITEM_GROUPS
kernel void conv2d_filter__winograd(global const float *restrict x, global const float *restrict dy,
                                    global float *restrict partial, global float *restrict work,
                                    const ulong scratch_at, const int splits, const int TB, const int CB,
                                    const int KB, const int N, const int H, const int W, const int C, const int P,
                                    const int Q, const int K, const int groups, const int off_h, const int off_w,
                                    const int shares)
{
    const int tiles_q = (Q + TILE - 1) / TILE, blocks_c = (C + CB - 1) / CB, blocks_k = (K + KB - 1) / KB;
    const long rows = (long)((P + TILE - 1) / TILE * tiles_q) * N, V_plane = (long)TB * CB + PLANE_PAD;
    const long Y_plane = (long)TB * KB + PLANE_PAD, D_plane = (long)CB * KB + PLANE_PAD;
    const long scratch = ZEROS + PLANES * (V_plane + Y_plane) + FILTER_PLANES * D_plane;
    global float *zeros = work + scratch_at + get_global_id(0) * (ulong)scratch;
    global float *V = zeros + ZEROS, *Y = V + PLANES * V_plane, *D = Y + PLANES * Y_plane;
    const long x_row = (long)C * groups, dy_row = (long)K * groups;
    long unit, unit_end;
    VSTORE((vecf)(0.0f), zeros);
    share_of((long)splits * groups * blocks_c * blocks_k, shares, get_global_id(0), &unit, &unit_end);
    for (; unit < unit_end; unit++) {
        const int k0 = (int)(unit % blocks_k) * KB, c0 = (int)(unit / blocks_k % blocks_c) * CB;
        const long outer = unit / blocks_k / blocks_c, split = outer / groups, g = outer % groups;
        const int channels = C - c0 < CB ? C - c0 : CB, filters = K - k0 < KB ? K - k0 : KB;
        long start, row, end;
        share_of(rows, splits, split, &start, &end);
        global const float *x_block = x + g * C + c0, *dy_block = dy + g * K + k0;
        piece p;
#define PIECE(most) \
    piece_at(&p, x_block, dy_block, zeros, row, most, tiles_q, N, H, W, P, Q, x_row, dy_row, off_h, off_w)
        for (row = start; row < end;) {
            const long first = row, last = min(end, first + TB);
            while (row < last) {
                const int at = (int)(row - first), count = PIECE(last - row);
                transform_input(p.x, p.x_mask, x_row, count, channels, V + (long)at * CB, V_plane, CB);
                transform_gradient(p.dy, p.dy_mask, dy_row, count, filters, Y + (long)at * KB, Y_plane, KB);
                row += count;
            }
            const int ahead = row < end ? PIECE(min(end - row, (long)TB)) : 0;
            for (int place = 0; place < PLANES; place++) {
                if (place < IN_SIDE * IN_SIDE && p.x_mask[place])
                    ask_for(p.x[place], x_row, ahead, channels);
                if (place < TILE * TILE && p.dy_mask[place])
                    ask_for(p.dy[place], dy_row, ahead, filters);
                multiply(V + place * V_plane, Y + place * Y_plane, D + FILTER_PLACE(place) * D_plane,
                         (int)(row - first), channels, filters, CB, KB,
                         first == start && place / SIDE < FILTER_SIDE && place % SIDE < FILTER_SIDE);
            }
        }
#undef PIECE
        transform_product(D, D_plane, KB, partial + (split * 9 * C + c0) * dy_row + g * K + k0, C, dy_row, channels,
                          filters);
    }
}
