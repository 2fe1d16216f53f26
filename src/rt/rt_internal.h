/* Inside src/rt only: OpenCL's types and the macros every OpenCL call passes. */
#ifndef RT_INTERNAL_H
#define RT_INTERNAL_H

#include <CL/cl.h>

#include "rote/programs.h"
#include "rt/rt.h"

struct rt_program {
    char key[65]; /* SHA-256 of source and options */
    char source[RT_HASH]; /* of the source alone */
    size_t length;        /* characters of the source, blanks apart */
    bool missing;         /* was asked for while the device collected, and is not in the disk cache */
    bool claimed;         /* by a call that will build it */
    cl_program program;
    struct rt_program *next;
};

struct rt_event {
    cl_event event;
    char *label;
    const char *kernel; /* owned by the program list's kernels' names */
};

struct rote_device {
    struct rt_facts facts;
    cl_platform_id platform;
    cl_device_id id;
    cl_context context;
    cl_command_queue queue;
    struct rt_program *programs;
    bool collecting;
    rote_builder_fn builder;
    void *builder_user;
    struct rt_tuning *tuning; /* NULL: not read yet */
    struct rt_verdicts *verdicts; /* the same */
    double opened; /* base_now() when it was asked for */
    double launch_seconds; /* no launch should take longer; 0: any may */
    double unflushed;      /* seconds that launches since the last flush take, where they are limited */
    uint64_t live, peak;
    bool trace;
    struct rt_event *events;
    size_t n_events, cap_events;
    char label[128];
    FILE *record; /* NULL: nothing is recorded */
    unsigned recorded; /* buffers and views so far */
};

struct rt_mem {
    struct rote_device *dev;
    struct rt_mem *parent; /* NULL for a buffer of its own */
    int refs;
    uint64_t bytes, offset;
    unsigned id; /* in the record; 0: it does not know this one */
    bool borrowed; /* a caller's cl_mem: not counted */
    cl_mem mem;
};

struct rt_kernel {
    struct rote_device *dev;
    cl_kernel kernel;
    char *name;
    struct rt_program *program;
    uint64_t max_group, private_bytes;
    double item_seconds; /* of a work-item, beside as many as there are; 0: not measured (rt_cut.c) */
};

/* The one door for OpenCL calls: rt_fault() makes the n-th fail in tests. */
#define TRY_CL(fn, ...)                              \
    do {                                             \
        cl_int cl_ = rt_fault();                     \
        if (cl_ == CL_SUCCESS)                       \
            cl_ = fn(__VA_ARGS__);                   \
        if (cl_ != CL_SUCCESS) {                     \
            st = rt_cl_error(cl_, #fn);              \
            goto out;                                \
        }                                            \
    } while (0)
/* For calls that return an object and take an error pointer last. */
#define TRY_CL_NEW(object, fn, ...)                  \
    do {                                             \
        cl_int cl_ = rt_fault();                     \
        if (cl_ == CL_SUCCESS)                       \
            (object) = fn(__VA_ARGS__, &cl_);        \
        if (cl_ != CL_SUCCESS) {                     \
            st = rt_cl_error(cl_, #fn);              \
            goto out;                                \
        }                                            \
    } while (0)

cl_int rt_fault(void);
/* Maps an OpenCL error to a status and names it in the detail. */
enum rote_status rt_cl_error(cl_int error, const char *call);
const char *rt_cl_error_name(cl_int error);

enum rote_status rt_facts_query(cl_platform_id p, cl_device_id d, struct rt_facts *f);
enum rote_status rt_probe(struct rote_device *dev);
/* Whether a driver's version is from `first` to `last`, both included; "" is open. */
bool rt_driver_between(const char *driver, const char *first, const char *last);
enum rote_status rt_device_wrap(cl_platform_id p, cl_device_id d, cl_context c, cl_command_queue q,
                                struct rote_device **out);
/* One kernel of cl/<file>.cl. *out is the device's, NULL while it collects. */
enum rote_status rt_program_get(struct rote_device *dev, const char *file, const char *kernel, const char *options,
                                struct rt_program **out);
/* By way of the disk cache; *out is the caller's. */
enum rote_status rt_program_make(struct rote_device *dev, const char *source, const char *options, cl_program *out);
void rt_tuning_free(struct rt_tuning *t);
void rt_verdicts_free(struct rt_verdicts *t);

/* Files of cl/ as the build embeds them; a nameless one ends. */
struct rt_embedded {
    const char *name;
    const unsigned char *text;
};
extern const struct rt_embedded rt_embedded_kernels[];
void rt_programs_free(struct rote_device *dev);
/* An event to profile a launch with, or NULL when there is no trace. */
cl_event *rt_trace_event(struct rote_device *dev, const char *kernel);
void rt_trace_free(struct rote_device *dev);

/* rt_cut.c: sets launch_seconds; enqueues a launch in pieces that should take no longer. */
enum rote_status rt_launch_limit(struct rote_device *dev);
enum rote_status rt_enqueue_cut(struct rt_kernel *k, int dims, const size_t *global, const size_t *local);

/* The record (rt_record.c): nothing without ROTE_RECORD. Each call before the OpenCL call that it tells of, but
 * for reads and new buffers. */
enum rote_status rt_record_open(struct rote_device *dev);
void rt_record_close(struct rote_device *dev);
void rt_record_program(struct rote_device *dev, const struct rt_program *p, const char *kernel, const char *standard,
                       const char *options, const char *source);
/* A buffer or a view; `what` NULL: it has no name. */
void rt_record_buffer(struct rt_mem *m, const char *what);
/* event: "write", "read" */
void rt_record_transfer(const struct rt_mem *m, const char *event, uint64_t offset, const void *bytes, uint64_t count);
void rt_record_fill(const struct rt_mem *m, uint32_t word);
void rt_record_copy(const struct rt_mem *to, uint64_t to_offset, const struct rt_mem *from, uint64_t from_offset,
                    uint64_t bytes);
/* Of a device that records. */
void rt_record_launch(const struct rt_kernel *k, int dims, const size_t *global, const size_t *local, const char *fmt,
                      va_list *ap);
/* Launches that a library made and the record lacks. */
void rt_record_library(const struct rote_device *dev, const char *call);

#endif
