/* A batch x [H][W][N][C] from images [I][H][W][C] that stay on the device:
 *   sample n is images[order[offset + n]]; past `count` the last one again, weight 0.
 *   x = (v - mean[c]) / std[c], v the pixel, bytes scaled to 0..1; norm holds mean, then 1 / std.
 * `bytes`: the size of images, past which no vector is read.
 * Augmentation, by draws that depend on the sample and the epoch alone: a shift by up to
 * `crop` pixels (black comes in), a mirror, and a square of `cutout` pixels set to the mean.
 * A work-item: SAMPLES samples' (dimension 0) pixels of `rows` rows of the image (dimension 1), for
 * which the draws are made once; of several samples COLUMNS pixels at a time: their bytes are
 * laid out along the samples of a pixel, and made values in vectors on the way to x. */

#include "common/philox.clh"
#include "common/share.clh"
#include "common/vec.clh"

/* x = v * FACTOR + BLACK of a byte v. The same bits in vectors as one by one. */
#pragma OPENCL FP_CONTRACT OFF
#define FACTOR(c) (norm[CHANNELS + (c)] * (1.0f / 255.0f))
#define BLACK(c) (-norm[c] * norm[CHANNELS + (c)])

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
#define VALUES(bytes, factor, black) fma(convert_vecf(bytes), factor, black)
/* VEC bytes at p, a multiple of 4, by words: some compilers load vectors of bytes one by one. */
#if VEC == 4
#define BYTES_AT(p) as_uchar4(*(const uint *)(p))
#elif VEC == 8
#define BYTES_AT(p) as_uchar8(vload2(0, (const uint *)(p)))
#else
#define BYTES_AT(p) as_uchar16(vload4(0, (const uint *)(p)))
#endif

typedef uchar16 bytes16 __attribute__((aligned(1)));

/* A line is a row's pixels of a part: TOGETHER of them come from 16 bytes, in their order or in reverse. Those of
 * several channels have four bytes each in it, of which NARROW drops what is too many. */
#if CHANNELS == 1
#define TOGETHER 16
typedef uchar pixel;
#define WIDE(v) v
#define WIDE_REVERSED(v) v.sfedcba9876543210
#else
#define TOGETHER 4
typedef uint pixel;
#if CHANNELS == 2
#define WIDE(v) (uchar16)(v.s01, v.s01, v.s23, v.s23, v.s45, v.s45, v.s67, v.s67)
#define WIDE_REVERSED(v) (uchar16)(v.s67, v.s67, v.s45, v.s45, v.s23, v.s23, v.s01, v.s01)
#define NARROW(v) (uchar16)(v.s01, v.s45, v.s89, v.scd, v.s01234567)
#elif CHANNELS == 3
#define WIDE(v) (uchar16)(v.s012, v.s0, v.s345, v.s3, v.s678, v.s6, v.s9ab, v.s9)
#define WIDE_REVERSED(v) (uchar16)(v.s9ab, v.s9, v.s678, v.s6, v.s345, v.s3, v.s012, v.s0)
#define NARROW(v) (uchar16)(v.s012, v.s456, v.s89a, v.scde, v.s0123)
#else
#define WIDE(v) v
#define WIDE_REVERSED(v) (uchar16)(v.scdef, v.s89ab, v.s4567, v.s0123)
#define NARROW(v) v
#endif
#endif
#define LINE (COLUMNS + 16)

#define READ_LINE(LOOP, begin, end)                                                                           \
    {                                                                                                         \
        if (step > 0) {                                                                                       \
            LOOP for (int i = begin; i < end; i += TOGETHER) {                                                \
                const uchar16 v = *(global const bytes16 *)(row + i * CHANNELS);                              \
                *(bytes16 *)(line + i) = WIDE(v);                                                             \
            }                                                                                                 \
        } else {                                                                                              \
            LOOP for (int i = begin; i < end; i += TOGETHER) {                                                \
                const uchar16 v = *(global const bytes16 *)(row + (columns - TOGETHER - i) * CHANNELS);       \
                *(bytes16 *)(line + i) = WIDE_REVERSED(v);                                                    \
            }                                                                                                 \
        }                                                                                                     \
    }

