/* Both ends of a probe. Its answers are lines of fields with tabs between; "end" is the last. */
#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "doctor.h"
#include "rote.h"
#include "rote/op.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))

int probe_start(struct probe *p, double seconds, const char *what, const char *subject, const char *how)
{
    char *argv[] = {"rote", "doctor", "--probe", (char *)what, (char *)subject, (char *)how, NULL};
    *p = (struct probe){.seconds = seconds, .end = worker_clock() + seconds};
    return worker_start_as(&p->worker, argv);
}

int probe_next(struct probe *p, char line[PROBE_LINE], char *field[PROBE_FIELDS])
{
    enum worker_answer a;
    double left;
    do {
        left = p->end - worker_clock();
        a = worker_receive(&p->worker, left > 0 ? left : 0, line, PROBE_LINE);
    } while (a == WORKER_SILENT && left > 0); /* a signal cuts the waiting short */
    p->hung = a == WORKER_SILENT;
    if (a != WORKER_ANSWERED)
        return 0;
    p->done = !strcmp(line, "end");
    if (p->done)
        return 0;
    int n = 0;
    for (char *f = line; f && n < PROBE_FIELDS; n++) {
        field[n] = f;
        if ((f = strchr(f, '\t')))
            *f++ = 0;
    }
    return n;
}

int probe_end(struct probe *p, char *why, size_t cap)
{
    int status = worker_kill(&p->worker);
    if (p->done)
        return 1;
    if (p->hung)
        snprintf(why, cap, "hangs (nothing after %g s)", p->seconds);
    else if (WIFSIGNALED(status))
        snprintf(why, cap, "crashes (%s)", strsignal(WTERMSIG(status)));
    else
        snprintf(why, cap, "ends the process (exit code %d)", WEXITSTATUS(status));
    return 0;
}

const char *doctor_cl_error(int code, char *out, size_t cap)
{
    static const struct {
        int code;
        const char *name;
    } known[] = {{-1, "CL_DEVICE_NOT_FOUND"},      {-2, "CL_DEVICE_NOT_AVAILABLE"}, {-5, "CL_OUT_OF_RESOURCES"},
                 {-6, "CL_OUT_OF_HOST_MEMORY"},    {-30, "CL_INVALID_VALUE"},       {-31, "CL_INVALID_DEVICE_TYPE"},
                 {-32, "CL_INVALID_PLATFORM"},     {-33, "CL_INVALID_DEVICE"},      {-59, "CL_INVALID_OPERATION"},
                 {-1001, "CL_PLATFORM_NOT_FOUND_KHR"}};
    for (size_t i = 0; i < COUNT(known); i++)
        if (known[i].code == code)
            return known[i].name;
    snprintf(out, cap, "an error code of the driver's own (%d)", code);
    return out;
}

/* The other side. */

static FILE *answers;

