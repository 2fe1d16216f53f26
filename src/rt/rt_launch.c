/* Kernels: made, given their arguments, enqueued; matrix products by CLBlast. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include <clblast_c.h>

#include "rt/rt_internal.h"

enum rote_status rt_kernel_new(struct rote_device *dev, const char *file, const char *name, const char *options,
                               struct rt_kernel **out)
{
    enum rote_status st = ROTE_OK;
    struct rt_kernel *k = NULL;
    struct rt_program *program;
    size_t group;
    cl_ulong private_bytes;
    TRY(base_alloc(&k, 1, sizeof *k));
    k->dev = dev;
    TRY(base_strdup(&k->name, name));
    TRY(rt_program_get(dev, file, name, options, &program));
    k->program = program;
    k->max_group = dev->facts.max_work_group;
    if (program->program) {
        TRY_CL_NEW(k->kernel, clCreateKernel, program->program, name);
        TRY_CL(clGetKernelWorkGroupInfo, k->kernel, dev->id, CL_KERNEL_WORK_GROUP_SIZE, sizeof group, &group, NULL);
        TRY_CL(clGetKernelWorkGroupInfo, k->kernel, dev->id, CL_KERNEL_PRIVATE_MEM_SIZE, sizeof private_bytes,
               &private_bytes, NULL);
        k->max_group = group;
        k->private_bytes = private_bytes;
    } else if (getenv("ROTE_TEST_PRIVATE")) { /* tools/offline.sh lists what a driver without registers left gets */
        k->private_bytes = 1;
    }
    *out = k;
    k = NULL;
out:
    if (st)
        base_error_prefix("kernel %s", name);
    rt_kernel_free(k);
    return st;
}

void rt_kernel_free(struct rt_kernel *k)
{
    if (!k)
        return;
    if (k->kernel)
        clReleaseKernel(k->kernel);
    base_free(k->name);
    base_free(k);
}

uint64_t rt_kernel_max_group(const struct rt_kernel *k)
{
    return k->max_group;
}

uint64_t rt_kernel_private_bytes(const struct rt_kernel *k)
{
    return k->private_bytes;
}

const char *rt_kernel_source_hash(const struct rt_kernel *k)
{
    return k->program->source;
}

enum rt_need rt_kernel_need(const struct rt_kernel *k)
{
    return !k->program->missing ? RT_HAVE : k->program->claimed ? RT_CLAIMED : RT_MISSING;
}

size_t rt_kernel_length(const struct rt_kernel *k)
{
    return k->program->length;
}

void rt_kernel_claim(struct rt_kernel *k)
{
    k->program->claimed = true;
}

const char *rt_kernel_key(const struct rt_kernel *k)
{
    return k->program->key;
}

static enum rote_status set_args(struct rt_kernel *k, const char *fmt, va_list ap)
{
    enum rote_status st = ROTE_OK;
    for (cl_uint i = 0; fmt[i]; i++) {
        switch (fmt[i]) {
        case 'm': {
            struct rt_mem *m = va_arg(ap, struct rt_mem *);
            TRY_CL(clSetKernelArg, k->kernel, i, sizeof(cl_mem), m ? &m->mem : NULL);
            break;
        }
        case 'i': {
            cl_int v = va_arg(ap, int);
            TRY_CL(clSetKernelArg, k->kernel, i, sizeof v, &v);
            break;
        }
        case 'u': {
            cl_uint v = va_arg(ap, unsigned);
            TRY_CL(clSetKernelArg, k->kernel, i, sizeof v, &v);
            break;
        }
        case 'l': {
            cl_ulong v = va_arg(ap, uint64_t);
            TRY_CL(clSetKernelArg, k->kernel, i, sizeof v, &v);
            break;
        }
        case 'f': {
            cl_float v = (cl_float)va_arg(ap, double);
            TRY_CL(clSetKernelArg, k->kernel, i, sizeof v, &v);
            break;
        }
        case 'L': {
            size_t bytes = va_arg(ap, size_t);
            TRY_CL(clSetKernelArg, k->kernel, i, bytes, NULL);
            break;
        }
        default:
            assert(!"rt_run: unknown letter in fmt");
        }
    }
out:
    return st;
}

