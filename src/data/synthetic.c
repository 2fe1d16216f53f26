/* Images made from a seed: every class is a smooth pattern of low-frequency
 * waves, every sample that pattern shifted a little under noise. Integers only,
 * so the same seed gives the same bytes on every machine. */
#include "data/data_internal.h"

enum { WAVES = 4, CONTRAST = 56, NOISE = 40, MAX_SHIFT = 2 };
enum { STREAM_TEMPLATE = 1, STREAM_TRAIN, STREAM_TEST };

/* splitmix64's finisher over a counter */
static uint64_t hash(uint64_t key, uint64_t counter)
{
    uint64_t z = key + (counter + 1) * 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

/* A sine of period 65536 and amplitude 16384, its half-waves parabolas. */
static int32_t wave(uint32_t phase)
{
    int32_t half = (int32_t)(phase & 0x7fff);
    int32_t v = half * (0x8000 - half) >> 14;
    return phase & 0x8000 ? -v : v;
}

static void draw_template(const struct data_set *d, uint64_t key, int32_t *out)
{
    int h = d->height, w = d->width, channels = d->channels;
    for (int c = 0; c < channels; c++) {
        uint32_t phase[WAVES], fx[WAVES], fy[WAVES];
        for (int j = 0; j < WAVES; j++) {
            uint64_t r = hash(key, (uint64_t)c * WAVES + (uint64_t)j);
            phase[j] = (uint32_t)(r & 0xffff);
            fy[j] = (uint32_t)(r >> 16 & 3);
            fx[j] = (uint32_t)(r >> 18 & 3);
            if (!fx[j] && !fy[j])
                fx[j] = 1;
        }
        for (int y = 0; y < h; y++)
            for (int x = 0; x < w; x++) {
                uint32_t py = (uint32_t)((uint64_t)y * 65536 / (uint64_t)h);
                uint32_t px = (uint32_t)((uint64_t)x * 65536 / (uint64_t)w);
                int32_t sum = 0;
                for (int j = 0; j < WAVES; j++)
                    sum += wave(phase[j] + fy[j] * py + fx[j] * px);
                out[((size_t)y * (size_t)w + (size_t)x) * (size_t)channels + (size_t)c] = sum;
            }
    }
}

static int shift(uint64_t r, int size)
{
    int reach = size / 8 < MAX_SHIFT ? size / 8 : MAX_SHIFT;
    return (int)(r % (uint64_t)(2 * reach + 1)) - reach;
}

static uint8_t pixel(int32_t pattern, uint32_t random)
{
    /* Four uniform bytes: centre 510, deviation 148; a pattern's is about 24000. */
    int32_t sum = (int32_t)((random & 255) + (random >> 8 & 255) + (random >> 16 & 255) +
                            (random >> 24));
    int32_t v = 128 + pattern * CONTRAST / 24000 + (sum - 510) * NOISE / 148;
    return (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v);
}

static void draw_sample(const struct data_set *d, const int32_t *pattern, uint64_t key,
                        uint8_t *out)
{
    int h = d->height, w = d->width;
    size_t channels = (size_t)d->channels, n = 0;
    int dy = shift(hash(key, 0), h), dx = shift(hash(key, 1), w);
    uint64_t random = 0;
    for (int y = 0; y < h; y++)
        for (int x = 0; x < w; x++) {
            size_t from = (size_t)(((int64_t)y + dy + h) % h) * (size_t)w +
                          (size_t)(((int64_t)x + dx + w) % w);
            for (size_t c = 0; c < channels; c++, n++) {
                random = n % 2 ? random >> 32 : hash(key, 2 + n / 2);
                out[n] = pixel(pattern[from * channels + c], (uint32_t)random);
            }
        }
}

static enum rote_status make_split(const struct data_set *d, int count, struct data_split *s,
                                   uint64_t *pixels)
{
    enum rote_status st = ROTE_OK;
    int64_t dim[] = {count, d->height, d->width, d->channels};
    uint64_t bytes;
    TRY(data_volume("synthetic data", dim + 1, 3, sizeof(int32_t), pixels));
    *pixels /= sizeof(int32_t);
    TRY(data_volume("synthetic data", dim, 4, 1, &bytes));
    TRY(base_alloc(&s->images, (size_t)bytes, 1));
    TRY(base_alloc(&s->labels, (size_t)count, sizeof *s->labels));
    s->count = count;
out:
    return st;
}

static void fill_class(const struct data_set *d, struct data_split *s, int label,
                       const int32_t *pattern, uint64_t key, uint64_t pixels)
{
    for (int64_t i = label; i < s->count; i += d->classes) {
        s->labels[i] = label;
        draw_sample(d, pattern, hash(key, (uint64_t)i), s->images + (size_t)i * (size_t)pixels);
    }
}

enum rote_status data_make_synthetic(const struct data_options *o, struct data_set *d)
{
    enum rote_status st = ROTE_OK;
    int32_t *pattern = NULL;
    uint64_t pixels;
    if (o->channels < 0 || o->height < 0 || o->width < 0 || o->train_count < 0 || o->test_count < 0)
        FAIL(ROTE_EINVAL, "synthetic data: sizes and counts cannot be negative; 0 takes the usual");
    d->channels = o->channels ? o->channels : 1;
    d->height = o->height ? o->height : 28;
    d->width = o->width ? o->width : 28;
    d->classes = o->classes ? o->classes : 10;
    TRY(make_split(d, o->train_count ? o->train_count : 2000, &d->train, &pixels));
    TRY(make_split(d, o->test_count ? o->test_count : 500, &d->test, &pixels));
    TRY(base_alloc(&pattern, (size_t)pixels, sizeof *pattern));
    uint64_t seed = (uint64_t)o->seed;
    for (int k = 0; k < d->classes && (k < d->train.count || k < d->test.count); k++) {
        draw_template(d, hash(hash(seed, STREAM_TEMPLATE), (uint64_t)k), pattern);
        fill_class(d, &d->train, k, pattern, hash(seed, STREAM_TRAIN), pixels);
        fill_class(d, &d->test, k, pattern, hash(seed, STREAM_TEST), pixels);
    }
out:
    base_free(pattern);
    return st;
}
