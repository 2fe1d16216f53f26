#include "train/safetensors.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#define DIGEST "rote.sha256"
#define CHECKED "rote.checked"
#define META "__metadata__"
#define MAX_HEADER (100u << 20)
#define MAX_RANK ((int)COUNT_OF(((struct st_tensor *)0)->dim))

static const struct {
    const char *name;
    size_t size;
} types[] = {[ST_F32] = {"F32", 4}, [ST_F64] = {"F64", 8}, [ST_I32] = {"I32", 4},
             [ST_I64] = {"I64", 8}, [ST_U8] = {"U8", 1},   [ST_U32] = {"U32", 4}};

struct st_file {
    struct st_tensor *tensor;
    size_t count, cap;
    json_t *meta;
    char *bytes; /* of a file that was read */
    char *moved; /* copies of those of its tensors that do not lie on a multiple of 8 */
};

enum rote_status st_new(struct st_file **out)
{
    enum rote_status st = ROTE_OK;
    struct st_file *f = NULL;
    TRY(base_alloc(&f, 1, sizeof *f));
    f->meta = json_object();
    if (!f->meta)
        FAIL(ROTE_ENOMEM, "no memory for a checkpoint's header");
    *out = f;
    f = NULL;
out:
    st_free(f);
    return st;
}

void st_free(struct st_file *f)
{
    if (!f)
        return;
    for (size_t i = 0; i < f->count; i++)
        base_free(f->tensor[i].name);
    base_free(f->tensor);
    json_decref(f->meta);
    base_free(f->bytes);
    base_free(f->moved);
    base_free(f);
}

static bool volume(const struct st_tensor *t, size_t *bytes)
{
    uint64_t n = types[t->type].size;
    for (int i = 0; i < t->rank; i++)
        if (t->dim[i] < 0 || !base_mul(n, (uint64_t)t->dim[i], &n))
            return false;
    *bytes = (size_t)n;
    return true;
}

enum rote_status st_add(struct st_file *f, const char *name, enum st_type type, int rank, const int64_t *dim,
                        const void *data)
{
    struct st_tensor t = {.type = type, .rank = rank, .data = data};
    enum rote_status st = ROTE_OK;
    json_t *text = json_string(name);
    if (!text || !strcmp(name, META))
        FAIL(ROTE_EINVAL, "a tensor's name must be UTF-8 and not " META ": %s", name);
    if (rank < 0 || rank > MAX_RANK || (size_t)type >= COUNT_OF(types))
        FAIL(ROTE_EINVAL, "tensor %s: type %d or rank %d is unknown; ranks go up to %d", name,
             (int)type, rank, MAX_RANK);
    if (rank > 0)
        memcpy(t.dim, dim, (size_t)rank * sizeof *dim);
    if (st_find(f, name))
        FAIL(ROTE_EINVAL, "tensor %s is there twice", name);
    if (!volume(&t, &t.bytes))
        FAIL(ROTE_EINVAL, "tensor %s is too large", name);
    if (f->count == f->cap) {
        TRY(base_grow(&f->tensor, f->cap ? 2 * f->cap : 32, sizeof t));
        f->cap = f->cap ? 2 * f->cap : 32;
    }
    TRY(base_strdup(&t.name, name));
    f->tensor[f->count++] = t;
out:
    json_decref(text);
    return st;
}

enum rote_status st_meta(struct st_file *f, const char *key, const char *value)
{
    json_t *text = json_string(value);
    if (!text || json_object_set_new(f->meta, key, text))
        return base_error(ROTE_EINVAL, "metadata %s: not UTF-8, or no memory", key);
    return ROTE_OK;
}

static json_t *describe(const struct st_tensor *t, size_t offset)
{
    json_t *shape = json_array();
    for (int i = 0; i < t->rank; i++) {
        if (json_array_append_new(shape, json_integer(t->dim[i]))) {
            json_decref(shape);
            return NULL;
        }
    }
    return json_pack("{s:s, s:o, s:[I, I]}", "dtype", types[t->type].name, "shape", shape, "data_offsets",
                     (json_int_t)offset, (json_int_t)(offset + t->bytes));
}

