/* OpenCL devices.
 *
 * Thread safety: a device, and everything made on it (tensors, operators,
 * models, trainers), belongs to one thread at a time. Different devices may be
 * used by different threads at once. */
#ifndef ROTE_DEVICE_H
#define ROTE_DEVICE_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "rote/status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct rote_device rote_device;

/* What is known of a device without opening it. */
struct rote_device_info {
    char id[64];        /* stable name: platform, device, hash */
    char name[128], vendor[128], driver[128], platform[128], version[128];
    char type[16];      /* "cpu", "integrated" or "discrete" */
    uint32_t compute_units;
    uint64_t memory_bytes, max_allocation_bytes, local_bytes;
    uint64_t max_work_group;
    int duplicate;      /* 1: the same hardware is listed under another platform before */
    int fp16, fp64, subgroups; /* found by probe; only set by rote_device_info_get */
};

/* All devices of all platforms; *out is the caller's (rote_free). */
ROTE_API enum rote_status rote_device_list(struct rote_device_info **out, size_t *count);
ROTE_API void rote_free(void *p);

/* Opens a device. selector: NULL or "" the first; "0", "1" an index in the list;
 * "cpu" or "gpu" the first of that type; else a part of id, name or platform, any
 * case. ROTE_ENOTFOUND names the devices there are. */
ROTE_API enum rote_status rote_device_open(const char *selector, rote_device **out);
/* Frees the device; everything made on it must have been freed. NULL is allowed. */
ROTE_API void rote_device_free(rote_device *device);
ROTE_API enum rote_status rote_device_info_get(const rote_device *device, struct rote_device_info *out);

/* Bytes of device memory that Rote holds now, and the most it held, apart from self-tests. */
ROTE_API uint64_t rote_device_live_bytes(const rote_device *device);
ROTE_API uint64_t rote_device_peak_bytes(const rote_device *device);

/* Per-kernel profiling: start before the first launch; then write a Perfetto /
 * Chrome trace file, or print a table to a stream. */
ROTE_API enum rote_status rote_trace_start(rote_device *device);
ROTE_API enum rote_status rote_trace_write(rote_device *device, const char *path);
ROTE_API enum rote_status rote_trace_print(rote_device *device, FILE *f);

#ifdef __cplusplus
}
#endif
#endif
