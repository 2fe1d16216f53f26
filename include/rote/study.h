/* Studies: many runs of one plan, their results in one SQLite file, and what they show together.
 *
 *   rote_study_open("study.yaml", NULL, &s); rote_study_run(s, device, NULL, NULL); rote_study_compare(s, 0, &text);
 *
 * A study is described in docs/study.md. Any number of processes may work at one database at a time, and each may
 * be killed at any time: what a run did since its last checkpoint is lost, nothing else, and nothing runs twice.
 * Thread safety: a study belongs to one thread. */
#ifndef ROTE_STUDY_H
#define ROTE_STUDY_H

#include "rote/run.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct rote_study rote_study;

/* Reads the plan and opens its database, which is made where it is missing. database NULL: beside the plan, with
 * .db for .yaml. ROTE_ECONFIG: what is wrong in the plan, in which line or run. */
ROTE_API enum rote_status rote_study_open(const char *plan, const char *database, rote_study **out);
ROTE_API void rote_study_free(rote_study *study);

enum rote_study_event {
    ROTE_STUDY_STARTED,  /* or resumed */
    ROTE_STUDY_TRAINING, /* every few steps */
    ROTE_STUDY_FINISHED, /* its results are in the database */
    ROTE_STUDY_WAITING   /* for what other processes run; every second or so */
};
struct rote_study_progress {
    enum rote_study_event event;
    const char *cell;   /* "fraction=5/regulariser=decay"; NULL while waiting */
    const char *key;    /* of the run in the database */
    int trial;          /* of the tuning; -1: a run of the comparison */
    int64_t seed;
    int done, total;    /* runs of the study */
    double remaining;   /* seconds of all that is left for one process; < 0: not known yet */
    const struct rote_progress *run; /* NULL but while training */
    const char *result; /* finished: figures in words, or why it failed */
};
/* Returning 0 ends with ROTE_EINTERRUPTED, after a checkpoint. */
typedef int (*rote_study_progress_fn)(void *user, const struct rote_study_progress *p);

/* Runs what is left, one run at a time, until nothing is. The device stays the caller's. A run whose loss is no
 * number has that as its result; other errors of a run are kept and told, and it is left out until `retry`. Errors
 * that would befall the next run too (the device is lost, the disk is full) end it. */
ROTE_API enum rote_status rote_study_run(rote_study *study, rote_device *device, int retry,
                                         rote_study_progress_fn progress, void *user);

/* How far it is, a line a cell; json: as an object. *text is the caller's (rote_free), here and below. */
ROTE_API enum rote_status rote_study_status(rote_study *study, int json, char **text);
/* What the finished runs show: means, and paired differences with their intervals; json: as an object. */
ROTE_API enum rote_status rote_study_compare(rote_study *study, int json, char **text);
/* All finished runs as text, a JSON object a line. */
ROTE_API enum rote_status rote_study_export(rote_study *study, char **text);
/* Adds the runs of such a text that the database does not have; ROTE_EFORMAT names the line. */
ROTE_API enum rote_status rote_study_import(rote_study *study, const char *path, int *added, int *known);

#ifdef __cplusplus
}
#endif
#endif
