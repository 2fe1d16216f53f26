/* What a product with a bias (its input 2, `b`, and attribute `relu`) takes from the operator bias_fwd. */
#ifndef OP_BIAS_H
#define OP_BIAS_H

#include "op/op.h"

/* That b has a value for each of output 0's channels, once its shape is known. */
enum rote_status bias_check(const struct call *c);
/* op_def.length of a product whose sums are `length` long: with relu the root mean square, in which errors are told,
 * is 1/sqrt(2) of the sums'. */
double bias_length(const struct call *c, double length);
/* The kernels bias_fwd__plain and bias_relu_fwd__plain, for x of so many channels. */
enum rote_status bias_kernel(struct op_inst *inst, const char *name, int64_t channels, int index);
/* y [rows][channels] by one of them, of kernel `index`; y may be x. */
enum rote_status bias_run(struct op_inst *inst, int index, struct rt_mem *x, struct rt_mem *b, struct rt_mem *y,
                          int64_t rows, int64_t channels);

#endif
