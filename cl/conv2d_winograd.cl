/* 3x3 convolution of stride 1 by Winograd's F(4x4, 3x3), 36 multiplications for 144, or F(2x2, 3x3),
 * 16 for 36, by TILE; of stride 2 and its data gradient (MUL, DIV) 81 for 144 or 25 for 36. The sums over
 * channels are PLANES matrix products, one for each place of the transformed patches.
 *   U[FILTER_PLANES][panel][C][KT]  transformed filters, KT = NV*VEC columns a panel
 *   V[PLANES][rows][C']             transformed patches; a row is one sample at one tile of out, C' is C
 *                                   in whole vectors
 *   M[PLANES][rows][KT]             their products, one panel at a time
 *
 *    6x6 of in --B'dB--> V --36 x (rows x C)(C x KT)--> M --A'MA--> 4x4 of out   (stride 1, TILE 4)
 *
 * Two orders, for two shapes. conv2d_product__winograd: U of all filters first; then a work-item
 * (work-groups of 1) takes (tile, block of RB samples) after another, with V and M in a stretch of
 * scratch of its own that stays in its core's cache. conv2d_product__winograd_panels, where rows
 * are few and filters many: V of all rows first; then a work-item takes (panel, block of RB rows)
 * after another and transforms CB channels of its panel's filters at a time, so that U,
 * larger than the filters, never goes to memory. Channels are summed in the same order in both.
 * float32; errors are a few times those of the direct sum (the transforms' constants reach 8). */

#include "common/epilogue.clh"
#include "common/winograd.clh"

#ifndef NV
#define NV 2
#endif
#ifndef PT
#define PT 6 /* rows of a register tile; scratch has room for whole ones */
#endif
#define TAIL 4 /* rows of the last one, where so few are left */
#define KT (NV * VEC)

/* G g G' of VEC filters from nine taps, to u, planes apart. */
static inline void transform_filter(const vecf *g, global float *u, const long plane)
{
    vecf t[3 * FILTER_SIDE];
    UNROLL for (int s = 0; s < 3; s++)
#define T(i) t[3 * (i) + s]
        FILTER_TRANSFORM(T, g[s], g[3 + s], g[6 + s])
#undef T
    UNROLL for (int i = 0; i < FILTER_SIDE; i++) {
        vecf v[FILTER_SIDE];
        FILTER_TRANSFORM(VECTOR_OUT, t[3 * i], t[3 * i + 1], t[3 * i + 2])
        UNROLL for (int j = 0; j < FILTER_SIDE; j++)
            VSTORE(v[j], u + (FILTER_SIDE * i + j) * plane);
    }
}

/* U of channels c0 .. c0+channels of one panel of group g, u[FILTER_PLANES][channels][KT], from w [3][3][C][K*groups]
 * or, transposed (of a data gradient), [3][3][K][C*groups] with the taps in reverse. */
static inline void transform_panel(global const float *w, global float *u, const long plane, const int g,
                                   const int groups, const int panel, const int c0, const int channels, const int C,
                                   const int K, const int transposed)
{
    const long w_row = (long)groups * (transposed ? C : K);
    w += (long)g * (transposed ? C : K);
    for (int v = 0; v < NV; v++) {
        const int k = panel * KT + v * VEC, left = K - k;
        global float *to = u + v * VEC;
        if (!transposed) {
            for (int c = 0; c < channels; c++) {
                vecf taps[9];
                UNROLL for (int tap = 0; tap < 9; tap++)
                    taps[tap] = left > 0 ? vec_load(w + ((long)tap * C + c0 + c) * w_row + k, left)
                                      : (vecf)(0.0f);
                transform_filter(taps, to + (long)c * KT, plane);
            }
            continue;
        }
        for (int c = 0; c < channels; c += VEC) { /* VEC x VEC filters, their memory along c */
            vecf block[9][VEC];
            for (int tap = 0; tap < 9; tap++) {
                global const float *from = w + ((long)(8 - tap) * K + k) * w_row + c0 + c;
                UNROLL for (int i = 0; i < VEC; i++)
                    block[tap][i] = i < left ? vec_load(from + i * w_row, channels - c) : (vecf)(0.0f);
                vec_transpose(block[tap]);
            }
            for (int j = 0; j < VEC && c + j < channels; j++) {
                vecf taps[9];
                UNROLL for (int tap = 0; tap < 9; tap++)
                    taps[tap] = block[tap][j];
                transform_filter(taps, to + (long)(c + j) * KT, plane);
            }
        }
    }
}

/* m[COUNT][KT] = (add ? m : 0) + a[COUNT rows][C] * b[C][KT]; asks for AHEAD lines of `ahead` in
 * each step. */
