/* The winograd variant of a filter gradient (cl/conv2d_winograd_filter.cl).
 * Workspace: [partial sums of each split, if there are several][scratch of each work-item]. */
#include "op/conv2d_geometry.h"

#define BLOCK 64      /* channels and filters of a block */
#define BLOCK_LARGE 128 /* where x and dy are read from memory for each of them */
#define LARGE ((int64_t)16 << 20) /* bytes of x and dy */
#define BLOCK_ROWS 32 /* transformed at a time */
#define CHANNELS 4    /* of the register tile */
#define PARTIAL_BYTES ((int64_t)64 << 20)

const struct op_tunable conv2d_winograd_filter_tunables[] = {
    {"vectors", (const int[]){1, 2, 3, 4, 0}, "vectors of filters in the register tile"},
    {"rows", (const int[]){2, 4, 8, 0}, "channels of the register tile"},
    {"tile", (const int[]){2, 4, 0}, "side of the tiles of dy"},
    {"items", (const int[]){1, 2, 4, 8, 0}, "work-items for each of the device's cores"},
    {"block", (const int[]){32, 64, 128, 0}, "channels and filters of a block"},
    {"depth", (const int[]){16, 32, 64, 0}, "samples of a tile transformed at a time"},
    {NULL, NULL, NULL},
};

struct layout {
    struct conv2d_winograd w;
    int64_t kt, depth, cb, kb, splits, partial, scratch;
    size_t items;
};

static struct layout layout_of(const struct op_inst *inst, const struct conv2d_geometry *g)
{
    const struct rt_facts *f = rt_facts_of(inst->dev);
    struct layout l;
    int64_t bytes = 4 * g->N * g->groups * (g->H * g->W * g->C + g->P * g->Q * g->K);
    int64_t block = op_tuned(inst, "block", bytes < LARGE ? BLOCK : BLOCK_LARGE);
    l.w = conv2d_winograd_of(inst, g, CHANNELS);
    l.kt = l.w.tile.kt;
    l.depth = op_tuned(inst, "depth", BLOCK_ROWS);
    l.cb = least(round_up(g->C, l.w.tile.vec), round_up(block, l.w.tile.vec));
    l.kb = least(round_up(g->K, l.kt), round_up(block, l.kt));
    int64_t rows = l.w.tiles * g->N;
    int64_t blocks = (g->C + l.cb - 1) / l.cb * ((g->K + l.kb - 1) / l.kb) * g->groups;
    int64_t weights = 9 * g->C * g->K * g->groups;
    l.splits = (4 * (int64_t)f->compute_units + blocks - 1) / blocks;
    l.splits = least(l.splits, rows / (2 * l.depth));
    l.splits = least(l.splits, PARTIAL_BYTES / (4 * weights));
    if (l.splits < 1)
        l.splits = 1;
    l.partial = l.splits > 1 ? l.splits * weights : 0;
    l.scratch = WINOGRAD_ZEROS + l.w.planes * (l.depth * (l.cb + l.kb) + 2 * WINOGRAD_PLANE_PAD) +
                l.w.filter_planes * (l.cb * l.kb + WINOGRAD_PLANE_PAD);
    l.items = (size_t)least((int64_t)f->compute_units * op_tuned(inst, "items", 2), l.splits * blocks);
    return l;
}

/* Sums long enough for the direct sum's error bound to hold the transforms' errors. */
bool conv2d_filter_winograd_accepts(const struct rt_facts *f, const struct conv2d_geometry *g)
{
    return conv2d_winograd_takes(f, g) && g->P * g->Q * g->N >= 128;
}

enum rote_status conv2d_filter_winograd_prepare(struct op_inst *inst, const struct conv2d_geometry *g)
{
    enum rote_status st = ROTE_OK;
    struct layout l = layout_of(inst, g);
    if (l.cb % l.w.tile.pt)
        FAIL(ROTE_EUNSUPPORTED, "blocks of %d channels do not divide into tiles of %d", (int)l.cb, (int)l.w.tile.pt);
    TRY(rt_kernel_new(inst->dev, "conv2d_winograd_filter", "conv2d_filter__winograd", l.w.tile.options,
                      &inst->kernel[0]));
    if (l.splits > 1)
        TRY(rt_kernel_new(inst->dev, "conv2d", "conv2d_reduce", NULL, &inst->kernel[1]));
    inst->workspace_bytes = 4 * (uint64_t)(l.partial + (int64_t)l.items * l.scratch);
out:
    return st;
}

enum rote_status conv2d_filter_winograd(struct op_inst *inst, const struct conv2d_geometry *g, struct conv2d_ports p)
{
    enum rote_status st = ROTE_OK;
    struct layout l = layout_of(inst, g);
    size_t one = 1;
    TRY(rt_run(inst->kernel[0], 1, &l.items, &one, "mmmmliiiiiiiiiiiiiii", inst->in[p.in], inst->in[p.filter],
               l.splits > 1 ? inst->workspace : inst->out[0], inst->workspace, (uint64_t)l.partial, (int)l.splits,
               (int)l.depth, (int)l.cb, (int)l.kb, (int)g->N, (int)g->H, (int)g->W, (int)g->C, (int)g->P, (int)g->Q,
               (int)g->K, (int)g->groups, (int)g->off_h, (int)g->off_w,
               (int)l.items));
    if (l.splits > 1)
        TRY(conv2d_reduce(inst, inst->kernel[1], l.splits, 9 * g->C * g->K * g->groups));
out:
    return st;
}
