/* 3x3 convolution of stride 1 by Winograd's F(4x4, 3x3) (Lavin and Gray, 1509.09308):
 *   Y = A' [ (G g G') . (B' d B) ] A,  d a 6x6 patch of the input, Y 4x4 outputs,
 * 36 multiplications for 144. The sums over channels are 36 matrix products, one for each
 * place of the transformed patch.
 *   U[36][panel][C][KT]   transformed filters, KT = NV*VEC columns a panel
 *   V[36][RB][C]          transformed patches of RB samples at one output tile
 *   M[36][RB][panels*KT]  their products
 *
 *    6x6 of in --B'dB--> V --36 x (RB x C)(C x K)--> M --A'MA--> 4x4 of out
 *
 * A work-item (work-groups of 1) takes (tile, block of RB samples) after another, with V and M
 * in a stretch of scratch of its own that should stay in its core's cache. float32; errors are
 * a few times those of the direct sum (the transforms' constants reach 8). */

#include "common/share.clh"
#include "common/vec.clh"

#ifndef NV
#define NV 2
#endif
#ifndef PT
#define PT 6 /* rows of a register tile; RB is a multiple */
#endif
#define KT (NV * VEC)

/* One column of B' d: six values into six. */
#define INPUT_TRANSFORM(T, D)                                    \
    T(0) = fma((vecf)(4.0f), D(0), fma((vecf)(-5.0f), D(2), D(4))); \
    T(1) = fma((vecf)(-4.0f), D(1) + D(2), D(3) + D(4));         \
    T(2) = fma((vecf)(4.0f), D(1) - D(2), D(4) - D(3));          \
    T(3) = fma((vecf)(2.0f), D(3) - D(1), D(4) - D(2));          \
    T(4) = fma((vecf)(2.0f), D(1) - D(3), D(4) - D(2));          \
    T(5) = fma((vecf)(4.0f), D(1), fma((vecf)(-5.0f), D(3), D(5)));

/* One column of A' m: six values into four. */
#define OUTPUT_TRANSFORM(T, M)                                          \
    {                                                                   \
        const vecf s1 = M(1) + M(2), d1 = M(1) - M(2), s2 = M(3) + M(4), d2 = M(3) - M(4); \
        T(0) = M(0) + s1 + s2;                                          \
        T(1) = fma((vecf)(2.0f), d2, d1);                               \
        T(2) = fma((vecf)(4.0f), s2, s1);                               \
        T(3) = fma((vecf)(8.0f), d2, d1) + M(5);                        \
    }

/* G g for three values. */
#define FILTER_TRANSFORM(T, A, B, C)                                    \
    {                                                                   \
        const vecf even = (1.0f / 24.0f) * (A) + (1.0f / 6.0f) * (C), odd = (1.0f / 12.0f) * (B); \
        T(0) = 0.25f * (A);                                             \
        T(1) = (-1.0f / 6.0f) * ((A) + (B) + (C));                      \
        T(2) = (-1.0f / 6.0f) * ((A) - (B) + (C));                      \
        T(3) = even + odd;                                              \
        T(4) = even - odd;                                              \
        T(5) = (C);                                                     \
    }

/* VEC filters k.. of channel c at a tap. */
vecf filter_load(global const float *w, const int tap, const int c, const int k, const int C, const int K,
                 const int transposed)
{
    if (!transposed)
        return k < K ? vec_load(w + ((long)tap * C + c) * K + k, K - k) : (vecf)(0.0f);
    float t[VEC];
    for (int j = 0; j < VEC; j++)
        t[j] = k + j < K ? w[((long)tap * K + k + j) * C + c] : 0.0f;
    return VLOAD(t);
}

/* U from w [3][3][C][K] or, transposed, [3][3][K][C]; flipped: taps in reverse. A work-item:
 * VEC filters of one (panel, c). */
kernel void conv2d_winograd_filter(global const float *restrict w, global float *restrict work, const ulong u_at,
                                   const int C, const int K, const int transposed, const int flipped)
{
    const int c = get_global_id(0), vector = get_global_id(1), panel = vector / NV, panels = (K + KT - 1) / KT;
    const int k = vector * VEC;
    global float *u = work + u_at + ((ulong)panel * C + c) * KT + vector % NV * VEC;
    vecf g[9], t[18];
    UNROLL for (int tap = 0; tap < 9; tap++)
        g[tap] = filter_load(w, flipped ? 8 - tap : tap, c, k, C, K, transposed);
    UNROLL for (int s = 0; s < 3; s++)
#define T(i) t[3 * (i) + s]
        FILTER_TRANSFORM(T, g[s], g[3 + s], g[6 + s])
#undef T
    UNROLL for (int i = 0; i < 6; i++) {
        vecf v[6];
#define T(j) v[j]
        FILTER_TRANSFORM(T, t[3 * i], t[3 * i + 1], t[3 * i + 2])
#undef T
        UNROLL for (int j = 0; j < 6; j++)
            VSTORE(v[j], u + (ulong)(6 * i + j) * panels * C * KT);
    }
}

