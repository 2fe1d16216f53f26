#include "common/philox.clh"
#include "ref/ref.h"

struct view {
    int64_t H, W, N, C;
};

static int64_t sample(const struct call *c, int64_t n)
{
    int64_t at = call_int(c, "offset") + n, last = call_int(c, "count") - 1;
    return at < last ? at : last;
}

static void labels_of(const struct call *c, void *const *in, void *const *out)
{
    const int32_t *labels = in[1], *order = in[2];
    int32_t *y = out[1], *id = out[2];
    double *weight = out[3];
    for (int64_t n = 0; n < c->out[0].dim[2]; n++) {
        id[n] = order[sample(c, n)];
        y[n] = labels[id[n]];
        weight[n] = call_int(c, "offset") + n < call_int(c, "count") ? 1 : 0;
    }
}

static int64_t below(uint32_t bits, int64_t n)
{
    return (int64_t)(((uint64_t)bits * (uint64_t)n) >> 32);
}

void ref_gather(const struct call *c, void *const *in, void *const *out)
{
    struct view v = {c->out[0].dim[0], c->out[0].dim[1], c->out[0].dim[2], c->out[0].dim[3]};
    const uint8_t *images = in[0];
    const int32_t *order = in[2];
    const double *norm = in[3];
    double *x = out[0];
    uint64_t seed = (uint64_t)call_int(c, "seed");
    int64_t crop = call_int(c, "crop"), cutout = call_int(c, "cutout");
    bool augment = call_int(c, "augment") != 0;
    labels_of(c, in, out);
    for (int64_t n = 0; n < v.N; n++) {
        int64_t id = order[sample(c, n)];
        uint32_t epoch = (uint32_t)call_int(c, "epoch");
        struct philox a = philox4x32((uint32_t)id, epoch, STREAM_AUGMENT, 0, (uint32_t)seed, (uint32_t)(seed >> 32));
        struct philox b = philox4x32((uint32_t)id, epoch, STREAM_AUGMENT, 1, (uint32_t)seed, (uint32_t)(seed >> 32));
        int64_t dy = below(a.v[0], 2 * crop + 1) - crop, dx = below(a.v[1], 2 * crop + 1) - crop;
        bool flip = augment && call_int(c, "flip") && a.v[2] >> 31;
        bool cut = augment && cutout > 0 && philox_unit(b.v[0]) < (float)call_float(c, "cutout_p");
        int64_t top = below(b.v[1], v.H) - cutout / 2, left = below(b.v[2], v.W) - cutout / 2;
        for (int64_t i = 0; i < v.H * v.W * v.C; i++) {
            int64_t k = i % v.C, w = i / v.C % v.W, h = i / v.C / v.W;
            int64_t row = augment ? h + dy : h, column = (flip ? v.W - 1 - w : w) + (augment ? dx : 0);
            bool inside = row >= 0 && row < v.H && column >= 0 && column < v.W;
            bool hidden = cut && h >= top && h < top + cutout && w >= left && w < left + cutout;
            double value = inside ? images[((id * v.H + row) * v.W + column) * v.C + k] / 255.0 : 0;
            x[((h * v.W + w) * v.N + n) * v.C + k] = hidden ? 0 : (value - norm[k]) * norm[v.C + k];
        }
    }
}

void ref_gather_float(const struct call *c, void *const *in, void *const *out)
{
    struct view v = {c->out[0].dim[0], c->out[0].dim[1], c->out[0].dim[2], c->out[0].dim[3]};
    const double *images = in[0], *norm = in[3];
    const int32_t *order = in[2];
    double *x = out[0];
    labels_of(c, in, out);
    for (int64_t n = 0; n < v.N; n++)
        for (int64_t i = 0; i < v.H * v.W * v.C; i++)
            x[(i / v.C * v.N + n) * v.C + i % v.C] =
                (images[order[sample(c, n)] * v.H * v.W * v.C + i] - norm[i % v.C]) * norm[v.C + i % v.C];
}

void ref_gather_labels(const struct call *c, void *const *in, void *const *out)
{
    const int32_t *labels = (const int32_t *)in[0] + call_int(c, "row") * c->in[0].dim[1], *id = in[1];
    const double *weight = in[2];
    int32_t *y = out[0];
    double *counted = out[1];
    for (int64_t n = 0; n < c->in[1].dim[0]; n++) {
        int32_t label = call_int(c, "split") ? -1 : labels[id[n]];
        y[n] = label < 0 ? 0 : label;
        counted[n] = label < 0 ? 0 : weight[n];
    }
}
