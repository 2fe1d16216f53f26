/* Convolution by its definition:
 *   y[p,q,n,k] = sum over r,s,c of x[p·stride + r·dilation - pad, ..., n, c] · w[r,s,c,k]
 * with c and k running inside each group. */
#include "ref/ref.h"

struct loops {
    const struct call_shape *x, *w, *y;
    int64_t stride_h, stride_w, pad_h, pad_w, dilation_h, dilation_w, groups;
};

static struct loops loops_of(const struct call *c, const struct call_shape *x, const struct call_shape *w,
                             const struct call_shape *y)
{
    return (struct loops){x, w, y, call_int(c, "stride_h"), call_int(c, "stride_w"), call_int(c, "pad_h"),
                          call_int(c, "pad_w"), call_int(c, "dilation_h"), call_int(c, "dilation_w"),
                          call_int(c, "groups")};
}

/* Calls visit with the element indices of every product x·w that enters a y. */
static void for_each(const struct loops *l, void (*visit)(void *, int64_t, int64_t, int64_t), void *user)
{
    const int64_t *x = l->x->dim, *w = l->w->dim, *y = l->y->dim;
    int64_t per_group = w[3] / l->groups;
    for (int64_t p = 0; p < y[0]; p++)
        for (int64_t q = 0; q < y[1]; q++)
            for (int64_t r = 0; r < w[0]; r++)
                for (int64_t s = 0; s < w[1]; s++) {
                    int64_t h = p * l->stride_h + r * l->dilation_h - l->pad_h;
                    int64_t v = q * l->stride_w + s * l->dilation_w - l->pad_w;
                    if (h < 0 || h >= x[0] || v < 0 || v >= x[1])
                        continue;
                    for (int64_t n = 0; n < y[2]; n++)
                        for (int64_t c = 0; c < w[2]; c++)
                            for (int64_t k = 0; k < w[3]; k++)
                                visit(user, ((h * x[1] + v) * x[2] + n) * x[3] + k / per_group * w[2] + c,
                                      ((r * w[1] + s) * w[2] + c) * w[3] + k,
                                      ((p * y[1] + q) * y[2] + n) * y[3] + k);
                }
}

struct arrays {
    const double *x, *w, *dy;
    double *out;
};

static void add_y(void *user, int64_t x, int64_t w, int64_t y)
{
    struct arrays *a = user;
    a->out[y] += a->x[x] * a->w[w];
}

static void add_dx(void *user, int64_t x, int64_t w, int64_t y)
{
    struct arrays *a = user;
    a->out[x] += a->dy[y] * a->w[w];
}

static void add_dw(void *user, int64_t x, int64_t w, int64_t y)
{
    struct arrays *a = user;
    a->out[w] += a->dy[y] * a->x[x];
}

static void clear(double *p, const struct call_shape *s)
{
    for (int64_t i = 0; i < call_elements(s); i++)
        p[i] = 0;
}

void ref_conv2d_fwd(const struct call *c, void *const *in, void *const *out)
{
    struct loops l = loops_of(c, &c->in[0], &c->in[1], &c->out[0]);
    struct arrays a = {.x = in[0], .w = in[1], .out = out[0]};
    clear(out[0], &c->out[0]);
    for_each(&l, add_y, &a);
}

void ref_conv2d_bias_fwd(const struct call *c, void *const *in, void *const *out)
{
    ref_conv2d_fwd(c, in, out);
    ref_add_bias(c, in, out);
}

void ref_conv2d_bwd_data(const struct call *c, void *const *in, void *const *out)
{
    struct loops l = loops_of(c, &c->in[2], &c->in[1], &c->in[0]);
    struct arrays a = {.dy = in[0], .w = in[1], .out = out[0]};
    clear(out[0], &c->out[0]);
    for_each(&l, add_dx, &a);
}

void ref_conv2d_bwd_filter(const struct call *c, void *const *in, void *const *out)
{
    struct loops l = loops_of(c, &c->in[0], &c->in[2], &c->in[1]);
    struct arrays a = {.x = in[0], .dy = in[1], .out = out[0]};
    clear(out[0], &c->out[0]);
    for_each(&l, add_dw, &a);
}
