/* The loader, the .icd files that it reads, the driver that each names, and drivers that none names. */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "doctor.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))
#define PATH 1024
#define MOST_ICDS 64

struct loader {
    char path[PATH], folder[PATH];  /* folder: the one that is compiled into it */
    int vendor_path, filenames;     /* reads OPENCL_VENDOR_PATH, OCL_ICD_FILENAMES */
};

struct icd {
    char path[PATH], library[PATH]; /* path empty: the library is named by a variable */
};

struct icds {
    struct loader loader;
    const char *variable;           /* that chose the folder, or NULL */
    char folder[PATH];              /* empty: one file, or one library, is named instead */
    int count;
    struct icd icd[MOST_ICDS];
};

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

/* A whole file; *len its length. NULL: not to be read. */
static char *read_all(const char *path, size_t *len)
{
    FILE *f = fopen(path, "rb");
    char *text = NULL;
    size_t cap = 0;
    *len = 0;
    while (f && !ferror(f) && !feof(f)) {
        char *more = *len == cap ? realloc(text, (cap = cap ? 2 * cap : 65536) + 1) : text;
        if (!more)
            break;
        text = more;
        *len += fread(text + *len, 1, cap - *len, f);
    }
    int bad = !f || ferror(f) || !feof(f);
    if (f)
        fclose(f);
    if (bad) {
        free(text);
        return NULL;
    }
    text[*len] = 0;
    return text;
}

static const char *find_bytes(const char *text, size_t len, const char *word)
{
    size_t n = strlen(word);
    for (size_t i = 0; i + n <= len; i++)
        if (text[i] == *word && !memcmp(text + i, word, n))
            return text + i;
    return NULL;
}

/* The loader that this process is linked with. */
static void loader_path(char out[PATH])
{
    char line[PATH + 256];
    FILE *maps = fopen("/proc/self/maps", "r");
    *out = 0;
    while (maps && !*out && fgets(line, sizeof line, maps)) {
        char *path = strchr(line, '/');
        line[strcspn(line, "\n")] = 0;
        if (path && strstr(path, "/libOpenCL.so"))
            snprintf(out, PATH, "%.*s", PATH - 1, path);
    }
    if (maps)
        fclose(maps);
}

/* Loaders read different variables, and folders differ too; the names are in a loader's own text, which
 * holds for every version and distribution. */
static void read_loader(struct loader *l)
{
    size_t len = 0;
    loader_path(l->path);
    snprintf(l->folder, sizeof l->folder, "/etc/OpenCL/vendors");
    char *text = *l->path ? read_all(l->path, &len) : NULL;
    if (!text)
        return;
    l->vendor_path = find_bytes(text, len, "OPENCL_VENDOR_PATH") != NULL;
    l->filenames = find_bytes(text, len, "OCL_ICD_FILENAMES") != NULL;
    const char *at = find_bytes(text, len, "/OpenCL/vendors"), *from = at;
    while (from && from > text && isprint((unsigned char)from[-1]))
        from--;
    if (from && *from == '/')
        snprintf(l->folder, sizeof l->folder, "%.*s", PATH - 1, from);
    free(text);
}

static const char *loader_name(const struct loader *l)
{
    return l->filenames ? "Khronos loader" : l->vendor_path ? "ocl-icd" : "OpenCL loader of its vendor's own";
}

static void add_icd(struct icds *s, const char *path, const char *library)
{
    if (s->count == MOST_ICDS)
        return;
    struct icd *i = &s->icd[s->count++];
    snprintf(i->path, sizeof i->path, "%s", path);
    snprintf(i->library, sizeof i->library, "%s", library);
}

/* The library as the loader reads it: ocl-icd takes the first line, Khronos's the whole file; both
 * drop one newline and nothing else. */
static void add_icd_file(struct doctor *d, struct icds *s, const char *path)
{
    size_t len;
    char quoted[PATH], mend[PATH + 64];
    char *text = read_all(path, &len);
    doctor_quote(path, quoted, sizeof quoted);
    if (!text) {
        snprintf(mend, sizeof mend, "sudo chmod a+r %s", quoted);
        doctor_add(d, MARK_FAULT, "icd", mend, "%s cannot be read: %s", path, strerror(errno));
        return;
    }
    if (!s->loader.filenames)
        text[strcspn(text, "\n")] = 0;
    else if (len && text[len - 1] == '\n')
        text[len - 1] = 0;
    if (text[strspn(text, " \t\r\n")]) {
        add_icd(s, path, text);
    } else {
        snprintf(mend, sizeof mend, "sudo rm %s", quoted);
        doctor_add(d, MARK_FAULT, "icd", mend, "%s is empty: it names no driver", path);
    }
    free(text);
}

static int ends_in_icd(const char *name)
{
    size_t n = strlen(name);
    return n >= 5 && !strcmp(name + n - 4, ".icd");
}

static int wanted_entry(const struct dirent *e)
{
    return ends_in_icd(e->d_name);
}

