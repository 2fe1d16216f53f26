/* The heads' fused loss: one work-item takes one row, the K logits z of one head for one
 * sample, and gives its figures and both logit gradients. p = softmax z, t the target.
 *   own loss       -(1-e) log p_t - e/K sum log p        g_head_j = p_j - (1-e)[j=t] - e/K
 *   unlikelihood   -log(1 - p_t)      j=t: p_t; else -p_t p_j / (1 - p_t)
 *   confusion      -1/K sum log p     p_j - 1/K
 *   reversal       log p_t            -(p_j - [j=t])
 *   entropy        -H(p)              p_j (log p_j + H)
 * g_feat is the features' part: own loss for a class head, scale * regulariser for a random
 * one. Both are divided by N, the samples that the mean is over. log(1 - p_t) is a
 * difference of two log-sum-exps (with and without t): no division by 1 - p_t.
 * table [M][8]: first column, K, kind (0 class, 1 random), loss (0 none, 1 to 4 in the order
 * above, 5 own), the two words of the label key, redraw, 0.  real [M][4]: e, scale, whether
 * lambda_scale multiplies scale, 0.
 * stats [N][M][8]: own loss, hit, p_t, margin z_t - max others, H, |p - onehot|_2,
 * regulariser, weight. Launched over (heads, samples): one launch for any number of heads. */

#include "common/label.clh"

#define LOSS_UNLIKELIHOOD 1
#define LOSS_CONFUSION 2
#define LOSS_REVERSAL 3
#define LOSS_ENTROPY 4
#define LOSS_OWN 5

typedef struct {
    float top, rest_top;  /* greatest of all, and without t */
    float sum, rest_sum;  /* of exp(z - top), and of exp(z - rest_top) without t */
    int hit;
} softmax;

softmax survey(global const float *z, const int K, const int t)
{
    softmax s;
    s.rest_top = -INFINITY;
    int before = 0;
    for (int j = 0; j < K; j++)
        if (j != t) {
            s.rest_top = fmax(s.rest_top, z[j]);
            before = before || (j < t && z[j] == z[t]);
        }
    s.top = fmax(s.rest_top, z[t]);
    s.hit = z[t] > s.rest_top || (z[t] == s.rest_top && !before);
    s.sum = s.rest_sum = 0.0f;
    for (int j = 0; j < K; j++) {
        s.sum += exp(z[j] - s.top);
        s.rest_sum += j == t ? 0.0f : exp(z[j] - s.rest_top);
    }
    return s;
}

/* log(1 + exp(x)) */
float softplus(const float x)
{
    return fmax(x, 0.0f) + log1p(exp(-fabs(x)));
}

float regulariser(const int loss, const float odds, const float p_t, const float mean_log, const float entropy,
                  const float log_p_t)
{
    return loss == LOSS_UNLIKELIHOOD ? softplus(odds)
         : loss == LOSS_CONFUSION    ? -mean_log
         : loss == LOSS_REVERSAL     ? log_p_t
         : loss == LOSS_ENTROPY      ? -entropy
                                     : 0.0f;
}

kernel void head_loss__plain(global const float *restrict z_all, global const int *restrict y,
                             global const int *restrict id, global const float *restrict weight,
                             global const int *restrict table, global const float *restrict real,
                             global float *restrict g_head, global float *restrict g_feat,
                             global float *restrict stats, const int N, const int T, const int M, const int split,
                             const int epoch, const float lambda_scale)
{
    const int m = get_global_id(0), n = get_global_id(1);
    global const int *head = table + 8 * m;
    const int K = head[1], loss = head[3];
    const ulong first = (ulong)n * T + head[0];
    global const float *z = z_all + first;
    const int t = head[2] == 0
                      ? y[n]
                      : random_label((uint)head[4], (uint)head[5], split, id[n], head[6] ? epoch + 1 : 0, K);
    const float e = real[4 * m], w = weight[n], share = w / (float)N;
    const float scale = real[4 * m + 1] * (real[4 * m + 2] != 0.0f ? lambda_scale : 1.0f);
    const softmax s = survey(z, K, t);
    const float log_sum = log(s.sum), odds = z[t] - s.rest_top - log(s.rest_sum);
    const float p_t = 1.0f / (1.0f + exp(-odds)), log_p_t = z[t] - s.top - log_sum;
    float mean_log = 0.0f, entropy = 0.0f, rest_square = 0.0f;
    for (int j = 0; j < K; j++) {
        const float log_p = z[j] - s.top - log_sum, p = exp(log_p);
        mean_log += log_p / (float)K;
        entropy -= p * log_p;
        rest_square += j == t ? 0.0f : p * p;
    }
    for (int j = 0; j < K; j++) {
        const float log_p = z[j] - s.top - log_sum, p = exp(log_p), one = j == t ? 1.0f : 0.0f;
        const float own = p - (1.0f - e) * one - e / (float)K;
        float g = 0.0f;
        if (loss == LOSS_OWN)
            g = own;
        else if (loss == LOSS_UNLIKELIHOOD)
            g = p_t * (j == t ? 1.0f : -exp(z[j] - s.rest_top) / s.rest_sum);
        else if (loss == LOSS_CONFUSION)
            g = p - 1.0f / (float)K;
        else if (loss == LOSS_REVERSAL)
            g = one - p;
        else if (loss == LOSS_ENTROPY)
            g = p * (log_p + entropy);
        g_head[first + j] = share * own;
        g_feat[first + j] = loss == 0 ? 0.0f : share * scale * g;
    }
    /* 1 - p_t without cancellation */
    const float miss = 1.0f / (1.0f + exp(odds));
    global float *out = stats + ((ulong)n * M + m) * 8;
    out[0] = -(1.0f - e) * log_p_t - e * mean_log;
    out[1] = (float)s.hit;
    out[2] = p_t;
    out[3] = z[t] - s.rest_top;
    out[4] = entropy;
    out[5] = sqrt(miss * miss + rest_square);
    out[6] = regulariser(loss, odds, p_t, mean_log, entropy, log_p_t);
    out[7] = w;
}
