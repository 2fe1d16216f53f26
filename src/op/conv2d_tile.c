/* The tile variant: packs the filter into panels in its workspace, then one kernel
 * with register tiles; the filter gradient in splits that are reduced in order.
 * Workspace of a product: [zeros: C floats, for rows outside the image][panels].
 * On GPUs work-groups share what they read through local memory (cl/common/tile.clh). */
#include "op/conv2d_geometry.h"

#define FILTER_CHUNK_ROWS 128
#define FILTER_WORKSPACE ((uint64_t)64 << 20)

#define ROW_BLOCK 32
#define PANELS_IN_CACHE (512 << 10)

#define GROUPS_EACH 8 /* work-groups for a core */
#define GROUPS_EACH_FILTER 16 /* of a filter gradient, and so many splits of its rows */
#define GROUPS_EACH_GPU 64
#define MOST_GROUPS (1 << 20) /* one for each tile */
#define GROUP_LOCAL_BYTES 32768 /* what OpenCL 1.2 promises of local memory */

#define TUNABLES                                                                                                  \
    {"vectors", (const int[]){1, 2, 3, 4, 0}, "vectors of filters in the register tile"},                         \
    {"rows", (const int[]){4, 5, 6, 7, 8, 12, 0}, "rows of the register tile, of a filter gradient channels"},    \
    {"items", (const int[]){1, 2, 4, 8, 16, 64, 0}, "work-groups for each of the device's cores"},                \
    {"group", (const int[]){1, 64, 128, 256, 0}, "work-items of a group, which share local memory; 1: none does"}, \
    {"depth", (const int[]){4, 8, 16, 0}, "of groups: channels in local memory, of a filter gradient rows"},      \
    {"width", (const int[]){1, 4, 0}, "of groups: floats of a vector"}

const struct op_tunable conv2d_tile_tunables[] = {
    TUNABLES,
    {"block", (const int[]){8, 16, 32, 64, 1 << 20, 0}, "row tiles that take all filters before the next ones do"},
    {NULL, NULL, NULL},
};
const struct op_tunable conv2d_tile_filter_tunables[] = {
    TUNABLES,
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
    t.pt = op_tuned(inst, "rows", t.nv == 1 && rows == CONV2D_TILE_ROWS ? 2 * rows : rows); /* enough sums at a time */
    t.kt = t.vec * t.nv;
    snprintf(t.options, sizeof t.options, "-DVEC=%d -DNV=%d -DPT=%d -DMC=%d%s", (int)t.vec, (int)t.nv, (int)t.pt,
             (int)t.pt, op_cache_option(inst));
    return t;
}

struct rt_mem *conv2d_bias(const struct op_inst *inst, const struct conv2d_geometry *g)
{
    return inst->in[g->bias];
}

int conv2d_epilogue(const struct conv2d_geometry *g)
{
    enum { NONE, BIAS, BIAS_RELU }; /* EPILOGUE_ of the kernel file */
    return !g->bias ? NONE : g->relu ? BIAS_RELU : BIAS;
}

int conv2d_streams(const struct op_inst *inst, const struct conv2d_geometry *g)
{
    int64_t row = g->K * g->groups;
    return op_streams(inst, 4 * g->P * g->Q * g->N * row, g->K, 16); /* whole vectors, of any width */
}

struct layout {
    int64_t pt, kt, group, rows, depth; /* rows: of a work-group's tile, of a filter gradient channels */
    char options[128];
};

/* A group of 16 x 16 items, each with 8 x 8 accumulators, where the columns fill it; when that does not go,
 * 8 x 8 items with 4 x 4, then 4 x 4 such items, then no groups. */
static const int64_t smaller[] = {0, 64, 16, 1}; /* by attempt; the first is the device's */

