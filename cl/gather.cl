/* A batch x [H][W][N][C] from images [I][H][W][C] that stay on the device:
 *   sample n is images[order[offset + n]]; past `count` the last one again, weight 0.
 *   x = (v - mean[c]) / std[c], v the pixel, bytes scaled to 0..1; norm holds mean, then 1 / std.
 * Augmentation, by draws that depend on the sample and the epoch alone: a shift by up to
 * `crop` pixels (black comes in), a mirror, and a square of `cutout` pixels set to the mean.
 * A work-item: SAMPLES samples' (dimension 0) pixels of one row of the image (dimension 1), so
 * that the draws are made once a row; COLUMNS of them at a time, so that reads follow each other
 * along a sample, and writes along the samples of a pixel. */

#include "common/philox.clh"
#include "common/vec.clh"

#ifndef SAMPLES
#define SAMPLES 1
#endif
#ifndef COLUMNS
#define COLUMNS 1
#endif
#ifndef CHANNELS
#define CHANNELS 3 /* C */
#endif

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

/* The samples of this work-item, the last one again past `count`. */
#define SAMPLE_INDICES                                                       \
    const int n0 = (int)get_global_id(0) * SAMPLES, last = count - 1;        \
    const int samples = N - n0 < SAMPLES ? N - n0 : SAMPLES;                 \
    int index[SAMPLES];                                                      \
    for (int j = 0; j < samples; j++) {                                      \
        const int at = offset + n0 + j;                                      \
        index[j] = order[at < last ? at : last];                             \
        if (get_global_id(1) == 0)                                           \
            sample(labels, order, y, id, weight, n0 + j, offset, count);     \
    }

VECTOR_KERNEL void gather__plain(global const uchar *restrict images, global const int *restrict labels,
                                 global const int *restrict order, global const float *restrict norm,
                                 global float *restrict x, global int *restrict y, global int *restrict id,
                                 global float *restrict weight, const int H, const int W, const int N,
                                 const int offset, const int count, const int augment, const int epoch,
                                 const uint seed_lo, const uint seed_hi, const int crop, const int flip,
                                 const int cutout, const float cutout_p)
{
    const int h = get_global_id(1);
    SAMPLE_INDICES
    float mean[CHANNELS], scale[CHANNELS];
    for (int c = 0; c < CHANNELS; c++) {
        mean[c] = norm[c];
        scale[c] = norm[CHANNELS + c];
    }
    int first[SAMPLES], step[SAMPLES], cut_from[SAMPLES], cut_to[SAMPLES], row[SAMPLES];
    for (int j = 0; j < samples; j++) {
        row[j] = h;
        first[j] = cut_from[j] = cut_to[j] = 0;
        step[j] = 1;
        if (augment) {
            const augmentation g = draw(index[j], epoch, seed_lo, seed_hi, H, W, crop, flip, cutout, cutout_p);
            row[j] = h + g.dy;
            first[j] = (g.flip ? W - 1 : 0) + g.dx;
            step[j] = g.flip ? -1 : 1;
            if (g.cut && h >= g.top && h < g.top + cutout) {
                cut_from[j] = g.left;
                cut_to[j] = g.left + cutout;
            }
        }
    }
    for (int w0 = 0; w0 < W; w0 += COLUMNS) {
        float part[COLUMNS][SAMPLES * CHANNELS];
        const int columns = W - w0 < COLUMNS ? W - w0 : COLUMNS;
        for (int j = 0; j < samples; j++) {
            const int row_inside = row[j] >= 0 && row[j] < H;
            global const uchar *from = images + ((ulong)index[j] * H + (row_inside ? row[j] : 0)) * W * CHANNELS;
            for (int i = 0; i < columns; i++) {
                const int w = w0 + i, column = first[j] + step[j] * w;
                const int inside = row_inside && column >= 0 && column < W, cut = w >= cut_from[j] && w < cut_to[j];
                for (int c = 0; c < CHANNELS; c++) {
                    const float v = inside ? (float)from[column * CHANNELS + c] * (1.0f / 255.0f) : 0.0f;
                    part[i][j * CHANNELS + c] = cut ? 0.0f : (v - mean[c]) * scale[c];
                }
            }
        }
        for (int i = 0; i < columns; i++) {
            global float *to = x + (((ulong)h * W + w0 + i) * N + n0) * CHANNELS;
            for (int k = 0; k < samples * CHANNELS; k++)
                to[k] = part[i][k];
        }
    }
}

/* Dimension 1 is the pixel. */
VECTOR_KERNEL void gather_float__plain(global const float *restrict images, global const int *restrict labels,
                                       global const int *restrict order, global const float *restrict norm,
                                       global float *restrict x, global int *restrict y, global int *restrict id,
                                       global float *restrict weight, const int pixels, const int N, const int offset,
                                       const int count)
{
    const int pixel = get_global_id(1);
    SAMPLE_INDICES
    for (int j = 0; j < samples; j++)
        for (int c = 0; c < CHANNELS; c++)
            x[((ulong)pixel * N + n0 + j) * CHANNELS + c] =
                (images[((ulong)index[j] * pixels + pixel) * CHANNELS + c] - norm[c]) * norm[CHANNELS + c];
}
