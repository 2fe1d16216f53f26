/* OpenCL errors by name, as statuses; and faults on demand for tests. */
#include <stdlib.h>

#include "rt/rt_internal.h"

static const struct {
    cl_int code;
    const char *name;
} names[] = {
#define E(x) {x, #x}
    E(CL_DEVICE_NOT_FOUND), E(CL_DEVICE_NOT_AVAILABLE), E(CL_COMPILER_NOT_AVAILABLE),
    E(CL_MEM_OBJECT_ALLOCATION_FAILURE), E(CL_OUT_OF_RESOURCES), E(CL_OUT_OF_HOST_MEMORY),
    E(CL_PROFILING_INFO_NOT_AVAILABLE), E(CL_MEM_COPY_OVERLAP), E(CL_BUILD_PROGRAM_FAILURE),
    E(CL_MAP_FAILURE), E(CL_MISALIGNED_SUB_BUFFER_OFFSET),
    E(CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST), E(CL_INVALID_VALUE),
    E(CL_INVALID_DEVICE_TYPE), E(CL_INVALID_PLATFORM), E(CL_INVALID_DEVICE),
    E(CL_INVALID_CONTEXT), E(CL_INVALID_QUEUE_PROPERTIES), E(CL_INVALID_COMMAND_QUEUE),
    E(CL_INVALID_MEM_OBJECT), E(CL_INVALID_BINARY), E(CL_INVALID_BUILD_OPTIONS),
    E(CL_INVALID_PROGRAM), E(CL_INVALID_PROGRAM_EXECUTABLE), E(CL_INVALID_KERNEL_NAME),
    E(CL_INVALID_KERNEL), E(CL_INVALID_ARG_INDEX), E(CL_INVALID_ARG_VALUE),
    E(CL_INVALID_ARG_SIZE), E(CL_INVALID_KERNEL_ARGS), E(CL_INVALID_WORK_DIMENSION),
    E(CL_INVALID_WORK_GROUP_SIZE), E(CL_INVALID_WORK_ITEM_SIZE), E(CL_INVALID_GLOBAL_OFFSET),
    E(CL_INVALID_EVENT), E(CL_INVALID_OPERATION), E(CL_INVALID_BUFFER_SIZE),
    E(CL_INVALID_GLOBAL_WORK_SIZE), E(CL_INVALID_PROPERTY),
#undef E
    {-1001, "CL_PLATFORM_NOT_FOUND_KHR"},
};

const char *rt_cl_error_name(cl_int error)
{
    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (names[i].code == error)
            return names[i].name;
    return "an error code of the driver's own";
}

enum rote_status rt_cl_error(cl_int error, const char *call)
{
    enum rote_status st = ROTE_ECL;
    switch (error) {
    case CL_OUT_OF_HOST_MEMORY:
        st = ROTE_ENOMEM;
        break;
    case CL_MEM_OBJECT_ALLOCATION_FAILURE:
        st = ROTE_EDEVMEM;
        break;
    case CL_OUT_OF_RESOURCES:
    case CL_DEVICE_NOT_AVAILABLE:
        st = ROTE_ELOST;
        break;
    case CL_BUILD_PROGRAM_FAILURE:
        st = ROTE_EBUILD;
        break;
    case CL_DEVICE_NOT_FOUND:
    case -1001:
        st = ROTE_ENOTFOUND;
        break;
    default:
        break;
    }
    return base_error(st, "%s failed with %s (%d)%s", call, rt_cl_error_name(error), (int)error,
                      st == ROTE_ELOST ? "; if the driver resets a device whose launches take long: ROTE_LAUNCH_MS=50 "
                                         "cuts them (docs/library.md)" : "");
}

/* ROTE_FAULT_CL=n lets the n-th OpenCL call of the process fail once. */
cl_int rt_fault(void)
{
    static _Thread_local long left = -1;
    if (left == -1) {
        const char *n = getenv("ROTE_FAULT_CL");
        left = n ? atol(n) : 0;
    }
    return left > 0 && --left == 0 ? CL_OUT_OF_RESOURCES : CL_SUCCESS;
}