static enum rote_status group_layout(const struct op_inst *inst, const struct conv2d_geometry *g, int64_t group,
                                     bool small, struct layout *l)
{
    const struct rt_facts *f = rt_facts_of(inst->dev);
    int64_t width = op_tuned(inst, "width", 4), depth = op_tuned(inst, "depth", 8), across = 4;
    while (across * across < group)
        across *= 2;
    int64_t down = group / across, nv = op_tuned(inst, "vectors", small || across * width >= g->K ? 1 : 2);
    l->pt = op_tuned(inst, "rows", small ? 4 : 8);
    l->group = group;
    l->depth = depth;
    l->rows = down * l->pt;
    l->kt = across * nv * width;
    int64_t bytes = 2 * 4 * depth * (l->rows + 4 + l->kt);
    if (down * across != group || down < 4 || (uint64_t)group > f->max_work_group)
        return base_error(ROTE_EUNSUPPORTED, "tile: a group of %lld: this device takes 16, 32, 64 ... up to %llu",
                          (long long)group, (unsigned long long)f->max_work_group);
    if (depth % width || (width != 1 && width != 4))
        return base_error(ROTE_EUNSUPPORTED, "tile: width %lld is not 1 or 4, or does not divide depth %lld",
                          (long long)width, (long long)depth);
    if (bytes > GROUP_LOCAL_BYTES || (uint64_t)bytes > f->local_bytes)
        return base_error(ROTE_EUNSUPPORTED, "tile: %lld bytes of local memory, there are %llu of at most %d",
                          (long long)bytes, (unsigned long long)f->local_bytes, GROUP_LOCAL_BYTES);
    if (round_up(g->C, depth) * l->kt > UINT32_MAX)
        return base_error(ROTE_EUNSUPPORTED, "tile: %lld channels are too many for panels of %lld filters",
                          (long long)g->C, (long long)l->kt);
    snprintf(l->options, sizeof l->options,
             "-DVEC=%d -DNV=%d -DPT=%d -DMC=%d -DGROUP_ROWS=%d -DGROUP_COLUMNS=%d -DDEPTH=%d", (int)width,
             (int)nv, (int)l->pt, (int)l->pt, (int)down, (int)across, (int)depth);
    return ROTE_OK;
}

/* A filter gradient's channels are tiles of 6 that fill up with what is not stored: where two vectors by 8 waste less,
 * those (1.15 times as fast with 16 and 32 channels). */
static struct conv2d_tile register_tile(const struct op_inst *inst, const struct conv2d_geometry *g, bool filter)
{
    struct conv2d_tile t = conv2d_tile_of(inst, g->K, CONV2D_TILE_ROWS);
    bool wastes = 20 * round_up(g->C, 8) < 19 * round_up(g->C, CONV2D_TILE_ROWS);
    return filter && t.vec == 16 && t.nv == 4 && !op_tuned(inst, "vectors", 0) && wastes ? conv2d_tile_of(inst, 2 * t.vec, 8) : t;
}

static enum rote_status layout_of(const struct op_inst *inst, const struct conv2d_geometry *g, bool filter, int attempt,
                                  struct layout *l)
{
    const struct rt_facts *f = rt_facts_of(inst->dev);
    int64_t first = f->max_work_group < 256 ? 64 : 256;
    int64_t group = op_tuned(inst, "group", f->long_items ? 1 : attempt ? smaller[attempt] : first);
    if (group > 1)
        return group_layout(inst, g, group, attempt > 0, l);
    struct conv2d_tile t = register_tile(inst, g, filter);
    *l = (struct layout){.pt = t.pt, .kt = t.kt, .group = 1, .rows = t.pt, .depth = 1};
    snprintf(l->options, sizeof l->options, "%s", t.options);
    return ROTE_OK;
}

static enum rote_status try_kernel(struct op_inst *inst, const struct conv2d_geometry *g, bool filter, int attempt,
                                   struct layout *l)
{
    enum rote_status st = ROTE_OK;
    const char *name = filter ? "conv2d_filter__tile" : "conv2d_product__tile";
    TRY(layout_of(inst, g, filter, attempt, l));
    TRY(rt_kernel_new(inst->dev, filter ? "conv2d_filter" : "conv2d", name, l->options, &inst->kernel[0]));
    if (rt_kernel_max_group(inst->kernel[0]) < (uint64_t)l->group)
        FAIL(ROTE_EUNSUPPORTED, "%s: a group of %lld, the device runs it with at most %llu", name,
             (long long)l->group, (unsigned long long)rt_kernel_max_group(inst->kernel[0]));
    /* without registers for the accumulators the driver has put them in memory: fewer of them */
    if (attempt == 0 && l->group > 1 && rt_kernel_private_bytes(inst->kernel[0]) > 0)
        FAIL(ROTE_EUNSUPPORTED, "%s: accumulators in memory", name);
out:
    if (st) {
        rt_kernel_free(inst->kernel[0]);
        inst->kernel[0] = NULL;
    }
    return st;
}

