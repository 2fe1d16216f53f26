/* A progress bar on a terminal's standard error, and Ctrl-C. */
#ifndef PROGRESS_H
#define PROGRESS_H

#include "rote/run.h"

struct progress {
    int terminal, quiet;
    double last; /* when it was drawn */
};

/* From now on the first Ctrl-C (or SIGTERM) ends the run after a checkpoint, the second
 * at once. */
void progress_start(struct progress *p, int quiet);
/* A rote_progress_fn; user is the struct progress. */
int progress_show(void *user, const struct rote_progress *r);
/* Whether a first Ctrl-C came. */
int progress_stopped(void);
void progress_end(struct progress *p);

#endif