/* How a sample's lines of a part are read: pixel i of line h is, h + dy rows below `row`, the pixel i further or, in reverse,
 * columns - 1 - i; before `begin` and from `end` on it is black. Whole vectors (`vectors`) read and write up to 15 bytes too
 * many: not of the first and the last image. */
typedef struct {
    global const uchar *row;
    int dy, step, begin, end, vectors;
    int first_byte, last_byte; /* of these pixels */
} reading;

static inline reading reading_of(const augmentation g, global const uchar *images, const int index, const ulong bytes,
                                 const int H, const int W, const int w0, const int columns)
{
    const long size = (long)H * W * CHANNELS, before = index * size;
    const source s = source_of(g, 0, W, 0);
    const int at = s.first + s.step * w0 - (g.flip ? columns - 1 : 0);
    const int begin = clamp(g.flip ? at + columns - W : -at, 0, columns);
    const int end = clamp(g.flip ? at + columns : W - at, begin, columns);
    const reading r = {images + before + at * CHANNELS, s.row, s.step, begin, end,
                       before >= 16 && (long)bytes - before - size >= 16,
                       (g.flip ? columns - end : begin) * CHANNELS, (g.flip ? columns - begin : end) * CHANNELS};
    return r;
}

static inline void read_line(pixel line[LINE], global const uchar *row, const int begin, const int end, const int step,
                             const int vectors, const int columns)
{
    if (vectors && end - begin == COLUMNS) {
        READ_LINE(UNROLL, 0, COLUMNS)
        return;
    }
    if (vectors)
        READ_LINE(, begin, end)
    else
        for (int i = begin; i < end; i++)
            for (int c = 0; c < CHANNELS; c++)
                ((uchar *)(line + i))[c] = row[(step > 0 ? i : columns - 1 - i) * CHANNELS + c];
    for (int i = 0; i < begin; i++)
        line[i] = 0;
    for (int i = end; i < columns; i++)
        line[i] = 0;
}

/* A part of the batch: bytes of samples side by side become values of x, which starts at the part's first pixel and
 * sample. Of one channel these are the samples' lines, of several they are turned, a pixel's samples in a row; where x
 * is not stored past the caches, the next part's lines are asked for, `ahead` floats further (0: there is none). */
#if CHANNELS == 1
#define PART_ROWS SAMPLES
#define PART_WIDTH LINE

static inline void write_part(uchar part[PART_ROWS][PART_WIDTH], global float *x, const float *factor,
                              const float *black, const int columns, const int samples, const int N,
                              const long ahead, const int stream)
{
    for (int j = 0; j < samples; j += VEC)
        for (int i = 0; i < columns; i += VEC) {
            vecf m[VEC];
            UNROLL for (int v = 0; v < VEC; v++)
                m[v] = VALUES(BYTES_AT(part[j + v] + i), VLOAD(factor), VLOAD(black));
            vec_transpose(m);
            for (int v = 0; v < VEC && i + v < columns; v++)
                vec_store(m[v], x + (ulong)(i + v) * N + j, samples - j);
        }
}
#else
#define PART_ROWS COLUMNS
#define PART_WIDTH (SAMPLES * CHANNELS + 16)
#define LINES 4 /* samples that are turned together, four pixels at a time */

/* Samples j to j + LINES - 1 of the part; what is written past the last of these, the next ones overwrite. */
static inline void turn_lines(uchar part[PART_ROWS][PART_WIDTH], pixel lines[LINES][LINE], const int j,
                              const int columns)
{
    for (int i = 0; i < columns; i += 4) {
        const uint4 a = vload4(0, lines[0] + i), b = vload4(0, lines[1] + i), c = vload4(0, lines[2] + i),
                    d = vload4(0, lines[3] + i);
        const uint4 ab[2] = {(uint4)(a.x, b.x, a.y, b.y), (uint4)(a.z, b.z, a.w, b.w)},
                    cd[2] = {(uint4)(c.x, d.x, c.y, d.y), (uint4)(c.z, d.z, c.w, d.w)};
        UNROLL for (int u = 0; u < 4; u++) {
            const uint4 row = u % 2 ? (uint4)(ab[u / 2].hi, cd[u / 2].hi) : (uint4)(ab[u / 2].lo, cd[u / 2].lo);
            const uchar16 v = as_uchar16(row);
            *(bytes16 *)(part[i + u] + j * CHANNELS) = NARROW(v);
        }
    }
}

