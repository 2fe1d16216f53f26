/* Loading by kind, statistics, and what the loaders share. */
#include "data/data_internal.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <string.h>
#include <zlib.h>

enum { MAX_CHANNELS = 16, GZ_CHUNK = 1 << 30 };

enum rote_status data_read_bytes(const char *path, struct data_bytes *out)
{
    enum rote_status st = ROTE_OK;
    struct data_bytes b = {0};
    size_t cap = 1 << 16;
    int code = Z_OK;
    errno = 0;
    gzFile f = gzopen(path, "rb");
    if (!f && errno)
        FAIL(errno == ENOENT ? ROTE_ENOTFOUND : ROTE_EIO, "%s: %s", path, strerror(errno));
    if (!f)
        FAIL(ROTE_ENOMEM, "%s: no memory to unpack it", path);
    TRY(base_alloc(&b.bytes, cap, 1));
    for (;;) {
        size_t room = cap - b.len;
        int n = gzread(f, b.bytes + b.len, room < GZ_CHUNK ? (unsigned)room : GZ_CHUNK);
        if (n <= 0)
            break;
        b.len += (size_t)n;
        if (b.len == cap)
            TRY(base_grow(&b.bytes, cap *= 2, 1));
    }
    const char *text = gzerror(f, &code);
    if (code == Z_ERRNO)
        FAIL(ROTE_EIO, "%s: %s while reading", path, strerror(errno));
    b.cut = code == Z_BUF_ERROR;
    if (code < 0 && !b.cut)
        FAIL(ROTE_EFORMAT, "%s: damaged gzip data after %zu unpacked bytes (%s); fetch it again",
             path, b.len, text);
    TRY(base_grow(&b.bytes, b.len, 1));
    *out = b;
    b.bytes = NULL;
out:
    if (f)
        gzclose_r(f);
    base_free(b.bytes);
    return st;
}

enum rote_status data_check_length(const char *path, const struct data_bytes *b, uint64_t expected)
{
    if (b->len < expected)
        return base_error(ROTE_EFORMAT,
                          "%s: truncated: expected %" PRIu64 " bytes, found %zu%s; fetch it again",
                          path, expected, b->len, b->cut ? " before the gzip data break off" : "");
    if (b->len > expected)
        return base_error(ROTE_EFORMAT,
                          "%s: trailing garbage: expected %" PRIu64 " bytes, found %zu", path,
                          expected, b->len);
    if (b->cut)
        return base_error(ROTE_EFORMAT,
                          "%s: truncated: all %zu bytes are there, but the gzip checksum is cut "
                          "off; fetch it again",
                          path, b->len);
    return ROTE_OK;
}

static bool ends_in_gz(const char *name)
{
    size_t n = strlen(name);
    return n > 3 && strcmp(name + n - 3, ".gz") == 0;
}

enum rote_status data_find(const char *folder, const char *given, const char *usual, bool gz,
                           const char *advice, char **out)
{
    enum rote_status st = ROTE_OK;
    const char *name = given ? given : usual;
    char *first = NULL, *second = NULL;
    if (name[0] == '/')
        TRY(base_strdup(&first, name));
    else
        TRY(base_sprintf(&first, "%s/%s", folder, name));
    if (!base_file_exists(first)) {
        if (!gz)
            FAIL(ROTE_ENOTFOUND, "%s does not exist; %s", first, advice);
        int stem = (int)strlen(first) - (ends_in_gz(first) ? 3 : 0);
        TRY(base_sprintf(&second, "%.*s%s", stem, first, ends_in_gz(first) ? "" : ".gz"));
        if (!base_file_exists(second))
            FAIL(ROTE_ENOTFOUND, "neither %s nor %s exists; %s", first, second, advice);
    }
    char **found = second ? &second : &first;
    *out = *found;
    *found = NULL;
out:
    base_free(first);
    base_free(second);
    return st;
}

const char *data_guess(const uint8_t *bytes, size_t len)
{
    static const struct {
        const char *magic;
        size_t len;
        const char *text;
    } known[] = {
        {"\0\0\x08\x01", 4, "an IDX file of labels"},
        {"\0\0\x08\x03", 4, "an IDX file of images"},
        {"\0\0\x08", 3, "an IDX file of bytes with another number of dimensions"},
        {"\x01\x08\0\0", 4, "an IDX file of labels in little-endian order"},
        {"\x03\x08\0\0", 4, "an IDX file of images in little-endian order"},
        {"\0\0\x09", 3, "an IDX file of signed bytes"},
        {"\0\0\x0b", 3, "an IDX file of 16-bit integers"},
        {"\0\0\x0c", 3, "an IDX file of 32-bit integers"},
        {"\0\0\x0d", 3, "an IDX file of floats"},
        {"\0\0\x0e", 3, "an IDX file of doubles"},
        {"\x93NUMPY", 6, "an NPY file"},
        {"\x1f\x8b", 2, "a gzip file"},
        {"PK", 2, "a ZIP or NPZ archive"},
        {"BZh", 3, "a bzip2 file"},
        {"\xfd" "7zXZ", 5, "an xz file"},
        {"\x28\xb5\x2f\xfd", 4, "a Zstandard file"},
        {"\x89PNG", 4, "a PNG image"},
        {"\x80\x02", 2, "a Python pickle"},
        {"\x80\x04", 2, "a Python pickle"},
        {"<", 1, "a web page that was saved instead of the file"},
    };
    for (size_t i = 0; i < COUNT_OF(known); i++)
        if (len >= known[i].len && memcmp(bytes, known[i].magic, known[i].len) == 0)
            return known[i].text;
    return "no format known here";
}