#define AHEAD (KT < 16 ? KT / 4 : 4)
#define MULTIPLY_TILE(name, COUNT)                                                                                  \
    static inline void name(global float *m, global const float *a, const long a_row, global const float *b,        \
                            global const float *ahead, const int C, const int add)                                  \
    {                                                                                                               \
        vecf acc[COUNT][NV];                                                                                        \
        UNROLL for (int i = 0; i < COUNT * NV; i++)                                                                 \
            acc[i / NV][i % NV] = add ? VLOAD(m + i * VEC) : (vecf)(0.0f);                                          \
        int c = 0;                                                                                                  \
        for (; c + 4 <= C; c += 4, b += 4 * KT, ahead += AHEAD * 16) {                                              \
            UNROLL for (int i = 0; i < AHEAD; i++)                                                                  \
                PREFETCH(ahead + 16 * i);                                                                           \
            UNROLL for (int k = 0; k < 4; k++) {                                                                    \
                vecf wv[NV];                                                                                        \
                UNROLL for (int v = 0; v < NV; v++)                                                                 \
                    wv[v] = VLOAD(b + k * KT + v * VEC);                                                            \
                UNROLL for (int i = 0; i < COUNT; i++) {                                                            \
                    const vecf s = (vecf)(a[i * a_row + c + k]);                                                    \
                    UNROLL for (int v = 0; v < NV; v++)                                                             \
                        acc[i][v] = fma(s, wv[v], acc[i][v]);                                                       \
                }                                                                                                   \
            }                                                                                                       \
        }                                                                                                           \
        for (; c < C; c++, b += KT) {                                                                               \
            UNROLL for (int i = 0; i < COUNT; i++) {                                                                \
                const vecf s = (vecf)(a[i * a_row + c]);                                                            \
                UNROLL for (int v = 0; v < NV; v++)                                                                 \
                    acc[i][v] = fma(s, VLOAD(b + v * VEC), acc[i][v]);                                              \
            }                                                                                                       \
        }                                                                                                           \
        UNROLL for (int i = 0; i < COUNT * NV; i++)                                                                 \
            VSTORE(acc[i / NV][i % NV], m + i * VEC);                                                               \
    }
MULTIPLY_TILE(multiply_tile, PT)
MULTIPLY_TILE(multiply_tail, TAIL)

/* The same for any number of rows. `ahead` is a panel too, of which all is asked for, again where rows are left, and nothing past
 * its end. */
static inline void multiply_rows(global float *m, global const float *a, const long a_row, global const float *b,
                                 global const float *ahead, const int C, const int add, const int rows)
{
    const long asked = (long)C / 4 * AHEAD * 16;
    int r = 0;
    long at = 0;
    for (; r + TAIL < rows; r += PT, at = at + 2 * asked <= (long)C * KT ? at + asked : 0)
        multiply_tile(m + (long)r * KT, a + r * a_row, a_row, b, ahead + at, C, add);
    if (r < rows)
        multiply_tail(m + (long)r * KT, a + r * a_row, a_row, b, ahead + at, C, add);
}

/* A' M A of one row's panel, M's planes apart, to out at samples of tile (p0, q0); `stream`: past the caches, and
 * `left` is a multiple of VEC. */
static inline void transform_output(global const float *M, const long plane, global float *out,
                                    global const float *bias, const int p0, const int q0, const int P, const int Q,
                                    const long pixel, const int left, const int epilogue, const int stream)
{
    const int p_end = P - p0 < OUT_SIDE ? P - p0 : OUT_SIDE, q_end = Q - q0 < OUT_SIDE ? Q - q0 : OUT_SIDE;
    global float *to = out + ((long)p0 * Q + q0) * pixel;
    vecf y[OUT_SIDE * OUT_SIDE][NV];
    for (int v = 0; v < NV && v * VEC < left; v++) {
        vecf t[OUT_SIDE * SIDE];
        UNROLL for (int j = 0; j < SIDE; j++) {
            vecf d[SIDE];
            UNROLL for (int i = 0; i < SIDE; i++)
                d[i] = VLOAD(M + (SIDE * i + j) * plane + v * VEC);
#define T(i) t[SIDE * (i) + j]
            OUTPUT_TRANSFORM(T, VECTOR_IN)
#undef T
        }
        UNROLL for (int i = 0; i < OUT_SIDE; i++) {
#define S(j) t[SIDE * i + (j)]
#define T(j) y[OUT_SIDE * i + (j)][v]
            OUTPUT_TRANSFORM(T, S)
#undef S
#undef T
        }
    }
    for (int i = 0; i < p_end; i++)
        for (int j = 0; j < q_end; j++)
            for (int v = 0; v < NV && v * VEC < left; v++)
                vec_put(with_epilogue(y[OUT_SIDE * i + j][v], bias + v * VEC, left - v * VEC, epilogue),
                        to + ((long)i * Q + j) * pixel + v * VEC, left - v * VEC, stream);
}

