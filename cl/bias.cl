/* y[row][c] = x[row][c] + b[c]; x is [rows][C]. A work-item: 4 channels of 16 rows. */

kernel void bias_fwd__plain(global const float *restrict x, global const float *restrict b, global float *restrict y,
                            const ulong rows, const int C)
{
    const int c = (int)get_global_id(0) * 4;
    const ulong first = (ulong)get_global_id(1) * 16, end = first + 16 < rows ? first + 16 : rows;
    if (c + 4 <= C) {
        const float4 v = vload4(0, b + c);
        for (ulong r = first; r < end; r++)
            vstore4(vload4(0, x + r * C + c) + v, 0, y + r * C + c);
    } else {
        for (ulong r = first; r < end; r++)
            for (int k = c; k < C; k++)
                y[r * C + k] = x[r * C + k] + b[k];
    }
}
