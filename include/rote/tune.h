/* Tuning: which variant, with which tunables, runs each call of a network fastest on a device.
 *
 *   rote_tune_new(device, &t); rote_tune_add(t, run); rote_tune_search(t, &options);
 *
 * The search decides what to try and writes the device's tuning file after every call; a trial,
 * which may crash or hang with its driver, belongs into another process: options.trial is given
 * it as words, and rote_trial_run does it there. `rote tune` is made of these. */
#ifndef ROTE_TUNE_H
#define ROTE_TUNE_H

#include "rote/run.h"

#ifdef __cplusplus
extern "C" {
#endif

enum rote_verdict {
    ROTE_TRIAL_DONE,    /* right, and measured */
    ROTE_TRIAL_WRONG,   /* other results than the reference, or than the incumbent */
    ROTE_TRIAL_REFUSED, /* does not take this call, or does not build */
    ROTE_TRIAL_CRASHED, /* ended its process */
    ROTE_TRIAL_HUNG,    /* was not done in time */
    ROTE_TRIAL_STOP     /* none was made: the search ends here */
};
/* "done", "wrong" ...; and back, ROTE_TRIAL_REFUSED for other words. */
ROTE_API const char *rote_verdict_word(enum rote_verdict v);
ROTE_API enum rote_verdict rote_verdict_of(const char *word);

/* Candidate and incumbent, "winograd:items=4,block=640", on one call, "conv2d_fwd x=... w=...":
 * first the candidate on small ragged cases against the float64 reference, then both on the
 * call, outputs compared; then both measured in turn, many launches to a wait: ms[0] the
 * incumbent's milliseconds, ms[1] the candidate's. `why` has a wrong or refused candidate's
 * reason. An error where the incumbent does not run. */
ROTE_API enum rote_status rote_trial_run(rote_device *device, const char *call, const char *incumbent,
                                         const char *candidate, enum rote_verdict *verdict, double ms[2], char *why,
                                         size_t why_size);

/* A call of the networks that has something to choose. */
struct rote_tune_call {
    const char *call;
    double runs;    /* in a training step, evaluations between steps included */
    double share;   /* of the step, estimated from operations and bytes: 0..1 */
    const char *initial, *chosen; /* variants with tunables */
    double initial_ms, ms;        /* a run; 0: not measured */
    int trials;                   /* in this search */
    int complete;                 /* its tunables were searched, now or earlier */
    int skipped;                  /* tuned earlier, not touched now */
};

/* Does one trial, elsewhere. */
typedef enum rote_verdict (*rote_trial_fn)(void *user, const char *call, const char *incumbent, const char *candidate,
                                           double ms[2], char *why, size_t why_size);
/* Before each trial, candidate its words; and, candidate NULL, when a call is done with in this
 * pass (0: variants, 1: tunables). index counts calls in the order of their share. */
typedef void (*rote_tune_progress_fn)(void *user, int pass, int index, const struct rote_tune_call *c,
                                      const char *candidate);
/* A trial did not end well. */
typedef void (*rote_tune_failure_fn)(void *user, const struct rote_tune_call *c, const char *candidate,
                                     enum rote_verdict v, const char *why);

struct rote_tune_options {
    int all; /* also what the tuning file has a valid line for */
    rote_trial_fn trial;
    rote_tune_progress_fn progress; /* may be NULL, as may be failure */
    rote_tune_failure_fn failure;
    void *user;
};

typedef struct rote_tune rote_tune;
ROTE_API enum rote_status rote_tune_new(rote_device *device, rote_tune **out);
ROTE_API void rote_tune_free(rote_tune *t);
/* The calls of a run on the same device; the run is not needed afterwards. */
ROTE_API enum rote_status rote_tune_add(rote_tune *t, const rote_run *run);
/* Variants of every call at their defaults first, then the tunables of each call's best variant,
 * one at a time; calls by their share of the step. What wins by more than 3% replaces. */
ROTE_API enum rote_status rote_tune_search(rote_tune *t, const struct rote_tune_options *o);
ROTE_API int rote_tune_count(const rote_tune *t);      /* calls that have something to choose */
ROTE_API int rote_tune_left_out(const rote_tune *t);   /* operators of the runs that have not */
/* ROTE_ENOTFOUND past the last; valid until the next search. */
ROTE_API enum rote_status rote_tune_get(const rote_tune *t, int index, struct rote_tune_call *out);
/* Where the choices go; the caller's (rote_free). */
ROTE_API enum rote_status rote_tune_path(const rote_tune *t, char **path);

/* Whether a tuning file, the user's or a shipped one, has choices for this device. */
ROTE_API int rote_device_tuned(rote_device *device);

#ifdef __cplusplus
}
#endif
#endif
