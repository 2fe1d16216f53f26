/* Preloaded into rote: a driver that does wrong, or has little, as the environment says.
 *   STUB_SKIP=KERNEL      launches of this kernel succeed and do nothing
 *   STUB_CRASH=KERNEL     the first launch ends the process;  STUB_HANG=KERNEL: it never returns
 *   STUB_ONCE=FILE        the fault happens while FILE does not exist, and makes it
 *   STUB_UNSTEADY=KERNEL  every second launch is left out
 *   STUB_GROUP=N          at most N work-items a group;  STUB_LOCAL=BYTES  of local memory
 *   STUB_ALLOC=BYTES      of one buffer;  STUB_PLAIN=1  no extensions
 *   STUB_PRIVATE=BYTES    every kernel keeps so much in memory, for want of registers
 *   STUB_OPENING=TEXT     making a context on a platform whose name holds TEXT ends the process; with STUB_WAIT=1 it
 *                         never returns;  STUB_MUTE=TEXT: such a platform's devices tell nothing of themselves
 *   STUB_ITEM_NS=N        a work-item takes N ns, by the events' word;  STUB_WATCHDOG_MS=N: a launch that takes
 *                         longer resets the device, and all launches fail from then on */
#define _GNU_SOURCE
#include <CL/cl.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static size_t number(const char *name)
{
    const char *text = getenv(name);
    return text ? (size_t)strtoull(text, NULL, 10) : 0;
}

