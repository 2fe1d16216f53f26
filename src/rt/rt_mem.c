/* Device memory: counted buffers, aligned views, blocking copies. */
#include <string.h>

#include "rt/rt_internal.h"

uint64_t rt_live_bytes(const struct rote_device *dev)
{
    return dev->live;
}

uint64_t rt_peak_bytes(const struct rote_device *dev)
{
    return dev->peak;
}

void rt_peak_restore(struct rote_device *dev, uint64_t bytes)
{
    dev->peak = bytes > dev->live ? bytes : dev->live;
}

uint64_t rt_mem_bytes(const struct rt_mem *m)
{
    return m->bytes;
}

enum rote_status rt_mem_new(struct rote_device *dev, uint64_t bytes, const char *what, struct rt_mem **out)
{
    enum rote_status st = ROTE_OK;
    struct rt_mem *m = NULL;
    if (bytes == 0)
        bytes = 4;
    if (bytes > dev->facts.max_alloc)
        FAIL(ROTE_EDEVMEM, "%s needs %llu MiB in one buffer, but %s gives at most %llu MiB; use a smaller "
                           "batch or network",
             what, (unsigned long long)(bytes >> 20), dev->facts.name,
             (unsigned long long)(dev->facts.max_alloc >> 20));
    if (bytes > dev->facts.mem_bytes - (dev->live < dev->facts.mem_bytes ? dev->live : dev->facts.mem_bytes))
        FAIL(ROTE_EDEVMEM, "%s needs %llu MiB, but %llu of %s's %llu MiB are in use; use a smaller batch or network",
             what, (unsigned long long)(bytes >> 20), (unsigned long long)(dev->live >> 20),
             dev->facts.name, (unsigned long long)(dev->facts.mem_bytes >> 20));
    TRY(base_alloc(&m, 1, sizeof *m));
    m->dev = dev;
    m->refs = 1;
    m->bytes = bytes;
    TRY_CL_NEW(m->mem, clCreateBuffer, dev->context, CL_MEM_READ_WRITE, (size_t)bytes, NULL);
    dev->live += bytes;
    if (dev->live > dev->peak)
        dev->peak = dev->live;
    rt_record_buffer(m, what);
    *out = m;
    m = NULL;
out:
    if (st)
        base_error_prefix("allocating %llu bytes for %s", (unsigned long long)bytes, what);
    base_free(m);
    return st;
}

enum rote_status rt_mem_view(struct rt_mem *parent, uint64_t offset, uint64_t bytes, struct rt_mem **out)
{
    enum rote_status st = ROTE_OK;
    struct rt_mem *m = NULL;
    while (parent->parent) { /* OpenCL has no views of views */
        offset += parent->offset;
        parent = parent->parent;
    }
    if (bytes == 0)
        bytes = 4;
    if (offset % parent->dev->facts.align || offset > parent->bytes || bytes > parent->bytes - offset)
        FAIL(ROTE_EINVAL, "a view of %llu bytes at %llu does not fit a buffer of %llu bytes, alignment %u",
             (unsigned long long)bytes, (unsigned long long)offset, (unsigned long long)parent->bytes,
             parent->dev->facts.align);
    TRY(base_alloc(&m, 1, sizeof *m));
    m->dev = parent->dev;
    m->refs = 1;
    m->bytes = bytes;
    m->offset = offset;
    cl_buffer_region region = {(size_t)offset, (size_t)bytes};
    TRY_CL_NEW(m->mem, clCreateSubBuffer, parent->mem, CL_MEM_READ_WRITE, CL_BUFFER_CREATE_TYPE_REGION, &region);
    m->parent = parent;
    parent->refs++;
    rt_record_buffer(m, NULL);
    *out = m;
    m = NULL;
out:
    base_free(m);
    return st;
}

void rt_mem_free(struct rt_mem *m)
{
    if (!m || --m->refs)
        return;
    struct rt_mem *parent = m->parent;
    clReleaseMemObject(m->mem);
    if (!parent && !m->borrowed)
        m->dev->live -= m->bytes;
    base_free(m);
    rt_mem_free(parent);
}

static enum rote_status check_range(const struct rt_mem *m, uint64_t offset, uint64_t bytes, const char *what)
{
    if (offset > m->bytes || bytes > m->bytes - offset)
        return base_error(ROTE_EINVAL, "%s of %llu bytes at %llu is outside a buffer of %llu bytes", what,
                          (unsigned long long)bytes, (unsigned long long)offset, (unsigned long long)m->bytes);
    return ROTE_OK;
}

enum rote_status rt_write(struct rt_mem *m, uint64_t offset, const void *src, uint64_t bytes)
{
    enum rote_status st = ROTE_OK;
    if (!bytes)
        return ROTE_OK;
    TRY(check_range(m, offset, bytes, "a write"));
    rt_record_transfer(m, "write", offset, src, bytes);
    TRY_CL(clEnqueueWriteBuffer, m->dev->queue, m->mem, CL_TRUE, (size_t)offset, (size_t)bytes, src, 0, NULL, NULL);
out:
    return st;
}

enum rote_status rt_read(struct rt_mem *m, uint64_t offset, void *dst, uint64_t bytes)
{
    enum rote_status st = ROTE_OK;
    if (!bytes)
        return ROTE_OK;
    TRY(check_range(m, offset, bytes, "a read"));
    TRY_CL(clEnqueueReadBuffer, m->dev->queue, m->mem, CL_TRUE, (size_t)offset, (size_t)bytes, dst, 0, NULL, NULL);
    rt_record_transfer(m, "read", offset, dst, bytes);
out:
    return st;
}

enum rote_status rt_fill(struct rt_mem *m, uint32_t word)
{
    enum rote_status st = ROTE_OK;
    uint64_t bytes = m->bytes / 4 * 4;
    rt_record_fill(m, word);
    TRY_CL(clEnqueueFillBuffer, m->dev->queue, m->mem, &word, sizeof word, 0, (size_t)bytes, 0, NULL, NULL);
out:
    return st;
}

enum rote_status rt_copy(struct rt_mem *dst, uint64_t dst_off, struct rt_mem *src, uint64_t src_off, uint64_t bytes)
{
    enum rote_status st = ROTE_OK;
    if (!bytes)
        return ROTE_OK;
    TRY(check_range(dst, dst_off, bytes, "a copy to"));
    TRY(check_range(src, src_off, bytes, "a copy from"));
    rt_record_copy(dst, dst_off, src, src_off, bytes);
    TRY_CL(clEnqueueCopyBuffer, dst->dev->queue, src->mem, dst->mem, (size_t)src_off, (size_t)dst_off,
           (size_t)bytes, 0, NULL, NULL);
out:
    return st;
}

enum rote_status rt_flush(struct rote_device *dev)
{
    enum rote_status st = ROTE_OK;
    TRY_CL(clFlush, dev->queue);
out:
    return st;
}

enum rote_status rt_finish(struct rote_device *dev)
{
    enum rote_status st = ROTE_OK;
    TRY_CL(clFinish, dev->queue);
out:
    return st;
}