/* Where the driver's file is missing: unset what leads elsewhere, or install one that runs anywhere. */
static const char *mend_folder(const struct icds *s, char *out, size_t cap)
{
    struct dirent **list;
    int n = s->variable ? scandir(s->loader.folder, &list, wanted_entry, alphasort) : 0;
    for (int i = 0; i < n; i++)
        free(list[i]);
    if (n >= 0 && s->variable)
        free(list);
    if (n <= 0)
        return doctor_install(&package_pocl, out, cap);
    snprintf(out, cap, "unset %s   # %s has %d .icd file%s", s->variable, s->loader.folder, n, n == 1 ? "" : "s");
    return out;
}

static void read_folder(struct doctor *d, struct icds *s)
{
    struct dirent **list = NULL;
    char path[2 * PATH], mend[2 * PATH];
    int n = scandir(s->folder, &list, wanted_entry, alphasort), e = errno;
    if (n < 0)
        doctor_add(d, MARK_FAULT, "icd", mend_folder(s, mend, sizeof mend),
                   "the folder of .icd files cannot be read: %s%s%s: %s", s->variable ? s->variable : "",
                   s->variable ? "=" : "", s->folder, strerror(e));
    else if (n == 0)
        doctor_add(d, MARK_FAULT, "icd", mend_folder(s, mend, sizeof mend), "no .icd file in %s%s%s", s->folder,
                   s->variable ? ", which is in force by " : "", s->variable ? s->variable : "");
    for (int i = 0; i < n; i++) {
        snprintf(path, sizeof path, "%s/%s", s->folder, list[i]->d_name);
        add_icd_file(d, s, path);
        free(list[i]);
    }
    free(list);
}

/* OCL_ICD_VENDORS of ocl-icd may name an .icd file, or a library. */
static void read_single(struct doctor *d, struct icds *s, const char *value, const char *folder)
{
    char path[2 * PATH], mend[2 * PATH];
    struct stat info;
    s->folder[0] = 0;
    snprintf(path, sizeof path, "%s/%s", folder, value);
    if (!ends_in_icd(value) || strchr(value, '/') || stat(path, &info))
        snprintf(path, sizeof path, "%s", value);
    int there = !stat(path, &info);
    if (ends_in_icd(value) && there)
        add_icd_file(d, s, path);
    else if (!ends_in_icd(value) && (there || !strchr(value, '/')))
        add_icd(s, "", value);
    else
        doctor_add(d, MARK_FAULT, "icd", mend_folder(s, mend, sizeof mend), "%s=%s: there is no such file or folder",
                   s->variable, value);
}

static const char *variable_value(const char *name)
{
    const char *v = getenv(name);
    return v && *v ? v : NULL;
}

/* A variable that is set without effect. */
static void idle_variable(struct doctor *d, const struct loader *l, const char *name, const char *because)
{
    char mend[128];
    snprintf(mend, sizeof mend, "unset %s", name);
    doctor_add(d, MARK_NOTE, "loader", mend, "%s is set, but %s%s", name, because, loader_name(l));
}

static void read_filenames(struct icds *s, const char *names)
{
    char library[PATH];
    while (names && *names) {
        int n = (int)strcspn(names, ":");
        snprintf(library, sizeof library, "%.*s", n, names);
        if (n)
            add_icd(s, "", library);
        names += n + (names[n] == ':');
    }
}

/* Which variables count, in the loader's own order. */
static void read_variables(struct doctor *d, struct icds *s)
{
    const struct loader *l = &s->loader;
    const char *vendors = variable_value("OCL_ICD_VENDORS"), *path = variable_value("OPENCL_VENDOR_PATH"),
               *files = variable_value("OCL_ICD_FILENAMES");
    const char *folder = l->vendor_path && path ? path : l->folder;
    struct stat info;
    int single = vendors && !l->filenames && (stat(vendors, &info) || !S_ISDIR(info.st_mode));
    s->variable = vendors ? "OCL_ICD_VENDORS" : l->vendor_path && path ? "OPENCL_VENDOR_PATH" : NULL;
    snprintf(s->folder, sizeof s->folder, "%s", vendors ? vendors : folder);
    doctor_add(d, MARK_OK, "loader", NULL, "%s (%s), which reads %s%s%s%s%s", loader_name(l),
               *l->path ? l->path : "built in", single ? "only " : "the .icd files in ", s->folder,
               s->variable ? ", by " : "", s->variable ? s->variable : "",
               l->filenames && files ? ", and before it OCL_ICD_FILENAMES" : "");
    if (path && !l->vendor_path)
        idle_variable(d, l, "OPENCL_VENDOR_PATH", "is not read by this ");
    else if (path && vendors && !single)
        idle_variable(d, l, "OPENCL_VENDOR_PATH", "OCL_ICD_VENDORS comes before it in ");
    if (files && !l->filenames)
        idle_variable(d, l, "OCL_ICD_FILENAMES", "is not read by ");
    read_filenames(s, l->filenames ? files : NULL);
    if (single)
        read_single(d, s, vendors, folder);
    else
        read_folder(d, s);
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
    int found = 0, n = scandir(s->loader.folder, &list, wanted_entry, alphasort);
    for (int i = 0; i < n; i++) {
        size_t len;
        snprintf(path, sizeof path, "%s/%s", s->loader.folder, list[i]->d_name);
        char *text = read_all(path, &len);
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
    read_loader(&s.loader);
    read_variables(d, &s);
    for (int i = 0; i < s.count; i++)
        ask_driver(d, &s, &s.icd[i]);
    look_for_unnamed(d, &s);
}
