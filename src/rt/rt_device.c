/* Devices of all platforms: facts by query, features by probe, choice by words. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "rote/opencl.h"
#include "rt/rt_internal.h"

#define MAX_PLATFORMS 32
#define MAX_DEVICES 64

static void trim(char *s)
{
    size_t n = strlen(s), lead = strspn(s, " ");
    while (n > lead && isspace((unsigned char)s[n - 1]))
        s[--n] = 0;
    memmove(s, s + lead, n - lead + 1);
}

static enum rote_status device_text(cl_device_id d, cl_device_info what, char *out, size_t cap)
{
    enum rote_status st = ROTE_OK;
    char text[1024] = "";
    TRY_CL(clGetDeviceInfo, d, what, sizeof text - 1, text, NULL);
    trim(text);
    snprintf(out, cap, "%.*s", (int)cap - 1, text);
out:
    return st;
}

/* "pthread-skylake AMD EPYC" -> "pthread-skylake-amd-epyc" */
static void slug(const char *s, char *out, size_t cap)
{
    size_t n = 0;
    for (; *s && n + 1 < cap; s++) {
        if (isalnum((unsigned char)*s))
            out[n++] = (char)tolower((unsigned char)*s);
        else if (n && out[n - 1] != '-')
            out[n++] = '-';
    }
    while (n && out[n - 1] == '-')
        n--;
    out[n] = 0;
}

static void stable_id(struct rt_facts *f)
{
    char platform[20], device[28], hash[65];
    struct base_sha256 s;
    slug(f->platform, platform, sizeof platform);
    slug(f->name, device, sizeof device);
    base_sha256_init(&s);
    base_sha256_add(&s, f->platform, strlen(f->platform));
    base_sha256_add(&s, f->vendor, strlen(f->vendor));
    base_sha256_add(&s, f->name, strlen(f->name));
    base_sha256_hex(&s, hash);
    snprintf(f->id, sizeof f->id, "%s.%s.%.4s", platform, device, hash);
}

/* ROTE_TEST_CLASS lets tests and tools/offline.sh plan and run a GPU's kernels on a CPU. */
static enum rt_class class_of(cl_device_type type, cl_bool unified)
{
    static const char *const name[RT_CLASS_COUNT] = {"cpu", "integrated", "discrete"};
    const char *test = getenv("ROTE_TEST_CLASS");
    for (int i = 0; test && i < RT_CLASS_COUNT; i++)
        if (!strcmp(test, name[i]))
            return (enum rt_class)i;
    return type & CL_DEVICE_TYPE_CPU ? RT_CPU : unified ? RT_INTEGRATED : RT_DISCRETE;
}

/* ROTE_TEST_WIDTH gives a CPU's vectors so many floats: 8 for the kernels that AVX2 gets, 4 for SSE. */
static uint32_t native_float(cl_uint native)
{
    const char *test = getenv("ROTE_TEST_WIDTH");
    int width = test ? atoi(test) : 0;
    return width == 4 || width == 8 || width == 16 ? (uint32_t)width : native ? native : 1;
}

/* By as many numbers as the bound has: "22.3.6" is at "22.3", and before "22.10". */
static int compare_version(const char *version, const char *bound)
{
    for (;;) {
        bound += strcspn(bound, "0123456789");
        version += strcspn(version, "0123456789");
        if (!*bound)
            return 0;
        unsigned long x = strtoul(version, (char **)&version, 10), y = strtoul(bound, (char **)&bound, 10);
        if (x != y)
            return x < y ? -1 : 1;
    }
}

bool rt_driver_between(const char *driver, const char *first, const char *last)
{
    return compare_version(driver, first) >= 0 && compare_version(driver, last) <= 0;
}

static enum rote_status rt_probe_loops(struct rote_device *dev, bool *ends);

