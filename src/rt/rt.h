/* The runtime: devices, memory, programs, launches, traces. The only layer that
 * includes OpenCL's and CLBlast's headers; everything above sees this page.
 * A device and all that was made on it belong to one thread at a time. */
#ifndef RT_H
#define RT_H

#include "base/base.h"

#define RT_HASH 17 /* the first 64 bits of a SHA-256 in hexadecimal, and NUL */

struct rote_device; /* public handle, include/rote/device.h */
struct rt_mem;      /* a buffer or a view of one */
struct rt_kernel;

enum rt_class { RT_CPU, RT_INTEGRATED, RT_DISCRETE, RT_CLASS_COUNT };

struct rt_facts {
    char id[64];       /* stable: platform word, device word, hash of identity */
    char name[128], vendor[128], driver[128], platform[128], version[128];
    enum rt_class cls;
    uint32_t compute_units;
    uint64_t mem_bytes, max_alloc, local_bytes;
    uint64_t max_work_group;
    uint32_t align;        /* bytes, for views: at least 64 */
    uint32_t native_float; /* native vector width in floats */
    bool has_fp16, has_fp64, has_subgroups; /* by probe, not by version */
    bool duplicate;        /* the same hardware was listed before */
    bool cache_hints;      /* its compiler takes the hints of cl/common/vec.clh; one's way to SPIR-V ends the process */
    bool ends_loops;       /* its work-items end after some 65000 iterations of loops */
    bool long_items;       /* kernels give a work-item what a core does in milliseconds, not what a GPU's lane does */
    bool keeps_kernels;    /* the driver caches on disk what it compiles, at the first launch of a size */
};

/* Every device of every platform, in the loader's order. The caller frees *out
 * with base_free. */
enum rote_status rt_list(struct rt_facts **out, size_t *count);
/* selector: NULL or "" first device; a number an index in rt_list; "cpu", "gpu"
 * a type; otherwise a part of id or name, any case. */
enum rote_status rt_open(const char *selector, struct rote_device **out);
void rt_close(struct rote_device *dev);
const struct rt_facts *rt_facts_of(const struct rote_device *dev);

/* Memory. Counted: live and peak bytes are those given by clCreateBuffer. */
enum rote_status rt_mem_new(struct rote_device *dev, uint64_t bytes, const char *what, struct rt_mem **out);
/* A part of `parent`, offset a multiple of facts.align; keeps parent alive. */
enum rote_status rt_mem_view(struct rt_mem *parent, uint64_t offset, uint64_t bytes, struct rt_mem **out);
void rt_mem_free(struct rt_mem *m);
uint64_t rt_mem_bytes(const struct rt_mem *m);
uint64_t rt_live_bytes(const struct rote_device *dev);
uint64_t rt_peak_bytes(const struct rote_device *dev);
/* Sets it to what it was: what a self-test took since, and gave back, is no run's. */
void rt_peak_restore(struct rote_device *dev, uint64_t bytes);

/* Blocking copies (in queue order). */
enum rote_status rt_write(struct rt_mem *m, uint64_t offset, const void *src, uint64_t bytes);
enum rote_status rt_read(struct rt_mem *m, uint64_t offset, void *dst, uint64_t bytes);
/* Every 32-bit word of m becomes `word`; bytes must be a multiple of 4. */
enum rote_status rt_fill(struct rt_mem *m, uint32_t word);
enum rote_status rt_copy(struct rt_mem *dst, uint64_t dst_off, struct rt_mem *src, uint64_t src_off, uint64_t bytes);
/* For the record (ROTE_RECORD, docs/fuzz.md): what is expected in m as output `port`, float as double, within
 * tolerance * max(|value|, their rms). */
void rt_record_want(const struct rt_mem *m, const char *port, const void *want, uint64_t bytes, double tolerance);
enum rote_status rt_flush(struct rote_device *dev);
enum rote_status rt_finish(struct rote_device *dev);

/* A kernel of cl/<file>.cl built with `options` ("-DA=1 ..." or NULL). Its program holds this
 * kernel alone, since drivers compile all of a program; programs are cached in the device and on
 * disk. */
enum rote_status rt_kernel_new(struct rote_device *dev, const char *file, const char *name, const char *options,
                               struct rt_kernel **out);
