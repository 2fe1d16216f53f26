/* Heads with many columns: loss and gradients without a buffer of N x T logits. Formulas,
 * table, real and stats as in cl/head_loss.cl; parts of a row and how they merge: common/head.clh.
 *
 *   T:  | head 0              | head 1    |   a chunk: `columns` columns of one head (the head's
 *       | chunk | chunk | chu | chunk | c |   last may be shorter), gone through in panels of
 *       |p|p|p|p|                             KT = NV*VEC columns
 *
 * A work-item (work-groups of 1) takes a contiguous run of chunks. Of each panel:
 *   P [D][KT]   its weights, packed
 *   Z [N][KT]   logits x P                                   both stay in the core's cache
 * forward:  each row's part of Z is merged into the chunk's record [chunk][N][8]; afterwards
 *           head_large_merge merges the chunks of each (row, head) in order.
 * backward: Z, made anew, becomes the head's gradient in place, then dw = x' Z and db = sum Z are
 *           complete. For heads that send: F [N][KT], the features' gradient, and Q [D/KT][KT][KT],
 *           P transposed; the work-item's own dx [N][D] += F Q. The sums are added in order.
 * All four products are one loop. Accumulation is float32 by fma; the order of all sums follows
 * from shapes and the launch's number of work-items, which follows from shapes and device. */

#include "common/head.clh"
#include "common/label.clh"
#include "common/share.clh"

#ifndef NV
#define NV 2 /* 1..4 */
#endif
#ifndef PT
#define PT 6 /* rows of a register tile; PT*NV accumulators should fit the registers */
#endif
#define KT (NV * VEC)
#define RECORD 8

typedef struct {
    int head, first, end; /* columns within the head */
} chunk;

static int chunks_of(global const int *table, const int m, const int columns)
{
    return (table[8 * m + 1] - 1) / columns + 1;
}

static int all_chunks(global const int *table, const int M, const int columns)
{
    int sum = 0;
    for (int m = 0; m < M; m++)
        sum += chunks_of(table, m, columns);
    return sum;
}

static chunk chunk_at(global const int *table, const int columns, int index)
{
    chunk c;
    c.head = 0;
    for (int count; index >= (count = chunks_of(table, c.head, columns)); c.head++)
        index -= count;
    const int K = table[8 * c.head + 1];
    c.first = index * columns;
    c.end = K - c.first < columns ? K : c.first + columns;
    return c;
}

/* Columns k0 .. k0 + KT of w [D][T], zeros from `left` on. */
static void pack(global const float *w, global float *P, const int D, const int T, const long k0, const int left)
{
    for (int d = 0; d < D; d++) {
        UNROLL for (int v = 0; v < NV; v++)
            VSTORE(vec_load(w + (long)d * T + k0 + v * VEC, left - v * VEC), P + (long)d * KT + v * VEC);
    }
}

/* out[r][k] = (or, with add, +=) sum over l of a[r][l] * b[l][k], k < min(KT, left). */
static void product(global const float *a, const long a_row, const int rows, const int L, global const float *b,
                    global float *out, const long out_row, const int left, const int add)
{
    for (int first = 0; first < rows; first += PT) {
        vecf acc[PT][NV];
        global const float *row[PT], *bl = b;
        UNROLL for (int i = 0; i < PT; i++) {
            const long r = first + i < rows ? first + i : rows - 1;
            row[i] = a + r * a_row;
            UNROLL for (int v = 0; v < NV; v++)
                acc[i][v] = add ? vec_load(out + r * out_row + v * VEC, left - v * VEC) : (vecf)(0.0f);
        }
        int l = 0;
        for (; l + 4 <= L; l += 4, bl += 4 * KT) {
            UNROLL for (int u = 0; u < 4; u++) {
                vecf bv[NV];
                UNROLL for (int v = 0; v < NV; v++)
                    bv[v] = VLOAD(bl + u * KT + v * VEC);
                UNROLL for (int i = 0; i < PT; i++) {
                    const vecf x = (vecf)(row[i][l + u]);
                    UNROLL for (int v = 0; v < NV; v++)
                        acc[i][v] = fma(x, bv[v], acc[i][v]);
                }
            }
        }
        for (; l < L; l++, bl += KT) {
            UNROLL for (int i = 0; i < PT; i++) {
                const vecf x = (vecf)(row[i][l]);
                UNROLL for (int v = 0; v < NV; v++)
                    acc[i][v] = fma(x, VLOAD(bl + v * VEC), acc[i][v]);
            }
        }
        UNROLL for (int i = 0; i < PT; i++) {
            if (first + i < rows) {
                UNROLL for (int v = 0; v < NV; v++)
                    vec_store(acc[i][v], out + (first + i) * out_row + v * VEC, left - v * VEC);
            }
        }
    }
}