static const struct quirk {
    const char *platform, *device, *first, *last;
    size_t fact;
    enum rote_status (*probe)(struct rote_device *dev, bool *holds);
} quirks[] = {
#define QUIRK(platform, device, first, last, fact, probe, reason, link) \
    {platform, device, first, last, offsetof(struct rt_facts, fact), probe},
#include "rt/quirks.def"
#undef QUIRK
};

static bool *fact_of(struct rt_facts *f, const struct quirk *q)
{
    return (bool *)((char *)f + q->fact);
}

static bool quirk_applies(const struct rt_facts *f, const struct quirk *q)
{
    return !strcmp(f->platform, q->platform) && strstr(f->name, q->device) &&
           rt_driver_between(f->driver, q->first, q->last);
}

enum rote_status rt_facts_query(cl_platform_id p, cl_device_id d, struct rt_facts *f)
{
    enum rote_status st = ROTE_OK;
    cl_device_type type;
    cl_bool unified = CL_FALSE;
    cl_ulong mem, max_alloc, local;
    cl_uint units, align_bits, native;
    size_t group;
    char platform[1024] = "";
    memset(f, 0, sizeof *f);
    TRY_CL(clGetPlatformInfo, p, CL_PLATFORM_NAME, sizeof platform - 1, platform, NULL);
    snprintf(f->platform, sizeof f->platform, "%.*s", (int)sizeof f->platform - 1, platform);
    TRY(device_text(d, CL_DEVICE_NAME, f->name, sizeof f->name));
    TRY(device_text(d, CL_DEVICE_VENDOR, f->vendor, sizeof f->vendor));
    TRY(device_text(d, CL_DRIVER_VERSION, f->driver, sizeof f->driver));
    TRY(device_text(d, CL_DEVICE_VERSION, f->version, sizeof f->version));
    TRY_CL(clGetDeviceInfo, d, CL_DEVICE_TYPE, sizeof type, &type, NULL);
    TRY_CL(clGetDeviceInfo, d, CL_DEVICE_HOST_UNIFIED_MEMORY, sizeof unified, &unified, NULL);
    TRY_CL(clGetDeviceInfo, d, CL_DEVICE_GLOBAL_MEM_SIZE, sizeof mem, &mem, NULL);
    TRY_CL(clGetDeviceInfo, d, CL_DEVICE_MAX_MEM_ALLOC_SIZE, sizeof max_alloc, &max_alloc, NULL);
    TRY_CL(clGetDeviceInfo, d, CL_DEVICE_LOCAL_MEM_SIZE, sizeof local, &local, NULL);
    TRY_CL(clGetDeviceInfo, d, CL_DEVICE_MAX_COMPUTE_UNITS, sizeof units, &units, NULL);
    TRY_CL(clGetDeviceInfo, d, CL_DEVICE_MEM_BASE_ADDR_ALIGN, sizeof align_bits, &align_bits, NULL);
    TRY_CL(clGetDeviceInfo, d, CL_DEVICE_NATIVE_VECTOR_WIDTH_FLOAT, sizeof native, &native, NULL);
    TRY_CL(clGetDeviceInfo, d, CL_DEVICE_MAX_WORK_GROUP_SIZE, sizeof group, &group, NULL);
    f->cls = class_of(type, unified);
    /* a rasteriser on the host's cores calls itself a GPU-less default device, or a CPU */
    f->compute_units = units ? units : 1;
    f->mem_bytes = mem;
    f->max_alloc = max_alloc;
    f->local_bytes = local;
    f->max_work_group = group;
    f->align = align_bits / 8 > 64 ? align_bits / 8 : 64;
    f->native_float = native_float(native);
    stable_id(f);
    for (size_t i = 0; i < COUNT_OF(quirks); i++)
        if (!quirks[i].probe && quirk_applies(f, &quirks[i]))
            *fact_of(f, &quirks[i]) = true;
    f->long_items = f->cls == RT_CPU;
out:
    return st;
}

