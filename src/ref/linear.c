/* y[n,k] = sum over h,w,c of x[h,w,n,c] * w[h,w,c,k] */
#include "ref/ref.h"

struct sizes {
    int64_t pixels, n, c, k;
};

static struct sizes sizes_of(const struct call_shape *x, int64_t k)
{
    return (struct sizes){x->dim[0] * x->dim[1], x->dim[2], x->dim[3], k};
}

void ref_linear_fwd(const struct call *c, void *const *in, void *const *out)
{
    struct sizes s = sizes_of(&c->in[0], c->in[1].dim[3]);
    const double *x = in[0], *w = in[1];
    double *y = out[0];
    for (int64_t n = 0; n < s.n; n++)
        for (int64_t k = 0; k < s.k; k++) {
            double sum = 0;
            for (int64_t p = 0; p < s.pixels; p++)
                for (int64_t i = 0; i < s.c; i++)
                    sum += x[(p * s.n + n) * s.c + i] * w[(p * s.c + i) * s.k + k];
            y[n * s.k + k] = sum;
        }
}

void ref_linear_bias_fwd(const struct call *c, void *const *in, void *const *out)
{
    ref_linear_fwd(c, in, out);
    ref_add_bias(c, in, out);
}

void ref_linear_bwd_data(const struct call *c, void *const *in, void *const *out)
{
    struct sizes s = sizes_of(&c->in[2], c->in[1].dim[3]);
    const double *dy = in[0], *w = in[1];
    double *dx = out[0];
    for (int64_t p = 0; p < s.pixels; p++)
        for (int64_t n = 0; n < s.n; n++)
            for (int64_t i = 0; i < s.c; i++) {
                double sum = 0;
                for (int64_t k = 0; k < s.k; k++)
                    sum += dy[n * s.k + k] * w[(p * s.c + i) * s.k + k];
                dx[(p * s.n + n) * s.c + i] = sum;
            }
}

void ref_linear_bwd_filter(const struct call *c, void *const *in, void *const *out)
{
    struct sizes s = sizes_of(&c->in[0], c->in[2].dim[3]);
    const double *x = in[0], *dy = in[1];
    double *dw = out[0];
    for (int64_t p = 0; p < s.pixels; p++)
        for (int64_t i = 0; i < s.c; i++)
            for (int64_t k = 0; k < s.k; k++) {
                double sum = 0;
                for (int64_t n = 0; n < s.n; n++)
                    sum += x[(p * s.n + n) * s.c + i] * dy[n * s.k + k];
                dw[(p * s.c + i) * s.k + k] = sum;
            }
}
