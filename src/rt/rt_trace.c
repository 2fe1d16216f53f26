/* Per-kernel times: kept as events, shown as a table or as trace-event JSON,
 * which Perfetto and Chrome open. */
#include <stdlib.h>
#include <string.h>

#include "rt/rt_internal.h"

enum rote_status rt_trace_start(struct rote_device *dev)
{
    enum rote_status st = ROTE_OK;
    cl_command_queue_properties properties;
    TRY_CL(clGetCommandQueueInfo, dev->queue, CL_QUEUE_PROPERTIES, sizeof properties, &properties, NULL);
    if (!(properties & CL_QUEUE_PROFILING_ENABLE))
        FAIL(ROTE_EUNSUPPORTED, "the caller's queue was made without profiling; add CL_QUEUE_PROFILING_ENABLE");
    dev->trace = true;
out:
    return st;
}

void rt_label(struct rote_device *dev, const char *label)
{
    if (dev->trace)
        snprintf(dev->label, sizeof dev->label, "%s", label);
}

void rt_trace_stop(struct rote_device *dev)
{
    rt_finish(dev);
    rt_trace_free(dev);
    dev->trace = false;
}

cl_event *rt_trace_event(struct rote_device *dev, const char *kernel)
{
    if (!dev->trace)
        return NULL;
    if (dev->n_events == dev->cap_events) {
        size_t cap = dev->cap_events ? dev->cap_events * 2 : 1024;
        if (base_grow(&dev->events, cap, sizeof *dev->events))
            return NULL;
        dev->cap_events = cap;
    }
    struct rt_event *e = &dev->events[dev->n_events];
    *e = (struct rt_event){0};
    char *name = NULL;
    if (base_sprintf(&name, "%s\n%s", dev->label[0] ? dev->label : kernel, kernel))
        return NULL;
    *strchr(name, '\n') = 0;
    e->label = name;
    e->kernel = name + strlen(name) + 1;
    dev->n_events++;
    return &e->event;
}

enum rote_status rt_trace_spans(struct rote_device *dev, struct rt_span **out, size_t *count)
{
    enum rote_status st = ROTE_OK;
    struct rt_span *s = NULL;
    size_t n = 0;
    cl_ulong first = 0;
    TRY(rt_finish(dev));
    TRY(base_alloc(&s, dev->n_events, sizeof *s));
    for (size_t i = 0; i < dev->n_events; i++) {
        cl_ulong start, end;
        if (!dev->events[i].event)
            continue; /* its launch failed */
        TRY_CL(clGetEventProfilingInfo, dev->events[i].event, CL_PROFILING_COMMAND_START, sizeof start, &start, NULL);
        TRY_CL(clGetEventProfilingInfo, dev->events[i].event, CL_PROFILING_COMMAND_END, sizeof end, &end, NULL);
        if (!n)
            first = start;
        s[n++] = (struct rt_span){dev->events[i].label, dev->events[i].kernel, ((double)start - (double)first) * 1e-3,
                               ((double)end - (double)first) * 1e-3};
    }
    *out = s;
    *count = n;
    s = NULL;
out:
    base_free(s);
    return st;
}

enum rote_status rt_trace_write_json(struct rote_device *dev, const char *path)
{
    enum rote_status st = ROTE_OK;
    struct base_buf b = {0};
    struct rt_span *s = NULL;
    size_t n = 0;
    TRY(rt_trace_spans(dev, &s, &n));
    TRY(base_buf_printf(&b, "{\"displayTimeUnit\":\"ms\",\"traceEvents\":[\n"));
    for (size_t i = 0; i < n; i++)
        TRY(base_buf_printf(&b, "%s{\"name\":\"%s\",\"cat\":\"%s\",\"ph\":\"X\",\"pid\":1,\"tid\":1,\"ts\":%.3f,\"dur\":%.3f}",
                            i ? ",\n" : "", s[i].label, s[i].kernel, s[i].start, s[i].end - s[i].start));
    TRY(base_buf_printf(&b, "\n]}\n"));
    TRY(base_write_file_atomic(path, b.text, b.len));
out:
    base_free(s);
    base_buf_free(&b);
    return st;
}

struct row {
    const char *kernel;
    size_t calls;
    double us;
};

static int by_time(const void *a, const void *b)
{
    double x = ((const struct row *)a)->us, y = ((const struct row *)b)->us;
    return (x < y) - (x > y);
}

enum rote_status rt_trace_print_table(struct rote_device *dev, FILE *f)
{
    enum rote_status st = ROTE_OK;
    struct rt_span *s = NULL;
    struct row *row = NULL;
    size_t n = 0, rows = 0;
    double total = 0;
    TRY(rt_trace_spans(dev, &s, &n));
    TRY(base_alloc(&row, n, sizeof *row));
    for (size_t i = 0; i < n; i++) {
        size_t j = 0;
        while (j < rows && strcmp(row[j].kernel, s[i].kernel))
            j++;
        rows += j == rows;
        row[j].kernel = s[i].kernel;
        row[j].calls++;
        row[j].us += s[i].end - s[i].start;
        total += s[i].end - s[i].start;
    }
    qsort(row, rows, sizeof *row, by_time);
    fprintf(f, "%-40s %8s %12s %7s\n", "kernel", "launches", "ms", "share");
    for (size_t j = 0; j < rows; j++)
        fprintf(f, "%-40s %8zu %12.3f %6.1f%%\n", row[j].kernel, row[j].calls, row[j].us * 1e-3,
                100 * row[j].us / total);
out:
    base_free(s);
    base_free(row);
    return st;
}

void rt_trace_free(struct rote_device *dev)
{
    for (size_t i = 0; i < dev->n_events; i++) {
        if (dev->events[i].event)
            clReleaseEvent(dev->events[i].event);
        base_free(dev->events[i].label);
    }
    base_free(dev->events);
    dev->events = NULL;
    dev->n_events = dev->cap_events = 0;
}
