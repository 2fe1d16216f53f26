/* Compiled kernels. The library compiles one after the other, in its own process, when a plan
 * first needs them, and keeps the binaries on disk. Drivers compile no faster in several
 * threads, but in several processes they do: a builder, set on a device, is told what a plan
 * lacks before it is built, and can have it built by processes of its own. `rote train` and
 * `rote warm` do that with processes of the same program that call rote_call_build. */
#ifndef ROTE_PROGRAMS_H
#define ROTE_PROGRAMS_H

#include "rote/device.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Called while a run is made (rote_run_new, rote_run_resume, rote_run_open) if programs for it
 * are missing. Each call is "OPERATOR WORDS | VARIANT", for rote_call_build in some process. The
 * first `first` of them need each missing program once; the others need the same programs, but
 * may launch them in other sizes, for which some drivers compile again: build those afterwards.
 * What is missing in the end is built in this process. */
typedef void (*rote_builder_fn)(void *user, rote_device *device, const char *const *calls, size_t first, size_t count);
/* fn NULL: none, as at first. */
ROTE_API void rote_device_set_builder(rote_device *device, rote_builder_fn fn, void *user);
/* Builds what the call needs into the caches, and runs it once on data made up for it: some
 * drivers compile at the first launch. ROTE_EBUILD has the compiler's words. */
ROTE_API enum rote_status rote_call_build(rote_device *device, const char *call);
/* Programs that this device holds; *missing (may be NULL) counts those that the cache lacked when
 * its builder was told of them. */
ROTE_API size_t rote_device_program_count(const rote_device *device, size_t *missing);

#ifdef __cplusplus
}
#endif
#endif
