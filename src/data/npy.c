/* NPY files read and written, and data sets loaded from pairs of them. */
#include "data/npy.h"

#include <inttypes.h>
#include <string.h>

#include "data/data_internal.h"

enum { MAX_RANK = 8, ALIGN = 64 };

static const struct {
    const char *code, *name;
    size_t size;
} types[] = {
    [ROTE_U8] = {"u1", "uint8", 1},    [ROTE_I32] = {"i4", "int32", 4},
    [ROTE_I64] = {"i8", "int64", 8},   [ROTE_F32] = {"f4", "float32", 4},
    [ROTE_F64] = {"f8", "float64", 8},
};
#define NPY_TYPES "uint8, int32, int64, float32 and float64"

/* The header is a Python dictionary; `p` walks over its text. */
struct header {
    const char *path;
    const char *file, *p, *end;
    bool has_type, has_order, has_shape;
    struct npy a;
};

size_t npy_size(enum rote_type type)
{
    return types[type].size;
}

void npy_free(struct npy *a)
{
    base_free(a->data);
    *a = (struct npy){0};
}

static enum rote_status malformed(const struct header *h, const char *expected)
{
    return base_error(ROTE_EFORMAT,
                      "%s: malformed NPY header: expected %s at byte %zu; write the file again "
                      "with numpy.save",
                      h->path, expected, (size_t)(h->p - h->file));
}

static void skip_space(struct header *h)
{
    while (h->p < h->end && (*h->p == ' ' || *h->p == '\n' || *h->p == '\t'))
        h->p++;
}

static bool take(struct header *h, const char *text)
{
    size_t n = strlen(text);
    skip_space(h);
    if ((size_t)(h->end - h->p) < n || memcmp(h->p, text, n) != 0)
        return false;
    h->p += n;
    return true;
}

static enum rote_status parse_string(struct header *h, char *out, size_t cap)
{
    size_t n = 0;
    skip_space(h);
    if (h->p == h->end || (*h->p != '\'' && *h->p != '"'))
        return malformed(h, "a quoted string");
    char quote = *h->p++;
    for (; h->p < h->end && *h->p != quote; h->p++)
        if (n + 1 < cap)
            out[n++] = *h->p;
    out[n] = 0;
    if (h->p == h->end)
        return malformed(h, "the end of a quoted string");
    h->p++;
    return ROTE_OK;
}

static enum rote_status parse_type(struct header *h)
{
    char text[16];
    skip_space(h);
    if (h->p < h->end && *h->p == '[')
        return base_error(ROTE_EFORMAT,
                          "%s: elements are records of several fields; accepted are " NPY_TYPES,
                          h->path);
    enum rote_status st = parse_string(h, text, sizeof text);
    if (st)
        return st;
    for (size_t i = 0; i < COUNT_OF(types); i++) {
        if (!text[0] || strcmp(text + 1, types[i].code) != 0 || !strchr("<>|=", text[0]))
            continue;
        if (types[i].size > 1 && text[0] != '<')
            return base_error(ROTE_EFORMAT,
                              "%s: dtype '%s' is not little endian; convert it with "
                              "a.astype('<%s')",
                              h->path, text, types[i].code);
        h->a.type = (enum rote_type)i;
        return ROTE_OK;
    }
    return base_error(ROTE_EFORMAT, "%s: dtype '%s' is not supported; accepted are " NPY_TYPES,
                      h->path, text);
}

static enum rote_status parse_order(struct header *h)
{
    if (take(h, "False"))
        return ROTE_OK;
    if (!take(h, "True"))
        return malformed(h, "True or False");
    return base_error(ROTE_EFORMAT,
                      "%s: the array is in Fortran order; convert it with numpy.ascontiguousarray",
                      h->path);
}

static enum rote_status parse_shape(struct header *h)
{
    if (!take(h, "("))
        return malformed(h, "'('");
    for (h->a.rank = 0; !take(h, ")");) {
        int64_t v = 0;
        const char *start = h->p;
        if (h->a.rank == MAX_RANK)
            return base_error(ROTE_EFORMAT, "%s: more than %d dimensions", h->path, MAX_RANK);
        for (; h->p < h->end && *h->p >= '0' && *h->p <= '9'; h->p++) {
            if (v > (INT64_MAX - (*h->p - '0')) / 10)
                return base_error(ROTE_EFORMAT, "%s: dimension %d overflows", h->path, h->a.rank);
            v = 10 * v + (*h->p - '0');
        }
        if (h->p == start)
            return malformed(h, "a dimension or ')'");
        h->a.dim[h->a.rank++] = v;
        skip_space(h);
        if (!take(h, ",") && (h->a.rank == 1 || h->p == h->end || *h->p != ')'))
            return malformed(h, "','");
    }
    return ROTE_OK;
}

