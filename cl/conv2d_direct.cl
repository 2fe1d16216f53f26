/* Products with few rows, in one launch: all of the filter prepared first, as conv2d.cl does, would
 * cost as much as the sum.
 *
 * product:              out[m][k] = sum over t, c of a[t][m][c] * b[t][c][k]
 * product, transposed:  out[z][m][k] = sum over c of a[m][c] * b[z][k][c]
 * filter gradient:      dw[t][c][k] = sum over m of x[t][m][c] * dy[m][k]
 *
 * t: the taps of a linear layer's window, z: its pixels, m: rows (samples). The register tile is
 * PT rows (of a filter gradient channels, of a turned one columns) by NV vectors of VEC columns (channels); a
 * panel is KT = NV*VEC of them. A work-item (work-groups of 1) copies what many tiles read to its scratch, since rows of
 * a panel lie far apart. Columns past K are computed with what lies there and not stored. float32,
 * by fma in the order t, c; m; dot products in VEC sums, which are then added in pairs. */

#include "common/epilogue.clh"
#include "common/share.clh"
#include "common/vec.clh"

#ifndef NV
#define NV 2
#endif
#ifndef PT
#define PT 6
#endif
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

/* out[rows <= PT][KT] = (add ? out : 0) + sum over d of a[i * a_row + d * a_step] * b[d * b_row ..]; rows past the
 * last are the first one again, and are not stored. Each step asks for a line of what is read next, `ahead`, rows
 * ahead_row apart. */
static inline void direct_tile(global const float *a, const long a_row, const long a_step, global const float *b,
                               const long b_row, global float *out, const long out_row, const int rows, const int depth,
                               const int add, const int left, global const float *bias, const int epilogue,
                               global const float *ahead, const long ahead_row)
{
    vecf acc[PT][NV];
    long row[PT];
    UNROLL for (int i = 0; i < PT; i++) {
        row[i] = i < rows ? i * a_row : 0;
        UNROLL for (int v = 0; v < NV; v++)
            acc[i][v] = add && i < rows ? vec_load(out + i * out_row + v * VEC, left - v * VEC) : (vecf)(0.0f);
    }
    for (int d = 0; d < depth; d++, a += a_step, b += b_row) {
        vecf wv[NV];
        PREFETCH(ahead + d * ahead_row);
        UNROLL for (int v = 0; v < NV; v++)
            wv[v] = VLOAD(b + v * VEC);
        UNROLL for (int i = 0; i < PT; i++) {
            const vecf x = (vecf)(a[row[i]]);
            UNROLL for (int v = 0; v < NV; v++)
                acc[i][v] = fma(x, wv[v], acc[i][v]);
        }
    }
    UNROLL for (int i = 0; i < PT; i++) {
        if (i < rows) {
            UNROLL for (int v = 0; v < NV; v++)
                vec_store(with_epilogue(acc[i][v], bias + v * VEC, left - v * VEC, epilogue),
                          out + i * out_row + v * VEC, left - v * VEC);
        }
    }
}

/* The same for any number of rows. */
static inline void direct_rows(global const float *a, const long a_row, const long a_step, global const float *b,
                               const long b_row, global float *out, const long K, const int rows, const int depth,
                               const int add, const int left, global const float *bias, const int epilogue,
                               global const float *ahead, const long ahead_row)
{
    for (int m = 0; m < rows; m += PT)
        direct_tile(a + m * a_row, a_row, a_step, b, b_row, out + m * K, K, rows - m, depth, add, left, bias,
                    epilogue, ahead + m / PT * 16, ahead_row);
}

/* scratch of each work-item: DB >= KT rows of KT. A work-item takes its blocks of MB rows of a panel for one piece of
 * a tap's channels after another, so that a piece's rows of `in` serve all of its panels; it copies a panel's rows
 * where that pays (`copies`), or where its vectors would leave the buffer. */
