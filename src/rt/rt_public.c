/* include/rote/device.h over rt.h. */
#include <string.h>

#include "rote/device.h"
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
    return rt_trace_start(device);
}

enum rote_status rote_trace_write(rote_device *device, const char *path)
{
    return rt_trace_write_json(device, path);
}