/* Chooses the layout, which stays in inst->extra, and where the driver has had a say in inst->tuned, so that the
 * self-test's cases get the same programs. A group that was asked for is not made smaller. */
static enum rote_status tile_kernel(struct op_inst *inst, const struct conv2d_geometry *g, bool filter,
                                    struct layout **out)
{
    enum rote_status st = ROTE_OK;
    struct layout *l;
    int attempts = op_tuned(inst, "group", 0) ? 2 : (int)COUNT_OF(smaller), i = 0;
    TRY(base_alloc(&l, 1, sizeof *l));
    inst->extra = l;
    do
        st = try_kernel(inst, g, filter, i, l);
    while (st == ROTE_EUNSUPPORTED && ++i < attempts);
    if (i && !st) {
        op_settle(inst, "group", l->group);
        if (l->group > 1) {
            op_settle(inst, "vectors", 1);
            op_settle(inst, "rows", l->pt);
        }
    }
    *out = l;
out:
    return st;
}

/* An even share for the cores, no more groups than there is work; in work-items. */
static size_t work_items(const struct op_inst *inst, const struct layout *l, int64_t tiles, int64_t each)
{
    const struct rt_facts *f = rt_facts_of(inst->dev);
    int64_t initial = f->ends_loops ? MOST_GROUPS : l->group == 1 && f->long_items ? each : GROUPS_EACH_GPU;
    int64_t groups = (int64_t)f->compute_units * op_tuned(inst, "items", initial);
    return (size_t)((groups < tiles ? groups : tiles) * l->group);
}

static int64_t zeros(const struct conv2d_geometry *g)
{
    return round_up(g->C, 64);
}

static int64_t panels(const struct conv2d_geometry *g, const struct layout *l)
{
    return (g->K + l->kt - 1) / l->kt * g->groups;
}

static int64_t panel_rows(const struct conv2d_geometry *g, const struct layout *l)
{
    return panels(g, l) * g->R * g->S * round_up(g->C, l->depth);
}

enum rote_status conv2d_product_tile_prepare(struct op_inst *inst, const struct conv2d_geometry *g)
{
    enum rote_status st = ROTE_OK;
    struct layout *l = NULL;
    TRY(tile_kernel(inst, g, false, &l));
    TRY(rt_kernel_new(inst->dev, "conv2d", "conv2d_pack", l->options, &inst->kernel[1]));
    TRY(rt_kernel_new(inst->dev, "conv2d", "conv2d_zero", NULL, &inst->kernel[2]));
    inst->workspace_bytes = 4 * (uint64_t)(zeros(g) + panel_rows(g, l) * l->kt);
out:
    return st;
}

/* Row tiles that pass all panels before the next ones do: their image stays in a core's cache, if the
 * panels do too. */
static int row_block(const struct op_inst *inst, const struct conv2d_geometry *g, const struct layout *l)
{
    int64_t panel_bytes = 4 * panel_rows(g, l) / g->groups * l->kt;
    int64_t tiles = (g->P * g->Q * g->N + l->rows - 1) / l->rows;
    int64_t all = least(tiles, 1 << 30);
    return (int)op_tuned(inst, "block", l->group == 1 && panel_bytes <= PANELS_IN_CACHE ? ROW_BLOCK : all);
}

