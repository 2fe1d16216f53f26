/* Status codes and error details of every Rote call.
 *
 * A function that can fail returns an enum rote_status and writes its results
 * through out-parameters, which keep their values when it fails. The library
 * never prints, exits or aborts: rote_error_detail() tells what went wrong,
 * where, and what to do about it. */
#ifndef ROTE_STATUS_H
#define ROTE_STATUS_H

#if defined(__GNUC__)
#define ROTE_API __attribute__((visibility("default")))
#else
#define ROTE_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

#define ROTE_STATUS_LIST(X)                                         \
    X(ROTE_OK, "done")                                              \
    X(ROTE_EINVAL, "invalid argument")                              \
    X(ROTE_ENOMEM, "out of host memory")                            \
    X(ROTE_EDEVMEM, "out of device memory")                         \
    X(ROTE_EIO, "input/output error")                               \
    X(ROTE_EFORMAT, "malformed file")                               \
    X(ROTE_ENOTFOUND, "not found")                                  \
    X(ROTE_ECONFIG, "configuration error")                          \
    X(ROTE_ECL, "OpenCL error")                                     \
    X(ROTE_EBUILD, "kernel build failed")                           \
    X(ROTE_ELOST, "device lost")                                    \
    X(ROTE_EUNSUPPORTED, "not supported")                           \
    X(ROTE_ENUMERIC, "result is not a number")                      \
    X(ROTE_EINTERRUPTED, "interrupted")

enum rote_status {
#define ROTE_STATUS_ENUM(name, text) name,
    ROTE_STATUS_LIST(ROTE_STATUS_ENUM)
#undef ROTE_STATUS_ENUM
};

/* The status's identifier, "ROTE_EINVAL"; never NULL. */
ROTE_API const char *rote_status_name(enum rote_status status);

/* The status in words, "invalid argument"; never NULL. */
ROTE_API const char *rote_status_text(enum rote_status status);

/* What the last failing call in this thread had to say; "" if none failed.
 * Valid until the next Rote call in this thread. */
ROTE_API const char *rote_error_detail(void);

/* Where warnings go; NULL (the default) drops them. Set it before other
 * threads use the library. */
typedef void (*rote_warning_fn)(void *user, const char *message);
ROTE_API void rote_set_warning_handler(rote_warning_fn fn, void *user);

/* The library's version, "0.1.0". */
ROTE_API const char *rote_version(void);

#ifdef __cplusplus
}
#endif
#endif
