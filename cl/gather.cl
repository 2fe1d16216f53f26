/* A batch x [H][W][N][C] from images [I][H][W][C] that stay on the device:
 *   sample n is images[order[offset + n]]; past `count` the last one again, weight 0.
 *   x = (v - mean[c]) / std[c], v the pixel, bytes scaled to 0..1; norm holds mean, then 1 / std.
 * Augmentation, by draws that depend on the sample and the epoch alone: a shift by up to
 * `crop` pixels (black comes in), a mirror, and a square of `cutout` pixels set to the mean.
 * A work-item: all channels of pixel (id 1) of sample (id 0). */

#include "common/philox.clh"

typedef struct {
    int dy, dx, flip, cut, top, left;
} augmentation;

augmentation draw(const int id, const int epoch, const uint seed_lo, const uint seed_hi, const int H, const int W,
                  const int crop, const int flip, const int cutout, const float cutout_p)
{
    const struct philox a = philox4x32((uint)id, (uint)epoch, STREAM_AUGMENT, 0, seed_lo, seed_hi);
    const struct philox b = philox4x32((uint)id, (uint)epoch, STREAM_AUGMENT, 1, seed_lo, seed_hi);
    augmentation g;
    g.dy = (int)(((ulong)a.v[0] * (ulong)(2 * crop + 1)) >> 32) - crop;
    g.dx = (int)(((ulong)a.v[1] * (ulong)(2 * crop + 1)) >> 32) - crop;
    g.flip = flip && (a.v[2] >> 31);
    g.cut = cutout > 0 && philox_unit(b.v[0]) < cutout_p;
    g.top = (int)(((ulong)b.v[1] * (ulong)H) >> 32) - cutout / 2;
    g.left = (int)(((ulong)b.v[2] * (ulong)W) >> 32) - cutout / 2;
    return g;
}

void sample(global const int *labels, global const int *order, global int *y, global int *id, global float *weight,
            const int n, const int offset, const int count)
{
    const int at = offset + n, last = count - 1, s = order[at < last ? at : last];
    y[n] = labels[s];
    id[n] = s;
    weight[n] = at < count ? 1.0f : 0.0f;
}

kernel void gather__plain(global const uchar *restrict images, global const int *restrict labels,
                          global const int *restrict order, global const float *restrict norm,
                          global float *restrict x, global int *restrict y, global int *restrict id,
                          global float *restrict weight, const int H, const int W, const int N, const int C,
                          const int offset, const int count, const int augment, const int epoch, const uint seed_lo,
                          const uint seed_hi, const int crop, const int flip, const int cutout, const float cutout_p)
{
    const int n = get_global_id(0), pixel = get_global_id(1), h = pixel / W, w = pixel % W;
    if (pixel == 0)
        sample(labels, order, y, id, weight, n, offset, count);
    const int at = offset + n, last = count - 1, s = order[at < last ? at : last];
    int row = h, column = w, cut = 0;
    if (augment) {
        const augmentation g = draw(s, epoch, seed_lo, seed_hi, H, W, crop, flip, cutout, cutout_p);
        cut = g.cut && h >= g.top && h < g.top + cutout && w >= g.left && w < g.left + cutout;
        row = h + g.dy;
        column = (g.flip ? W - 1 - w : w) + g.dx;
    }
    const int inside = row >= 0 && row < H && column >= 0 && column < W;
    for (int c = 0; c < C; c++) {
        const float v = inside ? (float)images[(((ulong)s * H + row) * W + column) * C + c] * (1.0f / 255.0f) : 0.0f;
        x[((ulong)pixel * N + n) * C + c] = cut ? 0.0f : (v - norm[c]) * norm[C + c];
    }
}

kernel void gather_float__plain(global const float *restrict images, global const int *restrict labels,
                                global const int *restrict order, global const float *restrict norm,
                                global float *restrict x, global int *restrict y, global int *restrict id,
                                global float *restrict weight, const int pixels, const int N, const int C,
                                const int offset, const int count)
{
    const int n = get_global_id(0), pixel = get_global_id(1);
    if (pixel == 0)
        sample(labels, order, y, id, weight, n, offset, count);
    const int at = offset + n, last = count - 1, s = order[at < last ? at : last];
    for (int c = 0; c < C; c++)
        x[((ulong)pixel * N + n) * C + c] = (images[((ulong)s * pixels + pixel) * C + c] - norm[c]) * norm[C + c];
}
