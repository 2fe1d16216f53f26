/* Platforms as the loader gives them, and every device: opened, a kernel compiled and run. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "doctor.h"

#define MOST_DEVICES 64
#define GIB (1ull << 30)

static const char pocl[] = "Portable Computing Language"; /* its platform's name */

struct device {
    char id[64], name[128], platform[128], driver[128], type[16];
    unsigned units;
    unsigned long long memory, largest;
    int duplicate;
};

struct empty_platform {
    char name[256];
    int code;
};

static int holds(const char *text, const char *part)
{
    for (size_t n = strlen(part); *text; text++)
        if (!strncasecmp(text, part, n))
            return 1;
    return 0;
}

static void serve(struct doctor *d, char *field[PROBE_FIELDS])
{
    unsigned long id = strtoul(field[2], NULL, 10);
    for (int m = 0; m < MAKERS && atoi(field[1]); m++)
        d->served[m] += id == makers[m].pci || holds(field[3], makers[m].word);
}

/* A platform without a device is a fault where no other has one. */
static void tell_empty(struct doctor *d, const struct empty_platform *e, int devices)
{
    char name[64], mend[256];
    enum mark mark = devices ? MARK_NOTE : MARK_FAULT;
    const char *enable = getenv("RUSTICL_ENABLE");
    if (holds(e->name, "rusticl")) {
        snprintf(mend, sizeof mend, "export RUSTICL_ENABLE=%s", doctor_rusticl(d));
        if (enable && *enable)
            doctor_add(d, mark, "platform", mend, "%s has no device: RUSTICL_ENABLE=%s names no driver that works here",
                       e->name, enable);
        else
            doctor_add(d, mark, "platform", mend, "%s has no device, because RUSTICL_ENABLE is not set", e->name);
        return;
    }
    if (holds(e->name, pocl)) { /* which has a device everywhere else */
        doctor_add(d, mark, "platform", "export POCL_CACHE_DIR=/tmp/pocl-cache-$USER",
                   "%s has no device: its cache folder (POCL_CACHE_DIR, else ~/.cache/pocl) cannot be made", e->name);
        return;
    }
    doctor_add(d, mark, "platform", devices ? NULL : doctor_install(&package_pocl, mend, sizeof mend),
               "%s has no device%s%s", e->name, e->code && e->code != -1 ? ": clGetDeviceIDs gives " : "",
               e->code && e->code != -1 ? doctor_cl_error(e->code, name, sizeof name) : "");
}

static void no_platforms(struct doctor *d, int code)
{
    char mend[512], name[64];
    doctor_install(&package_pocl, mend, sizeof mend);
    if (code)
        doctor_add(d, MARK_FAULT, "platform", mend, "no OpenCL platform: clGetPlatformIDs gives %s",
                   doctor_cl_error(code, name, sizeof name));
    else
        doctor_add(d, MARK_FAULT, "platform", mend, "no OpenCL platform: the loader finds none");
}

static void all_together(struct doctor *d, const char *why)
{
    doctor_add(d, MARK_FAULT, "platform",
               "export OCL_ICD_VENDORS=FOLDER   # a folder with the one .icd file that is wanted",
               "the loader %s when it loads all drivers together, though each loads alone", why);
}

/* Gives the number of devices, and -1 where that cannot be known. */
static int list_platforms(struct doctor *d)
{
    static struct empty_platform empty[MOST_DEVICES];
    struct probe p;
    char line[PROBE_LINE], *field[PROBE_FIELDS], why[128];
    int n, platforms = 0, devices = 0, empties = 0, told = 0;
    if (probe_start(&p, d->seconds, "platforms", NULL, NULL)) {
        doctor_add(d, MARK_FAULT, "platform", NULL, "no process starts to ask for platforms: %s", strerror(errno));
        return -1;
    }
    while ((n = probe_next(&p, line, field))) {
        if (n == 2 && !strcmp(field[0], "error")) {
            no_platforms(d, atoi(field[1]));
            told = 1;
        } else if (n == 2 && !strcmp(field[0], "missing")) {
            doctor_add(d, MARK_FAULT, "loader", "sudo ldconfig", "libOpenCL.so.1 does not load: %s", field[1]);
            told = 1;
        } else if (n == 4 && !strcmp(field[0], "platform")) {
            platforms++;
            devices += atoi(field[3]);
            if (!atoi(field[3]) && empties < MOST_DEVICES) {
                empty[empties].code = atoi(field[2]);
                snprintf(empty[empties++].name, sizeof empty->name, "%.255s", field[1]);
            }
        } else if (n == 4 && !strcmp(field[0], "device")) {
            serve(d, field);
        }
    }
    if (!probe_end(&p, why, sizeof why)) {
        all_together(d, why);
        return -1;
    }
    if (!platforms && !told)
        no_platforms(d, 0);
    for (int i = 0; i < empties; i++)
        tell_empty(d, &empty[i], devices);
    return devices;
}

static void read_device(struct device *v, char *field[PROBE_FIELDS])
{
    snprintf(v->id, sizeof v->id, "%.63s", field[1]);
    snprintf(v->name, sizeof v->name, "%.127s", field[2]);
    snprintf(v->platform, sizeof v->platform, "%.127s", field[3]);
    snprintf(v->driver, sizeof v->driver, "%.127s", field[4]);
    snprintf(v->type, sizeof v->type, "%.15s", field[5]);
    v->units = (unsigned)strtoul(field[6], NULL, 10);
    v->memory = strtoull(field[7], NULL, 10);
    v->largest = strtoull(field[8], NULL, 10);
    v->duplicate = atoi(field[9]);
}