enum rote_status rt_run(struct rt_kernel *k, int dims, const size_t *global, const size_t *local, const char *fmt, ...)
{
    enum rote_status st = ROTE_OK;
    size_t rounded[3] = {1, 1, 1}, group[3] = {1, 1, 1};
    va_list ap;
    assert(k->kernel); /* else it was made while the device collected */
    va_start(ap, fmt);
    st = set_args(k, fmt, ap);
    va_end(ap);
    TRY(st);
    assert(dims >= 1 && dims <= 3);
    size_t items = 1;
    for (int i = 0; i < dims; i++) {
        group[i] = local ? local[i] : 1;
        rounded[i] = (global[i] + group[i] - 1) / group[i] * group[i];
        items *= group[i];
        if (!global[i])
            return ROTE_OK;
    }
    if (items > k->max_group)
        FAIL(ROTE_EUNSUPPORTED, "a work-group of %zu items, but this device runs the kernel with at most %llu",
             items, (unsigned long long)k->max_group);
    /* a driver that compiles for each size of a group is given one size */
    const size_t *chosen = local || k->dev->facts.keeps_kernels ? group : NULL;
    if (k->dev->record) {
        va_start(ap, fmt);
        rt_record_launch(k, dims, rounded, chosen, fmt, &ap);
        va_end(ap);
    }
    if (k->dev->launch_seconds > 0)
        TRY(rt_enqueue_cut(k, dims, rounded, chosen));
    else
        TRY_CL(clEnqueueNDRangeKernel, k->dev->queue, k->kernel, (cl_uint)dims, NULL, rounded, chosen, 0,
               NULL, rt_trace_event(k->dev, k->name));
out:
    if (st)
        base_error_prefix("launching %s", k->name);
    return st;
}

static enum rote_status blas_error(CLBlastStatusCode code, const char *call)
{
    if (code > -1000 && code < 0)
        return rt_cl_error(code, call);
    return base_error(ROTE_ECL, "%s failed with CLBlast status %d", call, (int)code);
}

#define CLBLAST_GROUP 256 /* its default kernels for products: 32 x 8 */

static CLBlastTranspose transposed(bool t)
{
    return t ? CLBlastTransposeYes : CLBlastTransposeNo;
}

enum rote_status rt_gemm_temp(struct rote_device *dev, const struct rt_gemm *g, uint64_t *bytes)
{
    size_t n = 0;
    if (dev->facts.max_work_group < CLBLAST_GROUP)
        return base_error(ROTE_EUNSUPPORTED, "CLBlast wants groups of %d work-items, this device takes %llu",
                          CLBLAST_GROUP, (unsigned long long)dev->facts.max_work_group);
    CLBlastStatusCode code = CLBlastSGemmTempBufferSize(
        CLBlastLayoutRowMajor, transposed(g->trans_a), transposed(g->trans_b), g->m, g->n, g->k, g->offset_a,
        g->lda, g->offset_b, g->ldb, g->offset_c, g->ldc, &dev->queue, &n);
    if (code)
        return blas_error(code, "CLBlastSGemmTempBufferSize");
    *bytes = n;
    return ROTE_OK;
}

enum rote_status rt_gemm_run(struct rote_device *dev, const struct rt_gemm *g, struct rt_mem *a, struct rt_mem *b,
                             struct rt_mem *c, struct rt_mem *temp)
{
    cl_event *event = rt_trace_event(dev, "clblast_gemm");
    rt_record_library(dev, "CLBlastSgemmWithTempBuffer");
    CLBlastStatusCode code = CLBlastSgemmWithTempBuffer(
        CLBlastLayoutRowMajor, transposed(g->trans_a), transposed(g->trans_b), g->m, g->n, g->k, g->alpha, a->mem,
        g->offset_a, g->lda, b->mem, g->offset_b, g->ldb, g->beta, c->mem, g->offset_c, g->ldc, &dev->queue, event,
        temp ? temp->mem : NULL);
    return code ? blas_error(code, "CLBlastSgemmWithTempBuffer") : ROTE_OK;
}
