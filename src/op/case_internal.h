/* Between the files of a case. */
#ifndef OP_CASE_INTERNAL_H
#define OP_CASE_INTERNAL_H

#include "op/case.h"

bool op_case_bound(const struct call *c, int i); /* input i is given, and not only its shape */
/* As the oracle has it: float as double. *out is the caller's. */
enum rote_status op_case_widen(const struct call_shape *s, const void *raw, void **out);
size_t op_case_wide_size(const struct call_shape *s); /* bytes of an element there */
double op_case_tolerance(const struct op_variant *v, const struct call *c);

#endif
