/* The oracles, one function an operator: see struct op_def.ref in op/op.h for
 * what the pointers are. */
#ifndef REF_H
#define REF_H

#include "ref/call.h"

#define OP(name) void ref_##name(const struct call *c, void *const *in, void *const *out);
#include "ref/ops.def"
#undef OP

/* y += b, input 2 of an operator with the attribute relu. */
void ref_add_bias(const struct call *c, void *const *in, void *const *out);

#endif