enum rote_status data_volume(const char *path, const int64_t *dim, int rank, size_t size,
                             uint64_t *out)
{
    uint64_t n = size;
    for (int i = 0; i < rank; i++) {
        if (dim[i] < 1)
            return base_error(ROTE_EFORMAT, "%s: dimension %d is %" PRId64 ": it holds no data",
                              path, i, dim[i]);
        if (!base_mul(n, (uint64_t)dim[i], &n) || n > SIZE_MAX / 2)
            return base_error(ROTE_EFORMAT,
                              "%s: its dimensions are too large: their size overflows", path);
    }
    *out = n;
    return ROTE_OK;
}

enum rote_status data_set_shape(struct data_set *d, const char *path, int64_t channels,
                                int64_t height, int64_t width)
{
    if (channels > INT_MAX || height > INT_MAX || width > INT_MAX)
        return base_error(ROTE_EFORMAT, "%s: images of more than %d in one dimension", path,
                          INT_MAX);
    if (!d->channels) {
        d->channels = (int)channels;
        d->height = (int)height;
        d->width = (int)width;
    }
    if (channels != d->channels || height != d->height || width != d->width)
        return base_error(ROTE_EFORMAT,
                          "%s: images of %" PRId64 " x %" PRId64 " with %" PRId64
                          " channels, but the training images are %d x %d with %d",
                          path, height, width, channels, d->height, d->width, d->channels);
    return ROTE_OK;
}

enum rote_status data_check_label(const char *path, int64_t sample, int64_t label, int classes)
{
    if (label >= 0 && label < (classes > 0 ? classes : INT_MAX))
        return ROTE_OK;
    if (classes > 0)
        return base_error(ROTE_EFORMAT,
                          "%s: sample %" PRId64 " has label %" PRId64
                          ", out of range: %d classes have labels 0 to %d",
                          path, sample, label, classes, classes - 1);
    return base_error(ROTE_EFORMAT,
                      "%s: sample %" PRId64 " has label %" PRId64
                      ", out of range: labels go from 0 to %d",
                      path, sample, label, INT_MAX - 1);
}

enum rote_status data_check_counts(const char *images, int64_t image_count, const char *labels,
                                   int64_t label_count)
{
    if (image_count == label_count)
        return ROTE_OK;
    return base_error(ROTE_EFORMAT,
                      "%s holds %" PRId64 " images, but %s holds %" PRId64
                      " labels: they do not belong together",
                      images, image_count, labels, label_count);
}

static void count_classes(struct data_set *d)
{
    const struct data_split *splits[] = {&d->train, &d->test};
    int32_t largest = 0;
    for (size_t s = 0; s < 2; s++)
        for (int64_t i = 0; i < splits[s]->count; i++)
            if (splits[s]->labels[i] > largest)
                largest = splits[s]->labels[i];
    d->classes = largest + 1;
}

static enum rote_status check_finite(const struct data_set *d, const struct data_split *s,
                                     const char *name)
{
    int64_t per_sample = (int64_t)d->channels * d->height * d->width;
    if (!s->values)
        return ROTE_OK;
    for (int64_t i = 0; i < s->count * per_sample; i++)
        if (!isfinite(s->values[i]))
            return base_error(ROTE_EFORMAT,
                              "%s images: sample %" PRId64 " has a value that is not finite; "
                              "clean the data first",
                              name, i / per_sample);
    return ROTE_OK;
}

/* Sums of bytes are exact; floats take a second pass around their mean. */
static void measure(struct data_set *d)
{
    int channels = d->channels;
    for (int c = 0; c < MAX_CHANNELS; c++)
        d->std[c] = 1;
    if (channels > MAX_CHANNELS)
        return;
    const struct data_split *s = &d->train;
    int64_t pixels = s->count * d->height * d->width;
    for (int c = 0; c < channels; c++) {
        double n = (double)pixels, mean, variance = 0;
        if (s->images) {
            uint64_t sum = 0, squares = 0;
            for (int64_t i = 0; i < pixels; i++) {
                uint32_t v = s->images[i * channels + c];
                sum += v;
                squares += v * v;
            }
            mean = (double)sum / n;
            variance = ((double)squares / n - mean * mean) / (255.0 * 255.0);
            mean /= 255.0;
        } else {
            double sum = 0;
            for (int64_t i = 0; i < pixels; i++)
                sum += s->values[i * channels + c];
            mean = sum / n;
            for (int64_t i = 0; i < pixels; i++) {
                double x = s->values[i * channels + c] - mean;
                variance += x * x;
            }
            variance /= n;
        }
        d->mean[c] = (float)mean;
        float std = (float)sqrt(variance > 0 ? variance : 0);
        d->std[c] = std > 1e-6f * (1 + fabsf(d->mean[c])) ? std : 1;
    }
}