/* Whether a work-item comes to the end of a loop of 70000. */
static enum rote_status rt_probe_loops(struct rote_device *dev, bool *ends)
{
    static const char source[] = "kernel void p(global uint *x, const uint n) {\n"
                                 "    uint h = x[0];\n"
                                 "    for (uint i = 0; i < n; i++) h = h * 1664525u + (h >> 16) + i;\n"
                                 "    x[0] = h; }";
    const cl_uint n = 70000;
    enum rote_status st = ROTE_OK;
    cl_program program = NULL;
    cl_kernel kernel = NULL;
    cl_mem mem = NULL;
    cl_uint got = 1, want = 1;
    size_t one = 1;
    for (cl_uint i = 0; i < n; i++)
        want = want * 1664525u + (want >> 16) + i;
    TRY(rt_program_make(dev, source, "", &program));
    TRY_CL_NEW(kernel, clCreateKernel, program, "p");
    TRY_CL_NEW(mem, clCreateBuffer, dev->context, CL_MEM_READ_WRITE | CL_MEM_COPY_HOST_PTR, sizeof got, &got);
    TRY_CL(clSetKernelArg, kernel, 0, sizeof mem, &mem);
    TRY_CL(clSetKernelArg, kernel, 1, sizeof n, &n);
    TRY_CL(clEnqueueNDRangeKernel, dev->queue, kernel, 1, NULL, &one, &one, 0, NULL, NULL);
    TRY_CL(clEnqueueReadBuffer, dev->queue, mem, CL_TRUE, 0, sizeof got, &got, 0, NULL, NULL);
    *ends = got != want;
out:
    if (mem)
        clReleaseMemObject(mem);
    if (kernel)
        clReleaseKernel(kernel);
    if (program)
        clReleaseProgram(program);
    return st;
}

static enum rote_status probe_quirks(struct rote_device *dev)
{
    enum rote_status st = ROTE_OK;
    for (size_t i = 0; i < COUNT_OF(quirks); i++)
        if (quirks[i].probe && quirk_applies(&dev->facts, &quirks[i]))
            TRY(quirks[i].probe(dev, fact_of(&dev->facts, &quirks[i])));
    if (dev->facts.ends_loops)
        dev->facts.long_items = false;
out:
    return st;
}

/* A feature counts when a kernel that needs it compiles. */
enum rote_status rt_probe(struct rote_device *dev)
{
    static const char fp16[] = "#pragma OPENCL EXTENSION cl_khr_fp16 : enable\n"
                               "kernel void p(global half *x) { x[0] = x[1] * x[2] + (half)1; }";
    static const char fp64[] = "#pragma OPENCL EXTENSION cl_khr_fp64 : enable\n"
                               "kernel void p(global double *x) { x[0] = x[1] * x[2]; }";
    static const char subgroups[] =
        "#pragma OPENCL EXTENSION cl_khr_subgroups : enable\n"
        "kernel void p(global float *x) { x[0] = sub_group_reduce_add(x[get_global_id(0)]); }";
    char extensions[16384] = "";
    enum rote_status st = ROTE_OK;
    TRY_CL(clGetDeviceInfo, dev->id, CL_DEVICE_EXTENSIONS, sizeof extensions - 1, extensions, NULL);
    const struct {
        const char *extension, *source;
        bool *fact;
    } probe[] = {{"cl_khr_fp16", fp16, &dev->facts.has_fp16},
                 {"cl_khr_fp64", fp64, &dev->facts.has_fp64},
                 {"cl_khr_subgroups", subgroups, &dev->facts.has_subgroups}};
    for (size_t i = 0; i < COUNT_OF(probe); i++) {
        cl_program program;
        if (!strstr(extensions, probe[i].extension))
            continue;
        if (!rt_program_make(dev, probe[i].source, "", &program)) {
            *probe[i].fact = true;
            clReleaseProgram(program);
        }
    }
out:
    return st;
}

struct found {
    cl_platform_id platform;
    cl_device_id device;
};

