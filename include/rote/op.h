/* Single operators on device memory: tensors, and one operator at a time by its name,
 * its input shapes and its attributes, as `rote op --list` shows them.
 *
 * Activations are [H][W][N][C], the batch inside the pixel; filters [R][S][C/groups][K];
 * linear weights [H][W][C][K]; all dense float32 unless the list says otherwise. */
#ifndef ROTE_OP_H
#define ROTE_OP_H

#include "rote/array.h"
#include "rote/device.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Memory of a device. */
typedef struct rote_tensor rote_tensor;

ROTE_API enum rote_status rote_tensor_new(rote_device *device, uint64_t bytes, rote_tensor **out);
/* NULL is allowed. Free tensors before their device. */
ROTE_API void rote_tensor_free(rote_tensor *t);
/* Blocking copies, in the order of the device's queue. */
ROTE_API enum rote_status rote_tensor_write(rote_tensor *t, const void *data, uint64_t bytes);
ROTE_API enum rote_status rote_tensor_read(rote_tensor *t, void *data, uint64_t bytes);

typedef struct rote_op rote_op;

/* words: input shapes and attributes, "x=5x7x2x3 w=3x3x3x4 stride_h=2 pad_h=1".
 * variant: NULL the best that takes these shapes on this device; or its name. Builds the
 * kernels. ROTE_ENOTFOUND and ROTE_EINVAL name the nearest operator, input, attribute. */
ROTE_API enum rote_status rote_op_new(rote_device *device, const char *name, const char *words, const char *variant,
                                      rote_op **out);
ROTE_API void rote_op_free(rote_op *op);
ROTE_API const char *rote_op_variant(const rote_op *op);

/* A port of an operator. An output with an input's name is that input, updated in place. */
struct rote_port {
    const char *name, *dims, *text; /* dims: a letter a dimension, "HWNC" */
    enum rote_type type;
    int output;    /* 0 an input, 1 an output */
    int optional;  /* an input that may be left out */
    int shape_only; /* only its shape matters: no memory is bound */
    int present;   /* this operator has it */
    int rank;
    int64_t dim[8];
    uint64_t bytes;
};
/* Inputs first, then outputs; ROTE_ENOTFOUND past the last. */
ROTE_API enum rote_status rote_op_port(const rote_op *op, int index, struct rote_port *out);
/* The same of an operator that was not made: no shapes, present 0. */
ROTE_API enum rote_status rote_op_port_of(const char *name, int index, struct rote_port *out);

/* Binds memory to an input or output; the tensor stays the caller's and must outlive the
 * operator's runs. Output "y" and input "x" of one name share one binding. */
ROTE_API enum rote_status rote_op_bind(rote_op *op, const char *port, rote_tensor *t);
/* A runtime attribute between runs: "lr=0.01", "step=7". */
ROTE_API enum rote_status rote_op_set(rote_op *op, const char *word);
/* Whether the indices among the inputs (classes, sample numbers, tables of heads) keep
 * inside what they index; kernels do not check. data[i] is the host copy of input ports[i]. */
ROTE_API enum rote_status rote_op_check(const rote_op *op, const char *const *ports, const void *const *data, int n);
/* Enqueues; read an output, or call rote_device_finish, to wait. */
ROTE_API enum rote_status rote_op_run(rote_op *op);
ROTE_API enum rote_status rote_device_finish(rote_device *device);

/* The list of operators, all or (name not NULL) one: inputs, outputs, attributes,
 * variants; as text or JSON. *text is the caller's (rote_free). */
ROTE_API enum rote_status rote_op_list(const char *name, int json, char **text);
/* The backward operator of `name` number `index`: "conv2d_bwd_data"; an entry "dx=dy" says
 * that a gradient is passed on as it is. NULL past the last. */
ROTE_API const char *rote_op_gradient(const char *name, int index);
/* That backward operator for the shapes and attributes of `forward`. Its ports have the
 * names of forward's inputs and outputs, and d<name> for their gradients. */
ROTE_API enum rote_status rote_op_new_backward(const rote_op *forward, int index, const char *variant, rote_op **out);

#ifdef __cplusplus
}
#endif
#endif
