/* Programs: sources embedded or from a folder, built once a device, binaries kept
 * on disk. The cache's key is all a binary depends on; any fault rebuilds. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "rt/rt_internal.h"

#define CACHE_FORMAT "rote-binary-1"
#define BUILD_OPTIONS "-cl-std=CL1.2"

struct rt_embedded {
    const char *name;
    const unsigned char *text;
};
extern const struct rt_embedded rt_embedded_kernels[];

/* ROTE_KERNELS names a folder to read instead of the embedded sources. */
static enum rote_status source_of(const char *name, char **out)
{
    enum rote_status st = ROTE_OK;
    const char *folder = getenv("ROTE_KERNELS");
    char *path = NULL;
    if (folder && *folder) {
        TRY(base_sprintf(&path, "%s/%s", folder, name));
        TRY(base_read_file(path, out, NULL));
        goto out;
    }
    for (const struct rt_embedded *e = rt_embedded_kernels; e->name; e++) {
        if (!strcmp(e->name, name)) {
            st = base_strdup(out, (const char *)e->text);
            goto out;
        }
    }
    FAIL(ROTE_ENOTFOUND, "no kernel file %s is embedded", name);
out:
    base_free(path);
    return st;
}

/* Puts #include "common/x.clh" in place: drivers differ in include paths. Each
 * header has guards, so that a second inclusion is empty. */
static enum rote_status expand(const char *name, struct base_buf *out, int depth)
{
    enum rote_status st = ROTE_OK;
    char *text = NULL;
    if (depth > 8)
        FAIL(ROTE_EBUILD, "%s: includes are nested too deep", name);
    TRY(source_of(name, &text));
    for (char *line = text; *line;) {
        char *end = strchr(line, '\n');
        size_t len = end ? (size_t)(end - line) + 1 : strlen(line);
        char file[128];
        if (sscanf(line, "#include \"%127[^\"\n]\"", file) == 1 && strchr(file, '/'))
            TRY(expand(file, out, depth + 1));
        else
            TRY(base_buf_add(out, line, len));
        line += len;
    }
out:
    base_free(text);
    return st;
}

static enum rote_status cache_path(const char *key, char **out)
{
    enum rote_status st = ROTE_OK;
    char *folder = NULL;
    const char *base = getenv("ROTE_CACHE"), *xdg = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    if (base && *base)
        TRY(base_strdup(&folder, base));
    else if (xdg && *xdg)
        TRY(base_sprintf(&folder, "%s/rote", xdg));
    else
        TRY(base_sprintf(&folder, "%s/.cache/rote", home && *home ? home : "/tmp"));
    TRY(base_make_dirs(folder));
    TRY(base_sprintf(out, "%s/%s.bin", folder, key));
out:
    base_free(folder);
    return st;
}

static void cache_key(const struct rote_device *dev, const char *source, const char *options, char key[65])
{
    const struct rt_facts *f = &dev->facts;
    const char *part[] = {CACHE_FORMAT, source, BUILD_OPTIONS, options, f->name, f->vendor,
                          f->driver,    f->version, f->platform};
    struct base_sha256 s;
    base_sha256_init(&s);
    for (size_t i = 0; i < COUNT_OF(part); i++)
        base_sha256_add(&s, part[i], strlen(part[i]) + 1);
    base_sha256_hex(&s, key);
}

static void hash_of(const void *bytes, size_t len, char hex[65])
{
    struct base_sha256 s;
    base_sha256_init(&s);
    base_sha256_add(&s, bytes, len);
    base_sha256_hex(&s, hex);
}

/* A cache file is the binary's SHA-256 in hexadecimal, then the binary. */
static enum rote_status cache_load(struct rote_device *dev, const char *path, cl_program *out)
{
    enum rote_status st = ROTE_OK;
    char *file = NULL, hex[65];
    size_t len;
    cl_program program = NULL;
    TRY(base_read_file(path, &file, &len));
    if (len <= 64)
        FAIL(ROTE_EFORMAT, "%s: cut off", path);
    hash_of(file + 64, len - 64, hex);
    if (memcmp(hex, file, 64))
        FAIL(ROTE_EFORMAT, "%s: checksum differs", path);
    const unsigned char *binary = (const unsigned char *)file + 64;
    size_t size = len - 64;
    cl_int status;
    TRY_CL_NEW(program, clCreateProgramWithBinary, dev->context, 1, &dev->id, &size, &binary, &status);
    TRY_CL(clBuildProgram, program, 1, &dev->id, "", NULL, NULL);
    *out = program;
    program = NULL;
out:
    if (program)
        clReleaseProgram(program);
    base_free(file);
    return st;
}

