/* The known answer that a variant must give on a device and driver before it is used there. */
#ifndef OP_SELFTEST_H
#define OP_SELFTEST_H

#include "op/case.h"

/* Runs the operator's cases that have the very programs of inst, those of little work and else the smallest, twice,
 * on poisoned outputs, and in the memory of their inputs, against the float64 reference, up to the first that is
 * not good. Where no case has the programs, the smallest that the variant takes stands for them. *text: the last
 * that ran, NULL if none did. What the device does wrong is in *r; an error only where the host has no memory. */
enum rote_status op_known_answers(const struct op_inst *inst, const char **text, struct op_case_result *r);

/* The same, unless a verdict on these programs is known. *right false: warned of, once a device and verdict.
 * ROTE_NO_SELFTEST trusts all. */
enum rote_status op_selftest(struct op_inst *inst, bool *right);

#endif
