/* Energy by the kernel's power counters (Linux, Documentation/power/powercap): one zone a processor package. Often
 * only root may read them; energy is then not known. */
#include <glob.h>
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

/* Adds what a counter has done since it was last read; `range`: where it wraps to 0. */
static void count(struct study_energy *e, int counter, double now, double range, bool first)
{
    double last = e->last[counter];
    if (!first)
        e->joules += 1e-6 * (now - last + (now < last ? range : 0));
    e->last[counter] = now;
}

static int read_packages(struct study_energy *e, bool first)
{
    glob_t g;
    char pattern[4096];
    const char *test = getenv("ROTE_TEST_POWERCAP"); /* tests' own counters */
    int n = 0;
    snprintf(pattern, sizeof pattern, "%s/*", test ? test : "/sys/class/powercap");
    if (glob(pattern, 0, NULL, &g))
        return 0;
    for (size_t i = 0; i < g.gl_pathc && n < STUDY_COUNTERS; i++) {
        double now, range = 0;
        if (!is_package(g.gl_pathv[i]) || !read_number(g.gl_pathv[i], "energy_uj", &now))
            continue;
        if (!first && now < e->last[n])
            read_number(g.gl_pathv[i], "max_energy_range_uj", &range);
        count(e, n++, now, range, first);
    }
    globfree(&g);
    return n;
}

static void read_counters(struct study_energy *e, bool first)
{
    double gpu[STUDY_COUNTERS];
    int packages = read_packages(e, first), gpus = study_energy_gpus(gpu, STUDY_COUNTERS - packages);
    for (int i = 0; i < gpus; i++)
        count(e, packages + i, gpu[i], 0, first);
    e->counters = packages + gpus;
}

void study_energy_start(struct study_energy *e)
{
    *e = (struct study_energy){.counted = base_now()};
    read_counters(e, true);
}

void study_energy_count(struct study_energy *e)
{
    double now = base_now();
    if (!e->counters || now - e->counted < 1)
        return;
    e->counted = now;
    read_counters(e, false);
}