/* target[n][m]; a work-item: one of them. */
kernel void head_large_target(global const int *restrict y, global const int *restrict id,
                              global const int *restrict table, global int *restrict target, const int M,
                              const int split, const int epoch)
{
    const int m = get_global_id(0), n = get_global_id(1);
    global const int *head = table + 8 * m;
    target[(ulong)n * M + m] =
        head[2] == 0 ? y[n]
                     : random_label((uint)head[4], (uint)head[5], split, id[n], head[6] ? epoch + 1 : 0, head[1]);
}

static void record_store(const head_part *p, global float *record)
{
    record[0] = p->before;
    record[1] = p->after;
    record[2] = p->sum;
    record[3] = p->weighted;
    record[4] = p->square;
    record[5] = p->total;
}

static head_part record_load(global const float *record)
{
    head_part p;
    p.before = record[0];
    p.after = record[1];
    p.sum = record[2];
    p.weighted = record[3];
    p.square = record[4];
    p.total = record[5];
    return p;
}

/* A row's panel: columns k to k + KT of its head, whose biases are at b. */
static void survey(global const float *z, global const float *b, const int k, const int K, const int t, const int fresh,
                   global float *record)
{
    vecf v[NV];
    head_lanes lanes = head_lanes_none();
    UNROLL for (int i = 0; i < NV; i++) {
        v[i] = VLOAD(z + i * VEC) + vec_load(b + k + i * VEC, K - k - i * VEC);
        head_tops(&lanes, v[i], k + i * VEC + LANES, t, K);
    }
    const float shift = head_shift(&lanes);
    UNROLL for (int i = 0; i < NV; i++)
        head_sums(&lanes, v[i], k + i * VEC + LANES, t, K, shift);
    head_part part = head_part_of(&lanes);
    if (!fresh) {
        head_part sum = record_load(record);
        head_merge(&sum, part);
        part = sum;
    }
    record_store(&part, record);
    if (t >= k && t < k + KT)
        record[6] = z[t - k] + b[t];
}

SINGLE_ITEM_GROUPS
kernel void head_large_fwd__tile(global const float *restrict x, global const float *restrict w,
                                 global const float *restrict b, global const int *restrict table,
                                 global const int *restrict target, global float *restrict work,
                                 const ulong records_at, const int N, const int D, const int T, const int M,
                                 const int columns, const int shares)
{
    global float *P = work + (ulong)get_global_id(0) * (ulong)(N + D) * KT, *Z = P + (ulong)D * KT;
    long index, end;
    share_of(all_chunks(table, M, columns), shares, get_global_id(0), &index, &end);
    for (; index < end; index++) {
        const chunk c = chunk_at(table, columns, (int)index);
        const int first = table[8 * c.head], K = table[8 * c.head + 1];
        global float *record = work + records_at + (ulong)index * N * RECORD;
        for (int k = c.first; k < c.end; k += KT) {
            pack(w, P, D, T, first + k, c.end - k);
            product(x, D, N, D, P, Z, KT, KT, 0);
            for (int n = 0; n < N; n++)
                survey(Z + (long)n * KT, b + first, k, K, target[(long)n * M + c.head], k == c.first,
                       record + (long)n * RECORD);
        }
    }
}

/* A work-item: (head, sample). softmax [N][M][5]: of common/head.clh's head_softmax what stats
 * does not have. */
kernel void head_large_merge(global const float *restrict work, global const int *restrict table,
                             global const float *restrict real, global const int *restrict target,
                             global const float *restrict weight, global float *restrict stats,
                             global float *restrict softmax, const ulong records_at, const int N, const int M,
                             const int columns)
{
    const int m = get_global_id(0), n = get_global_id(1);
    const int K = table[8 * m + 1], count = chunks_of(table, m, columns);
    const ulong at = (ulong)n * M + m, first = (ulong)all_chunks(table, m, columns);
    global const float *record = work + records_at + (first * N + n) * RECORD;
    head_part rest = head_part_none();
    for (int i = 0; i < count; i++)
        head_merge(&rest, record_load(record + (ulong)i * N * RECORD));
    const float z_t = record[(ulong)(target[at] / columns) * N * RECORD + 6];
    const head_softmax s = head_softmax_of(&rest, z_t);
    float figures[8];
    head_figures(&rest, &s, z_t, K, table[8 * m + 3], real[4 * m], weight[n], figures);
    for (int i = 0; i < 8; i++)
        stats[at * 8 + i] = figures[i];
    softmax[5 * at] = s.rest_top;
    softmax[5 * at + 1] = s.rest_log_sum;
    softmax[5 * at + 2] = s.log_miss;
    softmax[5 * at + 3] = s.log_p_t;
    softmax[5 * at + 4] = s.miss;
}

/* out[d][n] = x[n][d] */
kernel void head_large_transpose(global const float *restrict x, global float *restrict out, const int N, const int D)
{
    const ulong i = get_global_id(0);
    if (i < (ulong)N * D)
        out[i] = x[i % N * D + i / N];
}