static int is(const char *fault, const char *kernel)
{
    const char *name = getenv(fault), *once = getenv("STUB_ONCE");
    if (!name || strcmp(name, kernel))
        return 0;
    if (!once)
        return 1;
    int fd = open(once, O_CREAT | O_EXCL | O_WRONLY, 0600);
    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

static int invalid_group(cl_uint dims, const size_t *local)
{
    size_t most = number("STUB_GROUP"), items = 1;
    for (cl_uint i = 0; local && i < dims; i++)
        items *= local[i];
    return most && items > most;
}

#define MOST_TIMED 4096
static struct {
    cl_event event;
    cl_ulong ns;
} timed[MOST_TIMED]; /* the last ones */
static size_t n_timed;

static cl_ulong cost(cl_uint dims, const size_t *global)
{
    cl_ulong ns = number("STUB_ITEM_NS");
    for (cl_uint i = 0; i < dims; i++)
        ns *= global[i];
    return ns;
}

static int reset(cl_ulong ns)
{
    static int lost;
    size_t most = number("STUB_WATCHDOG_MS");
    lost |= most && ns > most * 1000000;
    return lost;
}

cl_int clGetEventProfilingInfo(cl_event event, cl_profiling_info what, size_t size, void *value, size_t *size_out)
{
    cl_int (*real)(cl_event, cl_profiling_info, size_t, void *, size_t *);
    *(void **)&real = dlsym(RTLD_NEXT, "clGetEventProfilingInfo");
    cl_int e = real(event, what, size, value, size_out);
    for (size_t i = n_timed; !e && value && i > 0 && i + MOST_TIMED > n_timed; i--)
        if (timed[(i - 1) % MOST_TIMED].event == event) {
            *(cl_ulong *)value = what == CL_PROFILING_COMMAND_END ? timed[(i - 1) % MOST_TIMED].ns : 0;
            break;
        }
    return e;
}

cl_int clEnqueueNDRangeKernel(cl_command_queue queue, cl_kernel kernel, cl_uint dims, const size_t *offset,
                              const size_t *global, const size_t *local, cl_uint waits, const cl_event *wait,
                              cl_event *event)
{
    static int launches;
    cl_int (*real)(cl_command_queue, cl_kernel, cl_uint, const size_t *, const size_t *, const size_t *, cl_uint,
                   const cl_event *, cl_event *);
    char name[128] = "";
    *(void **)&real = dlsym(RTLD_NEXT, "clEnqueueNDRangeKernel");
    clGetKernelInfo(kernel, CL_KERNEL_FUNCTION_NAME, sizeof name, name, NULL);
    if (is("STUB_CRASH", name))
        abort();
    while (is("STUB_HANG", name))
        pause();
    if (invalid_group(dims, local))
        return CL_INVALID_WORK_GROUP_SIZE;
    if (is("STUB_SKIP", name) || (is("STUB_UNSTEADY", name) && launches++ % 2))
        return event ? clEnqueueMarkerWithWaitList(queue, waits, wait, event) : CL_SUCCESS;
    if (reset(cost(dims, global)))
        return CL_OUT_OF_RESOURCES;
    cl_int e = real(queue, kernel, dims, offset, global, local, waits, wait, event);
    if (!e && event && number("STUB_ITEM_NS")) {
        timed[n_timed % MOST_TIMED].event = *event;
        timed[n_timed++ % MOST_TIMED].ns = cost(dims, global);
    }
    return e;
}

static int is_of(const char *variable, cl_device_id device)
{
    cl_int (*ask)(cl_device_id, cl_device_info, size_t, void *, size_t *);
    cl_platform_id platform;
    char name[256] = "";
    *(void **)&ask = dlsym(RTLD_NEXT, "clGetDeviceInfo");
    if (!getenv(variable) || ask(device, CL_DEVICE_PLATFORM, sizeof platform, &platform, NULL))
        return 0;
    clGetPlatformInfo(platform, CL_PLATFORM_NAME, sizeof name - 1, name, NULL);
    return strstr(name, getenv(variable)) != NULL;
}

cl_context clCreateContext(const cl_context_properties *properties, cl_uint n, const cl_device_id *device,
                           void (CL_CALLBACK *notify)(const char *, const void *, size_t, void *), void *user,
                           cl_int *error)
{
    cl_context (*real)(const cl_context_properties *, cl_uint, const cl_device_id *,
                       void (CL_CALLBACK *)(const char *, const void *, size_t, void *), void *, cl_int *);
    *(void **)&real = dlsym(RTLD_NEXT, "clCreateContext");
    if (is_of("STUB_OPENING", device[0])) {
        while (getenv("STUB_WAIT"))
            pause();
        abort();
    }
    return real(properties, n, device, notify, user, error);
}

static void lower(const char *name, size_t size, void *value)
{
    size_t most = number(name);
    if (!most || !value)
        return;
    if (size == sizeof(cl_ulong) && *(cl_ulong *)value > most)
        *(cl_ulong *)value = most;
}

cl_int clGetDeviceInfo(cl_device_id device, cl_device_info what, size_t size, void *value, size_t *size_out)
{
    cl_int (*real)(cl_device_id, cl_device_info, size_t, void *, size_t *);
    *(void **)&real = dlsym(RTLD_NEXT, "clGetDeviceInfo");
    if (is_of("STUB_MUTE", device))
        return CL_INVALID_DEVICE;
    cl_int e = real(device, what, size, value, size_out);
    if (!e && what == CL_DEVICE_MAX_WORK_GROUP_SIZE)
        lower("STUB_GROUP", sizeof(cl_ulong), value);
    if (!e && what == CL_DEVICE_LOCAL_MEM_SIZE)
        lower("STUB_LOCAL", sizeof(cl_ulong), value);
    if (!e && what == CL_DEVICE_MAX_MEM_ALLOC_SIZE)
        lower("STUB_ALLOC", sizeof(cl_ulong), value);
    if (!e && what == CL_DEVICE_EXTENSIONS && value && size && getenv("STUB_PLAIN"))
        *(char *)value = 0;
    return e;
}

cl_int clGetKernelWorkGroupInfo(cl_kernel kernel, cl_device_id device, cl_kernel_work_group_info what, size_t size,
                                void *value, size_t *size_out)
{
    cl_int (*real)(cl_kernel, cl_device_id, cl_kernel_work_group_info, size_t, void *, size_t *);
    *(void **)&real = dlsym(RTLD_NEXT, "clGetKernelWorkGroupInfo");
    cl_int e = real(kernel, device, what, size, value, size_out);
    if (!e && what == CL_KERNEL_WORK_GROUP_SIZE)
        lower("STUB_GROUP", sizeof(cl_ulong), value);
    if (!e && what == CL_KERNEL_PRIVATE_MEM_SIZE && value && getenv("STUB_PRIVATE"))
        *(cl_ulong *)value = number("STUB_PRIVATE");
    return e;
}

cl_mem clCreateBuffer(cl_context context, cl_mem_flags flags, size_t size, void *host, cl_int *error)
{
    cl_mem (*real)(cl_context, cl_mem_flags, size_t, void *, cl_int *);
    size_t most = number("STUB_ALLOC");
    *(void **)&real = dlsym(RTLD_NEXT, "clCreateBuffer");
    if (!most || size <= most)
        return real(context, flags, size, host, error);
    if (error)
        *error = CL_INVALID_BUFFER_SIZE;
    return NULL;
}
