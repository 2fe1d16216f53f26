/* The heads' fused loss: a row, the K logits z of one head for one sample, gives its figures and
 * both logit gradients. p = softmax z, t the target.
 *   own loss       -(1-e) log p_t - e/K sum log p        g_head_j = p_j - (1-e)[j=t] - e/K
 *   unlikelihood   -log(1 - p_t)      j=t: p_t; else -p_t p_j / (1 - p_t)
 *   confusion      -1/K sum log p     p_j - 1/K
 *   reversal       log p_t            -(p_j - [j=t])
 *   entropy        -H(p)              p_j (log p_j + H)
 * g_feat is the features' part: own loss for a class head, scale * regulariser for a random
 * one. Both are divided by N, the samples that the mean is over. p_j / (1 - p_t) is a softmax of
 * the columns other than t, and log(1 - p_t) follows from their log-sum-exp: no division by 1 - p_t.
 * table [M][8]: first column, K, kind (0 class, 1 random), loss (0 none, 1 to 4 in the order
 * above, 5 own), the two words of the label key, redraw, 0.  real [M][4]: e, scale, whether
 * lambda_scale multiplies scale, 0.
 * stats [N][M][8]: own loss, hit, p_t, margin z_t - max others, H, |p - onehot|_2,
 * regulariser, weight. Launched over (heads, samples): one launch for any number of heads. A work-item takes
 * one row (head_loss__plain) or, where most of a row's work would be scalar, VEC samples' rows of a head
 * (head_loss__rows, -DBY_ROWS), VEC columns of which are turned at a time. */

#include "common/head.clh"
#include "common/label.clh"
#include "common/share.clh"

#ifndef BY_ROWS
VECTOR_KERNEL void head_loss__plain(global const float *restrict z_all, global const int *restrict y,
                                    global const int *restrict id, global const float *restrict weight,
                                    global const int *restrict table, global const float *restrict real,
                                    global float *restrict g_head, global float *restrict g_feat,
                                    global float *restrict stats, const int samples, const int N, const int T,
                                    const int M, const int split, const int epoch, const float lambda_scale)
{
    const int m = get_global_id(0), n = get_global_id(1);
    global const int *head = table + 8 * m;
    const int K = head[1], loss = head[3];
    const ulong first = (ulong)n * T + head[0], there = (ulong)samples * T - first; /* a load may go past K */
    global const float *z = z_all + first;
    const int t = head[2] == 0
                      ? y[n]
                      : random_label((uint)head[4], (uint)head[5], split, id[n], head[6] ? epoch + 1 : 0, K);
    const float e = real[4 * m], w = weight[n], share = w / (float)N;
    const float scale = real[4 * m + 1] * (real[4 * m + 2] != 0.0f ? lambda_scale : 1.0f);
    head_lanes lanes = head_lanes_none();
#define LOGITS vec_load(z + j, there - (ulong)j < VEC ? (int)(there - (ulong)j) : VEC)
    for (int j = 0; j < K; j += VEC)
        head_tops(&lanes, LOGITS, j + LANES, t, K);
    const float shift = head_shift(&lanes);
    for (int j = 0; j < K; j += VEC)
        head_sums(&lanes, LOGITS, j + LANES, t, K, shift);
    const head_part rest = head_part_of(&lanes);
    const head_softmax s = head_softmax_of(&rest, z[t]);
    float figures[8];
    head_figures(&rest, &s, z[t], K, loss, e, w, figures);
    for (int i = 0; i < 8; i++)
        stats[((ulong)n * M + m) * 8 + i] = figures[i];
    for (int j = 0; j < K; j += VEC) {
        vecf own, feature;
        head_gradients(&s, LOGITS, j + LANES, t, K, loss, e, &own, &feature);
        vec_store(share * own, g_head + first + j, K - j);
        vec_store(share * scale * feature, g_feat + first + j, K - j);
    }
}
#else
/* block[c]: column j + c of `rows` rows of z, T apart. */
static inline void load_columns(vecf block[VEC], global const float *z, const ulong there, const int rows, const int T,
                                const int j)
{
    UNROLL for (int r = 0; r < VEC; r++) {
        const ulong at = (ulong)(r < rows ? r : rows - 1) * T + j;
        block[r] = there - at >= VEC ? VLOAD(z + at) : vec_load(z + at, (int)(there - at));
    }
    vec_transpose(block);
}

