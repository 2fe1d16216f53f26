/* Rote on a caller's own OpenCL objects. The only public header that includes
 * OpenCL's. Objects are retained; the caller releases its own references. */
#ifndef ROTE_OPENCL_H
#define ROTE_OPENCL_H

#include <CL/cl.h>

#include "rote/op.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A device on a caller's context and in-order queue. */
ROTE_API enum rote_status rote_device_from_opencl(cl_context context, cl_command_queue queue, rote_device **out);
/* A tensor that is a caller's buffer of the same context. */
ROTE_API enum rote_status rote_tensor_from_opencl(rote_device *device, cl_mem buffer, rote_tensor **out);

#ifdef __cplusplus
}
#endif
#endif
