/* CIFAR-10 and CIFAR-100 in their binary versions: records of one or two label
 * bytes and 3 planes of 32 x 32 bytes. */
#include "data/data_internal.h"

#include <inttypes.h>
#include <string.h>

enum { SIDE = 32, CHANNELS = 3, PLANE = SIDE * SIDE, IMAGE = CHANNELS * PLANE };

static const struct cifar {
    const char *folder;
    const char *train[5];
    int train_files, train_records; /* records in each published file */
    const char *test;
    int test_records;
    size_t label_bytes; /* the last of them is the label */
    int classes;
    const char *name;
} cifar10 = {"cifar-10-batches-bin",
             {"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin",
              "data_batch_5.bin"},
             5, 10000, "test_batch.bin", 10000, 1, 10, "CIFAR-10"},
  cifar100 = {"cifar-100-binary", {"train.bin"}, 1, 50000, "test.bin", 10000, 2, 100,
              "CIFAR-100"};

static enum rote_status check_records(const struct cifar *k, const char *path,
                                      const struct data_bytes *b)
{
    size_t record = k->label_bytes + IMAGE;
    const struct cifar *other = k == &cifar10 ? &cifar100 : &cifar10;
    if (b->len % record && b->len % (other->label_bytes + IMAGE) == 0)
        return base_error(ROTE_EFORMAT,
                          "%s: %zu bytes are no whole number of %s's records of %zu bytes; it is "
                          "probably a file of %s",
                          path, b->len, k->name, record, other->name);
    if (b->len % record || !b->len || b->cut)
        return base_error(ROTE_EFORMAT,
                          "%s: truncated or with trailing garbage: expected a whole number of "
                          "records of %zu bytes, so %zu or %zu bytes, found %zu%s; fetch it again",
                          path, record, b->len / record * record, (b->len / record + 1) * record,
                          b->len, b->cut ? " before the gzip data break off" : "");
    return ROTE_OK;
}

static void to_hwc(const uint8_t *planes, uint8_t *out)
{
    for (int p = 0; p < PLANE; p++)
        for (int c = 0; c < CHANNELS; c++)
            out[p * CHANNELS + c] = planes[c * PLANE + p];
}

/* Adds the file's records to the split. */
static enum rote_status add_file(const struct cifar *k, const char *path, int published,
                                 int classes, struct data_split *s)
{
    enum rote_status st = ROTE_OK;
    struct data_bytes b = {0};
    size_t record = k->label_bytes + IMAGE;
    TRY(data_read_bytes(path, &b));
    TRY(check_records(k, path, &b));
    int64_t n = (int64_t)(b.len / record);
    if (published && n != published)
        base_warn("%s: %" PRId64 " records where the published file has %d", path, n, published);
    TRY(base_grow(&s->images, (size_t)(s->count + n), IMAGE));
    TRY(base_grow(&s->labels, (size_t)(s->count + n), sizeof *s->labels));
    for (int64_t i = 0; i < n; i++) {
        const uint8_t *p = b.bytes + (size_t)i * record;
        int label = p[k->label_bytes - 1];
        TRY(data_check_label(path, i, label, classes));
        s->labels[s->count] = label;
        to_hwc(p + k->label_bytes, s->images + (size_t)s->count * IMAGE);
        s->count++;
    }
out:
    base_free(b.bytes);
    return st;
}

static enum rote_status load_split(const struct cifar *k, const char *folder, const char *given,
                                   const char *const *usual, int files, int published, int classes,
                                   struct data_split *s)
{
    enum rote_status st = ROTE_OK;
    char *path = NULL;
    for (int i = 0; i < (given ? 1 : files); i++) {
        TRY(data_find(folder, given, usual[i], true,
                      "give the folder of CIFAR's binary version as data.path", &path));
        TRY(add_file(k, path, given ? 0 : published, classes, s));
        base_free(path);
        path = NULL;
    }
out:
    base_free(path);
    return st;
}

enum rote_status data_load_cifar(const struct data_options *o, struct data_set *d)
{
    enum rote_status st = ROTE_OK;
    const struct cifar *k = o->kind == DATA_CIFAR10 ? &cifar10 : &cifar100;
    const char *folder = o->path ? o->path : k->folder;
    int classes = o->classes ? o->classes : k->classes;
    if (o->train_labels || o->test_labels)
        FAIL(ROTE_EINVAL, "data: %s keeps its labels in the image files; drop the label files",
             k->name);
    TRY(load_split(k, folder, o->train_images, k->train, k->train_files, k->train_records, classes,
                   &d->train));
    TRY(load_split(k, folder, o->test_images, &k->test, 1, k->test_records, classes, &d->test));
    d->channels = CHANNELS;
    d->height = d->width = SIDE;
    d->classes = classes;
out:
    return st;
}
