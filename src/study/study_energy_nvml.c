/* Energy of GPUs by the counters of NVML (a management library; nvmlDeviceGetTotalEnergyConsumption: millijoules
 * since the driver was loaded), which is looked for at run time. No counter of other drivers is known here. */
#include <dlfcn.h>
#include <math.h>
#include <string.h>

#include "study/study.h"

static struct {
    bool looked_for;
    int devices;
    int (*handle)(unsigned index, void **device);
    int (*energy)(void *device, unsigned long long *millijoules);
} nvml;

/* Through memcpy, since C has no conversion from an object's pointer to a function's. */
static bool find(void *library, const char *name, void *function)
{
    void *address = dlsym(library, name);
    memcpy(function, &address, sizeof address);
    return address != NULL;
}

/* Once, for the process's life; nothing is told of where there is none. */
static void look_for(void)
{
    int (*init)(void), (*count)(unsigned *);
    unsigned n = 0;
    nvml.looked_for = true;
    void *library = dlopen("libnvidia-ml.so.1", RTLD_NOW | RTLD_LOCAL);
    if (!library)
        return;
    if (find(library, "nvmlInit_v2", &init) && find(library, "nvmlDeviceGetCount_v2", &count) &&
        find(library, "nvmlDeviceGetHandleByIndex_v2", &nvml.handle) &&
        find(library, "nvmlDeviceGetTotalEnergyConsumption", &nvml.energy) && !init() && !count(&n))
        nvml.devices = (int)n;
}

int study_energy_gpus(double *microjoules, int room)
{
    if (!nvml.looked_for)
        look_for();
    int n = nvml.devices < room ? nvml.devices : room;
    for (int i = 0; i < n; i++) {
        void *device;
        unsigned long long millijoules;
        bool told = !nvml.handle((unsigned)i, &device) && !nvml.energy(device, &millijoules);
        microjoules[i] = told ? 1e3 * (double)millijoules : NAN;
    }
    return n;
}
