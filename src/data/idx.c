/* IDX files, as MNIST and Fashion-MNIST come: big-endian magic and dimensions,
 * then bytes. */
#include "data/data_internal.h"

#include <string.h>

enum { IMAGES_MAGIC = 0x00000803, LABELS_MAGIC = 0x00000801 };

static const char *const fashion_folders[] = {"/usr/share/datasets/fashion-mnist",
                                              "/usr/share/dataset-fashion-mnist"};
static const char fashion_advice[] =
    "install the package dataset-fashion-mnist or give the folder of the files as data.path";
static const char idx_advice[] = "give the folder of the IDX files as data.path";

static uint32_t big_endian(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* Leaves the data without the header in *out. */
static enum rote_status read_idx(const char *path, uint32_t magic, struct data_bytes *out,
                                 int64_t dim[3])
{
    enum rote_status st = ROTE_OK;
    struct data_bytes b = {0};
    int rank = (int)(magic & 0xff);
    size_t header = 4 + 4 * (size_t)rank;
    uint64_t volume;
    TRY(data_read_bytes(path, &b));
    if (b.len >= 4 && big_endian(b.bytes) != magic)
        FAIL(ROTE_EFORMAT, "%s: magic number 0x%08x, expected 0x%08x: it is probably %s", path,
             (unsigned)big_endian(b.bytes), (unsigned)magic, data_guess(b.bytes, b.len));
    if (b.len < header)
        TRY(data_check_length(path, &b, header));
    for (int i = 0; i < rank; i++)
        dim[i] = big_endian(b.bytes + 4 + 4 * i);
    TRY(data_volume(path, dim, rank, 1, &volume));
    TRY(data_check_length(path, &b, header + volume));
    memmove(b.bytes, b.bytes + header, (size_t)volume);
    b.len = (size_t)volume;
    *out = b;
    b.bytes = NULL;
out:
    base_free(b.bytes);
    return st;
}

static enum rote_status load_split(struct data_set *d, struct data_split *s, const char *images,
                                   const char *labels, int classes)
{
    enum rote_status st = ROTE_OK;
    struct data_bytes b = {0};
    int64_t dim[3], label_dim[3];
    TRY(read_idx(images, IMAGES_MAGIC, &b, dim));
    s->images = b.bytes;
    s->count = dim[0];
    b.bytes = NULL;
    TRY(data_set_shape(d, images, 1, dim[1], dim[2]));
    TRY(read_idx(labels, LABELS_MAGIC, &b, label_dim));
    TRY(data_check_counts(images, s->count, labels, label_dim[0]));
    TRY(base_alloc(&s->labels, (size_t)s->count, sizeof *s->labels));
    for (int64_t i = 0; i < s->count; i++) {
        TRY(data_check_label(labels, i, b.bytes[i], classes));
        s->labels[i] = b.bytes[i];
    }
out:
    base_free(b.bytes);
    return st;
}

static enum rote_status usual_folder(const struct data_options *o, const char **out)
{
    *out = o->path ? o->path : ".";
    if (o->path || o->kind == DATA_IDX)
        return ROTE_OK;
    for (size_t i = 0; i < COUNT_OF(fashion_folders); i++)
        if (base_file_exists(fashion_folders[i])) {
            *out = fashion_folders[i];
            return ROTE_OK;
        }
    return base_error(ROTE_ENOTFOUND, "Fashion-MNIST is neither in %s nor in %s; %s",
                      fashion_folders[0], fashion_folders[1], fashion_advice);
}

enum rote_status data_load_idx(const struct data_options *o, struct data_set *d)
{
    enum rote_status st = ROTE_OK;
    bool fashion = o->kind == DATA_FASHION_MNIST;
    const char *advice = fashion ? fashion_advice : idx_advice, *folder;
    int classes = o->classes || !fashion ? o->classes : 10;
    const struct {
        const char *given, *usual;
    } names[4] = {
        {o->train_images, "train-images-idx3-ubyte"},
        {o->train_labels, "train-labels-idx1-ubyte"},
        {o->test_images, "t10k-images-idx3-ubyte"},
        {o->test_labels, "t10k-labels-idx1-ubyte"},
    };
    char *path[4] = {0};
    TRY(usual_folder(o, &folder));
    for (int i = 0; i < 4; i++)
        TRY(data_find(folder, names[i].given, names[i].usual, true, advice, &path[i]));
    TRY(load_split(d, &d->train, path[0], path[1], classes));
    TRY(load_split(d, &d->test, path[2], path[3], classes));
    d->classes = classes;
out:
    for (int i = 0; i < 4; i++)
        base_free(path[i]);
    return st;
}
