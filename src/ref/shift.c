#include "ref/shift.h"

#include <math.h>

#include "common/philox.clh"
#include "ref/ref.h"

double shift_strength(enum shift_kind kind, int64_t severity)
{
    static const double strength[SHIFT_KINDS][SHIFT_SEVERITIES] = {
        [SHIFT_NOISE] = {0.05, 0.1, 0.15, 0.2, 0.3},
        [SHIFT_BLUR] = {0.04, 0.07, 0.1, 0.14, 0.2},
        [SHIFT_CONTRAST] = {0.7, 0.5, 0.35, 0.2, 0.1},
        [SHIFT_TRANSLATION] = {0.04, 0.07, 0.11, 0.14, 0.21},
        [SHIFT_OCCLUSION] = {0.2, 0.3, 0.4, 0.5, 0.6},
    };
    return strength[kind][severity - 1];
}

int64_t shift_pixels(enum shift_kind kind, int64_t severity, int64_t side)
{
    int64_t pixels = (int64_t)lround(shift_strength(kind, severity) * (double)side);
    return kind == SHIFT_OCCLUSION && pixels < 1 ? 1 : pixels;
}

double shift_half_width(int64_t severity, int64_t side)
{
    return 1 + shift_strength(SHIFT_BLUR, severity) * (double)side;
}

struct shift {
    int64_t H, W, N, C, severity;
    enum shift_kind kind;
    bool bytes;
    const double *x, *mean, *norm;
    const int32_t *id;
};

static struct philox draw(const struct shift *s, int64_t n, int64_t element)
{
    return philox4x32((uint32_t)element, (uint32_t)s->id[n], STREAM_SHIFT,
                      (uint32_t)(8 * s->kind + s->severity), 0, 0);
}

static double at(const struct shift *s, int64_t h, int64_t w, int64_t n, int64_t c)
{
    return s->x[((h * s->W + w) * s->N + n) * s->C + c];
}

/* Sixteen bytes of the draw, less their mean, over their deviation. */
static double normal(struct philox r)
{
    double sum = 0;
    for (int i = 0; i < 16; i++)
        sum += (double)(r.v[i / 4] >> 8 * (i % 4) & 255);
    return (sum - 16 * 127.5) / sqrt(16 * (256.0 * 256 - 1) / 12);
}

static double noisy(const struct shift *s, int64_t h, int64_t w, int64_t n, int64_t c)
{
    double mean = s->norm[c], scale = s->norm[s->C + c], unit = s->bytes ? scale : SHIFT_DEVIATIONS;
    double g = normal(draw(s, n, (h * s->W + w) * s->C + c));
    double v = at(s, h, w, n, c) + shift_strength(s->kind, s->severity) * unit * g;
    return s->bytes ? fmin(fmax(v, -mean * scale), (1 - mean) * scale) : v;
}

static double blurred(const struct shift *s, int64_t h, int64_t w, int64_t n, int64_t c)
{
    double high = shift_half_width(s->severity, s->H), wide = shift_half_width(s->severity, s->W), sum = 0, all = 0;
    int64_t reach_h = (int64_t)ceil(high) - 1, reach_w = (int64_t)ceil(wide) - 1;
    for (int64_t i = h > reach_h ? h - reach_h : 0; i <= h + reach_h && i < s->H; i++)
        for (int64_t j = w > reach_w ? w - reach_w : 0; j <= w + reach_w && j < s->W; j++) {
            double weight = (1 - fabs((double)(i - h)) / high) * (1 - fabs((double)(j - w)) / wide);
            sum += weight * at(s, i, j, n, c);
            all += weight;
        }
    return sum / all;
}

static double moved(const struct shift *s, int64_t h, int64_t w, int64_t n, int64_t c)
{
    struct philox r = draw(s, n, 0);
    int64_t dy = shift_pixels(s->kind, s->severity, s->H), dx = shift_pixels(s->kind, s->severity, s->W);
    h -= r.v[0] >> 31 ? dy : -dy;
    w -= r.v[1] >> 31 ? dx : -dx;
    if (h >= 0 && h < s->H && w >= 0 && w < s->W)
        return at(s, h, w, n, c);
    return s->bytes ? -s->norm[c] * s->norm[s->C + c] : 0;
}

static double occluded(const struct shift *s, int64_t h, int64_t w, int64_t n, int64_t c)
{
    struct philox r = draw(s, n, 0);
    int64_t rows = shift_pixels(s->kind, s->severity, s->H), columns = shift_pixels(s->kind, s->severity, s->W);
    int64_t top = (int64_t)((uint64_t)r.v[0] * (uint64_t)(s->H - rows + 1) >> 32);
    int64_t left = (int64_t)((uint64_t)r.v[1] * (uint64_t)(s->W - columns + 1) >> 32);
    return h >= top && h < top + rows && w >= left && w < left + columns ? 0 : at(s, h, w, n, c);
}

static double shifted(const struct shift *s, int64_t h, int64_t w, int64_t n, int64_t c)
{
    double mean = s->mean[n * s->C + c];
    if (s->severity == 0)
        return at(s, h, w, n, c);
    switch (s->kind) {
    case SHIFT_NOISE:
        return noisy(s, h, w, n, c);
    case SHIFT_BLUR:
        return blurred(s, h, w, n, c);
    case SHIFT_CONTRAST:
        return mean + shift_strength(s->kind, s->severity) * (at(s, h, w, n, c) - mean);
    case SHIFT_TRANSLATION:
        return moved(s, h, w, n, c);
    default:
        return occluded(s, h, w, n, c);
    }
}

void ref_shift(const struct call *c, void *const *in, void *const *out)
{
    const int64_t *d = c->in[0].dim;
    const struct shift s = {.H = d[0], .W = d[1], .N = d[2], .C = d[3], .severity = call_int(c, "severity"),
                            .kind = (enum shift_kind)call_int(c, "kind"), .bytes = call_int(c, "bytes") != 0,
                            .x = in[0], .mean = in[1], .id = in[2], .norm = in[3]};
    double *y = out[0];
    for (int64_t i = 0; i < d[0] * d[1] * d[2] * d[3]; i++)
        y[i] = shifted(&s, i / d[3] / d[2] / d[1], i / d[3] / d[2] % d[1], i / d[3] % d[2], i % d[3]);
}
