/* Between the files of certification. */
#ifndef BENCH_CERTIFICATE_H
#define BENCH_CERTIFICATE_H

#include "bench/bench.h"

#define CERTIFICATE_FORMAT "rote-certificate-1"

const char *cert_text(const json_t *o, const char *key); /* "" where there is none */

#define CERTIFY_RATES 4
extern const char *const certify_rates[CERTIFY_RATES]; /* names: cases "rate/NAME" */

#endif
