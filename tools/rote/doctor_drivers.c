/* The drivers that .icd files name, each asked in a process of its own, and those that none names. */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "doctor_icds.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))

static const struct driver {
    const char *stem, *name, *icd; /* its library's name begins with stem; icd: the usual file name */
    struct package package;
} drivers[] = {
    {"libpocl.so", "PoCL", "pocl.icd", {"pocl-opencl-icd", NULL, "pocl", "pocl"}},
    {"libRusticlOpenCL.so", "Mesa's rusticl", "rusticl.icd", {"mesa-opencl-icd", NULL, "mesa-libOpenCL", NULL}},
    {"libMesaOpenCL.so", "Mesa's clover", "mesa.icd", {"mesa-opencl-icd", NULL, "mesa-libOpenCL", NULL}},
    {"libnvidia-opencl.so", "NVIDIA's driver", "nvidia.icd",
     {"nvidia-opencl-icd", "", "xorg-x11-drv-nvidia-cuda", "opencl-nvidia"}},
    {"libigdrcl.so", "Intel's GPU driver", "intel.icd", {"intel-opencl-icd", NULL, NULL, "intel-compute-runtime"}},
    {"libintelocl.so", "Intel's CPU driver", "intel-cpu.icd", {NULL, NULL, NULL, NULL}},
    {"libamdocl64.so", "AMD's driver", "amdocl64.icd", {NULL, NULL, "rocm-opencl", "rocm-opencl-runtime"}},
};

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static const struct driver *driver_of(const char *library)
{
    for (size_t i = 0; i < COUNT(drivers); i++)
        if (!strncmp(base_name(library), drivers[i].stem, strlen(drivers[i].stem)))
            return &drivers[i];
    return NULL;
}

/* What mends a driver that does not load: its package anew, else its .icd file out of the way. */
static const char *mend_driver(const struct icd *i, char *out, size_t cap)
{
    const struct driver *known = driver_of(i->library);
    char quoted[PATH], install[512] = "";
    size_t n = 0;
    *out = 0;
    if (known && (known->package.debian || known->package.fedora || known->package.arch)) {
        static const char apt[] = "sudo apt-get install "; /* alone it does nothing to a package that is there */
        const char *again = doctor_install(&known->package, install, sizeof install);
        int debian = !strncmp(again, apt, strlen(apt));
        n = (size_t)snprintf(out, cap, "%s%s%s", debian ? apt : "", debian ? "--reinstall " : "",
                             again + (debian ? strlen(apt) : 0));
    }
    if (*i->path && n < cap)
        snprintf(out + n, cap - n, "%ssudo rm %s%s", n ? "\n" : "", doctor_quote(i->path, quoted, sizeof quoted),
                 n ? "   # or this, to do without it" : "");
    else if (!*i->path && n < cap)
        snprintf(out + n, cap - n, "%sunset OCL_ICD_VENDORS OCL_ICD_FILENAMES", n ? "\n" : "");
    return out;
}

/* A name with a blank or carriage return at its end, or two lines, is another name to the loader. */
static int has_loose_end(const char *library)
{
    return strchr(library, '\n') || (*library && isspace((unsigned char)library[strlen(library) - 1]));
}

static void loose_end(struct doctor *d, const struct icd *i)
{
    char mend[4 * PATH], quoted[PATH], clean[PATH];
    snprintf(clean, sizeof clean, "%s", i->library);
    clean[strcspn(clean, "\r\n")] = 0;
    for (size_t n = strlen(clean); n && isspace((unsigned char)clean[n - 1]);)
        clean[--n] = 0;
    snprintf(mend, sizeof mend, "echo '%s' | sudo tee %s", clean, doctor_quote(i->path, quoted, sizeof quoted));
    doctor_add(d, MARK_FAULT, "icd", mend, "%s: a blank, a carriage return or another line follows %s", i->path, clean);
}