void rt_kernel_free(struct rt_kernel *k);
uint64_t rt_kernel_max_group(const struct rt_kernel *k);
/* Its work-items do other work from now on: how long they take is measured anew (rt_cut.c). */
void rt_kernel_measure_again(struct rt_kernel *k);
/* Bytes of memory that each work-item has for what did not fit registers, by the driver's word. */
uint64_t rt_kernel_private_bytes(const struct rt_kernel *k);
/* Of the source with its includes, options aside. */
const char *rt_kernel_source_hash(const struct rt_kernel *k);
/* All that its binary depends on, as a hash: source, options, device, driver. Kernels of one program have one key. */
const char *rt_kernel_key(const struct rt_kernel *k);

/* rt_verdicts.c: whether what has this key gave right results; kept in the cache folder. */
struct rt_verdict {
    char key[RT_HASH];
    bool right, told; /* told: a warning was given */
    char *why;
};
/* *out is NULL where none is known; borrowed until the next rt_verdict_put. */
enum rote_status rt_verdict_get(struct rote_device *dev, const char key[RT_HASH], struct rt_verdict **out);
/* keep: in the cache folder too, not only as long as the device is open. */
enum rote_status rt_verdict_put(struct rote_device *dev, const char key[RT_HASH], bool right, const char *why,
                                bool keep);

/* Of the sources of all kernels, as ROTE_KERNELS has them where it is set. */
enum rote_status rt_kernels_hash(char out[RT_HASH]);

/* Between on and off rt_kernel_new builds nothing; such kernels tell their sources, and do not run. */
void rt_collect(struct rote_device *dev, bool on);
bool rt_collecting(const struct rote_device *dev);
/* Of a kernel that was made meanwhile: RT_HAVE, the device or the disk cache has its program;
 * RT_MISSING, it must be built; RT_CLAIMED, it must, and some kernel's call has claimed it. */
enum rt_need { RT_HAVE, RT_MISSING, RT_CLAIMED };
enum rt_need rt_kernel_need(const struct rt_kernel *k);
void rt_kernel_claim(struct rt_kernel *k);
size_t rt_kernel_length(const struct rt_kernel *k); /* characters of its program's source, blanks apart */
bool rt_has_builder(const struct rote_device *dev);
/* Calls whose programs are missing, for the device's builder (include/rote/programs.h). */
void rt_tell_builder(struct rote_device *dev, const char *const *calls, size_t first, size_t count);

/* A file of the user's cache folder, which is made. */
enum rote_status rt_cache_file(const char *name, char **path);
/* base_now() when the device was asked for. */
double rt_opened(const struct rote_device *dev);
/* Sets the arguments and enqueues. One letter of fmt an argument:
 * m struct rt_mem * (NULL allowed), i int32_t, u uint32_t, l uint64_t,
 * f float (passed as double). L: local memory of that many bytes (size_t).
 * local NULL lets the driver choose; global must then be what is meant exactly,
 * otherwise global is rounded up to whole groups (kernels guard). A launch may be cut into several (rt_cut.c), so
 * that a kernel asks get_global_id, and never how many items or groups were launched. */
enum rote_status rt_run(struct rt_kernel *k, int dims, const size_t *global, const size_t *local, const char *fmt, ...);
/* The words under which the following launches appear in the trace. */
void rt_label(struct rote_device *dev, const char *label);

/* Row-major C = alpha·op(A)·op(B) + beta·C by CLBlast, offsets and leading
 * dimensions in floats. temp as large as rt_gemm_temp() says (may be 0). */
struct rt_gemm {
    bool trans_a, trans_b;
    uint64_t m, n, k, offset_a, lda, offset_b, ldb, offset_c, ldc;
    float alpha, beta;
};
enum rote_status rt_gemm_temp(struct rote_device *dev, const struct rt_gemm *g, uint64_t *bytes);
enum rote_status rt_gemm_run(struct rote_device *dev, const struct rt_gemm *g, struct rt_mem *a, struct rt_mem *b,
                             struct rt_mem *c, struct rt_mem *temp);

/* Per-kernel profiling, of the launches between start and stop; stop waits for them and
 * forgets them. */
struct rt_span {
    const char *label, *kernel; /* borrowed from the trace */
    double start, end;          /* microseconds from the first start */
};
enum rote_status rt_trace_start(struct rote_device *dev);
void rt_trace_stop(struct rote_device *dev);
/* The launches so far, finished; the caller frees *out with base_free. */
enum rote_status rt_trace_spans(struct rote_device *dev, struct rt_span **out, size_t *count);
enum rote_status rt_trace_write_json(struct rote_device *dev, const char *path);
enum rote_status rt_trace_print_table(struct rote_device *dev, FILE *f);

#endif
