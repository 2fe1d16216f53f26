#include "op_arrays.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *op_file_dims(const char *dims, enum op_layout layout)
{
    static const char *const table[][3] = {
        {"HWNC", "NHWC", "NCHW"}, {"PQNK", "NPQK", "NKPQ"}, {"PQNC", "NPQC", "NCPQ"},
        {"RSCK", "RSCK", "KCRS"}, {"HWCK", "HWCK", "KCHW"},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table && layout != LAYOUT_NATIVE; i++)
        if (!strcmp(table[i][0], dims))
            return table[i][layout == LAYOUT_NHWC ? 1 : 2];
    return dims;
}

static double number_at(const struct rote_array *a, int64_t i)
{
    switch (a->type) {
    case ROTE_U8:
        return ((const uint8_t *)a->data)[i];
    case ROTE_I32:
        return ((const int32_t *)a->data)[i];
    case ROTE_I64:
        return (double)((const int64_t *)a->data)[i];
    case ROTE_F32:
        return ((const float *)a->data)[i];
    case ROTE_F64:
        break;
    }
    return ((const double *)a->data)[i];
}

static void put(struct rote_array *a, int64_t i, double v)
{
    if (a->type == ROTE_U8)
        ((uint8_t *)a->data)[i] = (uint8_t)v;
    else if (a->type == ROTE_I32)
        ((int32_t *)a->data)[i] = (int32_t)v;
    else
        ((float *)a->data)[i] = (float)v;
}

static int64_t count(const struct rote_array *a)
{
    int64_t n = 1;
    for (int i = 0; i < a->rank; i++)
        n *= a->dim[i];
    return n;
}

/* out[to] = in[from], letters naming the dimensions of both. */
static enum rote_status permute(const struct rote_array *in, const char *from, const char *to, enum rote_type type,
                                struct rote_array *out)
{
    int64_t stride[8] = {0};
    *out = (struct rote_array){.type = type, .rank = in->rank};
    for (int i = 0; i < in->rank; i++) {
        int at = (int)(strchr(from, to[i]) - from);
        out->dim[i] = in->dim[at];
        stride[i] = 1;
        for (int k = at + 1; k < in->rank; k++)
            stride[i] *= in->dim[k];
    }
    int64_t n = count(in);
    out->data = calloc((size_t)(n ? n : 1), rote_type_size(type));
    if (!out->data)
        return ROTE_ENOMEM;
    for (int64_t e = 0; e < n; e++) {
        int64_t rest = e, source = 0;
        for (int i = out->rank - 1; i >= 0; i--) {
            source += rest % out->dim[i] * stride[i];
            rest /= out->dim[i];
        }
        put(out, e, number_at(in, source));
    }
    return ROTE_OK;
}

static const char *type_name(enum rote_type t)
{
    static const char *const names[] = {"uint8", "int32", "int64", "float32", "float64"};
    return names[t];
}

enum rote_status op_from_file(const struct rote_array *file, const struct rote_port *port, enum op_layout layout,
                              int64_t h, int64_t w, struct rote_array *out, char *error, size_t cap)
{
    const char *dims = op_file_dims(port->dims, layout);
    struct rote_array a = *file;
    int rank = (int)strlen(dims);
    int floats = a.type == ROTE_F32 || a.type == ROTE_F64,
        integers = a.type == ROTE_I32 || a.type == ROTE_I64;
    if (port->type == ROTE_F32 ? !floats : port->type == ROTE_I32 ? !integers : a.type != ROTE_U8) {
        snprintf(error, cap, "%s must be %s, the file has %s", port->name, type_name(port->type), type_name(a.type));
        return ROTE_EFORMAT;
    }
    if (a.rank == 2 && !strcmp(dims, "KCHW") && h * w > 0 && a.dim[1] % (h * w) == 0) {
        a.rank = 4;
        a.dim[1] /= h * w;
        a.dim[2] = h;
        a.dim[3] = w;
    } else if (a.rank == 2 && rank == 4 && strchr("NK", dims[0]) && strchr(port->dims, 'N')) {
        int64_t c = a.dim[1]; /* [N][C]: one pixel */
        a.rank = 4;
        a.dim[1] = a.dim[2] = a.dim[3] = 1;
        a.dim[strchr("CK", dims[3]) ? 3 : 1] = c;
    }
    if (a.rank != rank) {
        snprintf(error, cap, "%s must have %d dimensions %s, the file has %d", port->name, rank, dims, a.rank);
        return ROTE_EFORMAT;
    }
    for (int i = 0; i < a.rank; i++)
        if (a.dim[i] < 1) {
            snprintf(error, cap, "%s: dimension %c is empty", port->name, dims[i]);
            return ROTE_EFORMAT;
        }
    return permute(&a, dims, port->dims, port->type, out);
}

enum rote_status op_to_file(const struct rote_array *device, const struct rote_port *port, enum op_layout layout,
                            struct rote_array *out)
{
    const char *dims = op_file_dims(port->dims, layout);
    enum rote_status st = permute(device, port->dims, dims, port->type, out);
    if (!st && !strcmp(dims, "KCHW")) {
        out->dim[1] *= out->dim[2] * out->dim[3];
        out->rank = 2;
    }
    return st;
}
