#include "ref/ref.h"

void ref_ledger(const struct call *c, void *const *in, void *const *out)
{
    const double *stats = in[0], *weight = in[3];
    const int32_t *table = in[1], *id = in[2];
    double *ledger = out[0];
    int64_t M = c->in[1].dim[0];
    for (int64_t n = 0; n < c->in[0].dim[0]; n++)
        for (int64_t m = 0; m < M && weight[n] != 0; m++) {
            const double *s = stats + (n * M + m) * 8;
            double *row = ledger + id[n] * 11;
            if (table[8 * m + 2] != 0) {
                row[10] += s[2] / (double)call_int(c, "random_heads");
                continue;
            }
            row[0] += 1;
            row[1] += s[0];
            row[2] += s[3];
            row[3] += row[5] > s[1];
            row[4] = row[4] == 0 && s[1] > 0 ? (double)call_int(c, "epoch") + 1 : row[4];
            row[5] = s[1];
            row[6] += s[2];
            row[7] += s[2] * s[2];
            row[8] += s[1];
            row[9] += s[5];
        }
}