static inline void store_columns(vecf block[VEC], global float *to, const int rows, const int T, const int left)
{
    vec_transpose(block);
    UNROLL for (int r = 0; r < VEC; r++)
        if (r < rows)
            vec_store(block[r], to + (ulong)r * T, left);
}

VECTOR_KERNEL void head_loss__rows(global const float *restrict z_all, global const int *restrict y,
                                   global const int *restrict id, global const float *restrict weight,
                                   global const int *restrict table, global const float *restrict real,
                                   global float *restrict g_head, global float *restrict g_feat,
                                   global float *restrict stats, const int samples, const int N, const int T,
                                   const int M, const int split, const int epoch, const float lambda_scale)
{
    const int m = get_global_id(0), n0 = (int)get_global_id(1) * VEC, rows = samples - n0 < VEC ? samples - n0 : VEC;
    global const int *head = table + 8 * m;
    const int K = head[1], loss = head[3];
    const ulong first = (ulong)n0 * T + head[0], there = (ulong)samples * T - first; /* a load may go past K */
    global const float *z = z_all + first;
    const veci t = head[2] == 0 ? veci_load(y + n0, rows)
                                : random_labels((uint)head[4], (uint)head[5], split, veci_load(id + n0, rows),
                                                head[6] ? epoch + 1 : 0, K);
    const vecf w = vec_load(weight + n0, rows), share = w / (float)N;
    const float e = real[4 * m], scale = real[4 * m + 1] * (real[4 * m + 2] != 0.0f ? lambda_scale : 1.0f);
    head_lanes lanes = head_lanes_none();
    vecf z_t = (vecf)(0.0f), block[VEC], own[VEC], feature[VEC];
#define COLUMNS(j) (K - (j) < VEC ? K - (j) : VEC)
    for (int j = 0; j < K; j += VEC) {
        load_columns(block, z, there, rows, T, j);
        for (int c = 0; c < COLUMNS(j); c++) {
            head_tops(&lanes, block[c], (veci)(j + c), t, K);
            z_t = select(z_t, block[c], t == j + c);
        }
    }
    const vecf shift = head_shift(&lanes);
    for (int j = 0; j < K; j += VEC) {
        if (K > VEC)
            load_columns(block, z, there, rows, T, j);
        for (int c = 0; c < COLUMNS(j); c++)
            head_sums(&lanes, block[c], (veci)(j + c), t, K, shift);
    }
    const head_part rest = head_part_of(&lanes);
    const head_softmax s = head_softmax_of(&rest, z_t);
    for (int j = 0; j < K; j += VEC) {
        if (K > VEC)
            load_columns(block, z, there, rows, T, j);
        for (int c = 0; c < COLUMNS(j); c++) {
            head_gradients(&s, block[c], (veci)(j + c), t, K, loss, e, &own[c], &feature[c]);
            own[c] *= share;
            feature[c] *= share * scale;
        }
        store_columns(own, g_head + first + j, rows, T, K - j);
        store_columns(feature, g_feat + first + j, rows, T, K - j);
    }
    vecf figures[VEC > 8 ? VEC : 8];
    head_figures(&rest, &s, z_t, K, loss, e, w, figures);
    UNROLL for (int i = 8; i < VEC; i++)
        figures[i] = figures[0];
    for (int i = 0; i < 8; i += VEC)
        store_columns(figures + i, stats + ((ulong)n0 * M + m) * 8 + i, rows, 8 * M, 8);
}
#endif
