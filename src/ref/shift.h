/* How strong a shift is, for the operator and its oracle. */
#ifndef REF_SHIFT_H
#define REF_SHIFT_H

#include <stdint.h>

#define SHIFT_KINDS 5
#define SHIFT_SEVERITIES 5
/* The attribute `kind`, and the codes of cl/shift.cl. */
#define SHIFT_NAMES "noise|blur|contrast|translation|occlusion"
enum shift_kind { SHIFT_NOISE, SHIFT_BLUR, SHIFT_CONTRAST, SHIFT_TRANSLATION, SHIFT_OCCLUSION };

/* Values of bytes 0..1 are taken as this many deviations wide where images are floats. */
#define SHIFT_DEVIATIONS 4

/* Severity 1 to 5. Noise: standard deviation, of the range 0..1; blur: half-width minus a pixel, translation:
 * distance, occlusion: side, all as shares of the image's; contrast: what is left of it. */
double shift_strength(enum shift_kind kind, int64_t severity);
/* Of an image `side` pixels wide: pixels moved (translation) or hidden (occlusion, one at least). */
int64_t shift_pixels(enum shift_kind kind, int64_t severity, int64_t side);
/* Half-width of the blur's triangle in pixels. */
double shift_half_width(int64_t severity, int64_t side);

#endif