/* U of `channels` channels of one panel a work-item: dimension 0 over c, 1 over panels of all groups. */
kernel void conv2d_winograd_filter(global const float *restrict w, global float *restrict work, const ulong u_at,
                                   const int C, const int K, const int groups, const int transposed,
                                   const int channels)
{
    const int c0 = (int)get_global_id(0) * channels, at = get_global_id(1), panels = (K + KT - 1) / KT;
    const int count = C - c0 < channels ? C - c0 : channels;
    transform_panel(w, work + u_at + ((ulong)at * C + c0) * KT, (long)groups * panels * C * KT + PLANE_PAD,
                    at / panels, groups, at % panels, c0, count, C, K, transposed);
}

/* A unit's group, tile and first sample. */
typedef struct {
    int g, tile, n0;
} unit_place;

static inline unit_place place_of(const long unit, const int tiles, const int blocks, const int RB)
{
    const int of_group = (int)(unit % ((long)tiles * blocks));
    const unit_place u = {(int)(unit / ((long)tiles * blocks)), of_group / blocks, of_group % blocks * RB};
    return u;
}

/* Where it begins in `in`, whose rows are in_row long. */
static inline void block_at(global const float **src, long *mask, global const float *in, global const float *zeros,
                            const unit_place u, const int tiles_q, const int N, const int H, const int W, const int C,
                            const long in_row, const int off_h, const int off_w)
{
    patch_at(src, mask, in + u.n0 * in_row + (long)u.g * C, zeros, IN_SIDE, u.tile / tiles_q * MUL * TILE + off_h,
             u.tile % tiles_q * MUL * TILE + off_w, H, W, N * in_row);
}

SINGLE_ITEM_GROUPS
kernel void conv2d_product__winograd(global const float *restrict in, global float *work, global float *restrict out,
                                     global const float *restrict bias, const ulong u_at, const ulong scratch_at,
                                     const int RB, const int N, const int H, const int W, const int C, const int P,
                                     const int Q, const int K, const int groups, const int off_h, const int off_w,
                                     const int epilogue, const int stream, const int shares)
{
    const int tiles_q = (Q + OUT_SIDE - 1) / OUT_SIDE, tiles = (P + OUT_SIDE - 1) / OUT_SIDE * tiles_q;
    const int blocks = (N + RB - 1) / RB, panels = (K + KT - 1) / KT, V_row = (C + VEC - 1) / VEC * VEC;
    const int room = (RB + PT - 1) / PT * PT;
    const long V_plane = (long)room * V_row + PLANE_PAD, M_plane = (long)room * KT + PLANE_PAD;
    const long U_plane = (long)groups * panels * C * KT + PLANE_PAD;
    const long in_row = (long)C * groups, out_row = (long)K * groups;
    global float *zeros = work + scratch_at + get_global_id(0) * (ulong)(ZEROS + PLANES * (V_plane + M_plane));
    global float *V = zeros + ZEROS, *M = V + PLANES * V_plane;
    long unit, end;
    VSTORE((vecf)(0.0f), zeros);
    share_of((long)groups * tiles * blocks, shares, get_global_id(0), &unit, &end);
    global const float *src[IN_SIDE * IN_SIDE];
    long mask[IN_SIDE * IN_SIDE];
    if (unit < end)
        block_at(src, mask, in, zeros, place_of(unit, tiles, blocks, RB), tiles_q, N, H, W, C, in_row, off_h, off_w);
    for (; unit < end; unit++) {
        const unit_place at = place_of(unit, tiles, blocks, RB);
        const int rows = N - at.n0 < RB ? N - at.n0 : RB;
        int next_rows = 0;
        transform_input(src, mask, in_row, rows, C, V, V_plane, V_row);
        if (unit + 1 < end) {
            const unit_place next = place_of(unit + 1, tiles, blocks, RB);
            next_rows = N - next.n0 < RB ? N - next.n0 : RB;
            block_at(src, mask, in, zeros, next, tiles_q, N, H, W, C, in_row, off_h, off_w);
        }
        for (int panel = 0; panel < panels; panel++) {
            for (int x = 0; x < PLANES; x++) {
                const int asks = panel == 0 && x < IN_SIDE * IN_SIDE && mask[x]; /* for the next block's pixels */
                for (int r = 0; asks && r < next_rows; r++)
                    for (int c = 0; c < C; c += 16)
                        PREFETCH(src[x] + r * in_row + c);
                global const float *u = work + u_at + ((long)at.g * panels + panel) * C * KT;
                multiply_rows(M + x * M_plane, V + x * V_plane, V_row, u + FILTER_PLACE(x) * U_plane,
                              x + 1 < PLANES ? u + FILTER_PLACE(x + 1) * U_plane : u + C * KT, C, 0, rows);
            }
            for (int r = 0; r < rows; r++)
                transform_output(M + (long)r * KT, M_plane,
                                 out + (at.n0 + r) * out_row + (long)at.g * K + panel * KT,
                                 bias + (long)at.g * K + panel * KT, at.tile / tiles_q * OUT_SIDE,
                                 at.tile % tiles_q * OUT_SIDE, P, Q, N * out_row, K - panel * KT, epilogue, stream);
        }
    }
}