static enum rote_status find_all(struct found *out, struct rt_facts *facts, size_t *count)
{
    enum rote_status st = ROTE_OK;
    cl_platform_id platform[MAX_PLATFORMS];
    cl_uint n_platforms = 0;
    *count = 0;
    cl_int e = rt_fault();
    if (!e)
        e = clGetPlatformIDs(MAX_PLATFORMS, platform, &n_platforms);
    if (e == -1001 || (!e && n_platforms == 0))
        FAIL(ROTE_ENOTFOUND, "no OpenCL platform: install a driver (on Debian pocl-opencl-icd runs on "
                             "every CPU), or correct OCL_ICD_VENDORS if it is set");
    if (e)
        FAIL(rt_cl_error(e, "clGetPlatformIDs"), "%s", rote_error_detail());
    for (cl_uint i = 0; i < n_platforms && i < MAX_PLATFORMS; i++) {
        cl_device_id device[MAX_DEVICES];
        cl_uint n = 0;
        if (clGetDeviceIDs(platform[i], CL_DEVICE_TYPE_ALL, MAX_DEVICES, device, &n))
            continue; /* a platform without devices is no error */
        for (cl_uint j = 0; j < n && *count < MAX_DEVICES; j++) {
            if (rt_facts_query(platform[i], device[j], &facts[*count])) {
                base_warn("a device of platform %u is left out: %s", i, rote_error_detail());
                continue;
            }
            for (size_t k = 0; k < *count; k++)
                facts[*count].duplicate |= !strcmp(facts[k].name, facts[*count].name) &&
                                           !strcmp(facts[k].vendor, facts[*count].vendor) &&
                                           out[k].platform != platform[i];
            out[*count] = (struct found){platform[i], device[j]};
            ++*count;
        }
    }
    if (*count == 0)
        FAIL(ROTE_ENOTFOUND, "%u OpenCL platform(s), but no device on any of them", n_platforms);
out:
    return st;
}

enum rote_status rt_list(struct rt_facts **out, size_t *count)
{
    enum rote_status st = ROTE_OK;
    struct found found[MAX_DEVICES];
    struct rt_facts *facts = NULL;
    TRY(base_alloc(&facts, MAX_DEVICES, sizeof *facts));
    TRY(find_all(found, facts, count));
    *out = facts;
    facts = NULL;
out:
    base_free(facts);
    return st;
}

static bool contains(const char *text, const char *part)
{
    for (size_t n = strlen(part); *text; text++) {
        size_t i = 0;
        while (i < n && tolower((unsigned char)text[i]) == tolower((unsigned char)part[i]))
            i++;
        if (i == n)
            return true;
    }
    return false;
}

static bool selected(const struct rt_facts *f, size_t index, const char *selector)
{
    char *end;
    unsigned long number = strtoul(selector, &end, 10);
    if (isdigit((unsigned char)*selector) && !*end)
        return number == index;
    if (!strcmp(selector, "cpu"))
        return f->cls == RT_CPU;
    if (!strcmp(selector, "gpu"))
        return f->cls != RT_CPU;
    return contains(f->id, selector) || contains(f->name, selector) || contains(f->platform, selector);
}

static enum rote_status select_device(const char *selector, const struct rt_facts *facts, size_t count,
                                      size_t *out)
{
    enum rote_status st = ROTE_OK;
    struct base_buf list = {0};
    for (size_t i = 0; i < count; i++) {
        if (!selector || !*selector || selected(&facts[i], i, selector)) {
            *out = i;
            goto out;
        }
        TRY(base_buf_printf(&list, "%s%zu %s", i ? ", " : "", i, facts[i].id));
    }
    FAIL(ROTE_ENOTFOUND, "no OpenCL device matches '%s'; there are: %s", selector, list.text);
out:
    base_buf_free(&list);
    return st;
}

