/* include/rote/array.h over npy.h. */
#include "rote/array.h"

#include <string.h>

#include "data/npy.h"

size_t rote_type_size(enum rote_type type)
{
    return npy_size(type);
}

enum rote_status rote_array_read(const char *path, struct rote_array *out)
{
    struct npy a;
    if (!path || !out)
        return base_error(ROTE_EINVAL, "rote_array_read: path and out must not be NULL");
    enum rote_status st = npy_read(path, &a);
    if (st)
        return st;
    *out = (struct rote_array){.type = a.type, .rank = a.rank, .data = a.data};
    memcpy(out->dim, a.dim, sizeof out->dim);
    return ROTE_OK;
}

enum rote_status rote_array_write(const char *path, const struct rote_array *a)
{
    if (!path || !a || (unsigned)a->type > ROTE_F64)
        return base_error(ROTE_EINVAL, "rote_array_write: path and array must not be NULL, the type one of rote_type");
    return npy_write(path, a->type, a->rank, a->dim, a->data);
}

void rote_array_free(struct rote_array *a)
{
    if (!a)
        return;
    base_free(a->data);
    *a = (struct rote_array){0};
}
