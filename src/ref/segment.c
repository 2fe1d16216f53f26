#include "ref/ref.h"

void ref_segment_rows(const struct call *c, void *const *in, void *const *out)
{
    const int32_t *y = in[0];
    int32_t *order = out[0], *start = out[1], at = 0;
    int64_t classes = call_int(c, "classes");
    for (int64_t g = 0; g < classes; g++) {
        start[g] = at;
        for (int32_t n = 0; n < c->in[0].dim[0]; n++)
            if (y[n] == g)
                order[at++] = n;
    }
    start[classes] = at;
}

void ref_segment_fwd(const struct call *c, void *const *in, void *const *out)
{
    const double *x = in[0], *w = in[1], *b = in[2];
    const int32_t *y = in[3];
    double *z = out[0];
    int64_t D = c->in[1].dim[1], T = c->in[1].dim[2];
    for (int64_t n = 0; n < c->in[0].dim[0]; n++)
        for (int64_t t = 0; t < T; t++) {
            double sum = b[y[n] * T + t];
            for (int64_t d = 0; d < D; d++)
                sum += x[n * D + d] * w[(y[n] * D + d) * T + t];
            z[n * T + t] = sum;
        }
}

void ref_segment_bwd_data(const struct call *c, void *const *in, void *const *out)
{
    const double *dz = in[0], *w = in[1];
    const int32_t *y = in[2];
    double *dx = out[0];
    int64_t D = c->in[1].dim[1], T = c->in[1].dim[2];
    for (int64_t n = 0; n < c->in[0].dim[0]; n++)
        for (int64_t d = 0; d < D; d++) {
            double sum = 0;
            for (int64_t t = 0; t < T; t++)
                sum += dz[n * T + t] * w[(y[n] * D + d) * T + t];
            dx[n * D + d] = sum;
        }
}

void ref_segment_bwd_filter(const struct call *c, void *const *in, void *const *out)
{
    const double *x = in[0], *dz = in[1];
    const int32_t *order = in[2], *start = in[3];
    double *dw = out[0], *db = out[1];
    int64_t G = c->out[0].dim[0], D = c->out[0].dim[1], T = c->out[0].dim[2];
    for (int64_t g = 0; g < G; g++)
        for (int64_t d = 0; d <= D; d++)
            for (int64_t t = 0; t < T; t++) {
                double sum = 0;
                for (int32_t i = start[g]; i < start[g + 1]; i++)
                    sum += (d < D ? x[order[i] * D + d] : 1) * dz[order[i] * T + t];
                *(d < D ? &dw[(g * D + d) * T + t] : &db[g * T + t]) = sum;
            }
}
