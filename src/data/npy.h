/* NumPy's NPY files, formats 1.0 and 2.0 read and 1.0 written, in C order. */
#ifndef NPY_H
#define NPY_H

#include "base/base.h"
#include "rote/array.h"

struct npy {
    enum rote_type type;
    int rank;       /* 0 for a scalar */
    int64_t dim[8];
    void *data;     /* never NULL */
    size_t count;   /* elements: the product of the dimensions */
};

enum rote_status npy_read(const char *path, struct npy *out);
void npy_free(struct npy *a);

/* Atomic: after a crash the file is the old one or the new one. */
enum rote_status npy_write(const char *path, enum rote_type type, int rank, const int64_t *dim,
                           const void *data);

/* Bytes of one element. */
size_t npy_size(enum rote_type type);

#endif
