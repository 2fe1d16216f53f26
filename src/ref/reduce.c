#include "ref/ref.h"

void ref_reduce_rows(const struct call *c, void *const *in, void *const *out)
{
    const double *x = in[0];
    double *y = out[0];
    int64_t rows = c->in[0].dim[0], columns = c->in[0].dim[1];
    for (int64_t k = 0; k < columns; k++) {
        y[k] = 0;
        for (int64_t r = 0; r < rows; r++)
            y[k] += x[r * columns + k];
    }
}

void ref_reduce_sum(const struct call *c, void *const *in, void *const *out)
{
    const double *x = in[0];
    double sum = 0;
    for (int64_t i = 0; i < c->in[0].dim[0]; i++)
        sum += x[i];
    *(double *)out[0] = sum;
}
