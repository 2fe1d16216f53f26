/* What the loaders of src/data share. */
#ifndef DATA_INTERNAL_H
#define DATA_INTERNAL_H

#include "data/data.h"

/* A whole file, unpacked if it was gzip; `cut` when the gzip stream ends early. */
struct data_bytes {
    uint8_t *bytes;
    size_t len;
    bool cut;
};
enum rote_status data_read_bytes(const char *path, struct data_bytes *out);

/* Says whether the file has exactly `expected` bytes. */
enum rote_status data_check_length(const char *path, const struct data_bytes *b, uint64_t expected);

/* The path of `given`, or of `usual` if that is NULL, in `folder`; with `gz` the
 * name with and without ".gz" is tried. `advice` ends the message when nothing
 * is there. */
enum rote_status data_find(const char *folder, const char *given, const char *usual, bool gz,
                           const char *advice, char **out);

/* What a file with these first bytes probably is; never NULL. */
const char *data_guess(const uint8_t *bytes, size_t len);

/* Bytes of `rank` dimensions of elements of `size` bytes; none may be zero. */
enum rote_status data_volume(const char *path, const int64_t *dim, int rank, size_t size,
                             uint64_t *out);

/* Fixes the set's sizes by its first split and holds the second one to them. */
enum rote_status data_set_shape(struct data_set *d, const char *path, int64_t channels,
                                int64_t height, int64_t width);
/* `classes` <= 0: any label that an int can count. */
enum rote_status data_check_label(const char *path, int64_t sample, int64_t label, int classes);
enum rote_status data_check_counts(const char *images, int64_t image_count, const char *labels,
                                   int64_t label_count);

/* The last part of loading: classes where they are not given, finiteness, statistics. */
enum rote_status data_finish(struct data_set *d);

enum rote_status data_load_idx(const struct data_options *o, struct data_set *d);
enum rote_status data_load_cifar(const struct data_options *o, struct data_set *d);
enum rote_status data_load_npy(const struct data_options *o, struct data_set *d);
enum rote_status data_make_synthetic(const struct data_options *o, struct data_set *d);

#endif