SINGLE_ITEM_GROUPS
kernel void conv2d_product__direct(global const float *restrict in, global const float *restrict w,
                                   global float *restrict scratch, global float *restrict out,
                                   global const float *restrict bias, const int M, const int C, const int K,
                                   const int T, const int MB, const int DB, const int epilogue, const int shares,
                                   const int copies)
{
    const int panels = (K + KT - 1) / KT, blocks = (M + MB - 1) / MB;
    const long all = (long)T * C, whole = all - (panels * KT - 1) / K; /* rows whose panels all end in the buffer */
    global float *panel = scratch + get_global_id(0) * ((ulong)DB * KT);
    long first, end;
    share_of((long)panels * blocks, shares, get_global_id(0), &first, &end);
    for (int t = 0; t < T && first < end; t++)
        for (int c0 = 0, depth; c0 < C; c0 += depth) {
            const long row = (long)t * C + c0, left = C - c0;
            const int copy = copies || row >= whole;
            const long most = copy ? DB : whole - row;
            depth = (int)(left < most ? left : most);
            for (long unit = first; unit < end; unit++) {
                const int k0 = (int)(unit / blocks) * KT, m0 = (int)(unit % blocks) * MB;
                global const float *b = w + row * K + k0;
                /* asked for: the next panel of the piece, or the next piece's first one; of a shorter piece the last rows */
                const long panel_after = unit / blocks + 1;
                global const float *next =
                    panel_after * blocks < end ? w + row * K + panel_after * KT
                    : row + depth < all        ? w + min(row + depth, all - depth) * K + first / blocks * KT
                                               : b;
                if (copy)
                    copy_rows(panel, b, w + all * K, K, depth, KT);
                direct_rows(in + ((long)t * M + m0) * C + c0, C, 1, copy ? panel : b, copy ? KT : K,
                            out + (long)m0 * K + k0, K, M - m0 < MB ? M - m0 : MB, depth, row > 0, K - k0,
                            bias + k0, row + depth < all ? 0 : epilogue, next, next == b ? 0 : K);
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
                        M - m0 < MB ? M - m0 : MB, depth, c0 > 0, K - k0, w, 0, w, 0);
        }
    }
}

#define DOT_STEP(at, PART_OF)                                                      \
    {                                                                              \
        const vecf v0 = PART_OF(VLOAD(w0 + (at))), v1 = PART_OF(VLOAD(w1 + (at))); \
        UNROLL for (int i = 0; i < PT; i++) {                                      \
            const vecf x = PART_OF(VLOAD(a[i] + (at)));                            \
            acc[i][0] = fma(x, v0, acc[i][0]);                                     \
            acc[i][1] = fma(x, v1, acc[i][1]);                                     \
        }                                                                          \
    }
#define DOT_REST(v) as_vecf(as_veci(v) & rest) /* zeros for what whole vectors had */

/* The same for few rows: nothing is copied; two filters at a time are multiplied by PT rows in vectors of channels, whose
 * elements are then summed up for VEC filters together. C is at least VEC. */
SINGLE_ITEM_GROUPS
kernel void conv2d_product__direct_dots(global const float *restrict in, global const float *restrict w,
                                        global float *restrict out, const int M, const int C, const int K, const int Z,
                                        const int shares)
{
    const int panels = (K + VEC - 1) / VEC;
    float bits[VEC];
    EACH_LANE(j)
        bits[j] = as_float(j < VEC - C % VEC ? 0 : -1);
    const veci rest = as_veci(VLOAD(bits));
    long unit, end;
    share_of((long)panels * Z, shares, get_global_id(0), &unit, &end);
    for (; unit < end; unit++) {
        const int k0 = (int)(unit % panels) * VEC, left = K - k0;
        const long z = unit / panels;
        for (int m0 = 0; m0 < M; m0 += PT) {
            vecf dots[PT][VEC];
            for (int k = 0; k < VEC; k += 2) {
                vecf acc[PT][2];
                /* past K the last filter again, past M the last row: not stored */
                global const float *w0 = w + (z * K + k0 + min(k, left - 1)) * C;
                global const float *w1 = w + (z * K + k0 + min(k + 1, left - 1)) * C;
                global const float *a[PT];
                UNROLL for (int i = 0; i < PT; i++) {
                    a[i] = in + (long)min(m0 + i, M - 1) * C;
                    acc[i][0] = acc[i][1] = (vecf)(0.0f);
                }
                for (int c = 0; c + VEC <= C; c += VEC)
                    DOT_STEP(c, )
                if (C % VEC)
                    DOT_STEP(C - VEC, DOT_REST)
                UNROLL for (int i = 0; i < PT; i++) {
                    dots[i][k] = acc[i][0];
                    dots[i][k + 1] = acc[i][1];
                }
            }
            for (int i = 0; i < PT && m0 + i < M; i++)
                vec_store(vec_sums(dots[i]), out + (z * M + m0 + i) * K + k0, left);
        }
    }
}