static inline void write_part(uchar part[PART_ROWS][PART_WIDTH], global float *x, const float *factor,
                              const float *black, const int columns, const int samples, const int N,
                              const long ahead, const int stream)
{
    if (stream && samples == SAMPLES) { /* the same without a question at each store */
        for (int i = 0; i < columns; i++)
            UNROLL for (int k = 0; k < SAMPLES * CHANNELS; k += VEC) {
                const int v = k % (VEC * CHANNELS); /* the channels' repeat after these */
                VSTREAM(VALUES(BYTES_AT(part[i] + k), VLOAD(factor + v), VLOAD(black + v)),
                        x + (ulong)i * N * CHANNELS + k);
            }
        return;
    }
    for (int i = 0; i < columns; i++) {
        global float *to = x + (ulong)i * N * CHANNELS;
        for (int k0 = 0; k0 < samples * CHANNELS; k0 += VEC * CHANNELS)
            UNROLL for (int v = 0; v < CHANNELS; v++) {
                const int k = k0 + v * VEC;
                vec_put(VALUES(BYTES_AT(part[i] + k), VLOAD(factor + v * VEC), VLOAD(black + v * VEC)), to + k,
                        samples * CHANNELS - k, stream);
            }
        const int asked = ahead && !stream ? samples * CHANNELS : 0; /* stores to lines that are far apart wait for each */
        for (int k = 0; k < asked; k += 16)
            PREFETCH(to + ahead + k);
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
                                 const int cutout, const int stream, const ulong bytes, const float cutout_p)
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
#if CHANNELS > 1
    pixel lines[LINES][LINE] __attribute__((aligned(16)));
#endif
    float factor[VEC * CHANNELS], black[VEC * CHANNELS];
    for (int k = 0; k < VEC * CHANNELS; k++) {
        factor[k] = FACTOR(k % CHANNELS);
        black[k] = BLACK(k % CHANNELS);
    }
    int cuts = 0;
    for (int j = 0; j < samples; j++)
        cuts |= drawn[j].cut;
    for (int w0 = 0; w0 < W; w0 += COLUMNS) {
        const int columns = W - w0 < COLUMNS ? W - w0 : COLUMNS;
        reading readings[SAMPLES];
        for (int j = 0; j < samples; j++)
            readings[j] = reading_of(drawn[j], images, index[j], bytes, H, W, w0, columns);
        for (int h = h0; h < h_end; h++) {
            global float *to = x + (((ulong)h * W + w0) * N + n0) * CHANNELS;
            for (int j = 0; j < samples; j++) {
                const reading r = readings[j];
                const int line = h + r.dy, inside = line >= 0 && line < H;
                global const uchar *row = r.row + (long)line * W * CHANNELS;
#if CHANNELS == 1
                read_line(part[j], row, inside ? r.begin : 0, inside ? r.end : 0, r.step, r.vectors, columns);
#else
                read_line(lines[j % LINES], row, inside ? r.begin : 0, inside ? r.end : 0, r.step, r.vectors, columns);
                if (j % LINES == LINES - 1 || j == samples - 1)
                    turn_lines(part, lines, j - j % LINES, columns);
#endif
                for (int k = r.first_byte; line >= -1 && line + 1 < H && k < r.last_byte; k += 64)
                    PREFETCH(row + W * CHANNELS + k);
            }
            write_part(part, to, factor, black, columns, samples, N,
                       h + 1 < h_end ? (long)W * N * CHANNELS : 0, stream);
            for (int j = 0; cuts && j < samples; j++) {
                const source s = source_of(drawn[j], h, W, cutout);
                for (int i = max(s.cut_from - w0, 0); i < min(s.cut_to - w0, columns); i++)
                    for (int c = 0; c < CHANNELS; c++)
                        to[((ulong)i * N + j) * CHANNELS + c] = 0.0f;
            }
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
                const float v = inside ? (float)row[column * CHANNELS + c] : 0.0f;
                x[(((ulong)h * W + w) * N + n0) * CHANNELS + c] = cut ? 0.0f : fma(v, FACTOR(c), BLACK(c));
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
