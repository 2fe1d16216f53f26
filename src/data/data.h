/* Data sets in host memory: images as bytes or floats in N,H,W,C order, one
 * label per image, and the statistics that normalise them. */
#ifndef DATA_H
#define DATA_H

#include "base/base.h"
#include "data/npy.h"

enum data_kind {
    DATA_FASHION_MNIST,
    DATA_IDX,
    DATA_CIFAR10,
    DATA_CIFAR100,
    DATA_NPY,
    DATA_SYNTHETIC
};

struct data_split {
    int64_t count;
    uint8_t *images; /* [count][height][width][channels], NULL if the set has floats */
    float *values;   /* the same order, or NULL */
    int32_t *labels; /* [count], each in 0..classes-1 */
};

struct data_set {
    char name[64];
    int channels, height, width, classes;
    struct data_split train, test, validation; /* validation: what data_hold_out took, else of no samples */
    /* Per channel of the training images, scaled to 0..1 (bytes) or as they are
     * (floats). A constant channel, and every channel of a set with more than
     * 16, has std 1; the latter have mean 0. */
    float mean[16], std[16];
};

struct data_options {
    enum data_kind kind;
    const char *path; /* folder; NULL: the kind's usual one */
    /* Names inside path, or absolute; NULL: the usual ones. IDX and CIFAR files
     * may be plain or gzip; each name is tried with and without ".gz". CIFAR
     * takes one file of records per split and no label files. */
    const char *train_images, *train_labels, *test_images, *test_labels;
    bool nchw;   /* NPY images of 4 dimensions are [N,C,H,W], not [N,H,W,C] */
    int classes; /* 0: what the kind fixes, or the largest label + 1 */
    /* Synthetic only; 0: 1 x 28 x 28, 10 classes, 2000 and 500 samples. */
    int channels, height, width, train_count, test_count;
    int64_t seed;
};

enum rote_status data_load(const struct data_options *o, struct data_set **out);
/* Copies of arrays: training images and labels, test images and labels; the last two may
 * have no data. As NPY files are read. */
enum rote_status data_from_arrays(const struct npy array[4], bool nchw, int classes, struct data_set **out);
enum rote_status data_copy(const struct data_set *d, struct data_set **out);
void data_free(struct data_set *d);

/* Keeps the first `count` samples, 1 <= count <= s->count. */
enum rote_status data_take(struct data_split *s, int64_t count);
/* Moves the last `count` training samples, 1 <= count < d->train.count, to d->validation. Mean and deviation
 * then are those of the training samples that are left. */
enum rote_status data_hold_out(struct data_set *d, int64_t count);

#endif
