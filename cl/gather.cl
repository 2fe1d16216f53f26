/* A batch x [H][W][N][C] from images [I][H][W][C] that stay on the device:
 *   sample n is images[order[offset + n]]; past `count` the last one again, weight 0.
 *   x = (v - mean[c]) / std[c], v the pixel, bytes scaled to 0..1; norm holds mean, then 1 / std.
 * Augmentation, by draws that depend on the sample and the epoch alone: a shift by up to
 * `crop` pixels (black comes in), a mirror, and a square of `cutout` pixels set to the mean.
 * A work-item: SAMPLES samples' (dimension 0) pixels of `rows` rows of the image (dimension 1), for
 * which the draws are made once; of several samples COLUMNS pixels at a time: their bytes are
 * laid out along the samples of a pixel, and made values in vectors on the way to x. */

#include "common/philox.clh"
#include "common/share.clh"
#include "common/vec.clh"

/* The same bits in vectors as one by one. */
#pragma OPENCL FP_CONTRACT OFF

#ifndef SAMPLES
#define SAMPLES 1
#endif
#ifndef COLUMNS
#define COLUMNS 32 /* a multiple of VEC, as SAMPLES is unless it is 1 */
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
    const int last = count - 1, s = order[offset < last - n ? offset + n : last]; /* no sum that wraps */
    y[n] = labels[s];
    id[n] = s;
    weight[n] = offset < count - n ? 1.0f : 0.0f;
}

/* The samples of this work-item, the last one again past `count`. */
#define SAMPLE_INDICES                                                       \
    const int n0 = (int)get_global_id(0) * SAMPLES, last = count - 1;        \
    const int samples = N - n0 < SAMPLES ? N - n0 : SAMPLES;                 \
    int index[SAMPLES];                                                      \
    for (int j = 0; j < samples; j++) {                                      \
        index[j] = order[offset < last - n0 - j ? offset + n0 + j : last];   \
        if (get_global_id(1) == 0)                                           \
            sample(labels, order, y, id, weight, n0 + j, offset, count);     \
    }

/* A sample's row of the augmented image: pixel w is pixel first + step * w of the row `row` of
 * its image, black outside; from cut_from to cut_to it is hidden. */
typedef struct {
    int row, first, step, cut_from, cut_to;
} source;

source source_of(const augmentation g, const int h, const int W, const int cutout)
{
    source s = {h + g.dy, (g.flip ? W - 1 : 0) + g.dx, g.flip ? -1 : 1, 0, 0};
    if (g.cut && h >= g.top && h < g.top + cutout) {
        s.cut_from = g.left;
        s.cut_to = g.left + cutout;
    }
    return s;
}

#if SAMPLES > 1
#define VALUES(bytes, mean, scale) ((convert_vecf(bytes) * (1.0f / 255.0f) - (mean)) * (scale))
/* VEC bytes at p, a multiple of 4, by words: some compilers load vectors of bytes one by one. */
#if VEC == 4
#define BYTES_AT(p) as_uchar4(*(const uint *)(p))
#elif VEC == 8
#define BYTES_AT(p) as_uchar8(vload2(0, (const uint *)(p)))
#else
#define BYTES_AT(p) as_uchar16(vload4(0, (const uint *)(p)))
#endif

/* Bytes of `columns` pixels from the place `at` of a row on, zeros outside of it. */
static inline void read_bytes(uchar *bytes, global const uchar *row, const int inside, const int at,
                              const int columns, const int W)
{
    const int begin = inside ? clamp(-at, 0, columns) : 0, end = inside ? clamp(W - at, begin, columns) : 0;
    if (end - begin < columns)
        for (int k = 0; k < columns * CHANNELS; k++)
            bytes[k] = 0;
    for (int k = begin * CHANNELS; k < end * CHANNELS; k++)
        bytes[k] = row[at * CHANNELS + k];
}

/* A part of the batch: bytes of samples side by side, as read by put_row(), become values of x, which
 * starts at the part's first pixel and sample; the next part's lines are asked for `ahead` floats a pixel. */
