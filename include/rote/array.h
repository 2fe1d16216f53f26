/* Arrays in host memory, and NumPy's .npy files. */
#ifndef ROTE_ARRAY_H
#define ROTE_ARRAY_H

#include <stddef.h>
#include <stdint.h>

#include "rote/status.h"

#ifdef __cplusplus
extern "C" {
#endif

enum rote_type { ROTE_U8, ROTE_I32, ROTE_I64, ROTE_F32, ROTE_F64 };

/* Dense, row-major (C order), outermost dimension first. */
struct rote_array {
    enum rote_type type;
    int rank;       /* 0 to 8 */
    int64_t dim[8];
    void *data;     /* owned if it comes from rote_array_read: rote_array_free */
};

/* Reads format 1.0 and 2.0, little-endian, C order; ROTE_EFORMAT says what else a file is. */
ROTE_API enum rote_status rote_array_read(const char *path, struct rote_array *out);
/* Writes format 1.0 through a temporary file and a rename: never half a file. */
ROTE_API enum rote_status rote_array_write(const char *path, const struct rote_array *a);
/* Frees the data and sets the array to zeros. */
ROTE_API void rote_array_free(struct rote_array *a);
ROTE_API size_t rote_type_size(enum rote_type type);

#ifdef __cplusplus
}
#endif
#endif
