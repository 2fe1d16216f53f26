/* Column sums, shared by the reductions and the gradient of a bias. */
#ifndef OP_REDUCE_ROWS_H
#define OP_REDUCE_ROWS_H

#include "op/op.h"

/* Shares of the rows whose sums are merged: an order that depends on their number alone. */
int reduce_rows_parts(int64_t rows);
enum rote_status reduce_rows_prepare(struct op_inst *inst, int64_t rows, int64_t columns);
/* out[0][c] = sum over rows of x[row][c] */
enum rote_status reduce_rows_run(struct op_inst *inst, struct rt_mem *x, int64_t rows, int64_t columns);

#endif
