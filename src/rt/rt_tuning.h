/* Tuning files: which variant, with which tunables, a device runs a call by. Text, one line a
 * call, its fields separated by " | ":
 *
 *     rote-tuning 1
 *     device pocl.cpu-haswell.1a2b        or: family PATTERN of ids, or: class cpu
 *     driver 3.1
 *     conv2d_fwd x=8x8x64x32 w=3x3x32x64 pad_h=1 pad_w=1 | winograd:items=4 | 1.25 | 1.5 | all | 0123456789abcdef
 *     conv2d_fwd x=8x8x64x32 w=3x3x32x64 pad_h=1 pad_w=1 | tile:rows=12 | crashed | 0123456789abcdef
 *
 * A choice has milliseconds tuned and as it was without, what was searched (variants, all), and
 * the hash of its kernels' sources; a variant that must not be tried again has the reason instead.
 * The user's file is in the cache folder, named by the device's id; others are embedded from
 * cl/tune (or read from ROTE_KERNELS/tune), those for the device before its family's, before its
 * class's. ROTE_NO_TUNING does without any. */
#ifndef RT_TUNING_H
#define RT_TUNING_H

#include "rt/rt.h"

struct rt_tuning_line {
    char *call, *variant; /* "conv2d_fwd x=8x8x64x32 ...", "winograd:items=4" */
    char failure[16];     /* "crashed", "hung", "wrong", "refused"; "": this line is a choice */
    double ms, initial_ms;
    bool complete;        /* tunables were searched too */
    char kernels[RT_HASH];
    char where[96];       /* file and line, for messages */
};

/* The choice for a call, or NULL. Borrowed until the next rt_tuning_put. */
const struct rt_tuning_line *rt_tuning_choice(struct rote_device *dev, const char *call);
/* The user's line that tells why not to try this variant, or NULL. */
const struct rt_tuning_line *rt_tuning_failure(struct rote_device *dev, const char *call, const char *variant);
/* Whether the device has choices at all, from whichever file. */
bool rt_tuning_any(struct rote_device *dev);
/* One warning a device: a line that is of no use. */
void rt_tuning_complain(struct rote_device *dev, const struct rt_tuning_line *line, const char *why);
/* Puts a line into the user's file in place of the call's (of the call's and variant's, for a
 * failure), or appends it; call and variant are copied. The file is written at once. */
enum rote_status rt_tuning_put(struct rote_device *dev, const struct rt_tuning_line *line);
/* The user's file; the caller's to free. */
enum rote_status rt_tuning_path(const struct rote_device *dev, char **path);

#endif