static head_softmax softmax_load(global const float *softmax, global const float *stats)
{
    head_softmax s;
    s.rest_top = softmax[0];
    s.rest_log_sum = softmax[1];
    s.log_miss = softmax[2];
    s.log_p_t = softmax[3];
    s.miss = softmax[4];
    s.p_t = stats[2];
    s.entropy = stats[4];
    return s;
}

/* Z becomes the head's gradient; F, where the head sends, the features'. Zeros from K on. */
static void gradients(global float *z, global float *feat, const int sends, global const float *b, const int k,
                      const int K, const int t, const head_softmax *s, const int loss, const float e,
                      const float share, const float scale)
{
    UNROLL for (int i = 0; i < NV; i++) {
        const veci j = k + i * VEC + LANES;
        const vecf none = (vecf)(0.0f);
        const vecf v = VLOAD(z + i * VEC) + vec_load(b + k + i * VEC, K - k - i * VEC);
        vecf own, feature;
        head_gradients(s, v, j, t, K, loss, e, &own, &feature);
        VSTORE(select(none, share * own, j < K), z + i * VEC);
        if (sends)
            VSTORE(select(none, share * scale * feature, j < K), feat + i * VEC);
    }
}

/* db of a panel, over the rows in order. */
static void column_sums(global const float *Z, global float *db, const int N, const int left)
{
    UNROLL for (int v = 0; v < NV; v++) {
        vecf sum = (vecf)(0.0f);
        for (int n = 0; n < N; n++)
            sum += VLOAD(Z + (long)n * KT + v * VEC);
        vec_store(sum, db + v * VEC, left - v * VEC);
    }
}

/* Q[q][k][i] = P[q*KT + i][k], zeros where there is no such row. */
static void transpose_panel(global const float *P, global float *Q, const int D)
{
    for (int d = 0; d < (D + KT - 1) / KT * KT; d++)
        for (int k = 0; k < KT; k++)
            Q[((long)(d / KT) * KT + k) * KT + d % KT] = d < D ? P[(long)d * KT + k] : 0.0f;
}

/* work: [D][N] x transposed, [item] scratch, and with `sends` [item][N][D] its part of dx. */
SINGLE_ITEM_GROUPS
kernel void head_large_bwd__tile(global const float *restrict x, global const float *restrict w,
                                 global const float *restrict b, global const int *restrict target,
                                 global const int *restrict table, global const float *restrict real,
                                 global const float *restrict stats, global const float *restrict softmax,
                                 global float *restrict work, global float *restrict dw, global float *restrict db,
                                 const ulong scratch_at, const ulong scratch, const ulong parts_at, const int sends,
                                 const int N, const int mean_over, const int D, const int T, const int M,
                                 const int columns, const float lambda_scale, const int shares)
{
    global float *P = work + scratch_at + (ulong)get_global_id(0) * scratch, *Z = P + (ulong)D * KT;
    global float *F = Z + (ulong)N * KT, *Q = F + (ulong)N * KT;
    global float *dx = work + parts_at + (ulong)get_global_id(0) * (ulong)N * D;
    long index, end;
    int add = 0;
    share_of(all_chunks(table, M, columns), shares, get_global_id(0), &index, &end);
    for (; index < end; index++) {
        const chunk c = chunk_at(table, columns, (int)index);
        const int m = c.head, first = table[8 * m], K = table[8 * m + 1];
        const float scale = real[4 * m + 1] * (real[4 * m + 2] != 0.0f ? lambda_scale : 1.0f);
        for (int k = c.first; k < c.end; k += KT) {
            const int left = c.end - k;
            pack(w, P, D, T, first + k, left);
            product(x, D, N, D, P, Z, KT, KT, 0);
            for (int n = 0; n < N; n++) {
                const long at = (long)n * M + m;
                const head_softmax s = softmax_load(softmax + 5 * at, stats + 8 * at);
                gradients(Z + (long)n * KT, F + (long)n * KT, sends, b + first, k, K, target[at], &s,
                          table[8 * m + 3], real[4 * m], stats[8 * at + 7] / (float)mean_over, scale);
            }
            column_sums(Z, db + first + k, N, left);
            product(work, N, D, N, Z, dw + first + k, T, left, 0);
            if (sends) {
                transpose_panel(P, Q, D);
                for (int d = 0; d < D; d += KT)
                    product(F, KT, N, KT, Q + (long)d * KT, dx + d, D, D - d, add);
                add = 1;
            }
        }
    }
}

/* dx[i] = sum over items of their parts, in order. */
kernel void head_large_reduce(global const float *restrict work, global float *restrict dx, const ulong parts_at,
                              const int items, const ulong n)
{
    const ulong i = get_global_id(0);
    if (i >= n)
        return;
    float sum = work[parts_at + i];
    for (int item = 1; item < items; item++)
        sum += work[parts_at + (ulong)item * n + i];
    dx[i] = sum;
}
