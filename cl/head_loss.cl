/* The heads' fused loss: one work-item takes one row, the K logits z of one head for one
 * sample, and gives its figures and both logit gradients. p = softmax z, t the target.
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
 * regulariser, weight. Launched over (heads, samples): one launch for any number of heads. */

#include "common/head.clh"
#include "common/label.clh"

VECTOR_KERNEL void head_loss__plain(global const float *restrict z_all, global const int *restrict y,
                                    global const int *restrict id, global const float *restrict weight,
                                    global const int *restrict table, global const float *restrict real,
                                    global float *restrict g_head, global float *restrict g_feat,
                                    global float *restrict stats, const int N, const int T, const int M,
                                    const int split, const int epoch, const float lambda_scale)
{
    const int m = get_global_id(0), n = get_global_id(1);
    global const int *head = table + 8 * m;
    const int K = head[1], loss = head[3];
    const ulong first = (ulong)n * T + head[0], there = (ulong)N * T - first; /* a load may go past K */
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
    head_figures(&rest, &s, z[t], K, loss, e, w, stats + ((ulong)n * M + m) * 8);
    for (int j = 0; j < K; j += VEC) {
        vecf own, feature;
        head_gradients(&s, LOGITS, j + LANES, t, K, loss, e, &own, &feature);
        vec_store(share * own, g_head + first + j, K - j);
        vec_store(share * scale * feature, g_feat + first + j, K - j);
    }
}
