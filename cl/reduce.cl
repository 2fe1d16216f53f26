/* Sums in a fixed order. x is [rows][C]; the rows go in `parts` equal shares:
 *   partial[part][c] = sum over the share's rows of x[row][c]    (a work-item: part, 4 columns)
 *   y[c] = sum over parts of partial[part][c]                    (a work-item: c)
 * The second dimension of the first launch is the part. */

kernel void reduce_rows_part(global const float *restrict x, global float *restrict partial, const ulong rows,
                             const int C, const int parts)
{
    const int c = (int)get_global_id(0) * 4, part = (int)get_global_id(1);
    const ulong first = rows * (ulong)part / (ulong)parts, end = rows * (ulong)(part + 1) / (ulong)parts;
    if (c >= C || part >= parts)
        return;
    if (c + 4 <= C) {
        float4 sum = (float4)(0.0f);
        for (ulong r = first; r < end; r++)
            sum += vload4(0, x + r * C + c);
        vstore4(sum, 0, partial + (ulong)part * C + c);
    } else {
        for (int k = c; k < C; k++) {
            float sum = 0.0f;
            for (ulong r = first; r < end; r++)
                sum += x[r * C + k];
            partial[(ulong)part * C + k] = sum;
        }
    }
}

kernel void reduce_rows_all(global const float *restrict partial, global float *restrict y, const int C,
                            const int parts)
{
    const int c = get_global_id(0);
    if (c >= C)
        return;
    float sum = partial[c];
    for (int p = 1; p < parts; p++)
        sum += partial[(ulong)p * C + c];
    y[c] = sum;
}
