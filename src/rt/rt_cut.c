/* Launches cut in pieces. Drivers and operating systems reset a GPU that does not answer for some time (Windows after
 * 2 s), and an integrated one does not draw the screen meanwhile. A piece is work-groups of the same launch, so
 * that results do not depend on how it was cut. */
#include <stdlib.h>

#include "rt/rt_internal.h"

#define INTEGRATED_SECONDS 0.1
#define DISCRETE_SECONDS 0.5
#define FREE_ITEMS 256 /* of a piece where the driver chooses the groups: a multiple of what it may choose */
#define GROWTH 8       /* of a piece, until the time of one is known */
#define MARGIN 0.5     /* of the limit: a unit may take longer than those measured */

enum rote_status rt_launch_limit(struct rote_device *dev)
{
    static const double by_class[RT_CLASS_COUNT] = {[RT_INTEGRATED] = INTEGRATED_SECONDS,
                                                    [RT_DISCRETE] = DISCRETE_SECONDS};
    const char *text = getenv("ROTE_LAUNCH_MS");
    char *end;
    enum rote_status st = ROTE_OK;
    cl_command_queue_properties properties;
    dev->launch_seconds = by_class[dev->facts.cls];
    if (text && *text) {
        dev->launch_seconds = strtod(text, &end) * 1e-3;
        if (*end || !(dev->launch_seconds >= 0))
            FAIL(ROTE_EINVAL, "ROTE_LAUNCH_MS is '%s': give milliseconds, or 0 for launches of any length", text);
    }
    TRY_CL(clGetCommandQueueInfo, dev->queue, CL_QUEUE_PROPERTIES, sizeof properties, &properties, NULL);
    if (!(properties & CL_QUEUE_PROFILING_ENABLE)) /* a caller's queue: times can't be had */
        dev->launch_seconds = 0;
out:
    return st;
}

static enum rote_status seconds_of(cl_event event, double *seconds)
{
    enum rote_status st = ROTE_OK;
    cl_ulong start, end;
    TRY_CL(clWaitForEvents, 1, &event);
    TRY_CL(clGetEventProfilingInfo, event, CL_PROFILING_COMMAND_START, sizeof start, &start, NULL);
    TRY_CL(clGetEventProfilingInfo, event, CL_PROFILING_COMMAND_END, sizeof end, &end, NULL);
    *seconds = end > start ? (double)(end - start) * 1e-9 : 0;
out:
    return st;
}

/* One piece; its time, where `seconds` is asked for. */
static enum rote_status enqueue(struct rt_kernel *k, int dims, const size_t *offset, const size_t *global,
                                const size_t *local, double *seconds)
{
    enum rote_status st = ROTE_OK;
    cl_event own = NULL, *event = rt_trace_event(k->dev, k->name);
    if (!event && seconds)
        event = &own;
    TRY_CL(clEnqueueNDRangeKernel, k->dev->queue, k->kernel, (cl_uint)dims, offset, global, local, 0, NULL, event);
    if (seconds)
        TRY(seconds_of(*event, seconds));
out:
    if (own)
        clReleaseEvent(own);
    return st;
}

/* Drivers may hand launches on together, and a watchdog then sees one. */
static enum rote_status flush_in_time(struct rote_device *dev, double seconds)
{
    dev->unflushed += seconds;
    if (dev->unflushed < dev->launch_seconds)
        return ROTE_OK;
    dev->unflushed = 0;
    return rt_flush(dev);
}

void rt_kernel_measure_again(struct rt_kernel *k)
{
    k->item_seconds = 0;
}

/* A launch is cut across the axis that has most groups, into slabs. The first launch of a kernel goes through
 * growing pieces, each of them waited for, until the time of a work-item is known. */
enum rote_status rt_enqueue_cut(struct rt_kernel *k, int dims, const size_t *global, const size_t *local)
{
    enum rote_status st = ROTE_OK;
    size_t offset[3] = {0}, size[3] = {1, 1, 1}, slab = FREE_ITEMS, slabs = 0, largest = 0;
    double slab_items = 1, limit = MARGIN * k->dev->launch_seconds, each = k->item_seconds;
    int axis = 0;
    for (int i = 0; i < dims; i++) {
        size_t unit = local ? local[i] : FREE_ITEMS, units = (global[i] + unit - 1) / unit;
        size[i] = global[i];
        slab_items *= (double)global[i];
        if (units > slabs) {
            axis = i;
            slab = unit;
            slabs = units;
        }
    }
    slab_items = slab_items / (double)global[axis] * (double)slab;
    size_t least = k->dev->facts.compute_units, piece = least; /* smaller ones leave cores idle */
    for (size_t at = 0, count; at < slabs; at += count) {
        double fit = each > 0 ? limit / (each * slab_items) : 0, seconds = 0;
        size_t grown = k->item_seconds > 0 ? slabs : piece;
        count = fit > 0 && fit < (double)grown ? (size_t)fit : grown;
        count = count < least ? least : count;
        count = count > slabs - at ? slabs - at : count;
        offset[axis] = at * slab;
        size[axis] = count < slabs - at ? count * slab : global[axis] - offset[axis];
        TRY(enqueue(k, dims, offset, size, local, k->item_seconds > 0 ? NULL : &seconds));
        TRY(flush_in_time(k->dev, each * slab_items * (double)count));
        if (seconds > 0 && count >= largest) {
            each = seconds / (slab_items * (double)count);
            largest = count;
        }
        piece = count * GROWTH;
    }
    k->item_seconds = each > 0 ? each : 1e-15;
out:
    return st;
}