static enum rote_status parse_header(struct header *h)
{
    enum rote_status st = ROTE_OK;
    char key[16];
    if (!take(h, "{"))
        TRY(malformed(h, "'{'"));
    while (!take(h, "}")) {
        TRY(parse_string(h, key, sizeof key));
        if (!take(h, ":"))
            TRY(malformed(h, "':'"));
        if (strcmp(key, "descr") == 0) {
            h->has_type = true;
            TRY(parse_type(h));
        } else if (strcmp(key, "fortran_order") == 0) {
            h->has_order = true;
            TRY(parse_order(h));
        } else if (strcmp(key, "shape") == 0) {
            h->has_shape = true;
            TRY(parse_shape(h));
        } else {
            FAIL(ROTE_EFORMAT, "%s: unknown key '%s' in the NPY header", h->path, key);
        }
        skip_space(h);
        if (!take(h, ",") && (h->p == h->end || *h->p != '}'))
            TRY(malformed(h, "',' or '}'"));
    }
    skip_space(h);
    if (h->p != h->end)
        TRY(malformed(h, "nothing more"));
    if (!h->has_type || !h->has_order || !h->has_shape)
        FAIL(ROTE_EFORMAT, "%s: the NPY header lacks '%s'", h->path,
             !h->has_type ? "descr" : !h->has_order ? "fortran_order" : "shape");
out:
    return st;
}

/* Finds the header's text; *data is where the elements start. */
static enum rote_status open_header(struct header *h, const uint8_t *bytes, size_t len,
                                    size_t *data)
{
    if (len < 6 || memcmp(bytes, "\x93NUMPY", 6) != 0)
        return base_error(ROTE_EFORMAT, "%s: not an NPY file: it is probably %s", h->path,
                          data_guess(bytes, len));
    size_t start = len > 6 && bytes[6] == 2 ? 12 : 10;
    if (len >= 8 && ((bytes[6] != 1 && bytes[6] != 2) || bytes[7] != 0))
        return base_error(ROTE_EFORMAT,
                          "%s: NPY format %d.%d; formats 1.0 and 2.0 are read: save it with "
                          "numpy.lib.format.write_array and version=(1, 0)",
                          h->path, bytes[6], bytes[7]);
    uint64_t text = 0;
    for (size_t i = 8; i < start && i < len; i++)
        text |= (uint64_t)bytes[i] << 8 * (i - 8);
    if (len < start || len - start < text)
        return base_error(ROTE_EFORMAT,
                          "%s: truncated: expected a header of %" PRIu64 " bytes, found %zu",
                          h->path, start + text, len);
    h->file = (const char *)bytes;
    h->p = h->file + start;
    *data = start + (size_t)text;
    h->end = h->file + *data;
    return ROTE_OK;
}

/* Elements in files are little endian. */
static void swap_if_big_endian(uint8_t *p, size_t count, size_t size)
{
    const uint16_t one = 1;
    if (*(const uint8_t *)&one)
        return;
    for (size_t i = 0; i < count; i++, p += size)
        for (size_t j = 0; j < size / 2; j++) {
            uint8_t t = p[j];
            p[j] = p[size - 1 - j];
            p[size - 1 - j] = t;
        }
}

static bool array_bytes(const int64_t *dim, int rank, size_t size, uint64_t *count, uint64_t *bytes)
{
    *count = 1;
    for (int i = 0; i < rank; i++)
        if (!base_mul(*count, (uint64_t)dim[i], count))
            return false;
    return base_mul(*count, size, bytes) && *bytes <= SIZE_MAX / 2;
}

enum rote_status npy_read(const char *path, struct npy *out)
{
    enum rote_status st = ROTE_OK;
    struct header h = {.path = path};
    struct data_bytes file = {0};
    char *text = NULL;
    size_t data = 0;
    uint64_t count, bytes;
    TRY(base_read_file(path, &text, &file.len));
    file.bytes = (uint8_t *)text;
    TRY(open_header(&h, file.bytes, file.len, &data));
    TRY(parse_header(&h));
    size_t size = types[h.a.type].size;
    if (!array_bytes(h.a.dim, h.a.rank, size, &count, &bytes))
        FAIL(ROTE_EFORMAT, "%s: its shape is too large: its size overflows", path);
    TRY(data_check_length(path, &file, data + bytes));
    memmove(text, text + data, (size_t)bytes);
    swap_if_big_endian(file.bytes, (size_t)count, size);
    TRY(base_grow(&text, (size_t)bytes, 1));
    h.a.count = (size_t)count;
    h.a.data = text;
    *out = h.a;
    text = NULL;
out:
    base_free(text);
    return st;
}

