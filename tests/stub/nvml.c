/* As much of NVML as energy takes: a GPU whose counter answers once, and one that uses 50 W; STUB_GPUS says how many. */
#include <stdlib.h>
#include <time.h>

int nvmlInit_v2(void);
int nvmlDeviceGetCount_v2(unsigned *count);
int nvmlDeviceGetHandleByIndex_v2(unsigned index, void **device);
int nvmlDeviceGetTotalEnergyConsumption(void *device, unsigned long long *millijoules);

static int initialised, devices[2];

int nvmlInit_v2(void)
{
    initialised = 1;
    return 0;
}

int nvmlDeviceGetCount_v2(unsigned *count)
{
    const char *gpus = getenv("STUB_GPUS");
    *count = gpus ? (unsigned)atoi(gpus) : 2;
    return initialised ? 0 : 1;
}

int nvmlDeviceGetHandleByIndex_v2(unsigned index, void **device)
{
    *device = &devices[index];
    return index < 2 ? 0 : 2;
}

int nvmlDeviceGetTotalEnergyConsumption(void *device, unsigned long long *millijoules)
{
    static int asked;
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    *millijoules = 50000ull * (unsigned long long)t.tv_sec + 50ull * (unsigned long long)t.tv_nsec / 1000000ull;
    if (device == &devices[1])
        return 0;
    *millijoules = 900000000ull;
    return asked++ ? 3 : 0;
}
