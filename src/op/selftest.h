/* The known answer that a variant must give on a device and driver before it is used there. */
#ifndef OP_SELFTEST_H
#define OP_SELFTEST_H

#include "op/op.h"

/* Runs the smallest of the operator's cases that has the very programs of inst, twice, on poisoned outputs,
 * against the float64 reference, unless a verdict on these programs is known. Where no case has them, the
 * smallest that the variant takes stands for them; where it takes none, the variant is trusted. *right false:
 * warned of, once a device and verdict. An error only where there is no memory: what the device does wrong is
 * a verdict. ROTE_NO_SELFTEST trusts all. */
enum rote_status op_selftest(struct op_inst *inst, bool *right);

#endif