enum rote_status npy_write(const char *path, enum rote_type type, int rank, const int64_t *dim,
                           const void *data)
{
    enum rote_status st = ROTE_OK;
    struct base_buf b = {0};
    uint64_t count, bytes;
    if ((size_t)type >= COUNT_OF(types) || rank < 0 || rank > MAX_RANK)
        FAIL(ROTE_EINVAL, "%s: cannot write type %d with %d dimensions", path, (int)type, rank);
    for (int i = 0; i < rank; i++)
        if (dim[i] < 0)
            FAIL(ROTE_EINVAL, "%s: dimension %d is %" PRId64, path, i, dim[i]);
    if (!array_bytes(dim, rank, types[type].size, &count, &bytes))
        FAIL(ROTE_EINVAL, "%s: the array's size overflows", path);
    TRY(base_buf_add(&b, "\x93NUMPY\x01\0\0", 10)); /* the text's length comes below */
    TRY(base_buf_printf(&b, "{'descr': '%s%s', 'fortran_order': False, 'shape': (",
                        types[type].size > 1 ? "<" : "|", types[type].code));
    for (int i = 0; i < rank; i++)
        TRY(base_buf_printf(&b, "%s%" PRId64 "%s", i ? " " : "", dim[i],
                            i + 1 < rank || rank == 1 ? "," : ""));
    TRY(base_buf_printf(&b, "), }"));
    int padding = (int)(ALIGN - (b.len + 1) % ALIGN) % ALIGN;
    TRY(base_buf_printf(&b, "%*s\n", padding, ""));
    size_t start = b.len;
    b.text[8] = (char)((start - 10) & 0xff);
    b.text[9] = (char)((start - 10) >> 8);
    TRY(base_buf_add(&b, data, (size_t)bytes));
    swap_if_big_endian((uint8_t *)b.text + start, (size_t)count, types[type].size);
    TRY(base_write_file_atomic(path, b.text, b.len));
out:
    base_buf_free(&b);
    return st;
}

/* [count][channels][pixels] to [count][pixels][channels] */
static void to_channels_last(const uint8_t *in, uint8_t *out, int64_t count, int64_t channels,
                             int64_t pixels, size_t size)
{
    for (int64_t n = 0; n < count; n++, in += (size_t)(channels * pixels) * size)
        for (int64_t p = 0; p < pixels; p++)
            for (int64_t c = 0; c < channels; c++, out += size)
                memcpy(out, in + (size_t)(c * pixels + p) * size, size);
}

/* Takes a's data over; `path` is what errors call the array. */
static enum rote_status take_images(struct data_set *d, struct data_split *s, const char *path,
                                    struct npy a, bool nchw)
{
    enum rote_status st = ROTE_OK;
    void *turned = NULL;
    uint64_t bytes;
    if (a.type != ROTE_U8 && a.type != ROTE_F32)
        FAIL(ROTE_EFORMAT, "%s: images of %s; accepted are uint8 and float32", path,
             types[a.type].name);
    if (a.rank < 2 || a.rank > 4)
        FAIL(ROTE_EFORMAT,
             "%s: images of %d dimensions; accepted are [N,F], [N,H,W] and [N,H,W,C]", path,
             a.rank);
    TRY(data_volume(path, a.dim, a.rank, types[a.type].size, &bytes));
    if (a.rank == 2)
        TRY(data_set_shape(d, path, a.dim[1], 1, 1));
    else if (a.rank == 3)
        TRY(data_set_shape(d, path, 1, a.dim[1], a.dim[2]));
    else if (nchw)
        TRY(data_set_shape(d, path, a.dim[1], a.dim[2], a.dim[3]));
    else
        TRY(data_set_shape(d, path, a.dim[3], a.dim[1], a.dim[2]));
    if (s == &d->test && (a.type == ROTE_F32) != (d->train.values != NULL))
        FAIL(ROTE_EFORMAT, "%s: images of %s, but the training images are %s", path,
             types[a.type].name, types[d->train.values ? ROTE_F32 : ROTE_U8].name);
    if (a.rank == 4 && nchw) {
        TRY(base_alloc(&turned, (size_t)bytes, 1));
        to_channels_last(a.data, turned, a.dim[0], a.dim[1], a.dim[2] * a.dim[3],
                         types[a.type].size);
        base_free(a.data);
        a.data = turned;
    }
    s->count = a.dim[0];
    if (a.type == ROTE_U8)
        s->images = a.data;
    else
        s->values = a.data;
    a.data = NULL;
out:
    npy_free(&a);
    return st;
}