#if CHANNELS == 1
#define PART_ROWS SAMPLES
#define PART_WIDTH (COLUMNS + VEC)

static inline void put_row(uchar part[PART_ROWS][PART_WIDTH], const int j, global const uchar *row, const int inside,
                           const int follows, const int at, const int step, const int columns, const int W)
{
    uchar *line = part[j];
    read_bytes(line, row, inside, at, columns, W);
    for (int i = 0; step < 0 && i < columns / 2; i++) {
        const uchar t = line[i];
        line[i] = line[columns - 1 - i];
        line[columns - 1 - i] = t;
    }
}

static inline void write_part(uchar part[PART_ROWS][PART_WIDTH], global float *x, const float *mean,
                              const float *scale, const int columns, const int samples, const int N,
                              const int ahead, const int stream)
{
    for (int j = 0; j < samples; j += VEC)
        for (int i = 0; i < columns; i += VEC) {
            vecf m[VEC];
            UNROLL for (int v = 0; v < VEC; v++)
                m[v] = VALUES(BYTES_AT(part[j + v] + i), VLOAD(mean), VLOAD(scale));
            vec_transpose(m);
            for (int v = 0; v < VEC && i + v < columns; v++)
                vec_store(m[v], x + (ulong)(i + v) * N + j, samples - j);
        }
}
#else
#define PART_ROWS COLUMNS
#define PART_WIDTH (SAMPLES * CHANNELS + 16)

/* Four bytes a pixel, of which the next sample overwrites what is not this one's. */
#define PUT_PIXEL(from, i) vstore4(vload4(0, (from) + (i)*by), 0, part[i] + j * CHANNELS);
#define PUT(from)                              \
    {                                          \
        int i = 0;                             \
        for (; i + 8 <= columns; i += 8) {     \
            UNROLL for (int u = 0; u < 8; u++) \
                PUT_PIXEL(from, i + u)         \
        }                                      \
        for (; i < columns; i++)               \
            PUT_PIXEL(from, i)                 \
    }

static inline void put_row(uchar part[PART_ROWS][PART_WIDTH], const int j, global const uchar *row, const int inside,
                           const int follows, const int at, const int step, const int columns, const int W)
{
    const int first = step > 0 ? 0 : (columns - 1) * CHANNELS, by = step * CHANNELS;
    if (follows && at >= 0 && at + columns <= W) {
        PUT(row + at * CHANNELS + first)
    } else {
        uchar bytes[COLUMNS * CHANNELS + 4];
        read_bytes(bytes, row, inside, at, columns, W);
        PUT(bytes + first)
    }
}

static inline void write_part(uchar part[PART_ROWS][PART_WIDTH], global float *x, const float *mean,
                              const float *scale, const int columns, const int samples, const int N,
                              const int ahead, const int stream)
{
    for (int i = 0; i < columns; i++) {
        global float *to = x + (ulong)i * N * CHANNELS;
        for (int k0 = 0; k0 < samples * CHANNELS; k0 += VEC * CHANNELS) /* mean and scale repeat after these */
            UNROLL for (int v = 0; v < CHANNELS; v++) {
                const int k = k0 + v * VEC;
                vec_put(VALUES(BYTES_AT(part[i] + k), VLOAD(mean + v * VEC), VLOAD(scale + v * VEC)), to + k,
                        samples * CHANNELS - k, stream);
            }
        for (int k = 0; k < ahead && !stream; k += 16) /* stores to lines that are far apart wait for each */
            PREFETCH(to + (long)columns * N * CHANNELS + k);
    }
}
#endif
#endif