void transform_input(global const float *in, global float *V, const int RB, const int n0, const int h0, const int w0,
                     const int N, const int H, const int W, const int C)
{
    for (int b = 0; b < RB; b++) {
        const int n = n0 + b < N ? n0 + b : N - 1;
        for (int c = 0; c < C; c += VEC) {
            const int left = C - c;
            vecf t[36];
            for (int j = 0; j < 6; j++) {
                vecf d[6];
                UNROLL for (int i = 0; i < 6; i++) {
                    const int h = h0 + i, w = w0 + j;
                    const int inside = h >= 0 && h < H && w >= 0 && w < W;
                    d[i] = inside ? vec_load(in + (((long)h * W + w) * N + n) * C + c, left) : (vecf)(0.0f);
                }
#define D(i) d[i]
#define T(i) t[6 * (i) + j]
                INPUT_TRANSFORM(T, D)
#undef D
#undef T
            }
            for (int i = 0; i < 6; i++) {
                vecf v[6];
#define D(j) t[6 * i + (j)]
#define T(j) v[j]
                INPUT_TRANSFORM(T, D)
#undef D
#undef T
                UNROLL for (int j = 0; j < 6; j++)
                    vec_store(v[j], V + ((long)(6 * i + j) * RB + b) * C + c, left);
            }
        }
    }
}

void transform_output(global const float *M, global float *out, const int RB, const int n0, const int p0, const int q0,
                      const int N, const int P, const int Q, const int K, const int columns)
{
    for (int b = 0; b < RB && n0 + b < N; b++)
        for (int k = 0; k < K; k += VEC) {
            vecf t[24];
            for (int j = 0; j < 6; j++) {
                vecf m[6];
                UNROLL for (int i = 0; i < 6; i++)
                    m[i] = VLOAD(M + ((long)(6 * i + j) * RB + b) * columns + k);
#define S(i) m[i]
#define T(i) t[6 * (i) + j]
                OUTPUT_TRANSFORM(T, S)
#undef S
#undef T
            }
            for (int i = 0; i < 4 && p0 + i < P; i++) {
                vecf y[4];
#define S(j) t[6 * i + (j)]
#define T(j) y[j]
                OUTPUT_TRANSFORM(T, S)
#undef S
#undef T
                for (int j = 0; j < 4 && q0 + j < Q; j++)
                    vec_store(y[j], out + (((long)(p0 + i) * Q + q0 + j) * N + n0 + b) * K + k, K - k);
            }
        }
}

SINGLE_ITEM_GROUPS
kernel void conv2d_product__winograd(global const float *restrict in, global float *work, global float *restrict out,
                                     const ulong u_at, const ulong scratch_at, const int RB, const int N, const int H,
                                     const int W, const int C, const int P, const int Q, const int K, const int off_h,
                                     const int off_w)
{
    const int tiles_q = (Q + 3) / 4, tiles = (P + 3) / 4 * tiles_q, blocks = (N + RB - 1) / RB;
    const int panels = (K + KT - 1) / KT, columns = panels * KT;
    global float *V = work + scratch_at + get_global_id(0) * (ulong)(36 * RB) * (ulong)(C + columns);
    global float *M = V + (ulong)(36 * RB) * C;
    long unit, end;
    share_of((long)tiles * blocks, get_global_size(0), get_global_id(0), &unit, &end);
    for (; unit < end; unit++) {
        const int n0 = (int)(unit % blocks) * RB, tile = (int)(unit / blocks);
        const int p0 = tile / tiles_q * 4, q0 = tile % tiles_q * 4;
        transform_input(in, V, RB, n0, p0 + off_h, q0 + off_w, N, H, W, C);
        for (int xp = 0; xp < 36 * panels; xp++) {
            const int x = xp / panels, panel = xp % panels;
            global const float *u = work + u_at + (ulong)xp * C * KT;
            for (int r = 0; r < RB; r += PT) {
                vecf acc[PT][NV];
                global const float *a = V + ((long)x * RB + r) * C, *b = u;
                UNROLL for (int i = 0; i < PT; i++) {
                    UNROLL for (int v = 0; v < NV; v++)
                        acc[i][v] = (vecf)(0.0f);
                }
                int c = 0;
                for (; c + 4 <= C; c += 4, b += 4 * KT) {
                    UNROLL for (int k = 0; k < 4; k++) {
                        vecf wv[NV];
                        UNROLL for (int v = 0; v < NV; v++)
                            wv[v] = VLOAD(b + k * KT + v * VEC);
                        UNROLL for (int i = 0; i < PT; i++) {
                            const vecf s = (vecf)(a[i * C + c + k]);
                            UNROLL for (int v = 0; v < NV; v++)
                                acc[i][v] = fma(s, wv[v], acc[i][v]);
                        }
                    }
                }
                for (; c < C; c++, b += KT) {
                    UNROLL for (int i = 0; i < PT; i++) {
                        const vecf s = (vecf)(a[i * C + c]);
                        UNROLL for (int v = 0; v < NV; v++)
                            acc[i][v] = fma(s, VLOAD(b + v * VEC), acc[i][v]);
                    }
                }
                global float *m = M + ((long)x * RB + r) * columns + panel * KT;
                UNROLL for (int i = 0; i < PT; i++) {
                    UNROLL for (int v = 0; v < NV; v++)
                        VSTORE(acc[i][v], m + (long)i * columns + v * VEC);
                }
            }
        }
        transform_output(M, out, RB, n0, p0, q0, N, P, Q, K, columns);
    }
}
