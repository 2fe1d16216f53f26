/* Energy by the kernel's power counters (Linux, Documentation/power/powercap): one zone a processor package. Often
 * only root may read them; energy is then not known. */
#include <glob.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "study/study.h"

static bool read_number(const char *folder, const char *file, double *out)
{
    char *path = NULL, *text = NULL;
    bool good = !base_sprintf(&path, "%s/%s", folder, file) && !base_read_file(path, &text, NULL);
    if (good)
        *out = strtod(text, NULL);
    base_free(path);
    base_free(text);
    return good;
}

/* A package: "control:0", not a part of one, "control:0:1", and not told a second time by another way. */
static bool is_package(const char *folder)
{
    const char *name = strrchr(folder, '/'), *colon = strchr(name, ':');
    return colon && !strchr(colon + 1, ':') && !strstr(name, "mmio");
}

/* Adds what a counter has done since it was last read; `range`: where it wraps to 0. One that was set back tells
 * nothing. */
static void count(struct study_energy *e, int counter, double now, double range)
{
    double done = now - e->last[counter] + (now < e->last[counter] ? range : 0);
    if (e->known[counter] && done > 0)
        e->joules += 1e-6 * done;
    e->last[counter] = now;
    e->known[counter] = true;
}

static void read_packages(struct study_energy *e)
{
    glob_t g;
    char pattern[4096];
    const char *test = getenv("ROTE_TEST_POWERCAP"); /* tests' own counters */
    int n = 0;
    snprintf(pattern, sizeof pattern, "%s/*", test ? test : "/sys/class/powercap");
    if (glob(pattern, 0, NULL, &g))
        return;
    for (size_t i = 0; i < g.gl_pathc && n < STUDY_PACKAGES; i++) {
        double now, range = 0;
        if (!is_package(g.gl_pathv[i]))
            continue;
        if (read_number(g.gl_pathv[i], "energy_uj", &now)) {
            if (e->known[n] && now < e->last[n])
                read_number(g.gl_pathv[i], "max_energy_range_uj", &range);
            count(e, n, now, range);
        }
        n++;
    }
    globfree(&g);
}

static void read_counters(struct study_energy *e)
{
    double gpu[STUDY_GPUS];
    int gpus = study_energy_gpus(gpu, STUDY_GPUS);
    read_packages(e);
    for (int i = 0; i < gpus; i++)
        if (isfinite(gpu[i]))
            count(e, STUDY_PACKAGES + i, gpu[i], 0);
    e->counters = 0;
    for (size_t i = 0; i < COUNT_OF(e->known); i++)
        e->counters += e->known[i];
}

void study_energy_start(struct study_energy *e)
{
    *e = (struct study_energy){.counted = base_now()};
    read_counters(e);
}

void study_energy_count(struct study_energy *e, bool end)
{
    double now = base_now();
    if (!e->counters || (!end && now - e->counted < 1))
        return;
    e->counted = now;
    read_counters(e);
}
