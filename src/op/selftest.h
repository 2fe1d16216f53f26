/* The known answer that a variant must give on a device and driver before it is used there. */
#ifndef OP_SELFTEST_H
#define OP_SELFTEST_H

#include "op/op.h"

/* Runs the smallest of the operator's cases by the very programs that inst has, twice, on poisoned outputs,
 * against the float64 reference, unless a verdict on these programs is known. *right false: warned of,
 * once a device, variant and reason. An error only where there is no memory: what the device does wrong is a
 * verdict. ROTE_NO_SELFTEST trusts all. */
enum rote_status op_selftest(struct op_inst *inst, bool *right);

#endif
