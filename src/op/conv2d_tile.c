/* The tile variant: packs the filter into panels in its workspace, then one kernel
 * with register tiles; the filter gradient in splits that are reduced in order.
 * Workspace of a product: [zeros: C floats, for rows outside the image][panels]. */
#include "op/conv2d_geometry.h"

#define ROUND_UP(a, b) (((a) + (b)-1) / (b) * (b))
#define FILTER_CHUNK_ROWS 128
#define FILTER_WORKSPACE ((uint64_t)64 << 20)

#define GROUPS_EACH 8 /* work-items for a core */

const struct op_tunable conv2d_tile_tunables[] = {
    {"vectors", (const int[]){1, 2, 3, 4, 0}, "vectors of filters in the register tile"},
    {"rows", (const int[]){4, 5, 6, 7, 8, 12, 0}, "rows of the register tile, of a filter gradient channels"},
    {"items", (const int[]){1, 2, 4, 8, 16, 64, 0}, "work-items for each of the device's cores"},
    {NULL, NULL, NULL},
};

struct conv2d_tile conv2d_tile_of(const struct op_inst *inst, int64_t columns, int rows)
{
    const struct rt_facts *f = rt_facts_of(inst->dev);
    struct conv2d_tile t = {.vec = f->native_float >= 16 ? 16 : f->native_float >= 8 ? 8 : 4};
    int64_t most = t.vec == 16 ? 4 : 2, vectors = (columns + t.vec - 1) / t.vec;
    t.nv = most;
    while (t.nv > 1 && vectors % t.nv)
        t.nv--;
    if (t.nv == 1 && vectors > 1) /* an odd count: padding beats one narrow panel after another */
        t.nv = vectors < most ? vectors : most;
    t.nv = op_tuned(inst, "vectors", t.nv);
    t.pt = op_tuned(inst, "rows", rows);
    t.kt = t.vec * t.nv;
    snprintf(t.options, sizeof t.options, "-DVEC=%d -DNV=%d -DPT=%d -DMC=%d", (int)t.vec, (int)t.nv, (int)t.pt,
             (int)t.pt);
    return t;
}

/* An even share for the cores, no more groups than there is work. */
static size_t work_items(const struct op_inst *inst, int64_t tiles)
{
    const struct rt_facts *f = rt_facts_of(inst->dev);
    int64_t items = (int64_t)f->compute_units * op_tuned(inst, "items", f->cls == RT_CPU ? GROUPS_EACH : 64);
    return (size_t)(items < tiles ? items : tiles);
}

static int64_t zeros(const struct conv2d_geometry *g)
{
    return ROUND_UP(g->C, 64);
}

static int64_t panel_rows(const struct conv2d_geometry *g, int64_t kt)
{
    return g->groups * ((g->K + kt - 1) / kt) * g->R * g->S * g->C;
}

enum rote_status conv2d_product_tile_prepare(struct op_inst *inst, const struct conv2d_geometry *g)
{
    enum rote_status st = ROTE_OK;
    struct conv2d_tile t = conv2d_tile_of(inst, g->K, CONV2D_TILE_ROWS);
    TRY(rt_kernel_new(inst->dev, "conv2d", "conv2d_product__tile", t.options, &inst->kernel[0]));
    TRY(rt_kernel_new(inst->dev, "conv2d", "conv2d_pack", t.options, &inst->kernel[1]));
    TRY(rt_kernel_new(inst->dev, "conv2d", "conv2d_zero", NULL, &inst->kernel[2]));
    inst->workspace_bytes = 4 * (uint64_t)(zeros(g) + panel_rows(g, t.kt) * t.kt);
out:
    return st;
}

