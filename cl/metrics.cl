/* acc[m][s] += sum over n of weight[n] * stats[n][m][s], the weight being stats[n][m][7];
 * acc[m][7] counts samples. A work-item: one (m, s), over all samples in order. */

kernel void metrics__plain(global const float *restrict stats, global float *restrict acc, const int N, const int M)
{
    const int i = get_global_id(0);
    if (i >= 8 * M)
        return;
    float sum = 0.0f;
    for (int n = 0; n < N; n++) {
        global const float *row = stats + (ulong)n * 8 * M;
        const float w = row[(i | 7)];
        sum += (i & 7) == 7 ? w : w == 0.0f ? 0.0f : w * row[i];
    }
    acc[i] += sum;
}
