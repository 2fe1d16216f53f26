#include <math.h>
#include <stddef.h>

#include "ref/ref.h"

/* Calls visit for each (output element, input element) of every window. */
static void for_windows(const struct call *c, const int64_t *x, const int64_t *y,
                        void (*visit)(void *, int64_t y, int64_t x, int64_t pixel), void *user)
{
    for (int64_t p = 0; p < y[0]; p++)
        for (int64_t q = 0; q < y[1]; q++)
            for (int64_t r = 0; r < call_int(c, "window_h"); r++)
                for (int64_t s = 0; s < call_int(c, "window_w"); s++) {
                    int64_t h = p * call_int(c, "stride_h") - call_int(c, "pad_h") + r;
                    int64_t w = q * call_int(c, "stride_w") - call_int(c, "pad_w") + s;
                    if (h < 0 || h >= x[0] || w < 0 || w >= x[1])
                        continue;
                    for (int64_t i = 0; i < x[2] * x[3]; i++)
                        visit(user, (p * y[1] + q) * x[2] * x[3] + i, (h * x[1] + w) * x[2] * x[3] + i, h * x[1] + w);
                }
}

struct arrays {
    const double *in;
    double *out;
    int32_t *index;
    double scale;
};

static void keep_greatest(void *user, int64_t y, int64_t x, int64_t pixel)
{
    struct arrays *a = user;
    if (a->index[y] < 0 || a->in[x] > a->out[y] || (isnan(a->in[x]) && !isnan(a->out[y]))) {
        a->out[y] = a->in[x];
        a->index[y] = (int32_t)pixel;
    }
}

static void give_to_greatest(void *user, int64_t y, int64_t x, int64_t pixel)
{
    struct arrays *a = user;
    if (a->index[y] == pixel)
        a->out[x] += a->in[y];
}

static void add_up(void *user, int64_t y, int64_t x, int64_t pixel)
{
    struct arrays *a = user;
    (void)pixel;
    a->out[y] += a->in[x] * a->scale;
}

static void spread(void *user, int64_t y, int64_t x, int64_t pixel)
{
    struct arrays *a = user;
    (void)pixel;
    a->out[x] += a->in[y] * a->scale;
}

static void clear(const struct call *c, double *out)
{
    for (int64_t i = 0; i < call_elements(&c->out[0]); i++)
        out[i] = 0;
}

static double share(const struct call *c)
{
    return 1.0 / (double)(call_int(c, "window_h") * call_int(c, "window_w"));
}

void ref_maxpool_fwd(const struct call *c, void *const *in, void *const *out)
{
    struct arrays a = {in[0], out[0], out[1], 1};
    for (int64_t i = 0; i < call_elements(&c->out[1]); i++)
        a.index[i] = -1;
    clear(c, out[0]);
    for_windows(c, c->in[0].dim, c->out[0].dim, keep_greatest, &a);
}

void ref_maxpool_bwd(const struct call *c, void *const *in, void *const *out)
{
    struct arrays a = {in[0], out[0], in[1], 1};
    clear(c, out[0]);
    for_windows(c, c->in[2].dim, c->in[0].dim, give_to_greatest, &a);
}

void ref_avgpool_fwd(const struct call *c, void *const *in, void *const *out)
{
    struct arrays a = {in[0], out[0], NULL, share(c)};
    clear(c, out[0]);
    for_windows(c, c->in[0].dim, c->out[0].dim, add_up, &a);
}

void ref_avgpool_bwd(const struct call *c, void *const *in, void *const *out)
{
    struct arrays a = {in[0], out[0], NULL, share(c)};
    clear(c, out[0]);
    for_windows(c, c->in[1].dim, c->in[0].dim, spread, &a);
}

void ref_globalpool_fwd(const struct call *c, void *const *in, void *const *out)
{
    const double *x = in[0];
    double *y = out[0];
    int64_t n = c->in[0].dim[2] * c->in[0].dim[3], pixels = c->in[0].dim[0] * c->in[0].dim[1];
    clear(c, y);
    for (int64_t i = 0; i < n * pixels; i++)
        y[i % n] += x[i] / (double)pixels;
}

void ref_globalpool_bwd(const struct call *c, void *const *in, void *const *out)
{
    const double *dy = in[0];
    double *dx = out[0];
    int64_t n = c->in[1].dim[2] * c->in[1].dim[3], pixels = c->in[1].dim[0] * c->in[1].dim[1];
    for (int64_t i = 0; i < n * pixels; i++)
        dx[i] = dy[i % n] / (double)pixels;
}