/* The digest is over this text of the header, without the digest, and then the data. */
static enum rote_status digest_start(json_t *header, struct base_sha256 *s)
{
    json_t *meta = json_object_get(header, META);
    json_object_del(meta, DIGEST);
    char *text = json_dumps(header, JSON_COMPACT | JSON_SORT_KEYS);
    if (!text)
        return base_error(ROTE_ENOMEM, "no memory for a checkpoint's header");
    base_sha256_init(s);
    base_sha256_add(s, text, strlen(text));
    free(text);
    return ROTE_OK;
}

static enum rote_status put_header(struct base_buf *b, json_t *header)
{
    enum rote_status st = ROTE_OK;
    unsigned char length[8];
    char *text = json_dumps(header, JSON_COMPACT | JSON_SORT_KEYS);
    if (!text)
        FAIL(ROTE_ENOMEM, "no memory for a checkpoint's header");
    size_t n = strlen(text), padded = (n + 7) / 8 * 8;
    for (int i = 0; i < 8; i++)
        length[i] = (unsigned char)((uint64_t)padded >> (8 * i));
    TRY(base_buf_add(b, length, 8));
    TRY(base_buf_add(b, text, n));
    TRY(base_buf_add(b, "       ", padded - n));
out:
    free(text);
    return st;
}

static int by_size(const void *a, const void *b)
{
    const struct st_tensor *x = *(const struct st_tensor *const *)a;
    const struct st_tensor *y = *(const struct st_tensor *const *)b;
    size_t n = types[x->type].size, m = types[y->type].size;
    return n != m ? (n < m) - (n > m) : (x > y) - (x < y);
}

/* The format allows no gaps: the widest elements go first, so that all lie aligned. */
static enum rote_status place(const struct st_file *f, const struct st_tensor **order,
                              json_t *header)
{
    size_t offset = 0;
    json_t *meta = json_copy(f->meta);
    bool failed = json_object_set_new(header, META, meta) ||
                  json_object_set_new(meta, CHECKED, json_string("1"));
    for (size_t i = 0; i < f->count; i++)
        order[i] = &f->tensor[i];
    qsort(order, f->count, sizeof *order, by_size);
    for (size_t i = 0; i < f->count; i++) {
        failed |= json_object_set_new(header, order[i]->name, describe(order[i], offset)) != 0;
        offset += order[i]->bytes;
    }
    return failed ? base_error(ROTE_ENOMEM, "no memory for a checkpoint's header") : ROTE_OK;
}

static enum rote_status put_digest(json_t *header, const struct st_tensor **order, size_t count)
{
    struct base_sha256 s;
    char hex[65];
    enum rote_status st = digest_start(header, &s);
    if (st)
        return st;
    for (size_t i = 0; i < count; i++)
        base_sha256_add(&s, order[i]->data, order[i]->bytes);
    base_sha256_hex(&s, hex);
    if (json_object_set_new(json_object_get(header, META), DIGEST, json_string(hex)))
        return base_error(ROTE_ENOMEM, "no memory for a checkpoint's header");
    return ROTE_OK;
}

enum rote_status st_write(struct st_file *f, const char *path)
{
    enum rote_status st = ROTE_OK;
    struct base_buf head = {0};
    const struct st_tensor **order = NULL;
    struct base_piece *piece = NULL;
    json_t *header = json_object();
    TRY(base_alloc(&order, f->count, sizeof *order));
    TRY(base_alloc(&piece, f->count + 1, sizeof *piece));
    TRY(place(f, order, header));
    TRY(put_digest(header, order, f->count));
    TRY(put_header(&head, header));
    piece[0] = (struct base_piece){head.text, head.len};
    for (size_t i = 0; i < f->count; i++)
        piece[i + 1] = (struct base_piece){order[i]->data, order[i]->bytes};
    TRY(base_write_pieces_atomic(path, piece, f->count + 1));
out:
    json_decref(header);
    base_free(order);
    base_free(piece);
    base_buf_free(&head);
    return st;
}

struct reader {
    const char *path;
    struct st_file *f;
    const char *data;
    size_t data_bytes;
};

static enum rote_status damaged(const struct reader *r, const char *tensor, const char *why)
{
    return base_error(ROTE_EFORMAT, "%s: tensor %s %s: the file is damaged; use another checkpoint", r->path, tensor,
                      why);
}

