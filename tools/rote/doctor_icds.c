#include "doctor_icds.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

char *doctor_read_file(const char *path, size_t *len)
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
    char *text = *l->path ? doctor_read_file(l->path, &len) : NULL;
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
    char *text = doctor_read_file(path, &len);
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

int doctor_icd_entry(const struct dirent *e)
{
    return ends_in_icd(e->d_name);
}

/* Where the driver's file is missing: unset what leads elsewhere, or install one that runs anywhere. */
static const char *mend_folder(const struct icds *s, char *out, size_t cap)
{
    struct dirent **list;
    int n = s->variable ? scandir(s->loader.folder, &list, doctor_icd_entry, alphasort) : 0;
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
    int n = scandir(s->folder, &list, doctor_icd_entry, alphasort), e = errno;
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

void doctor_read_icds(struct doctor *d, struct icds *s)
{
    read_loader(&s->loader);
    read_variables(d, s);
}