static void answer(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static void answer(const char *fmt, ...)
{
    char line[PROBE_LINE];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(line, sizeof line, fmt, ap);
    va_end(ap);
    for (char *c = line; *c; c++)
        if (*c == '\n' || *c == '\r')
            *c = ' ';
    fprintf(answers, "%s\n", line);
    fflush(answers);
}

/* Tabs in what a driver says would be taken for the ends of fields. */
static void no_tabs(char *text)
{
    for (; (text = strchr(text, '\t')); text++)
        *text = ' ';
}

/* dlsym's pointers to functions, in the way that POSIX wants. */
static void find(void *library, const char *name, void *function)
{
    *(void **)function = dlsym(library, name);
}

/* One driver by itself: "refused WHY" by the dynamic linker, "stranger NAME" of the function that it
 * lacks, or "platforms CODE COUNT". ocl-icd, which loads lazily, leaves out a driver that does not give
 * clGetPlatformInfo by name. */
static void ask_driver(const char *library, const char *how)
{
    void *(*address)(const char *);
    int32_t (*platforms)(uint32_t, void **, uint32_t *);
    uint32_t n = 0;
    void *handle = dlopen(library, (strcmp(how, "now") ? RTLD_LAZY : RTLD_NOW) | RTLD_LOCAL);
    if (!handle) {
        answer("refused\t%s", dlerror());
        return;
    }
    find(handle, "clGetExtensionFunctionAddress", &address);
    find(handle, "clIcdGetPlatformIDsKHR", &platforms);
    if (!address) {
        answer("stranger\tclGetExtensionFunctionAddress");
        return;
    }
    void *extension = address("clIcdGetPlatformIDsKHR"), *info = address("clGetPlatformInfo");
    if (extension)
        memcpy(&platforms, &extension, sizeof platforms);
    if (!platforms) {
        answer("stranger\tclIcdGetPlatformIDsKHR");
        return;
    }
    if (!strcmp(how, "lazy") && !info && !dlsym(handle, "clGetPlatformInfo") &&
        !getenv("OCL_ICD_ASSUME_ICD_EXTENSION")) {
        answer("stranger\tclGetPlatformInfo");
        return;
    }
    int code = platforms(0, NULL, &n);
    answer("platforms\t%d\t%u", code, code ? 0 : n);
}

#define TEXT 512
struct loader {
    int32_t (*platform_ids)(uint32_t, void **, uint32_t *);
    int32_t (*platform_info)(void *, uint32_t, size_t, void *, size_t *);
    int32_t (*device_ids)(void *, uint64_t, uint32_t, void **, uint32_t *);
    int32_t (*device_info)(void *, uint32_t, size_t, void *, size_t *);
};

/* The values of cl.h, which the command line does not include. */
enum { PLATFORM_NAME = 0x0902, DEVICE_TYPE = 0x1000, DEVICE_VENDOR_ID = 0x1001, DEVICE_VENDOR = 0x102c };
static const uint64_t type_gpu = 4, type_all = 0xffffffff;

static void tell_device(const struct loader *cl, void *device)
{
    uint64_t type = 0;
    uint32_t id = 0;
    char vendor[TEXT] = "";
    cl->device_info(device, DEVICE_TYPE, sizeof type, &type, NULL);
    cl->device_info(device, DEVICE_VENDOR_ID, sizeof id, &id, NULL);
    cl->device_info(device, DEVICE_VENDOR, sizeof vendor - 1, vendor, NULL);
    no_tabs(vendor);
    answer("device\t%d\t%u\t%s", type & type_gpu ? 1 : 0, id, vendor);
}

/* What the loader makes of all drivers together: "error CODE", or for each platform
 * "platform NAME CODE COUNT" and for each device "device GPU VENDOR-ID VENDOR". */
static void ask_platforms(void)
{
    struct loader cl;
    void *platform[64], *device[64], *handle = dlopen("libOpenCL.so.1", RTLD_NOW);
    uint32_t platforms = 0, devices;
    if (!handle) {
        answer("missing\t%s", dlerror());
        return;
    }
    find(handle, "clGetPlatformIDs", &cl.platform_ids);
    find(handle, "clGetPlatformInfo", &cl.platform_info);
    find(handle, "clGetDeviceIDs", &cl.device_ids);
    find(handle, "clGetDeviceInfo", &cl.device_info);
    int code = cl.platform_ids(COUNT(platform), platform, &platforms);
    if (code)
        answer("error\t%d", code);
    for (uint32_t i = 0; !code && i < platforms && i < COUNT(platform); i++) {
        char name[TEXT] = "";
        cl.platform_info(platform[i], PLATFORM_NAME, sizeof name - 1, name, NULL);
        no_tabs(name);
        devices = 0;
        int bad = cl.device_ids(platform[i], type_all, COUNT(device), device, &devices);
        answer("platform\t%s\t%d\t%u", *name ? name : "a platform without a name", bad, bad ? 0 : devices);
        for (uint32_t k = 0; !bad && k < devices && k < COUNT(device); k++)
            tell_device(&cl, device[k]);
    }
}

static void pass_warning(void *user, const char *message)
{
    (void)user;
    answer("warning\t%s", message);
}

/* "device ID NAME PLATFORM DRIVER TYPE UNITS MEMORY LARGEST DUPLICATE", as Rote lists them. */
static void ask_devices(void)
{
    struct rote_device_info *d;
    size_t count;
    if (rote_device_list(&d, &count)) {
        answer("failed\t%s", rote_error_detail());
        return;
    }
    for (size_t i = 0; i < count; i++) {
        no_tabs(d[i].name);
        no_tabs(d[i].platform);
        no_tabs(d[i].driver);
        answer("device\t%s\t%s\t%s\t%s\t%s\t%u\t%llu\t%llu\t%d", d[i].id, d[i].name, d[i].platform, d[i].driver,
               d[i].type, d[i].compute_units, (unsigned long long)d[i].memory_bytes,
               (unsigned long long)d[i].max_allocation_bytes, d[i].duplicate);
    }
    rote_free(d);
}

#define SAMPLES 64
/* y = max(x, 0), whose values anyone knows. */
static enum rote_status run_relu(rote_device *dev, int *wrong)
{
    float x[SAMPLES], y[SAMPLES];
    rote_op *op = NULL;
    rote_tensor *in = NULL, *out = NULL;
    for (int i = 0; i < SAMPLES; i++) {
        x[i] = (float)(i - SAMPLES / 2);
        y[i] = -1;
    }
    enum rote_status st = rote_op_new(dev, "relu_fwd", "x=1x1x1x64", "plain", &op);
    if (!st)
        st = rote_tensor_new(dev, sizeof x, &in);
    if (!st)
        st = rote_tensor_new(dev, sizeof y, &out);
    if (!st)
        st = rote_tensor_write(in, x, sizeof x);
    if (!st)
        st = rote_tensor_write(out, y, sizeof y);
    if (!st)
        st = rote_op_bind(op, "x", in);
    if (!st)
        st = rote_op_bind(op, "y", out);
    if (!st)
        st = rote_op_run(op);
    if (!st)
        st = rote_tensor_read(out, y, sizeof y);
    for (int i = 0; !st && i < SAMPLES; i++)
        *wrong += y[i] != (x[i] > 0 ? x[i] : 0);
    rote_op_free(op);
    rote_tensor_free(in);
    rote_tensor_free(out);
    return st;
}

/* "opened FP16 FP64 SUBGROUPS", then "ran WRONG"; or "failed WHY". */
static void ask_device(const char *selector)
{
    struct rote_device_info info;
    rote_device *dev = NULL;
    int wrong = 0;
    enum rote_status st = rote_device_open(selector, &dev);
    if (!st)
        st = rote_device_info_get(dev, &info);
    if (!st) {
        answer("opened\t%d\t%d\t%d", info.fp16, info.fp64, info.subgroups);
        st = run_relu(dev, &wrong);
    }
    if (st)
        answer("failed\t%s", rote_error_detail());
    else
        answer("ran\t%d", wrong);
    rote_device_free(dev);
}

/* A driver that prints must not be taken for an answer; its core is of no use to the user. */
static int set_apart(void)
{
    struct rlimit none = {0, 0};
    int out = dup(STDOUT_FILENO);
    answers = out < 0 ? NULL : fdopen(out, "w");
    setrlimit(RLIMIT_CORE, &none);
    return answers && dup2(STDERR_FILENO, STDOUT_FILENO) >= 0 ? 0 : -1;
}

int doctor_probe(int argc, char **argv)
{
    const char *what = argv[0], *subject = argc > 1 ? argv[1] : "", *how = argc > 2 ? argv[2] : "";
    if (set_apart())
        return EXIT_FAILED;
    rote_set_warning_handler(pass_warning, NULL);
    if (!strcmp(what, "driver"))
        ask_driver(subject, how);
    else if (!strcmp(what, "platforms"))
        ask_platforms();
    else if (!strcmp(what, "devices"))
        ask_devices();
    else if (!strcmp(what, "device"))
        ask_device(subject);
    else
        return EXIT_USAGE;
    answer("end");
    return EXIT_DONE;
}