enum rote_status rt_open(const char *selector, struct rote_device **out)
{
    enum rote_status st = ROTE_OK;
    struct found found[MAX_DEVICES];
    struct rt_facts *facts = NULL;
    size_t count, pick = 0;
    double began = base_now();
    cl_context context = NULL;
    cl_command_queue queue = NULL;
    TRY(base_alloc(&facts, MAX_DEVICES, sizeof *facts));
    TRY(find_all(found, facts, &count));
    TRY(select_device(selector, facts, count, &pick));
    cl_context_properties properties[] = {CL_CONTEXT_PLATFORM,
                                          (cl_context_properties)found[pick].platform, 0};
    TRY_CL_NEW(context, clCreateContext, properties, 1, &found[pick].device, NULL, NULL);
    TRY_CL_NEW(queue, clCreateCommandQueue, context, found[pick].device, CL_QUEUE_PROFILING_ENABLE);
    TRY(rt_device_wrap(found[pick].platform, found[pick].device, context, queue, out));
    (*out)->opened = began;
out:
    if (st)
        base_error_prefix("cannot open device '%s'", selector && *selector ? selector : "first");
    if (queue)
        clReleaseCommandQueue(queue);
    if (context)
        clReleaseContext(context);
    base_free(facts);
    return st;
}

enum rote_status rt_device_wrap(cl_platform_id p, cl_device_id d, cl_context c, cl_command_queue q,
                                struct rote_device **out)
{
    enum rote_status st = ROTE_OK;
    struct rote_device *dev = NULL;
    TRY(base_alloc(&dev, 1, sizeof *dev));
    TRY(rt_facts_query(p, d, &dev->facts));
    dev->platform = p;
    dev->id = d;
    TRY_CL(clRetainContext, c);
    dev->context = c;
    TRY_CL(clRetainCommandQueue, q);
    dev->queue = q;
    dev->opened = base_now();
    TRY(rt_launch_limit(dev));
    TRY(rt_probe(dev));
    TRY(probe_quirks(dev));
    TRY(rt_record_open(dev));
    *out = dev;
    dev = NULL;
out:
    rt_close(dev);
    return st;
}

enum rote_status rote_device_from_opencl(cl_context context, cl_command_queue queue, rote_device **out)
{
    enum rote_status st = ROTE_OK;
    cl_device_id device;
    cl_platform_id platform;
    cl_command_queue_properties properties;
    if (!context || !queue || !out)
        FAIL(ROTE_EINVAL, "rote_device_from_opencl: context, queue and out must not be NULL");
    TRY_CL(clGetCommandQueueInfo, queue, CL_QUEUE_DEVICE, sizeof device, &device, NULL);
    TRY_CL(clGetCommandQueueInfo, queue, CL_QUEUE_PROPERTIES, sizeof properties, &properties, NULL);
    if (properties & CL_QUEUE_OUT_OF_ORDER_EXEC_MODE_ENABLE)
        FAIL(ROTE_EINVAL, "rote_device_from_opencl: the queue runs out of order; make an in-order one");
    TRY_CL(clGetDeviceInfo, device, CL_DEVICE_PLATFORM, sizeof platform, &platform, NULL);
    TRY(rt_device_wrap(platform, device, context, queue, out));
out:
    return st;
}

void rt_close(struct rote_device *dev)
{
    if (!dev)
        return;
    if (dev->queue)
        clFinish(dev->queue);
    rt_trace_free(dev);
    rt_programs_free(dev);
    rt_tuning_free(dev->tuning);
    rt_verdicts_free(dev->verdicts);
    rt_record_close(dev);
    if (dev->queue)
        clReleaseCommandQueue(dev->queue);
    if (dev->context)
        clReleaseContext(dev->context);
    base_free(dev);
}

const struct rt_facts *rt_facts_of(const struct rote_device *dev)
{
    return &dev->facts;
}

double rt_opened(const struct rote_device *dev)
{
    return dev->opened;
}