/* scratch of each work-item: M rows of PB panels of dy, M rows of XB channels, whole vectors. A work-item takes XB
 * channels of a tap after another with PB panels. */
SINGLE_ITEM_GROUPS
kernel void conv2d_filter__direct(global const float *restrict x, global const float *restrict dy,
                                  global float *restrict scratch, global float *restrict dw, const int M, const int C,
                                  const int K, const int T, const int XB, const int PB, const int shares)
{
    const int panels = (K + KT - 1) / KT, sets = (panels + PB - 1) / PB, blocks = (C + XB - 1) / XB;
    global float *panel = scratch + get_global_id(0) * ((ulong)M * (PB * KT + XB)), *columns = panel + (long)M * PB * KT;
    long unit, end;
    int copied = -1;
    share_of((long)sets * T * blocks, shares, get_global_id(0), &unit, &end);
    for (; unit < end; unit++) {
        const int set = (int)(unit / blocks / T), t = (int)(unit / blocks % T), c0 = (int)(unit % blocks) * XB;
        const int first = set * PB, count = panels - first < PB ? panels - first : PB;
        global const float *from = x + (long)t * M * C + c0;
        for (int p = 0; p < count && set != copied; p++)
            copy_rows(panel + (long)p * M * KT, dy + (first + p) * KT, dy + (long)M * K, K, M, KT);
        copied = set;
        const long next = c0 + XB < C ? XB : t + 1 < T ? (long)M * C - c0 : 0;
        copy_rows(columns, from, x + (long)T * M * C, C, M, XB);
        for (int p = 0; p < count; p++) {
            const int k0 = (first + p) * KT;
            direct_rows(columns, 1, XB, panel + (long)p * M * KT, KT, dw + ((long)t * C + c0) * K + k0, K,
                        C - c0 < XB ? C - c0 : XB, M, 0, K - k0, dy, 0,
                        next ? from + next : dy, next ? C : 0);
        }
    }
}

/* The same where few filters would leave much of a vector empty: vectors of channels, from x where it lies, for rows of
 * filters; the sums are turned on their way to dw. scratch of each work-item: K rows of KT sums, M rows of KT channels,
 * a copy of those past which x may end. */
SINGLE_ITEM_GROUPS
kernel void conv2d_filter__direct_turned(global const float *restrict x, global const float *restrict dy,
                                         global float *restrict scratch, global float *restrict dw, const int M,
                                         const int C, const int K, const int T, const int shares)
{
    const int panels = (C + KT - 1) / KT;
    global float *sums = scratch + get_global_id(0) * ((ulong)(K + M) * KT), *copied = sums + K * KT;
    long unit, end;
    share_of((long)T * panels, shares, get_global_id(0), &unit, &end);
    for (; unit < end; unit++) {
        const int t = (int)(unit / panels), c0 = (int)(unit % panels) * KT, channels = C - c0 < KT ? C - c0 : KT;
        const int copy = channels < KT;
        global const float *from = x + (long)t * M * C + c0;
        global float *to = dw + ((long)t * C + c0) * K;
        if (copy)
            copy_rows(copied, from, x + (long)T * M * C, C, M, KT);
        direct_rows(dy, 1, K, copy ? copied : from, copy ? KT : C, sums, KT, K, M, 0, KT, dy, 0, from + KT, C);
        for (int c = 0; c < channels; c += VEC)
            for (int k = 0; k < K; k += VEC) {
                vecf block[VEC];
                UNROLL for (int i = 0; i < VEC; i++)
                    block[i] = k + i < K ? VLOAD(sums + (k + i) * KT + c) : (vecf)(0.0f);
                vec_transpose(block);
                for (int i = 0; i < VEC && c + i < channels; i++) /* the next channels overwrite what is past K */
                    vec_store(block[i], to + (c + i) * K + k, K < VEC && (channels - c - i) * K >= VEC ? VEC : K - k);
            }
    }
}