static int list_devices(struct doctor *d, struct device *list)
{
    struct probe p;
    char line[PROBE_LINE], *field[PROBE_FIELDS], why[128];
    int n, count = 0;
    if (probe_start(&p, d->seconds, "devices", NULL, NULL))
        return 0;
    while ((n = probe_next(&p, line, field))) {
        if (n == 10 && count < MOST_DEVICES)
            read_device(&list[count++], field);
        else if (n == 2)
            doctor_add(d, MARK_FAULT, "device", NULL, "%s", field[1]);
    }
    if (!probe_end(&p, why, sizeof why))
        doctor_add(d, MARK_FAULT, "device", NULL, "a driver %s when asked for its devices' facts", why);
    return count;
}

static const char *size_text(unsigned long long bytes, char out[32])
{
    if (bytes >= GIB)
        snprintf(out, 32, "%.1f GiB", (double)bytes / (double)GIB);
    else
        snprintf(out, 32, "%llu MiB", bytes >> 20);
    return out;
}

/* How a device is called in all its lines. */
static const char *label(const struct device *v, char out[300])
{
    snprintf(out, 300, "%s on %s", v->name, v->platform);
    return out;
}

static void tell_notes(struct doctor *d, const struct device *v, int fp16, int subgroups)
{
    char size[32], who[300];
    label(v, who);
    if (!fp16 || !subgroups)
        doctor_add(d, MARK_NOTE, "device", NULL, "%s: no %s%s%s; Rote does not use %s yet", who, fp16 ? "" : "fp16",
                   fp16 || subgroups ? "" : ", no ", subgroups ? "" : "subgroups", fp16 || subgroups ? "it" : "them");
    if (v->largest < GIB)
        doctor_add(d, MARK_NOTE, "device", NULL, "%s: no buffer may be larger than %s; large networks take a smaller "
                   "batch or micro_batch", who, size_text(v->largest, size));
    if (v->duplicate)
        doctor_add(d, MARK_NOTE, "device", NULL, "%s: the same hardware is listed before, under another platform; "
                   "'rote bench --device' tells which is faster", who);
}

/* The driver of a device that fails: another driver is the one sure way out. */
static const char *mend_device(const struct device *v, char *out, size_t cap)
{
    char install[512];
    if (!holds(v->platform, pocl))
        snprintf(out, cap, "%s\nrote train --device cpu   # until this driver is updated",
                 doctor_install(&package_pocl, install, sizeof install));
    else
        snprintf(out, cap,
                 "export POCL_CACHE_DIR=/tmp/pocl-cache-$USER   # if its cache is damaged or cannot be written\n%s",
                 doctor_install(&package_pocl, install, sizeof install));
    return out;
}

static void fail_device(struct doctor *d, const struct device *v, const char *why)
{
    char mend[1024], who[300];
    doctor_add(d, MARK_FAULT, "device", mend_device(v, mend, sizeof mend), "%s, driver %s: %s", label(v, who),
               v->driver, why);
}

struct trial {
    int opened, ran, fp16, subgroups;
    char why[PROBE_LINE]; /* what failed; empty: nothing */
};

static void read_trial(struct trial *t, char *field[PROBE_FIELDS], int n)
{
    if (n == 4 && !strcmp(field[0], "opened")) {
        t->opened = 1;
        t->fp16 = atoi(field[1]);
        t->subgroups = atoi(field[3]);
    } else if (n == 2 && !strcmp(field[0], "failed")) {
        snprintf(t->why, sizeof t->why, "%s", field[1]);
    } else if (n == 2 && !strcmp(field[0], "ran")) {
        t->ran = 1;
        if (atoi(field[1]))
            snprintf(t->why, sizeof t->why, "a kernel that takes max(x, 0) of 64 numbers gets %s wrong", field[1]);
    }
}

static void try_device(struct doctor *d, const struct device *v)
{
    struct probe p;
    struct trial t = {.opened = 0};
    char line[PROBE_LINE], *field[PROBE_FIELDS], end[128], memory[32], largest[32], who[300];
    double began = worker_clock();
    if (probe_start(&p, d->seconds, "device", v->id, NULL)) {
        fail_device(d, v, strerror(errno));
        return;
    }
    for (int n; (n = probe_next(&p, line, field));)
        read_trial(&t, field, n);
    double spent = worker_clock() - began;
    if (!probe_end(&p, end, sizeof end) && !*t.why)
        snprintf(t.why, sizeof t.why, "the driver %s when %s", end, t.ran ? "it is closed"
                                      : t.opened ? "a first kernel is compiled and run" : "it is opened");
    if (*t.why) {
        fail_device(d, v, t.why);
        return;
    }
    doctor_add(d, MARK_OK, "device", NULL, "%s, driver %s: %s, %u units, %s, largest buffer %s; a kernel ran, %.1f s",
               label(v, who), v->driver, v->type, v->units, size_text(v->memory, memory),
               size_text(v->largest, largest), spent);
    tell_notes(d, v, t.fp16, t.subgroups);
}

void doctor_platforms(struct doctor *d)
{
    static struct device list[MOST_DEVICES];
    if (!d->loads) {
        doctor_add(d, MARK_NOTE, "platform", NULL,
                   "platforms and devices are not looked at: the driver above comes first");
        return;
    }
    int devices = list_platforms(d);
    d->looked = devices >= 0;
    int count = devices > 0 ? list_devices(d, list) : 0;
    for (int i = 0; i < count; i++)
        try_device(d, &list[i]);
}
