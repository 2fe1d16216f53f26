/* include/rote/device.h over rt.h. */
#include <string.h>

#include "rote/op.h"
#include "rote/opencl.h"
#include "rt/rt_internal.h"

static void to_info(const struct rt_facts *f, struct rote_device_info *o)
{
    static const char *const type[RT_CLASS_COUNT] = {"cpu", "integrated", "discrete"};
    memset(o, 0, sizeof *o);
    memcpy(o->id, f->id, sizeof o->id);
    memcpy(o->name, f->name, sizeof o->name);
    memcpy(o->vendor, f->vendor, sizeof o->vendor);
    memcpy(o->driver, f->driver, sizeof o->driver);
    memcpy(o->platform, f->platform, sizeof o->platform);
    memcpy(o->version, f->version, sizeof o->version);
    snprintf(o->type, sizeof o->type, "%s", type[f->cls]);
    o->compute_units = f->compute_units;
    o->memory_bytes = f->mem_bytes;
    o->max_allocation_bytes = f->max_alloc;
    o->local_bytes = f->local_bytes;
    o->max_work_group = f->max_work_group;
    o->duplicate = f->duplicate;
    o->fp16 = f->has_fp16;
    o->fp64 = f->has_fp64;
    o->subgroups = f->has_subgroups;
}

enum rote_status rote_device_list(struct rote_device_info **out, size_t *count)
{
    enum rote_status st = ROTE_OK;
    struct rt_facts *facts = NULL;
    struct rote_device_info *info = NULL;
    size_t n;
    if (!out || !count)
        FAIL(ROTE_EINVAL, "rote_device_list: out and count must not be NULL");
    TRY(rt_list(&facts, &n));
    TRY(base_alloc(&info, n, sizeof *info));
    for (size_t i = 0; i < n; i++)
        to_info(&facts[i], &info[i]);
    *out = info;
    *count = n;
out:
    base_free(facts);
    return st;
}

void rote_free(void *p)
{
    base_free(p);
}

enum rote_status rote_device_open(const char *selector, rote_device **out)
{
    if (!out)
        return base_error(ROTE_EINVAL, "rote_device_open: out must not be NULL");
    return rt_open(selector, out);
}

void rote_device_free(rote_device *device)
{
    rt_close(device);
}

enum rote_status rote_device_info_get(const rote_device *device, struct rote_device_info *out)
{
    if (!device || !out)
        return base_error(ROTE_EINVAL, "rote_device_info_get: device and out must not be NULL");
    to_info(&device->facts, out);
    return ROTE_OK;
}

uint64_t rote_device_live_bytes(const rote_device *device)
{
    return device ? device->live : 0;
}

uint64_t rote_device_peak_bytes(const rote_device *device)
{
    return device ? device->peak : 0;
}

enum rote_status rote_trace_start(rote_device *device)
{
    return device ? rt_trace_start(device) : base_null_argument("rote_trace_start");
}

enum rote_status rote_trace_write(rote_device *device, const char *path)
{
    return device && path ? rt_trace_write_json(device, path) : base_null_argument("rote_trace_write");
}

enum rote_status rote_trace_print(rote_device *device, FILE *f)
{
    return device && f ? rt_trace_print_table(device, f) : base_null_argument("rote_trace_print");
}

enum rote_status rote_device_finish(rote_device *device)
{
    return device ? rt_finish(device) : base_null_argument("rote_device_finish");
}

enum rote_status rote_tensor_new(rote_device *device, uint64_t bytes, rote_tensor **out)
{
    if (!device || !out)
        return base_error(ROTE_EINVAL, "rote_tensor_new: device and out must not be NULL");
    return rt_mem_new(device, bytes, "a tensor", (struct rt_mem **)out);
}

enum rote_status rote_tensor_from_opencl(rote_device *device, cl_mem buffer, rote_tensor **out)
{
    enum rote_status st = ROTE_OK;
    struct rt_mem *m = NULL;
    cl_context context;
    size_t bytes;
    if (!device || !buffer || !out)
        FAIL(ROTE_EINVAL, "rote_tensor_from_opencl: device, buffer and out must not be NULL");
    TRY_CL(clGetMemObjectInfo, buffer, CL_MEM_SIZE, sizeof bytes, &bytes, NULL);
    TRY_CL(clGetMemObjectInfo, buffer, CL_MEM_CONTEXT, sizeof context, &context, NULL);
    if (context != device->context)
        FAIL(ROTE_EINVAL, "rote_tensor_from_opencl: the buffer belongs to another context than the device");
    TRY(base_alloc(&m, 1, sizeof *m));
    TRY_CL(clRetainMemObject, buffer);
    *m = (struct rt_mem){.dev = device, .refs = 1, .bytes = bytes, .borrowed = true, .mem = buffer};
    *out = (rote_tensor *)m;
    m = NULL;
out:
    base_free(m);
    return st;
}

void rote_tensor_free(rote_tensor *t)
{
    rt_mem_free((struct rt_mem *)t);
}

static enum rote_status fits(const struct rt_mem *m, uint64_t bytes, const char *call)
{
    if (!m)
        return base_error(ROTE_EINVAL, "%s: the tensor is NULL", call);
    if (bytes > m->bytes)
        return base_error(ROTE_EINVAL, "%s: %llu bytes, but the tensor has %llu", call, (unsigned long long)bytes,
                          (unsigned long long)m->bytes);
    return ROTE_OK;
}

enum rote_status rote_tensor_write(rote_tensor *t, const void *data, uint64_t bytes)
{
    enum rote_status st = fits((struct rt_mem *)t, bytes, "rote_tensor_write");
    return st ? st : rt_write((struct rt_mem *)t, 0, data, bytes);
}

enum rote_status rote_tensor_read(rote_tensor *t, void *data, uint64_t bytes)
{
    enum rote_status st = fits((struct rt_mem *)t, bytes, "rote_tensor_read");
    return st ? st : rt_read((struct rt_mem *)t, 0, data, bytes);
}