static enum rote_status read_tensor(struct reader *r, const char *name, json_t *o)
{
    struct st_tensor t = {0};
    json_t *shape = json_object_get(o, "shape"), *offsets = json_object_get(o, "data_offsets");
    const char *type = json_string_value(json_object_get(o, "dtype"));
    size_t k = 0, wanted;
    while (k < COUNT_OF(types) && (!type || strcmp(types[k].name, type)))
        k++;
    if (k == COUNT_OF(types))
        return base_error(ROTE_EFORMAT, "%s: tensor %s has type %s; read are F32, F64, I32, I64, U8, U32", r->path, name,
                          type ? type : "of no name");
    t.type = (enum st_type)k;
    t.rank = (int)json_array_size(shape);
    json_t *first = json_array_get(offsets, 0), *last = json_array_get(offsets, 1);
    if (!json_is_array(shape) || t.rank > MAX_RANK || json_array_size(offsets) != 2 ||
        !json_is_integer(first) || !json_is_integer(last))
        return damaged(r, name, "has no valid shape or offsets");
    for (int i = 0; i < t.rank; i++) {
        json_t *d = json_array_get(shape, (size_t)i);
        if (!json_is_integer(d) || json_integer_value(d) < 0)
            return damaged(r, name, "has no valid shape");
        t.dim[i] = json_integer_value(d);
    }
    json_int_t from = json_integer_value(first), to = json_integer_value(last);
    if (from < 0 || to < from || (uint64_t)to > r->data_bytes)
        return damaged(r, name, "lies outside of the data");
    if (!volume(&t, &wanted) || wanted != (size_t)(to - from))
        return damaged(r, name, "has another size than its shape");
    return st_add(r->f, name, t.type, t.rank, t.dim, r->data + from);
}

/* Empty tensors go before what begins where they lie. */
static int by_place(const void *a, const void *b)
{
    const struct st_tensor *t = *(const struct st_tensor *const *)a;
    const struct st_tensor *u = *(const struct st_tensor *const *)b;
    const char *x = t->data, *y = u->data;
    return x != y ? (x > y) - (x < y) : (t->bytes > u->bytes) - (t->bytes < u->bytes);
}

static enum rote_status check_overlaps(const struct reader *r)
{
    enum rote_status st = ROTE_OK;
    const struct st_tensor **order = NULL;
    size_t n = r->f->count;
    TRY(base_alloc(&order, n, sizeof *order));
    for (size_t i = 0; i < n; i++)
        order[i] = &r->f->tensor[i];
    qsort(order, n, sizeof *order, by_place);
    for (size_t i = 0; i + 1 < n; i++)
        if ((const char *)order[i]->data + order[i]->bytes > (const char *)order[i + 1]->data)
            TRY(damaged(r, order[i + 1]->name, "overlaps another"));
out:
    base_free(order);
    return st;
}

static bool misplaced(const struct st_tensor *t)
{
    return (uintptr_t)t->data % 8 != 0;
}

static enum rote_status align_tensors(struct st_file *f)
{
    enum rote_status st = ROTE_OK;
    size_t bytes = 0;
    for (size_t i = 0; i < f->count; i++)
        if (misplaced(&f->tensor[i]))
            bytes += (f->tensor[i].bytes + 7) / 8 * 8;
    TRY(base_alloc(&f->moved, bytes, 1));
    char *to = f->moved;
    for (size_t i = 0; i < f->count; i++) {
        struct st_tensor *t = &f->tensor[i];
        if (!misplaced(t))
            continue;
        memcpy(to, t->data, t->bytes);
        t->data = to;
        to += (t->bytes + 7) / 8 * 8;
    }
out:
    return st;
}

static enum rote_status read_meta(struct reader *r, json_t *meta)
{
    const char *key;
    json_t *value;
    if (!json_is_object(meta))
        return base_error(ROTE_EFORMAT, "%s: its " META " is no JSON object: it is damaged", r->path);
    json_object_foreach(meta, key, value) {
        if (!json_is_string(value))
            return base_error(ROTE_EFORMAT, "%s: metadata %s is no string: it is damaged", r->path,
                              key);
    }
    if (json_object_update(r->f->meta, meta))
        return base_error(ROTE_ENOMEM, "%s: no memory for its metadata", r->path);
    return ROTE_OK;
}