static void refused(struct doctor *d, const struct icd *i, const char *label, const char *why)
{
    char mend[2 * PATH];
    struct stat info;
    size_t n = strlen(i->library);
    if (*i->path && has_loose_end(i->library)) {
        loose_end(d, i);
        return;
    }
    mend_driver(i, mend, sizeof mend);
    if (strchr(i->library, '/') && stat(i->library, &info))
        doctor_add(d, MARK_FAULT, "icd", mend, "%s does not exist", label);
    else if (strchr(i->library, '/') && S_ISREG(info.st_mode) && info.st_size == 0)
        doctor_add(d, MARK_FAULT, "icd", mend, "%s is an empty file", label);
    else
        doctor_add(d, MARK_FAULT, "icd", mend, "%s does not load: %s", label,
                   !strncmp(why, i->library, n) && !strncmp(why + n, ": ", 2) ? why + n + 2 : why);
}

static void no_platform(struct doctor *d, const char *label, int code)
{
    char name[64];
    if (code)
        doctor_add(d, MARK_NOTE, "icd", NULL, "%s loads, but answers clIcdGetPlatformIDsKHR with %s%s", label,
                   doctor_cl_error(code, name, sizeof name),
                   code == -1001 ? ": it finds no hardware for it, or no kernel driver" : "");
    else
        doctor_add(d, MARK_NOTE, "icd", NULL, "%s loads, but offers no platform: it finds no hardware for it", label);
}

static void judge_answer(struct doctor *d, const struct icd *i, const char *label, char *field[PROBE_FIELDS], int n)
{
    char mend[2 * PATH];
    if (n == 2 && !strcmp(field[0], "refused")) {
        refused(d, i, label, field[1]);
    } else if (n == 2 && !strcmp(field[0], "stranger")) {
        mend_driver(i, mend, sizeof mend);
        doctor_add(d, MARK_FAULT, "icd", mend, "%s is no OpenCL driver: the library lacks %s", label, field[1]);
    } else if (n == 3 && !strcmp(field[0], "platforms")) {
        if (atoi(field[1]) || !atoi(field[2]))
            no_platform(d, label, atoi(field[1]));
        else
            doctor_add(d, MARK_OK, "icd", NULL, "%s", label);
    }
}

static void ask_driver(struct doctor *d, const struct icds *s, const struct icd *i)
{
    struct probe p;
    char line[PROBE_LINE], *field[PROBE_FIELDS], why[128], mend[2 * PATH], label[2 * PATH + 8];
    snprintf(label, sizeof label, "%s%s%s", i->path, *i->path ? ": " : "", i->library);
    if (probe_start(&p, d->seconds, "driver", i->library, s->loader.filenames ? "now" : "lazy")) {
        doctor_add(d, MARK_FAULT, "icd", NULL, "%s cannot be tried: no process starts: %s", label, strerror(errno));
        return;
    }
    int n = probe_next(&p, line, field);
    if (n)
        judge_answer(d, i, label, field, n);
    char rest[PROBE_LINE], *unused[PROBE_FIELDS];
    while (n && probe_next(&p, rest, unused))
        ;
    if (probe_end(&p, why, sizeof why))
        return;
    d->loads = 0;
    mend_driver(i, mend, sizeof mend);
    doctor_add(d, MARK_FAULT, "icd", mend,
               "%s %s when asked for its platforms, and every program that uses OpenCL with it", label, why);
}

/* Drivers that are there, and that no .icd file names. */

static int named(const struct icds *s, const char *stem)
{
    for (int i = 0; i < s->count; i++)
        if (!strncmp(base_name(s->icd[i].library), stem, strlen(stem)))
            return 1;
    return 0;
}

/* Whether an .icd file of the loader's own folder names it; a variable then leaves it out on purpose. */
static int named_by_default(const struct icds *s, const char *stem)
{
    struct dirent **list = NULL;
    char path[2 * PATH];
    int found = 0, n = scandir(s->loader.folder, &list, doctor_icd_entry, alphasort);
    for (int i = 0; i < n; i++) {
        size_t len;
        snprintf(path, sizeof path, "%s/%s", s->loader.folder, list[i]->d_name);
        char *text = doctor_read_file(path, &len);
        found |= text && strstr(text, stem) != NULL;
        free(text);
        free(list[i]);
    }
    free(list);
    return found;
}