/* V of all rows, row = tile * N + n; V_rows of them have room. */
SINGLE_ITEM_GROUPS
kernel void conv2d_winograd_input(global const float *restrict in, global float *work, const ulong v_at,
                                  const ulong zeros_at, const long V_rows, const int N, const int H, const int W,
                                  const int C, const int tiles, const int tiles_q, const int off_h, const int off_w,
                                  const int shares)
{
    const int V_row = (C + VEC - 1) / VEC * VEC;
    global float *zeros = work + zeros_at + get_global_id(0) * ZEROS;
    long row, end;
    VSTORE((vecf)(0.0f), zeros);
    share_of((long)tiles * N, shares, get_global_id(0), &row, &end);
    while (row < end) {
        const int n0 = (int)(row % N), tile = (int)(row / N);
        const int rows = N - n0 < end - row ? N - n0 : (int)(end - row);
        global const float *src[IN_SIDE * IN_SIDE];
        long mask[IN_SIDE * IN_SIDE];
        patch_at(src, mask, in + (long)n0 * C, zeros, IN_SIDE, tile / tiles_q * MUL * TILE + off_h,
                 tile % tiles_q * MUL * TILE + off_w, H, W, (long)N * C);
        transform_input(src, mask, C, rows, C, work + v_at + row * V_row, V_rows * V_row + PLANE_PAD, V_row);
        row += rows;
    }
}

SINGLE_ITEM_GROUPS
kernel void conv2d_product__winograd_panels(global const float *restrict w, global float *work,
                                            global float *restrict out, global const float *restrict bias,
                                            const ulong v_at, const ulong scratch_at,
                                            const long V_rows, const int RB, const int CB, const int N, const int C,
                                            const int P, const int Q, const int K,
                                            const int transposed, const int epilogue, const int stream,
                                            const int shares)
{
    const int tiles_q = (Q + OUT_SIDE - 1) / OUT_SIDE, tiles = (P + OUT_SIDE - 1) / OUT_SIDE * tiles_q;
    const int panels = (K + KT - 1) / KT, V_row = (C + VEC - 1) / VEC * VEC;
    const long rows = (long)tiles * N, blocks = (rows + RB - 1) / RB;
    const long M_plane = (long)((RB + PT - 1) / PT * PT) * KT + PLANE_PAD, U_plane = (long)CB * KT + PLANE_PAD;
    const long V_plane = V_rows * V_row + PLANE_PAD;
    global float *M = work + scratch_at + get_global_id(0) * (ulong)(PLANES * M_plane + FILTER_PLANES * U_plane);
    global float *U = M + PLANES * M_plane;
    long unit, end;
    share_of(panels * blocks, shares, get_global_id(0), &unit, &end);
    for (; unit < end; unit++) {
        const int panel = (int)(unit / blocks);
        const long first = unit % blocks * RB;
        const int count = rows - first < RB ? (int)(rows - first) : RB;
        for (int c0 = 0; c0 < C; c0 += CB) {
            const int channels = C - c0 < CB ? C - c0 : CB;
            transform_panel(w, U, U_plane, 0, 1, panel, c0, channels, C, K, transposed);
            for (int x = 0; x < PLANES; x++)
                multiply_rows(M + x * M_plane, work + v_at + x * V_plane + first * V_row + c0, V_row,
                              U + FILTER_PLACE(x) * U_plane, U + FILTER_PLACE(x) * U_plane, channels, c0 > 0, count);
        }
        for (int r = 0; r < count; r++) {
            const int n = (int)((first + r) % N), tile = (int)((first + r) / N);
            transform_output(M + (long)r * KT, M_plane, out + (long)n * K + panel * KT, bias + panel * KT,
                             tile / tiles_q * OUT_SIDE, tile % tiles_q * OUT_SIDE, P, Q, (long)N * K, K - panel * KT,
                             epilogue, stream);
        }
    }
}