static enum rote_status cache_store(struct rote_device *dev, const char *path, cl_program program)
{
    enum rote_status st = ROTE_OK;
    unsigned char *file = NULL;
    size_t size = 0;
    TRY_CL(clGetProgramInfo, program, CL_PROGRAM_BINARY_SIZES, sizeof size, &size, NULL);
    if (!size)
        FAIL(ROTE_EUNSUPPORTED, "the driver gives no binary");
    TRY(base_alloc(&file, size + 65, 1));
    unsigned char *binary = file + 64;
    TRY_CL(clGetProgramInfo, program, CL_PROGRAM_BINARIES, sizeof binary, &binary, NULL);
    char hex[65];
    hash_of(binary, size, hex);
    memcpy(file, hex, 64);
    TRY(base_write_file_atomic(path, file, size + 64));
out:
    base_free(file);
    (void)dev;
    return st;
}

enum rote_status rt_program_build(struct rote_device *dev, const char *source, const char *options, cl_program *out)
{
    enum rote_status st = ROTE_OK;
    cl_program program = NULL;
    char *all = NULL, *log = NULL;
    TRY(base_sprintf(&all, "%s %s", BUILD_OPTIONS, options ? options : ""));
    TRY_CL_NEW(program, clCreateProgramWithSource, dev->context, 1, &source, NULL);
    cl_int e = rt_fault();
    if (!e)
        e = clBuildProgram(program, 1, &dev->id, all, NULL, NULL);
    if (e) {
        size_t n = 0;
        clGetProgramBuildInfo(program, dev->id, CL_PROGRAM_BUILD_LOG, 0, NULL, &n);
        TRY(base_alloc(&log, n + 1, 1));
        clGetProgramBuildInfo(program, dev->id, CL_PROGRAM_BUILD_LOG, n, log, NULL);
        FAIL(ROTE_EBUILD, "%s with '%s' on %s; the compiler says: %.600s", rt_cl_error_name(e), all,
             dev->facts.name, log);
    }
    *out = program;
    program = NULL;
out:
    if (program)
        clReleaseProgram(program);
    base_free(all);
    base_free(log);
    return st;
}

/* From disk where a sound binary is, else from source; a cache that cannot be
 * written costs a rebuild next time, nothing else. */
static enum rote_status load_or_build(struct rote_device *dev, const char *source, const char *options,
                                      const char *key, cl_program *out)
{
    enum rote_status st = ROTE_OK;
    char *path = NULL;
    bool cached = !getenv("ROTE_NO_CACHE") && cache_path(key, &path) == ROTE_OK;
    if (cached && base_file_exists(path) && cache_load(dev, path, out) == ROTE_OK)
        goto out;
    TRY(rt_program_build(dev, source, options, out));
    if (cached && cache_store(dev, path, *out) != ROTE_OK)
        unlink(path);
out:
    base_free(path);
    return st;
}

enum rote_status rt_program_get(struct rote_device *dev, const char *file, const char *options, cl_program *out)
{
    enum rote_status st = ROTE_OK;
    struct base_buf source = {0};
    struct rt_program *p = NULL;
    char name[96], key[65];
    options = options ? options : "";
    snprintf(name, sizeof name, "%s.cl", file);
    TRY(expand(name, &source, 0));
    cache_key(dev, source.text ? source.text : "", options, key);
    for (struct rt_program *q = dev->programs; q; q = q->next) {
        if (!strcmp(q->key, key)) {
            *out = q->program;
            goto out;
        }
    }
    TRY(base_alloc(&p, 1, sizeof *p));
    memcpy(p->key, key, sizeof key);
    TRY(load_or_build(dev, source.text, options, key, &p->program));
    *out = p->program;
    p->next = dev->programs;
    dev->programs = p;
    p = NULL;
out:
    if (st)
        base_error_prefix("kernel file %s.cl", file);
    base_free(p);
    base_buf_free(&source);
    return st;
}

void rt_programs_free(struct rote_device *dev)
{
    while (dev->programs) {
        struct rt_program *p = dev->programs;
        dev->programs = p->next;
        clReleaseProgram(p->program);
        base_free(p);
    }
}