static void unnamed(struct doctor *d, const struct icds *s, const char *library)
{
    const struct driver *known = driver_of(library);
    char quoted[PATH], folder[PATH], mend[4 * PATH];
    if (!known || named(s, known->stem) || named_by_default(s, known->stem))
        return;
    const char *to = *s->folder ? s->folder : s->loader.folder;
    doctor_quote(library, quoted, sizeof quoted);
    doctor_quote(to, folder, sizeof folder);
    snprintf(mend, sizeof mend, "sudo mkdir -p %s\necho %s | sudo tee %s/%s", folder, quoted, folder, known->icd);
    doctor_add(d, MARK_FAULT, "icd", mend, "%s is installed (%s), but no .icd file names it", known->name, library);
}

static int library_entry(const struct dirent *e)
{
    const struct driver *known = driver_of(e->d_name);
    const char *rest = known ? e->d_name + strlen(known->stem) : "-";
    return !*rest || (*rest == '.' && isdigit((unsigned char)rest[1]));
}

struct seen {
    const struct driver *driver[COUNT(drivers)];
    int count;
};

/* Each driver once, whatever its links are called. */
static void meet(struct doctor *d, const struct icds *s, struct seen *seen, const char *library)
{
    const struct driver *known = driver_of(library);
    for (int i = 0; i < seen->count; i++)
        if (seen->driver[i] == known)
            return;
    if (!known)
        return;
    seen->driver[seen->count++] = known;
    unnamed(d, s, library);
}

static void look_in(struct doctor *d, const struct icds *s, struct seen *seen, const char *folder)
{
    struct dirent **list = NULL;
    char path[2 * PATH];
    int n = scandir(folder, &list, library_entry, alphasort);
    for (int i = 0; i < n; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, list[i]->d_name);
        meet(d, s, seen, path);
        free(list[i]);
    }
    free(list);
}

/* Lines "libpocl.so.2 (libc6,x86-64) => /usr/lib/libpocl.so.2" */
static void look_in_cache(struct doctor *d, const struct icds *s, struct seen *seen)
{
    char line[2 * PATH];
    FILE *f = popen("PATH=/sbin:/usr/sbin:$PATH ldconfig -p 2>/dev/null", "r");
    while (f && fgets(line, sizeof line, f)) {
        char *path = strstr(line, "=> ");
        line[strcspn(line, "\n")] = 0;
        if (path)
            meet(d, s, seen, path + 3);
    }
    if (f)
        pclose(f);
}

/* ROTE_TEST_LIB names a folder for tests to look in instead. */
static void look_for_unnamed(struct doctor *d, const struct icds *s)
{
    static const char *const usual[] = {
        "/usr/lib", "/usr/lib64", "/usr/local/lib", "/opt/rocm/lib", "/opt/amdgpu-pro/lib/x86_64-linux-gnu",
        "/usr/lib/x86_64-linux-gnu/intel-opencl", "/usr/lib/intel-opencl", "/opt/intel/oneapi/compiler/latest/lib"};
    struct seen seen = {.count = 0};
    const char *test = getenv("ROTE_TEST_LIB");
    if (test) {
        look_in(d, s, &seen, test);
        return;
    }
    look_in_cache(d, s, &seen);
    for (size_t i = 0; i < COUNT(usual); i++)
        look_in(d, s, &seen, usual[i]);
}

void doctor_drivers(struct doctor *d)
{
    static struct icds s;
    s = (struct icds){.count = 0};
    d->loads = 1;
    doctor_read_icds(d, &s);
    for (int i = 0; i < s.count; i++)
        ask_driver(d, &s, &s.icd[i]);
    look_for_unnamed(d, &s);
}
