/* Arrays of a file's layout to an operator's and back. */
#ifndef OP_ARRAYS_H
#define OP_ARRAYS_H

#include "rote/op.h"

enum op_layout { LAYOUT_NHWC, LAYOUT_NCHW, LAYOUT_NATIVE };

/* The letters of a port's dimensions in files: "HWNC" is NHWC or NCHW, filters "RSCK" are
 * KCRS beside NCHW, linear weights "HWCK" [K][C·H·W] there; others are as they are. */
const char *op_file_dims(const char *dims, enum op_layout layout);
/* Converts type and layout; a new array. h, w: the input's sides, for a [K][C·H·W]. */
enum rote_status op_from_file(const struct rote_array *file, const struct rote_port *port, enum op_layout layout,
                              int64_t h, int64_t w, struct rote_array *out, char *error, size_t cap);
enum rote_status op_to_file(const struct rote_array *device, const struct rote_port *port, enum op_layout layout,
                            struct rote_array *out);

#endif
