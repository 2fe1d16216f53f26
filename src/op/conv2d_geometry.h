/* What convolution, linear and matmul share: all are a product (gather form, see
 * cl/conv2d.cl) or a filter gradient, so that their variants are written once. */
#ifndef OP_CONV2D_GEOMETRY_H
#define OP_CONV2D_GEOMETRY_H

#include "op/op.h"

static inline int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static inline int64_t round_up(int64_t a, int64_t b)
{
    return (a + b - 1) / b * b;
}

/* Sizes of a product: in [H][W][N][C·groups], filter [R][S][C][K·groups], out
 * [P][Q][N][K·groups]; C and K per group. `transposed`: the filter's memory is
 * [R][S][K][C·groups]. For a filter gradient in = x, out = dy. `bias`: of a product, the port of what is added to each
 * column, 0: none; `relu`: then negative sums become 0. */
struct conv2d_geometry {
    int64_t N, H, W, C, P, Q, K, R, S, groups;
    int64_t mul_h, mul_w, step_h, step_w, off_h, off_w, div_h, div_w;
    bool transposed, relu;
    int bias;
};

/* A product that the call's input 2, `b`, is added to, by its attribute `relu`. */
static inline struct conv2d_geometry conv2d_with_bias(struct conv2d_geometry g, const struct call *c)
{
    g.bias = 2;
    g.relu = call_int(c, "relu");
    return g;
}

/* Products: ports of inst that hold in, filter and out. */
struct conv2d_ports {
    int in, filter; /* of a filter gradient: x and dy */
};

/* What a variant's file gives; `accepts` where it does not take everything. */
#define CONV2D_FUNCTIONS(kind, name)                                                                      \
    bool conv2d_##kind##_##name##_accepts(const struct rt_facts *f, const struct conv2d_geometry *g);     \
    enum rote_status conv2d_##kind##_##name##_prepare(struct op_inst *inst, const struct conv2d_geometry *g); \
    enum rote_status conv2d_##kind##_##name(struct op_inst *inst, const struct conv2d_geometry *g,        \
                                            struct conv2d_ports p);
CONV2D_FUNCTIONS(product, winograd)
CONV2D_FUNCTIONS(product, thin)
CONV2D_FUNCTIONS(product, depthwise)
CONV2D_FUNCTIONS(product, direct)
CONV2D_FUNCTIONS(product, tile)
CONV2D_FUNCTIONS(product, clblast)
CONV2D_FUNCTIONS(filter, winograd)
CONV2D_FUNCTIONS(filter, thin)
CONV2D_FUNCTIONS(filter, depthwise)
CONV2D_FUNCTIONS(filter, direct)
CONV2D_FUNCTIONS(filter, tile)
CONV2D_FUNCTIONS(filter, clblast)

/* A product's bias, any other buffer where there is none, and `epilogue`, as kernels take them
 * (cl/common/epilogue.clh). */
struct rt_mem *conv2d_bias(const struct op_inst *inst, const struct conv2d_geometry *g);
int conv2d_epilogue(const struct conv2d_geometry *g);

/* out[0][i] = sum over splits of workspace[split][i] in order, by a kernel conv2d_reduce. */
enum rote_status conv2d_reduce(struct op_inst *inst, struct rt_kernel *reduce, int64_t splits, int64_t n);

/* The register tile of a variant: PT rows (of a filter gradient MC channels) by NV vectors of VEC
 * floats; kt = NV·VEC. Tunables `vectors` and `rows`, whose initial value is the argument. */
#define CONV2D_TILE_ROWS 6
struct conv2d_tile {
    int64_t vec, nv, pt, kt;
    char options[96];
};
struct conv2d_tile conv2d_tile_of(const struct op_inst *inst, int64_t columns, int rows);
/* op_streams of a product's output. */
int conv2d_streams(const struct op_inst *inst, const struct conv2d_geometry *g);
extern const struct op_tunable conv2d_tile_tunables[], conv2d_tile_filter_tunables[], conv2d_winograd_tunables[],
    conv2d_winograd_filter_tunables[], conv2d_thin_tunables[], conv2d_depthwise_tunables[],
    conv2d_depthwise_filter_tunables[], conv2d_direct_tunables[], conv2d_direct_filter_tunables[];

/* Of cl/common/winograd.clh: floats after each plane, and at the head of a scratch. */
#define WINOGRAD_PLANE_PAD 16
#define WINOGRAD_ZEROS 64

/* Whether Winograd's form fits this product or filter gradient; and the form that pays best, its tile's side by
 * the tunable `tile`, with `rows` as of conv2d_tile_of. Planes: of the patches and of the filters. */
struct conv2d_winograd {
    struct conv2d_tile tile;
    int64_t planes, filter_planes, tiles_q, tiles;
};
bool conv2d_winograd_takes(const struct rt_facts *f, const struct conv2d_geometry *g);
struct conv2d_winograd conv2d_winograd_of(const struct op_inst *inst, const struct conv2d_geometry *g, int rows);

/* A variant of one pass: needs `struct conv2d_geometry geometry_<pass>(call)` in its file.
 * CONV2D_VARIANT_IF is for a variant that has an _accepts, and its own tolerance. */
#define CONV2D_VARIANT(pass, kind, name, tunables) CONV2D_VARIANT_OF(pass, kind, name, NULL, 0, tunables)
#define CONV2D_VARIANT_IF(pass, kind, name, tolerance, tunables)                              \
    static bool accepts_##pass##_##name(const struct rt_facts *f, const struct call *c)       \
    {                                                                                         \
        struct conv2d_geometry g = geometry_##pass(c);                                        \
        return conv2d_##kind##_##name##_accepts(f, &g);                                       \
    }                                                                                         \
    CONV2D_VARIANT_OF(pass, kind, name, accepts_##pass##_##name, tolerance, tunables)
#define CONV2D_VARIANT_OF(pass, kind, name, accepts, tolerance, tunables)                     \
    static enum rote_status prepare_##pass##_##name(struct op_inst *inst)                     \
    {                                                                                         \
        struct conv2d_geometry g = geometry_##pass(&inst->call);                              \
        return conv2d_##kind##_##name##_prepare(inst, &g);                                    \
    }                                                                                         \
    static enum rote_status enqueue_##pass##_##name(struct op_inst *inst)                     \
    {                                                                                         \
        struct conv2d_geometry g = geometry_##pass(&inst->call);                              \
        return conv2d_##kind##_##name(inst, &g, (struct conv2d_ports){0, 1});                 \
    }                                                                                         \
    static const struct op_variant name##_##pass = {#name, accepts, prepare_##pass##_##name,  \
                                                    enqueue_##pass##_##name, tolerance, tunables};

#endif