enum rote_status conv2d_product_tile(struct op_inst *inst, const struct conv2d_geometry *g, struct conv2d_ports p)
{
    enum rote_status st = ROTE_OK;
    const struct layout *l = inst->extra;
    size_t pack = (size_t)(panel_rows(g, l) * (l->group == 1 ? 1 : l->kt)), pack_local = l->group == 1 ? 16 : 64;
    size_t zero = (size_t)zeros(g), zero_local = 64, local = (size_t)l->group;
    uint64_t panels_at = (uint64_t)zeros(g);
    size_t items = work_items(inst, l, (g->P * g->Q * g->N + l->rows - 1) / l->rows * panels(g, l), GROUPS_EACH);
    if (rt_kernel_max_group(inst->kernel[1]) < pack_local)
        pack_local = 1;
    if (rt_kernel_max_group(inst->kernel[2]) < zero_local)
        zero_local = 1;
    TRY(rt_run(inst->kernel[2], 1, &zero, &zero_local, "mll", inst->workspace, (uint64_t)0, (uint64_t)zero));
    TRY(rt_run(inst->kernel[1], 1, &pack, &pack_local, "mmiiiiil", inst->in[p.filter], inst->workspace,
               (int)(g->R * g->S), (int)g->C, (int)g->K, (int)g->groups, (int)g->transposed, panels_at));
    TRY(rt_run(inst->kernel[0], 1, &items, &local, "mmmmliiiiiiiiiiiiiiiiiiiiii", inst->in[p.in], inst->workspace,
               inst->out[0], conv2d_bias(inst, g), panels_at, row_block(inst, g, l), (int)g->N, (int)g->H, (int)g->W,
               (int)g->C, (int)g->P, (int)g->Q, (int)g->K, (int)g->R, (int)g->S, (int)g->groups, (int)g->mul_h,
               (int)g->mul_w, (int)g->step_h, (int)g->step_w, (int)g->off_h, (int)g->off_w, (int)g->div_h,
               (int)g->div_w, conv2d_epilogue(g), conv2d_streams(inst, g), (int)(items / local)));
out:
    return st;
}

/* What one split of the rows gives to work-groups. */
static int64_t filter_units(const struct conv2d_geometry *g, const struct layout *l)
{
    return panels(g, l) * (l->group == 1 ? 1 : g->R * g->S * ((g->C + l->rows - 1) / l->rows));
}

/* Enough units for the cores, chunks of rows worth the accumulators' way to memory,
 * and partial sums within bounds. */
static int64_t filter_splits(const struct op_inst *inst, const struct conv2d_geometry *g, const struct layout *l)
{
    int64_t units = filter_units(g, l), rows = g->P * g->Q * g->N;
    int64_t want = (int64_t)work_items(inst, l, INT64_MAX, GROUPS_EACH_FILTER) / l->group;
    int64_t splits = (want + units - 1) / units;
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
    struct layout *l = NULL;
    TRY(tile_kernel(inst, g, true, &l));
    TRY(rt_kernel_new(inst->dev, "conv2d", "conv2d_reduce", NULL, &inst->kernel[1]));
    int64_t splits = filter_splits(inst, g, l);
    if (l->group > 1 && splits * filter_units(g, l) > INT32_MAX)
        FAIL(ROTE_EUNSUPPORTED, "tile: a filter gradient of %lld parts, more than it counts",
             (long long)(splits * filter_units(g, l)));
    if (splits > 1)
        inst->workspace_bytes = 4 * (uint64_t)(splits * g->R * g->S * g->C * g->K * g->groups);
out:
    return st;
}

enum rote_status conv2d_filter_tile(struct op_inst *inst, const struct conv2d_geometry *g, struct conv2d_ports p)
{
    enum rote_status st = ROTE_OK;
    const struct layout *l = inst->extra;
    int64_t splits = filter_splits(inst, g, l);
    size_t items = work_items(inst, l, splits * filter_units(g, l), GROUPS_EACH_FILTER), group = (size_t)l->group;
    int64_t n = g->R * g->S * g->C * g->K * g->groups;
    struct rt_mem *partial = splits > 1 ? inst->workspace : inst->out[0];
    TRY(rt_run(inst->kernel[0], 1, &items, &group, "mmmiiiiiiiiiiiiiiiiiii", inst->in[p.in], inst->in[p.filter],
               partial, (int)splits, FILTER_CHUNK_ROWS, (int)g->N, (int)g->H, (int)g->W, (int)g->C, (int)g->P,
               (int)g->Q, (int)g->K, (int)g->R, (int)g->S, (int)g->groups, (int)g->mul_h, (int)g->mul_w, (int)g->step_h,
               (int)g->step_w, (int)-g->off_h, (int)-g->off_w, (int)(items / group)));
    if (splits > 1)
        TRY(conv2d_reduce(inst, inst->kernel[1], splits, n));
out:
    return st;
}
