/* The ground every layer stands on: errors, memory that can be made to fail,
 * strings, files, logging. No OpenCL, no operators. */
#ifndef BASE_H
#define BASE_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "rote/status.h"

/* Functions that can fail keep `enum rote_status st = ROTE_OK` and free what
 * they hold behind one `out:` label. */
#define TRY(expr)                          \
    do {                                   \
        if ((st = (expr)) != ROTE_OK)      \
            goto out;                      \
    } while (0)
#define FAIL(status, ...)                         \
    do {                                          \
        st = base_error((status), __VA_ARGS__);   \
        goto out;                                 \
    } while (0)

#define COUNT_OF(a) (sizeof(a) / sizeof((a)[0]))

/* Sets this thread's error detail and returns `status`. */
enum rote_status base_error(enum rote_status status, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* ROTE_EINVAL for a public call that got NULL where it must not. */
enum rote_status base_null_argument(const char *call);
/* Puts "text: " in front of the detail already set. */
void base_error_prefix(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void base_warn(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Zeroed memory for count elements; sizes are multiplied with a check.
 * base_alloc_fail_at(n) makes the n-th call from now fail, once; 0 disables. */
enum rote_status base_alloc(void *out_pointer, size_t count, size_t size);
enum rote_status base_grow(void *inout_pointer, size_t count, size_t size);
enum rote_status base_strdup(char **out, const char *s);
enum rote_status base_sprintf(char **out, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
void base_free(void *p);
void base_alloc_fail_at(long n);

/* 64-bit sizes: false when the product or sum would overflow. */
bool base_mul(uint64_t a, uint64_t b, uint64_t *out);
bool base_add(uint64_t a, uint64_t b, uint64_t *out);

/* A growing string; text is always terminated. */
struct base_buf {
    char *text;
    size_t len, cap;
};
enum rote_status base_buf_add(struct base_buf *b, const void *bytes, size_t len);
enum rote_status base_buf_printf(struct base_buf *b, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
void base_buf_free(struct base_buf *b);

/* The entry of `names` nearest to `word` (edit distance), or NULL when nothing
 * is near: for "did you mean". */
const char *base_nearest(const char *word, const char *const *names, size_t count);

/* A whole file with a terminating NUL after *out_len bytes; the caller frees. */
enum rote_status base_read_file(const char *path, char **out, size_t *out_len);
/* Writes a temporary file beside `path`, fsyncs, renames over it, fsyncs the
 * folder: after a crash `path` is the old file or the new one, nothing between. */
enum rote_status base_write_file_atomic(const char *path, const void *bytes, size_t len);
/* The same of pieces that follow each other, which never are in one buffer. */
struct base_piece {
    const void *bytes;
    size_t len;
};
enum rote_status base_write_pieces_atomic(const char *path, const struct base_piece *piece, size_t count);
/* mkdir -p */
enum rote_status base_make_dirs(const char *path);
bool base_file_exists(const char *path);

/* Seconds of a monotonic clock. */
double base_now(void);

/* SHA-256 (FIPS 180-4) in lower-case hexadecimal. */
struct base_sha256 {
    uint32_t h[8];
    uint64_t bytes;
    unsigned char block[64];
};
void base_sha256_init(struct base_sha256 *s);
void base_sha256_add(struct base_sha256 *s, const void *bytes, size_t len);
void base_sha256_hex(struct base_sha256 *s, char out[65]);

#endif
