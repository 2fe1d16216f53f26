#include "ref/ref.h"

void ref_matmul(const struct call *c, void *const *in, void *const *out)
{
    const double *a = in[0], *b = in[1];
    double *y = out[0];
    int64_t ta = call_int(c, "trans_a"), tb = call_int(c, "trans_b");
    const int64_t *da = c->in[0].dim, *db = c->in[1].dim, *dc = c->out[0].dim;
    int64_t length = ta ? da[0] : da[1];
    for (int64_t i = 0; i < dc[0]; i++)
        for (int64_t j = 0; j < dc[1]; j++) {
            double sum = 0;
            for (int64_t l = 0; l < length; l++)
                sum += a[ta ? l * da[1] + i : i * da[1] + l] * b[tb ? j * db[1] + l : l * db[1] + j];
            y[i * dc[1] + j] = sum;
        }
}
