/* What element-wise operators share: one kernel over n elements, four an item. */
#ifndef OP_ELEMENTWISE_H
#define OP_ELEMENTWISE_H

#include "op/op.h"

/* All inputs and the output have the shape of in[0]. */
enum rote_status elementwise_infer(struct call *c);
/* Items that cover in[0]'s elements, four each. */
size_t elementwise_items(const struct op_inst *inst);
/* Runs kernel[0] as (n, in[0], ..., out[0]) for one or two inputs. */
enum rote_status elementwise_run(struct op_inst *inst);

#endif