static enum rote_status take_labels(struct data_split *s, const char *images, const char *path,
                                    struct npy a, int classes)
{
    enum rote_status st = ROTE_OK;
    if (a.type != ROTE_I64 && a.type != ROTE_I32 && a.type != ROTE_U8)
        FAIL(ROTE_EFORMAT, "%s: labels of %s; accepted are int64, int32 and uint8", path,
             types[a.type].name);
    if (a.rank != 1)
        FAIL(ROTE_EFORMAT, "%s: labels of %d dimensions; 1 is accepted", path, a.rank);
    TRY(data_check_counts(images, s->count, path, a.dim[0]));
    TRY(base_alloc(&s->labels, a.count, sizeof *s->labels));
    for (size_t i = 0; i < a.count; i++) {
        int64_t v = a.type == ROTE_I64   ? ((const int64_t *)a.data)[i]
                    : a.type == ROTE_I32 ? ((const int32_t *)a.data)[i]
                                        : ((const uint8_t *)a.data)[i];
        TRY(data_check_label(path, (int64_t)i, v, classes));
        s->labels[i] = (int32_t)v;
    }
out:
    npy_free(&a);
    return st;
}

enum rote_status data_load_npy(const struct data_options *o, struct data_set *d)
{
    enum rote_status st = ROTE_OK;
    const char *folder = o->path ? o->path : ".";
    const struct {
        const char *given, *usual;
    } names[4] = {
        {o->train_images, "train_images.npy"},
        {o->train_labels, "train_labels.npy"},
        {o->test_images, "test_images.npy"},
        {o->test_labels, "test_labels.npy"},
    };
    char *path[4] = {0};
    for (int i = 0; i < 4; i++)
        TRY(data_find(folder, names[i].given, names[i].usual, false,
                      "give the folder of the NPY files as data.path", &path[i]));
    for (int i = 0; i < 4; i++) {
        struct data_split *s = i < 2 ? &d->train : &d->test;
        struct npy a;
        TRY(npy_read(path[i], &a));
        TRY(i % 2 ? take_labels(s, path[i - 1], path[i], a, o->classes) : take_images(d, s, path[i], a, o->nchw));
    }
    d->classes = o->classes;
out:
    for (int i = 0; i < 4; i++)
        base_free(path[i]);
    return st;
}

static enum rote_status copy_array(const struct npy *a, const char *name, struct npy *out)
{
    uint64_t bytes;
    if (a->rank < 1 || a->rank > 8 || !a->data)
        return base_error(ROTE_EINVAL, "%s: %d dimensions, data %p", name, a->rank, a->data);
    enum rote_status st = data_volume(name, a->dim, a->rank, npy_size(a->type), &bytes);
    if (!st)
        st = base_alloc(&out->data, (size_t)bytes, 1);
    if (st)
        return st;
    void *data = out->data;
    memcpy(data, a->data, (size_t)bytes);
    *out = *a;
    out->data = data;
    out->count = (size_t)bytes / npy_size(a->type);
    return ROTE_OK;
}

enum rote_status data_from_arrays(const struct npy array[4], bool nchw, int classes, struct data_set **out)
{
    static const char *const name[4] = {"training images", "training labels", "test images", "test labels"};
    enum rote_status st = ROTE_OK;
    struct data_set *d = NULL;
    TRY(base_alloc(&d, 1, sizeof *d));
    snprintf(d->name, sizeof d->name, "arrays");
    for (int i = 0; i < 4 && array[i].data; i++) {
        struct data_split *s = i < 2 ? &d->train : &d->test;
        struct npy a;
        TRY(copy_array(&array[i], name[i], &a));
        TRY(i % 2 ? take_labels(s, name[i - 1], name[i], a, classes) : take_images(d, s, name[i], a, nchw));
    }
    d->classes = classes;
    TRY(data_finish(d));
    *out = d;
    d = NULL;
out:
    data_free(d);
    return st;
}
