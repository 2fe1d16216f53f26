/* TensorBoard's event files: scalars, written as they come. */
#ifndef TFEVENTS_H
#define TFEVENTS_H

#include "base/base.h"

struct tfevents;

/* resume_bytes < 0: a new file events.out.tfevents.<time>.rote in the folder. Otherwise
 * the newest such file, cut to that length, is gone on with; one that is shorter is refused. */
enum rote_status tfevents_open(const char *folder, int64_t resume_bytes, struct tfevents **out);
/* wall_time in seconds since 1970. */
enum rote_status tfevents_scalar(struct tfevents *t, const char *tag, int64_t step, double wall_time, float value);
/* Down to the disk; *bytes is the file's length. */
enum rote_status tfevents_flush(struct tfevents *t, int64_t *bytes);
enum rote_status tfevents_close(struct tfevents *t); /* NULL is allowed */

#endif