enum rote_status conv2d_product_tile(struct op_inst *inst, const struct conv2d_geometry *g, struct conv2d_ports p)
{
    enum rote_status st = ROTE_OK;
    struct conv2d_tile t = conv2d_tile_of(inst, g->K, CONV2D_TILE_ROWS);
    size_t pack = (size_t)panel_rows(g, t.kt), pack_local = op_group_1d(inst) < 16 ? 1 : 16;
    size_t zero = (size_t)zeros(g), one = 1;
    uint64_t panels_at = (uint64_t)zeros(g);
    int64_t panels = (g->K + t.kt - 1) / t.kt, tiles = (g->P * g->Q * g->N + t.pt - 1) / t.pt * panels * g->groups;
    size_t items = work_items(inst, tiles);
    if (rt_kernel_max_group(inst->kernel[1]) < pack_local)
        pack_local = 1;
    TRY(rt_run(inst->kernel[2], 1, &zero, NULL, "mll", inst->workspace, (uint64_t)0, (uint64_t)zero));
    TRY(rt_run(inst->kernel[1], 1, &pack, &pack_local, "mmiiiiil", inst->in[p.filter], inst->workspace,
               (int)(g->R * g->S), (int)g->C, (int)g->K, (int)g->groups, (int)g->transposed, panels_at));
    TRY(rt_run(inst->kernel[0], 1, &items, &one, "mmmliiiiiiiiiiiiiiiiii", inst->in[p.in], inst->workspace, inst->out[0],
               panels_at, (int)g->N, (int)g->H, (int)g->W, (int)g->C, (int)g->P, (int)g->Q, (int)g->K, (int)g->R,
               (int)g->S, (int)g->groups, (int)g->mul_h, (int)g->mul_w, (int)g->step_h, (int)g->step_w,
               (int)g->off_h, (int)g->off_w, (int)g->div_h, (int)g->div_w));
out:
    return st;
}

/* Enough units for the cores, chunks of rows worth the accumulators' way to memory,
 * and partial sums within bounds. */
static int64_t filter_splits(const struct op_inst *inst, const struct conv2d_geometry *g, int64_t kt)
{
    int64_t panels = (g->K + kt - 1) / kt * g->groups, rows = g->P * g->Q * g->N;
    int64_t want = (int64_t)work_items(inst, INT64_MAX), splits = (want + panels - 1) / panels;
    int64_t bytes = 4 * g->R * g->S * g->C * g->K * g->groups, most_rows = rows / FILTER_CHUNK_ROWS;
    int64_t most_bytes = (int64_t)FILTER_WORKSPACE / bytes;
    if (splits > most_rows)
        splits = most_rows;
    if (splits > most_bytes)
        splits = most_bytes;
    return splits < 1 ? 1 : splits;
}

enum rote_status conv2d_reduce(struct op_inst *inst, struct rt_kernel *reduce, int64_t splits, int64_t n)
{
    size_t global = (size_t)n, local = rt_kernel_max_group(reduce) >= 64 ? 64 : 1;
    return rt_run(reduce, 1, &global, &local, "mmil", inst->workspace, inst->out[0], (int)splits, (uint64_t)n);
}

enum rote_status conv2d_filter_tile_prepare(struct op_inst *inst, const struct conv2d_geometry *g)
{
    enum rote_status st = ROTE_OK;
    struct conv2d_tile t = conv2d_tile_of(inst, g->K, CONV2D_TILE_ROWS);
    TRY(rt_kernel_new(inst->dev, "conv2d", "conv2d_filter__tile", t.options, &inst->kernel[0]));
    TRY(rt_kernel_new(inst->dev, "conv2d", "conv2d_reduce", NULL, &inst->kernel[1]));
    int64_t splits = filter_splits(inst, g, t.kt);
    if (splits > 1)
        inst->workspace_bytes = 4 * (uint64_t)(splits * g->R * g->S * g->C * g->K * g->groups);
out:
    return st;
}

enum rote_status conv2d_filter_tile(struct op_inst *inst, const struct conv2d_geometry *g, struct conv2d_ports p)
{
    enum rote_status st = ROTE_OK;
    struct conv2d_tile t = conv2d_tile_of(inst, g->K, CONV2D_TILE_ROWS);
    int64_t splits = filter_splits(inst, g, t.kt);
    size_t items = work_items(inst, splits * g->groups * ((g->K + t.kt - 1) / t.kt)), one = 1;
    int64_t n = g->R * g->S * g->C * g->K * g->groups;
    struct rt_mem *partial = splits > 1 ? inst->workspace : inst->out[0];
    TRY(rt_run(inst->kernel[0], 1, &items, &one, "mmmiiiiiiiiiiiiiiiiii", inst->in[p.in], inst->in[p.filter], partial,
               (int)splits, FILTER_CHUNK_ROWS, (int)g->N, (int)g->H, (int)g->W, (int)g->C, (int)g->P, (int)g->Q,
               (int)g->K, (int)g->R, (int)g->S, (int)g->groups, (int)g->mul_h, (int)g->mul_w, (int)g->step_h,
               (int)g->step_w, (int)-g->off_h, (int)-g->off_w));
    if (splits > 1)
        TRY(conv2d_reduce(inst, inst->kernel[1], splits, n));
out:
    return st;
}
