/* Certification: whether every operator is right on a device, by every variant, with every
 * gradient; whether a training is; and how fast the device is.
 *
 *   rote_certify_cases(ROTE_CERTIFY_QUICK, &id, &n); rote_certify_case(device, id[i], &result);
 *   rote_certificate_add(certificate, id[i], &result); rote_certificate_json(certificate, 0, &text);
 *
 * A case may crash or hang with its driver, and belongs into another process: `rote certify` is made
 * of these calls and of its workers. docs/certify.md has the format of a certificate. */
#ifndef ROTE_CERTIFY_H
#define ROTE_CERTIFY_H

#include "rote/device.h"

#ifdef __cplusplus
extern "C" {
#endif

enum rote_certify_level {
    ROTE_CERTIFY_QUICK, /* small cases, variants at their defaults */
    ROTE_CERTIFY_USUAL, /* all cases, variants at their defaults */
    ROTE_CERTIFY_FULL   /* and with settings of their tunables */
};

enum rote_case_verdict {
    ROTE_CASE_RIGHT,
    ROTE_CASE_UNTAKEN,  /* the variant does not take these shapes on this device */
    ROTE_CASE_WAIVED,   /* fails, and is known to */
    ROTE_CASE_FLAKY,    /* failed, and then passed: see `why` */
    ROTE_CASE_WRONG,    /* off by more than the tolerance */
    ROTE_CASE_UNSTEADY, /* two runs on the same data gave other bits */
    ROTE_CASE_FAILED,   /* an error: a kernel that does not build, a launch that is refused */
    ROTE_CASE_CRASHED,  /* ended its process */
    ROTE_CASE_HUNG,     /* was not done in time */
    ROTE_CASE_VERDICTS
};
/* "right", "untaken" ...; and back, ROTE_CASE_FAILED for other words. */
ROTE_API const char *rote_case_word(enum rote_case_verdict v);
ROTE_API enum rote_case_verdict rote_case_verdict_of(const char *word);
/* Not right, not untaken, not waived, not flaky. */
ROTE_API int rote_case_bad(enum rote_case_verdict v);

/* What a case gave. Of operators: the greatest error, in units of its tolerance (at most 1 is
 * right), and in units of 2^-23 max(|reference|, rms of the reference). Of rates: value. */
struct rote_case_result {
    enum rote_case_verdict verdict;
    double error, ulp;
    double value;
    char unit[16];    /* of value: "GB/s"; empty: there is none */
    double seconds;
    char why[240];    /* where the greatest error is, or what went wrong */
    char curves[512]; /* of a training: its losses, blank separated, " | ", the reference's */
};

/* Stable names, "OPERATOR/VARIANT/WORDS" (as `rote op` takes them), "OPERATOR/gradient/WORDS",
 * "training/NAME", "rate/NAME". *ids is the caller's: rote_free it alone. */
ROTE_API enum rote_status rote_certify_cases(enum rote_certify_level level, const char ***ids, int *count);
/* Runs one in this process. An error (ROTE_EINVAL, ROTE_ENOTFOUND) only for an id of no known form or
 * operator; what the device does wrong is a verdict, and so are words that make no call ("failed"). */
ROTE_API enum rote_status rote_certify_case(rote_device *device, const char *id, struct rote_case_result *out);
/* A result as a line without a newline, for a pipe; and back. */
ROTE_API void rote_case_line(const struct rote_case_result *r, char *line, int cap);
ROTE_API enum rote_status rote_case_parse(const char *line, struct rote_case_result *out);

/* *out is the caller's. By what rote_device_info_get told of the device, which may have been in another process. */
typedef struct rote_certificate rote_certificate;
ROTE_API enum rote_status rote_certificate_new(const struct rote_device_info *device, enum rote_certify_level level,
                                               rote_certificate **out);
ROTE_API void rote_certificate_free(rote_certificate *c);
ROTE_API enum rote_status rote_certificate_add(rote_certificate *c, const char *id, const struct rote_case_result *r);
/* Known failures: lines "PATTERN  # reason", a shell pattern of ids; a failing case that matches is waived.
 * Say this before adding cases. ROTE_EFORMAT names file and line. */
ROTE_API enum rote_status rote_certificate_waive(rote_certificate *c, const char *path);
/* Cases that are bad. */
ROTE_API int rote_certificate_bad(const rote_certificate *c);
/* As a table; as JSON; as JUnit XML. redact: without the host's system and number of processors; the device
 * stays. *text is the caller's (rote_free). */
ROTE_API enum rote_status rote_certificate_text(const rote_certificate *c, char **text);
ROTE_API enum rote_status rote_certificate_json(const rote_certificate *c, int redact, char **text);
ROTE_API enum rote_status rote_certificate_junit(const rote_certificate *c, char **text);
/* What differs between two certificates' JSON: facts, verdicts, rates; *differences counts cases
 * with other verdicts and cases that one of them lacks. */
ROTE_API enum rote_status rote_certificate_compare(const char *a_path, const char *b_path, char **text,
                                                   int *differences);

#ifdef __cplusplus
}
#endif
#endif
