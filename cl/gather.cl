/* A batch x [H][W][N][C] from images [I][H][W][C] that stay on the device:
 *   sample n is images[order[offset + n]]; past `count` the last one again, weight 0.
 *   x = (v - mean[c]) / std[c], v the pixel, bytes scaled to 0..1; norm holds mean, then 1 / std.
 * Augmentation, by draws that depend on the sample and the epoch alone: a shift by up to
 * `crop` pixels (black comes in), a mirror, and a square of `cutout` pixels set to the mean.
 * A work-item: SAMPLES samples' (dimension 0) pixels of ROWS rows of the image (dimension 1), for
 * which the draws are made once; of several samples COLUMNS pixels at a time: each sample's are a
 * line, read as bytes and made values in vectors, and then the lines, side by side, are written
 * along the samples of a pixel. */

#include "common/philox.clh"
#include "common/vec.clh"

/* The same bits in vectors as one by one. */
#pragma OPENCL FP_CONTRACT OFF

#ifndef SAMPLES
#define SAMPLES 1
#endif
#ifndef ROWS
#define ROWS 1
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
#define LINE (COLUMNS * CHANNELS) /* a multiple of VEC */
#define PASTE_(a, b) a##b
#define PASTE(a, b) PASTE_(a, b)
#define BYTES(p) PASTE(convert_float, VEC)(PASTE(vload, VEC)(0, p))

/* Bytes of the pixels w0 .. w0 + columns of a row, which starts at `from`. */
static inline void read_bytes(uchar *bytes, global const uchar *from, const source s, const int inside, const int w0,
                              const int columns, const int W)
{
    const int at = s.first + s.step * w0; /* of pixel w0 */
    int begin = s.step > 0 ? -at : at - W + 1, end = s.step > 0 ? W - at : at + 1;
    begin = inside ? clamp(begin, 0, columns) : 0;
    end = inside ? clamp(end, begin, columns) : 0;
    if (end - begin < columns)
        for (int k = 0; k < LINE; k++)
            bytes[k] = 0;
    if (s.step > 0) {
        global const uchar *in = from + (at + begin) * CHANNELS;
        const int n = (end - begin) * CHANNELS;
        uchar *to = bytes + begin * CHANNELS;
        int k = 0;
        for (; k + 16 <= n; k += 16)
            vstore16(vload16(0, in + k), 0, to + k);
        for (; k < n; k++)
            to[k] = in[k];
    } else {
        for (int i = begin; i < end; i++)
            for (int c = 0; c < CHANNELS; c++)
                bytes[i * CHANNELS + c] = from[(at - i) * CHANNELS + c];
    }
}

/* The same as values of x; mean and scale go on along the line. */
static inline void read_line(float *line, global const uchar *from, const source s, const int inside, const int w0,
                             const int columns, const int W, const float *mean, const float *scale)
{
    uchar bytes[LINE];
    read_bytes(bytes, from, s, inside, w0, columns, W);
    for (int k = 0; k < LINE; k += VEC)
        VSTORE((BYTES(bytes + k) * (1.0f / 255.0f) - VLOAD(mean + k)) * VLOAD(scale + k), line + k);
    const int cut_from = max(s.cut_from - w0, 0) * CHANNELS, cut_to = min(s.cut_to - w0, columns) * CHANNELS;
    for (int k = cut_from; k < cut_to; k++)
        line[k] = 0.0f;
}

/* Lines of SAMPLES samples to x, which starts at the first pixel and sample. */
#if CHANNELS == 1
#define PART_ROWS SAMPLES
#define PART_WIDTH COLUMNS
#define PUT(line, part, j) /* it is there already */
#define LINE_OF(part, line, j) part[j]

static inline void write_part(float part[PART_ROWS][PART_WIDTH], global float *x, const int columns,
                              const int samples, const int N)
{
    for (int j = 0; j < samples; j += VEC)
        for (int i = 0; i < columns; i += VEC) {
            vecf m[VEC];
            for (int v = 0; v < VEC; v++)
                m[v] = VLOAD(part[j + v] + i);
            vec_transpose(m);
            for (int v = 0; v < VEC; v++)
                if (i + v < columns)
                    vec_store(m[v], x + (ulong)(i + v) * N + j, samples - j);
        }
}
#else
#define PART_ROWS COLUMNS
#define PART_WIDTH (SAMPLES * CHANNELS + 4)
#define LINE_OF(part, line, j) line
/* Four floats a pixel, of which the next sample overwrites what is not this one's. */
#define PUT(line, part, j)            \
    for (int i = 0; i < COLUMNS; i++) \
        vstore4(vload4(0, line + i * CHANNELS), 0, part[i] + j * CHANNELS);

static inline void write_part(float part[PART_ROWS][PART_WIDTH], global float *x, const int columns,
                              const int samples, const int N)
{
    for (int i = 0; i < columns; i++)
        for (int k = 0, n = samples * CHANNELS; k < n; k += VEC)
            vec_store(VLOAD(part[i] + k), x + (ulong)i * N * CHANNELS + k, n - k);
}
#endif
#endif

VECTOR_KERNEL void gather__plain(global const uchar *restrict images, global const int *restrict labels,
                                 global const int *restrict order, global const float *restrict norm,
                                 global float *restrict x, global int *restrict y, global int *restrict id,
                                 global float *restrict weight, const int H, const int W, const int N,
                                 const int offset, const int count, const int augment, const int epoch,
                                 const uint seed_lo, const uint seed_hi, const int crop, const int flip,
                                 const int cutout, const float cutout_p)
{
    const int h0 = (int)get_global_id(1) * ROWS, h_end = h0 + ROWS < H ? h0 + ROWS : H;
    SAMPLE_INDICES
    augmentation drawn[SAMPLES];
    for (int j = 0; j < samples; j++) {
        const augmentation none = {0, 0, 0, 0, 0, 0};
        drawn[j] = augment ? draw(index[j], epoch, seed_lo, seed_hi, H, W, crop, flip, cutout, cutout_p) : none;
    }
#if SAMPLES > 1
    float mean[LINE], scale[LINE], part[PART_ROWS][PART_WIDTH], line[LINE + 4];
    for (int k = 0; k < LINE; k++) {
        mean[k] = norm[k % CHANNELS];
        scale[k] = norm[CHANNELS + k % CHANNELS];
    }
    for (int h = h0; h < h_end; h++)
        for (int w0 = 0; w0 < W; w0 += COLUMNS) {
            const int columns = W - w0 < COLUMNS ? W - w0 : COLUMNS;
            for (int j = 0; j < samples; j++) {
                const source s = source_of(drawn[j], h, W, cutout);
                const int inside = s.row >= 0 && s.row < H;
                read_line(LINE_OF(part, line, j), images + ((ulong)index[j] * H + (inside ? s.row : 0)) * W * CHANNELS,
                          s, inside, w0, columns, W, mean, scale);
                PUT(line, part, j)
            }
            write_part(part, x + (((ulong)h * W + w0) * N + n0) * CHANNELS, columns, samples, N);
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