enum rote_status data_finish(struct data_set *d)
{
    enum rote_status st = ROTE_OK;
    if (!d->classes)
        count_classes(d);
    TRY(check_finite(d, &d->train, "training"));
    TRY(check_finite(d, &d->test, "test"));
    measure(d);
out:
    return st;
}

enum rote_status data_load(const struct data_options *o, struct data_set **out)
{
    static const struct {
        const char *name;
        enum rote_status (*load)(const struct data_options *o, struct data_set *d);
    } kinds[] = {
        [DATA_FASHION_MNIST] = {"fashion-mnist", data_load_idx},
        [DATA_IDX] = {"idx", data_load_idx},
        [DATA_CIFAR10] = {"cifar10", data_load_cifar},
        [DATA_CIFAR100] = {"cifar100", data_load_cifar},
        [DATA_NPY] = {"npy", data_load_npy},
        [DATA_SYNTHETIC] = {"synthetic", data_make_synthetic},
    };
    enum rote_status st = ROTE_OK;
    struct data_set *d = NULL;
    if ((size_t)o->kind >= COUNT_OF(kinds))
        FAIL(ROTE_EINVAL, "data: kind %d does not exist", (int)o->kind);
    if (o->classes < 0)
        FAIL(ROTE_EINVAL, "data: %d classes; give 0 to count them or a positive number",
             o->classes);
    TRY(base_alloc(&d, 1, sizeof *d));
    snprintf(d->name, sizeof d->name, "%s", kinds[o->kind].name);
    TRY(kinds[o->kind].load(o, d));
    TRY(data_finish(d));
    *out = d;
    d = NULL;
out:
    data_free(d);
    return st;
}

void data_free(struct data_set *d)
{
    if (!d)
        return;
    struct data_split *splits[] = {&d->train, &d->test, &d->validation};
    for (size_t i = 0; i < COUNT_OF(splits); i++) {
        base_free(splits[i]->images);
        base_free(splits[i]->values);
        base_free(splits[i]->labels);
    }
    base_free(d);
}

enum rote_status data_take(struct data_split *s, int64_t count)
{
    if (count < 1 || count > s->count)
        return base_error(ROTE_EINVAL,
                          "cannot keep %" PRId64 " samples of %" PRId64 ": give 1 to %" PRId64,
                          count, s->count, s->count);
    s->count = count;
    return ROTE_OK;
}

static size_t pixels_of(const struct data_set *d, int64_t samples)
{
    return (size_t)samples * (size_t)d->channels * (size_t)d->height * (size_t)d->width;
}

static enum rote_status copy_split(const struct data_set *d, const struct data_split *s, struct data_split *out)
{
    enum rote_status st = ROTE_OK;
    size_t pixels = pixels_of(d, s->count);
    out->count = s->count;
    if (s->images) {
        TRY(base_alloc(&out->images, pixels, 1));
        memcpy(out->images, s->images, pixels);
    }
    if (s->values) {
        TRY(base_alloc(&out->values, pixels, sizeof *s->values));
        memcpy(out->values, s->values, pixels * sizeof *s->values);
    }
    if (s->labels) {
        TRY(base_alloc(&out->labels, (size_t)s->count, sizeof *s->labels));
        memcpy(out->labels, s->labels, (size_t)s->count * sizeof *s->labels);
    }
out:
    return st;
}

enum rote_status data_copy(const struct data_set *d, struct data_set **out)
{
    enum rote_status st = ROTE_OK;
    struct data_set *copy = NULL;
    TRY(base_alloc(&copy, 1, sizeof *copy));
    *copy = *d;
    copy->train = copy->test = copy->validation = (struct data_split){0};
    TRY(copy_split(d, &d->train, &copy->train));
    TRY(copy_split(d, &d->test, &copy->test));
    TRY(copy_split(d, &d->validation, &copy->validation));
    *out = copy;
    copy = NULL;
out:
    data_free(copy);
    return st;
}

enum rote_status data_hold_out(struct data_set *d, int64_t count)
{
    enum rote_status st = ROTE_OK;
    int64_t left = d->train.count - count;
    if (count < 1 || left < 1)
        return base_error(ROTE_EINVAL, "cannot hold out %" PRId64 " of %" PRId64
                                       " training samples: give 1 to %" PRId64,
                          count, d->train.count, d->train.count - 1);
    size_t first = pixels_of(d, left);
    const struct data_split tail = {.count = count, .labels = d->train.labels + left,
                                    .images = d->train.images ? d->train.images + first : NULL,
                                    .values = d->train.values ? d->train.values + first : NULL};
    TRY(copy_split(d, &tail, &d->validation));
    d->train.count = left;
    measure(d);
out:
    return st;
}
