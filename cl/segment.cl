/* Per-class heads: sample n meets the weights of its class y[n] alone.
 *   z[n][t] = b[y[n]][t] + sum over d of x[n][d] * w[y[n]][d][t]
 * segment_rows groups the samples by class, in their order: order[start[g] .. start[g+1])
 * are class g's, so that a class's filter gradient is a sum over its rows alone. */

/* A work-item: a class; the one after the last writes the end. */
kernel void segment_rows__plain(global const int *restrict y, global int *restrict order, global int *restrict start,
                                const int N, const int G)
{
    const int g = get_global_id(0);
    if (g > G)
        return;
    int at = 0;
    for (int n = 0; n < N; n++)
        at += y[n] < g;
    start[g] = at;
    for (int n = 0; n < N && g < G; n++)
        if (y[n] == g)
            order[at++] = n;
}

/* A work-item: (t, n). */
kernel void segment_fwd__plain(global const float *restrict x, global const float *restrict w,
                               global const float *restrict b, global const int *restrict y, global float *restrict z,
                               const int D, const int T)
{
    const int t = get_global_id(0), n = get_global_id(1), g = y[n];
    global const float *panel = w + (ulong)g * D * T + t, *row = x + (ulong)n * D;
    float sum = b[(ulong)g * T + t];
    for (int d = 0; d < D; d++)
        sum = fma(row[d], panel[(ulong)d * T], sum);
    z[(ulong)n * T + t] = sum;
}

/* A work-item: (d, n). */
kernel void segment_bwd_data__plain(global const float *restrict dz, global const float *restrict w,
                                    global const int *restrict y, global float *restrict dx, const int D, const int T)
{
    const int d = get_global_id(0), n = get_global_id(1);
    global const float *row = w + ((ulong)y[n] * D + d) * T, *g = dz + (ulong)n * T;
    float sum = 0.0f;
    for (int t = 0; t < T; t++)
        sum = fma(g[t], row[t], sum);
    dx[(ulong)n * D + d] = sum;
}

/* A work-item: (d, class); d = D is the bias. */
kernel void segment_bwd_filter__plain(global const float *restrict x, global const float *restrict dz,
                                      global const int *restrict order, global const int *restrict start,
                                      global float *restrict dw, global float *restrict db, const int D, const int T)
{
    const int d = get_global_id(0), g = get_global_id(1), first = start[g], end = start[g + 1];
    global float *out = d < D ? dw + ((ulong)g * D + d) * T : db + (ulong)g * T;
    for (int t = 0; t < T; t++)
        out[t] = 0.0f;
    for (int i = first; i < end; i++) {
        const ulong n = order[i];
        const float v = d < D ? x[n * D + d] : 1.0f;
        for (int t = 0; t < T; t++)
            out[t] = fma(v, dz[n * T + t], out[t]);
    }
}