static enum rote_status check_digest(struct reader *r, json_t *header)
{
    enum rote_status st = ROTE_OK;
    struct base_sha256 s;
    char hex[65], given[65] = "";
    const char *text = json_string_value(json_object_get(json_object_get(header, META), DIGEST));
    if (!text && !json_object_get(json_object_get(header, META), CHECKED))
        return ROTE_OK;
    if (text && strlen(text) == sizeof given - 1)
        memcpy(given, text, sizeof given);
    TRY(digest_start(header, &s));
    base_sha256_add(&s, r->data, r->data_bytes);
    base_sha256_hex(&s, hex);
    if (strcmp(hex, given))
        FAIL(ROTE_EFORMAT, "%s: its checksum differs: the file is damaged; use another checkpoint", r->path);
out:
    return st;
}

static enum rote_status read_header(struct reader *r, size_t len, json_t **header)
{
    uint64_t n = 0;
    json_error_t error;
    if (len < 8)
        return base_error(ROTE_EFORMAT, "%s: %zu bytes are no safetensors file: it is truncated", r->path, len);
    for (int i = 0; i < 8; i++)
        n |= (uint64_t)(unsigned char)r->f->bytes[i] << (8 * i);
    if (n > MAX_HEADER)
        return base_error(ROTE_EFORMAT, "%s: no safetensors file (its header would have %llu bytes)", r->path,
                          (unsigned long long)n);
    if (n > len - 8)
        return base_error(ROTE_EFORMAT, "%s: truncated: the header alone needs %llu bytes, the file has %zu", r->path,
                          (unsigned long long)n + 8, len);
    *header = json_loadb(r->f->bytes + 8, (size_t)n, JSON_REJECT_DUPLICATES, &error);
    if (!json_is_object(*header))
        return base_error(ROTE_EFORMAT, "%s: its header is no JSON object (%s): it is damaged", r->path, error.text);
    r->data = r->f->bytes + 8 + n;
    r->data_bytes = len - 8 - (size_t)n;
    return ROTE_OK;
}

/* A file that is cut off has offsets past its end; its last tensor may be padded to 8. */
static enum rote_status check_length(const struct reader *r, json_t *header)
{
    const char *key;
    json_t *o;
    json_int_t end = 0;
    json_object_foreach(header, key, o) {
        json_int_t to = json_integer_value(json_array_get(json_object_get(o, "data_offsets"), 1));
        end = to > end ? to : end;
    }
    if (end > 0 && (uint64_t)end > r->data_bytes)
        return base_error(ROTE_EFORMAT, "%s: truncated: its tensors need %lld bytes, %zu are there; use another checkpoint",
                          r->path, (long long)end, r->data_bytes);
    if (r->data_bytes - (size_t)end >= 8)
        return base_error(ROTE_EFORMAT, "%s: its tensors need %lld bytes, %zu are there: it is damaged; "
                          "use another checkpoint", r->path, (long long)end, r->data_bytes);
    return ROTE_OK;
}

enum rote_status st_read(const char *path, struct st_file **out)
{
    enum rote_status st = ROTE_OK;
    struct reader r = {.path = path};
    json_t *header = NULL, *o;
    const char *key;
    size_t len;
    TRY(st_new(&r.f));
    TRY(base_read_file(path, &r.f->bytes, &len));
    TRY(read_header(&r, len, &header));
    TRY(check_length(&r, header));
    json_object_foreach(header, key, o) {
        if (!strcmp(key, META))
            TRY(read_meta(&r, o));
        else
            TRY(read_tensor(&r, key, o));
    }
    TRY(check_overlaps(&r));
    TRY(check_digest(&r, header));
    TRY(align_tensors(r.f));
    *out = r.f;
    r.f = NULL;
out:
    json_decref(header);
    st_free(r.f);
    return st;
}

const struct st_tensor *st_find(const struct st_file *f, const char *name)
{
    for (size_t i = 0; i < f->count; i++)
        if (!strcmp(f->tensor[i].name, name))
            return &f->tensor[i];
    return NULL;
}

size_t st_count(const struct st_file *f)
{
    return f->count;
}

const struct st_tensor *st_at(const struct st_file *f, size_t i)
{
    return i < f->count ? &f->tensor[i] : NULL;
}

const char *st_meta_get(const struct st_file *f, const char *key)
{
    return json_string_value(json_object_get(f->meta, key));
}
