/* y is the normalised batch x [H][W][N][C] under a shift of distribution; draws depend on the sample's id, the kind and
 * the severity alone, so that the shifted data are the same in every run.
 *   noise: strength * g more, g of about a standard normal distribution: the sum of a draw's sixteen bytes, made in
 *     integers, the same on all devices. Bytes are clamped to 0..255.
 *   contrast: the distance to mean[n,c] shrinks to `strength` of what it was.
 *   translation: by `rows` and `columns`, each in one of two directions; black comes in, or a float's mean.
 *   occlusion: rows x columns pixels somewhere in the image are set to the mean of the data.
 *   blur: shift__blur, once along each axis: a triangle as filter, over the pixels that the image has. */

#include "common/philox.clh"
#include "common/vec.clh"

#pragma OPENCL FP_CONTRACT OFF

#define NOISE 0 /* as in ref/shift.h; below: a copy */
#define CONTRAST 2
#define TRANSLATION 3
#define OCCLUSION 4

#define BYTES_MEAN 2040                     /* 16 * 127.5 */
#define BYTES_SCALE (1.0f / 295.601083f)    /* 1 / sqrt(16 * (256^2 - 1) / 12) */

static inline float normal(const struct philox r)
{
    int sum = -BYTES_MEAN;
    for (int i = 0; i < 4; i++)
        sum += (int)((r.v[i] & 255) + (r.v[i] >> 8 & 255) + (r.v[i] >> 16 & 255) + (r.v[i] >> 24));
    return (float)sum * BYTES_SCALE;
}

/* A work-item: a row (dimension 1) of `samples` images (dimension 0). */
kernel void shift__plain(global const float *restrict x, global const float *restrict mean,
                         global const int *restrict id, global const float *restrict norm, global float *restrict y,
                         const int H, const int W, const int N, const int C, const int samples, const int kind,
                         const uint severity, const float strength, const float deviations, const int rows,
                         const int columns)
{
    const int n0 = (int)get_global_id(0) * samples, n_end = N - n0 < samples ? N : n0 + samples;
    const int h = get_global_id(1);
    const int bytes = deviations == 0.0f;
    for (int n = n0; n < n_end; n++) {
        const uint word = (uint)kind * 8 + severity;
        const struct philox r = philox4x32(0, (uint)id[n], STREAM_SHIFT, word, 0, 0);
        const int row = h - (r.v[0] >> 31 ? rows : -rows), dx = r.v[1] >> 31 ? columns : -columns;
        const int top = (int)((ulong)r.v[0] * (ulong)(H - rows + 1) >> 32);
        const int left = (int)((ulong)r.v[1] * (ulong)(W - columns + 1) >> 32);
        for (int i = 0; i < W * C; i++) {
            const int w = i / C, c = i % C;
            const ulong at = (((ulong)h * W + w) * N + n) * C + c;
            const float black = bytes ? -norm[c] * norm[C + c] : 0.0f;
            float v = 0.0f;
            if (kind == TRANSLATION) {
                const int inside = row >= 0 && row < H && w - dx >= 0 && w - dx < W;
                v = inside ? x[(((ulong)row * W + (w - dx)) * N + n) * C + c] : black;
            } else if (kind == OCCLUSION) {
                v = h >= top && h < top + rows && w >= left && w < left + columns ? 0.0f : x[at];
            } else if (kind == CONTRAST) {
                const float m = mean[n * C + c];
                v = m + strength * (x[at] - m);
            } else if (kind == NOISE) {
                const uint element = ((uint)h * (uint)W + (uint)w) * (uint)C + (uint)c;
                const float g = normal(philox4x32(element, (uint)id[n], STREAM_SHIFT, word, 0, 0));
                v = x[at] + strength * (bytes ? norm[C + c] : deviations) * g;
                v = bytes ? fmin(fmax(v, black), (1.0f - norm[c]) * norm[C + c]) : v;
            } else {
                v = x[at];
            }
            y[at] = v;
        }
    }
}

/* Along an axis of `length` pixels, `step` pixels apart in memory; a pixel has NC values. A work-item: `vectors`
 * vectors (dimension 0) of a pixel (dimension 1). */
VECTOR_KERNEL void shift__blur(global const float *restrict x, global float *restrict y, const int NC,
                               const int vectors, const int length, const int step, const int reach,
                               const float half_width)
{
    const int pixel = get_global_id(1), place = pixel / step % length;
    const int first = -min(reach, place), last = min(reach, length - 1 - place);
    float all = 0.0f;
    for (int d = first; d <= last; d++)
        all += 1.0f - (float)abs(d) / half_width;
    for (int k = 0; k < vectors; k++) {
        const int i = ((int)get_global_id(0) * vectors + k) * VEC, left = NC - i;
        vecf sum = (vecf)(0.0f);
        if (left <= 0)
            break;
        for (int d = first; d <= last; d++) {
            const float weight = (1.0f - (float)abs(d) / half_width) / all;
            sum += weight * vec_load(x + (ulong)(pixel + d * step) * NC + i, left);
        }
        vec_store(sum, y + (ulong)pixel * NC + i, left);
    }
}
