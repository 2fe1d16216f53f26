/* Programs: sources embedded or from a folder, built once a device, binaries kept
 * on disk. The cache's key is all a binary depends on; any fault rebuilds. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "rt/rt_internal.h"

#define CACHE_FORMAT "rote-binary-1"
#define BUILD_OPTIONS "-cl-std=CL1.2"

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

/* Keeps `kernel` and leaves the others' lines empty, so that the compiler's line numbers stay.
 * A definition goes from the paragraph above a line "... kernel void NAME(" or
 * "VECTOR_KERNEL void NAME(" at its start, where attributes stand, to the next line "}". */
static void keep_kernel(char *text, const char *kernel)
{
    char *from = text;
    for (char *line = text; *line;) {
        char *end = strchr(line, '\n'), name[96];
        size_t len = end ? (size_t)(end - line) + 1 : strlen(line);
        bool starts = sscanf(line, "kernel void %95[a-z0-9_](", name) == 1 ||
                      sscanf(line, "VECTOR_KERNEL void %95[a-z0-9_](", name) == 1;
        char *stop = starts && strcmp(name, kernel) ? strstr(line, "\n}\n") : NULL;
        if (stop) {
            for (char *c = from; c < stop + 2; c++)
                *c = *c == '\n' ? '\n' : ' ';
            len = (size_t)(stop + 3 - line);
        }
        bool alone = len > 1 && line[len - 1] == '\n' && line[0] >= 'A' && line[0] <= 'Z' &&
                     strspn(line, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789") == len - 1;
        line += len;
        if (!alone)
            from = line;
    }
}

enum rote_status rt_cache_file(const char *name, char **path)
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
    TRY(base_sprintf(path, "%s/%s", folder, name));
out:
    base_free(folder);
    return st;
}

static bool cache_path(const char *key, char **out)
{
    char name[80];
    snprintf(name, sizeof name, "%s.bin", key);
    return !getenv("ROTE_NO_CACHE") && rt_cache_file(name, out) == ROTE_OK;
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

enum rote_status rt_kernels_hash(char out[RT_HASH])
{
    enum rote_status st = ROTE_OK;
    struct base_sha256 s;
    char hex[65], *text = NULL;
    base_sha256_init(&s);
    for (const struct rt_embedded *e = rt_embedded_kernels; e->name; e++) {
        if (strstr(e->name, ".tune"))
            continue;
        TRY(source_of(e->name, &text));
        base_sha256_add(&s, text, strlen(text));
        base_free(text);
        text = NULL;
    }
    base_sha256_hex(&s, hex);
    snprintf(out, RT_HASH, "%.*s", RT_HASH - 1, hex);
out:
    base_free(text);
    return st;
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

static enum rote_status build(struct rote_device *dev, const char *source, const char *options, cl_program *out)
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

static bool is_cached(const char *key)
{
    char *path = NULL;
    bool found = cache_path(key, &path) && base_file_exists(path);
    base_free(path);
    return found;
}

/* From disk where a sound binary is, else from source; a cache that cannot be written costs a
 * rebuild next time, nothing else. A driver that keeps what it compiled finds it by the source
 * again; asking it for a binary makes it compile once more. Then the file only says that. */
static enum rote_status load_or_build(struct rote_device *dev, const char *source, const char *options,
                                      const char *key, cl_program *out)
{
    enum rote_status st = ROTE_OK;
    char *path = NULL;
    bool own = dev->facts.keeps_kernels, cached = cache_path(key, &path), there = cached && base_file_exists(path);
    if (there && !own && cache_load(dev, path, out) == ROTE_OK)
        goto out;
    TRY(build(dev, source, options, out));
    if (own && cached && !there)
        base_write_file_atomic(path, "", 0);
    else if (!own && cached && cache_store(dev, path, *out) != ROTE_OK)
        unlink(path);
out:
    base_free(path);
    return st;
}

enum rote_status rt_program_make(struct rote_device *dev, const char *source, const char *options, cl_program *out)
{
    char key[65];
    cache_key(dev, source, options, key);
    return load_or_build(dev, source, options, key, out);
}

static struct rt_program *find_program(struct rote_device *dev, const char *key)
{
    for (struct rt_program *p = dev->programs; p; p = p->next)
        if (!strcmp(p->key, key))
            return p;
    return NULL;
}

enum rote_status rt_program_get(struct rote_device *dev, const char *file, const char *kernel, const char *options,
                                struct rt_program **out)
{
    enum rote_status st = ROTE_OK;
    struct base_buf source = {0};
    struct rt_program *p = NULL;
    char name[96], key[65], hash[65];
    options = options ? options : "";
    snprintf(name, sizeof name, "%s.cl", file);
    TRY(expand(name, &source, 0));
    TRY(base_buf_add(&source, "", 0));
    keep_kernel(source.text, kernel);
    cache_key(dev, source.text, options, key);
    *out = find_program(dev, key);
    if (*out && ((*out)->program || dev->collecting))
        goto out;
    if (!*out) {
        TRY(base_alloc(&p, 1, sizeof *p));
        memcpy(p->key, key, sizeof key);
        hash_of(source.text, source.len, hash);
        memcpy(p->source, hash, RT_HASH - 1);
        for (const char *c = source.text; *c; c++)
            p->length += *c != ' ' && *c != '\n';
        *out = p;
        p->next = dev->programs;
        dev->programs = p;
        rt_record_program(dev, p, kernel, BUILD_OPTIONS, options, source.text);
        p = NULL;
    }
    if (dev->collecting)
        (*out)->missing = !is_cached(key);
    else
        TRY(load_or_build(dev, source.text, options, key, &(*out)->program));
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
        if (p->program)
            clReleaseProgram(p->program);
        base_free(p);
    }
}

void rt_collect(struct rote_device *dev, bool on)
{
    dev->collecting = on;
}

bool rt_collecting(const struct rote_device *dev)
{
    return dev->collecting;
}

void rt_tell_builder(struct rote_device *dev, const char *const *calls, size_t first, size_t count)
{
    if (dev->builder && count)
        dev->builder(dev->builder_user, dev, calls, first, count);
}

bool rt_has_builder(const struct rote_device *dev)
{
    return dev->builder && !getenv("ROTE_NO_CACHE"); /* what others build is found there */
}

void rote_device_set_builder(rote_device *device, rote_builder_fn fn, void *user)
{
    if (!device)
        return;
    device->builder = fn;
    device->builder_user = user;
}

size_t rote_device_program_count(const rote_device *device, size_t *missing)
{
    size_t count = 0, lacked = 0;
    for (const struct rt_program *p = device ? device->programs : NULL; p; p = p->next) {
        count += p->program != NULL;
        lacked += p->program && p->missing;
    }
    if (missing)
        *missing = lacked;
    return count;
}
