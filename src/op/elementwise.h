/* What element-wise operators share: one kernel over n elements, a span of them an item
 * (cl/common/span.clh). */
#ifndef OP_ELEMENTWISE_H
#define OP_ELEMENTWISE_H

#include "op/op.h"

/* All inputs and the output have the shape of in[0]. */
enum rote_status elementwise_infer(struct call *c);
/* kernel[0], of a file that includes span.clh. */
enum rote_status elementwise_kernel(struct op_inst *inst, const char *file, const char *name);
/* Items that cover in[0]'s elements. */
size_t elementwise_items(const struct op_inst *inst);
/* Runs kernel[0] as (n, in[0], ..., out[0], stream) for one or two inputs. */
enum rote_status elementwise_run(struct op_inst *inst);

#endif
