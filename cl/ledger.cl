/* The ledger [I][11]: what each sample's visits added up to.
 *   by the class head:  0 visits, 1 loss, 2 margin (AUM is margin / visits), 3 forgotten,
 *   4 epoch + 1 of the first hit (0: none), 5 last hit, 6 p, 7 p squared, 8 hits, 9 EL2N;
 *   by the random heads: 10 p of the random label, averaged over `random_heads`.
 * A work-item: sample n. Samples of a batch differ, so no two write the same row. */

kernel void ledger__plain(global const float *restrict stats, global const int *restrict table,
                          global const int *restrict id, global const float *restrict weight,
                          global float *restrict ledger, const int N, const int M, const int epoch,
                          const int random_heads)
{
    const int n = get_global_id(0);
    if (n >= N || weight[n] == 0.0f)
        return;
    global float *row = ledger + (ulong)id[n] * 11;
    for (int m = 0; m < M; m++) {
        global const float *s = stats + ((ulong)n * M + m) * 8;
        if (table[8 * m + 2] != 0) {
            row[10] += s[2] / (float)random_heads;
            continue;
        }
        const float hit = s[1];
        row[0] += 1.0f;
        row[1] += s[0];
        row[2] += s[3];
        row[3] += row[5] > hit ? 1.0f : 0.0f;
        row[4] = row[4] == 0.0f && hit > 0.0f ? (float)(epoch + 1) : row[4];
        row[5] = hit;
        row[6] += s[2];
        row[7] += s[2] * s[2];
        row[8] += hit;
        row[9] += s[5];
    }
}