VECTOR_KERNEL void gather__plain(global const uchar *restrict images, global const int *restrict labels,
                                 global const int *restrict order, global const float *restrict norm,
                                 global float *restrict x, global int *restrict y, global int *restrict id,
                                 global float *restrict weight, const int H, const int W, const int N,
                                 const int rows, const int offset, const int count, const int augment, const int epoch,
                                 const uint seed_lo, const uint seed_hi, const int crop, const int flip,
                                 const int cutout, const int stream, const float cutout_p)
{
    const int h0 = (int)get_global_id(1) * rows, h_end = h0 + rows < H ? h0 + rows : H;
    SAMPLE_INDICES
    augmentation drawn[SAMPLES];
    for (int j = 0; j < samples; j++) {
        const augmentation none = {0, 0, 0, 0, 0, 0};
        drawn[j] = augment ? draw(index[j], epoch, seed_lo, seed_hi, H, W, crop, flip, cutout, cutout_p) : none;
    }
#if SAMPLES > 1
    uchar part[PART_ROWS][PART_WIDTH] __attribute__((aligned(16))); /* BYTES_AT */
    float mean[VEC * CHANNELS], scale[VEC * CHANNELS];
    for (int k = 0; k < VEC * CHANNELS; k++) {
        mean[k] = norm[k % CHANNELS];
        scale[k] = norm[CHANNELS + k % CHANNELS];
    }
    for (int h = h0; h < h_end; h++)
        for (int w0 = 0; w0 < W; w0 += COLUMNS) {
            const int columns = W - w0 < COLUMNS ? W - w0 : COLUMNS;
            global float *to = x + (((ulong)h * W + w0) * N + n0) * CHANNELS;
            int cuts = 0;
            for (int j = 0; j < samples; j++) {
                const source s = source_of(drawn[j], h, W, cutout);
                const int inside = s.row >= 0 && s.row < H, at = s.first + s.step * w0;
                global const uchar *row = images + ((ulong)index[j] * H + (inside ? s.row : 0)) * W * CHANNELS;
                put_row(part, j, row, inside, inside && s.row + 1 < H, s.step > 0 ? at : at - columns + 1, s.step,
                        columns, W);
                for (int k = 0; k < W * CHANNELS; k += 64)
                    PREFETCH(row + W * CHANNELS + k);
                cuts |= s.cut_from < s.cut_to;
            }
            write_part(part, to, mean, scale, columns, samples, N,
                       h + 1 < h_end || w0 + COLUMNS < W ? samples * CHANNELS : 0, stream);
            for (int j = 0; cuts && j < samples; j++) {
                const source s = source_of(drawn[j], h, W, cutout);
                for (int i = max(s.cut_from - w0, 0); i < min(s.cut_to - w0, columns); i++)
                    for (int c = 0; c < CHANNELS; c++)
                        to[((ulong)i * N + j) * CHANNELS + c] = 0.0f;
            }
        }
#else
    for (int h = h0; h < h_end; h++) {
        const source s = source_of(drawn[0], h, W, cutout);
        const int row_inside = s.row >= 0 && s.row < H;
        global const uchar *row = images + ((ulong)index[0] * H + (row_inside ? s.row : 0)) * W * CHANNELS;
        for (int w = 0; w < W; w++) {
            const int column = s.first + s.step * w;
            const int inside = row_inside && column >= 0 && column < W, cut = w >= s.cut_from && w < s.cut_to;
            for (int c = 0; c < CHANNELS; c++) {
                const float v = inside ? (float)row[column * CHANNELS + c] * (1.0f / 255.0f) : 0.0f;
                x[(((ulong)h * W + w) * N + n0) * CHANNELS + c] = cut ? 0.0f : (v - norm[c]) * norm[CHANNELS + c];
            }
        }
    }
#endif
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

/* y[n] = labels[first + id[n]], counted[n] = weight[n]; of a negative label, and of held-out samples (split not 0),
 * which have none, 0 and weight 0. A work-item: a sample. */
kernel void gather_labels__plain(global const int *restrict labels, global const int *restrict id,
                                 global const float *restrict weight, global int *restrict y,
                                 global float *restrict counted, const int N, const ulong first, const int split)
{
    const int n = get_global_id(0);
    if (n >= N)
        return;
    const int label = split == 0 ? labels[first + (ulong)id[n]] : -1;
    y[n] = max(label, 0);
    counted[n] = label < 0 ? 0.0f : weight[n];
}
