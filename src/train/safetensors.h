/* safetensors files: u64 little-endian length of a JSON header, the header, the data.
 * https://github.com/huggingface/safetensors describes the format.
 *
 * Files written here carry the metadata key "rote.sha256": SHA-256 over the header as
 * compact JSON with sorted keys but without that key, followed by the data; and the key
 * "rote.checked", so that the digest's loss is noticed. A flipped bit anywhere is an error. Their tensors lie without
 * gaps, those of the widest elements first, which is what other readers ask for. */
#ifndef SAFETENSORS_H
#define SAFETENSORS_H

#include "base/base.h"

enum st_type { ST_F32, ST_F64, ST_I32, ST_I64, ST_U8, ST_U32 };

struct st_tensor {
    char *name;
    enum st_type type;
    int rank;
    int64_t dim[8];
    const void *data; /* aligned to 8 in a file that was read */
    size_t bytes;
};

struct st_file;

enum rote_status st_new(struct st_file **out);
void st_free(struct st_file *f);

/* The data stays the caller's and must live until st_write. */
enum rote_status st_add(struct st_file *f, const char *name, enum st_type type, int rank, const int64_t *dim,
                        const void *data);
enum rote_status st_meta(struct st_file *f, const char *key, const char *value);
/* Through a temporary file, fsync and rename. */
enum rote_status st_write(struct st_file *f, const char *path);

/* Checks everything: lengths, offsets, overlaps, types, the digest. */
enum rote_status st_read(const char *path, struct st_file **out);
const struct st_tensor *st_find(const struct st_file *f, const char *name); /* NULL: none */
size_t st_count(const struct st_file *f);
const struct st_tensor *st_at(const struct st_file *f, size_t i);
const char *st_meta_get(const struct st_file *f, const char *key); /* NULL: none */

#endif
