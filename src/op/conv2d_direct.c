/* The direct variant of a product and a filter gradient that is a plain product of matrices with
 * few rows: linear layers, 1x1 convolutions, matmul (cl/conv2d_direct.cl).
 * Workspace, for each work-item: of a product a block of a panel, of dot products none; of a filter
 * gradient panels of dy and the channels of x that they are multiplied with, of a turned one sums and a panel of x. */
#include "op/conv2d_geometry.h"

#define MOST_ROWS 256 /* above, packing the filter pays */
#define COPIED_BYTES (256 << 10) /* of a filter, from which on copies of panels pay */
#define WIDE_PANEL 32 /* columns of a panel, two lines of memory, from which on copies do not pay */
#define LEAST_DEPTH 128 /* channels of a panel's copy */
#define PANEL_FLOATS 4096 /* of it, half of a small first-level cache */
#define CHANNEL_VECTORS 6 /* of x that a filter gradient copies */
#define SET_BYTES (128 << 10) /* of dy that it copies */
#define MOST_DOTS 8 /* rows of a data gradient, for which its filters are not turned */
#define MOST_TURNED 12 /* filters: rows of a register tile, */
#define LEAST_TURNED 16 /* and the least samples, for which turning its sums pays */
#define LEAST_WORK 5e5 /* operations of a work-item: others are woken in vain for less */

#define TUNABLES                                                                                           \
    {"vectors", (const int[]){1, 2, 3, 4, 0}, "vectors of filters in the register tile"},                  \
    {"rows", (const int[]){4, 6, 8, 12, 0}, "rows of the register tile, of a filter gradient channels"},   \
    {"items", (const int[]){1, 2, 4, 8, 0}, "work-items for each of the device's cores"}

const struct op_tunable conv2d_direct_tunables[] = {
    TUNABLES,
    {"block", (const int[]){8, 12, 16, 24, 48, 96, 256, 0}, "rows of a panel before the next panel"},
    {"depth", (const int[]){32, 64, 128, 256, 0}, "channels of filters copied at a time; else only large ones are"},
    {NULL, NULL, NULL},
};
const struct op_tunable conv2d_direct_filter_tunables[] = {
    TUNABLES,
    {"set", (const int[]){1, 2, 4, 8, 0}, "panels of dy that copied channels are multiplied with"},
    {NULL, NULL, NULL},
};

/* out[z][m][k]: rows, taps that are summed over, pixels with filters of their own; false where it
 * is no product of matrices. */
struct matrices {
    int64_t M, T, Z;
};

static bool matrices_of(const struct conv2d_geometry *g, struct matrices *m)
{
    if (g->groups != 1 || g->mul_h != 1 || g->mul_w != 1 || g->div_h != 1 || g->div_w != 1 || g->off_h || g->off_w)
        return false;
    if (g->R == 1 && g->S == 1) {
        *m = (struct matrices){g->P * g->Q * g->N, 1, 1};
        return g->P == g->H && g->Q == g->W;
    }
    if (g->transposed) { /* a linear layer's data gradient */
        *m = (struct matrices){g->N, 1, g->P * g->Q};
        return g->H == 1 && g->W == 1 && g->P == g->R && g->Q == g->S && g->step_h == -1 && g->step_w == -1;
    }
    *m = (struct matrices){g->N, g->R * g->S, 1};
    return g->P == 1 && g->Q == 1 && g->H == g->R && g->W == g->S && g->step_h == 1 && g->step_w == 1;
}

bool conv2d_product_direct_accepts(const struct rt_facts *f, const struct conv2d_geometry *g)
{
    struct matrices m;
    return f->long_items && matrices_of(g, &m) && m.M <= MOST_ROWS;
}

bool conv2d_filter_direct_accepts(const struct rt_facts *f, const struct conv2d_geometry *g)
{
    return conv2d_product_direct_accepts(f, g);
}

/* Vectors of a panel, at most `most`: fewer where panels then reach less far past the last column. A panel of one
 * vector needs more loads, which cost as much as a tenth of its columns. */
static int64_t fewest_wasted(int64_t vectors, int64_t most)
{
    int64_t best = most;
    for (int64_t n = most - 1; n > 0; n--)
        if (round_up(vectors, n) * (n == 1 ? 11 : 10) < round_up(vectors, best) * (best == 1 ? 11 : 10))
            best = n;
    return best;
}

struct layout {
    struct matrices m;
    struct conv2d_tile tile;
    int64_t panels, block, depth, scratch; /* scratch: floats of a work-item */
    int64_t channels, set; /* of a filter gradient: channels, and panels that they are multiplied with */
    bool copies, turned, dots;
    size_t items;
};

static struct layout layout_of(const struct op_inst *inst, const struct conv2d_geometry *g, bool filter)
{
    struct layout l;
    int64_t cores = (int64_t)rt_facts_of(inst->dev)->compute_units;
    matrices_of(g, &l.m);
    l.tile = conv2d_tile_of(inst, 1, 1);
    int vec = (int)l.tile.vec;
    int64_t vectors = (g->K + vec - 1) / vec, widest = vec == 16 ? 4 : 2;
    /* With more vectors in a product one compiler runs out of registers and moves sums about, 1.1 to 1.5 times as slow;
     * three where there are no more: a panel less. */
    int64_t columns = vec * fewest_wasted(vectors, least(filter || vectors <= 3 ? vectors : 2, widest));
    l.tile = conv2d_tile_of(inst, columns, 1);
    int64_t pt = vec == 16 ? (l.tile.nv > 2 ? 6 : 8) : (l.tile.nv > 1 ? 6 : 8);
    l.turned = filter && g->K <= MOST_TURNED && 5 * g->K <= 4 * round_up(g->K, vec) && l.m.M >= LEAST_TURNED &&
               g->C >= vec;
    l.dots = g->transposed && l.m.M <= MOST_DOTS && g->C >= 4 * vec;
    if (l.turned)
        l.tile = conv2d_tile_of(inst, (vec == 16 ? 2 : 1) * vec, (int)g->K);
    else if (l.dots)
        l.tile = conv2d_tile_of(inst, vec, (int)least(l.m.M, vec == 16 ? 8 : 4));
    else if (!filter && l.m.M > pt && l.m.M <= 8) /* one tile of all rows, or two of as many where registers are few */
        l.tile = conv2d_tile_of(inst, 2 * vec, g->transposed && vec < 16 ? 4 : 8);
    else
        l.tile = conv2d_tile_of(inst, columns, (int)pt);
    l.panels = (g->K + l.tile.kt - 1) / l.tile.kt;
    int64_t outer = l.panels * (g->transposed ? l.m.Z : 1);
    int64_t blocks = outer >= 2 * cores ? 1 : (2 * cores + outer - 1) / outer, depth = op_tuned(inst, "depth", 0);
    /* Copied rows serve as many rows of the product as there are for a core; without copies short blocks are faster,
     * which find theirs in the first-level cache. */
    l.copies = depth || (l.tile.kt < WIDE_PANEL && l.m.M > 2 * l.tile.pt && 4 * l.m.T * g->C * g->K >= COPIED_BYTES);
    int64_t rows = l.copies || g->transposed ? (l.m.M + blocks - 1) / blocks : least(2 * l.tile.pt, l.m.M);
    l.block = op_tuned(inst, "block", round_up(rows, l.tile.pt));
    int64_t initial = PANEL_FLOATS / l.tile.kt > LEAST_DEPTH ? PANEL_FLOATS / l.tile.kt : LEAST_DEPTH;
    l.depth = round_up(depth ? depth : initial, l.tile.vec);
    l.depth = l.depth > l.tile.kt ? l.depth : l.tile.kt;
    /* panels in a set, then channels at a time, for all cores to have some */
    l.set = l.panels * l.m.T * g->C / (4 * cores * CHANNEL_VECTORS * l.tile.vec);
    l.set = least(l.set, least(l.panels, SET_BYTES / (4 * l.m.M * l.tile.kt)));
    l.set = least(op_tuned(inst, "set", l.set > 1 ? l.set : 1), l.panels);
    int64_t sets = (l.panels + l.set - 1) / l.set, most = sets * l.m.T * g->C / (4 * cores);
    l.channels = round_up(least(CHANNEL_VECTORS * l.tile.vec, most > 1 ? most : 1), l.tile.vec);
    int64_t units;
    if (l.turned) {
        l.scratch = (l.m.M + g->K) * l.tile.kt;
        units = l.m.T * ((g->C + l.tile.kt - 1) / l.tile.kt);
    } else if (l.dots) {
        l.scratch = 0;
        units = l.m.Z * vectors;
    } else if (filter) {
        l.scratch = l.m.M * (l.set * l.tile.kt + l.channels);
        units = sets * l.m.T * ((g->C + l.channels - 1) / l.channels);
    } else {
        l.scratch = l.depth * l.tile.kt;
        units = outer * ((l.m.M + l.block - 1) / l.block);
    }
    double work = 2.0 * (double)(l.m.M * l.m.T * l.m.Z) * (double)(g->C * g->K);
    units = least(units, 1 + (int64_t)(work / LEAST_WORK));
    l.items = (size_t)least(cores * op_tuned(inst, "items", filter ? 4 : 8), units);
    return l;
}

enum rote_status conv2d_product_direct_prepare(struct op_inst *inst, const struct conv2d_geometry *g)
{
    struct layout l = layout_of(inst, g, false);
    inst->workspace_bytes = 4 * (uint64_t)l.items * (uint64_t)l.scratch;
    return rt_kernel_new(inst->dev, "conv2d_direct",
                         l.dots          ? "conv2d_product__direct_dots"
                         : g->transposed ? "conv2d_product__direct_transposed"
                                         : "conv2d_product__direct",
                         l.tile.options, &inst->kernel[0]);
}

enum rote_status conv2d_product_direct(struct op_inst *inst, const struct conv2d_geometry *g, struct conv2d_ports p)
{
    struct layout l = layout_of(inst, g, false);
    size_t one = 1;
    if (l.dots)
        return rt_run(inst->kernel[0], 1, &l.items, &one, "mmmiiiii", inst->in[p.in], inst->in[p.filter], inst->out[0],
                      (int)l.m.M, (int)g->C, (int)g->K, (int)l.m.Z, (int)l.items);
    if (g->transposed)
        return rt_run(inst->kernel[0], 1, &l.items, &one, "mmmmiiiiiii", inst->in[p.in], inst->in[p.filter],
                      inst->workspace, inst->out[0], (int)l.m.M, (int)g->C, (int)g->K, (int)l.m.Z, (int)l.block,
                      (int)l.depth, (int)l.items);
    return rt_run(inst->kernel[0], 1, &l.items, &one, "mmmmmiiiiiiiii", inst->in[p.in], inst->in[p.filter],
                  inst->workspace, inst->out[0], conv2d_bias(inst, g), (int)l.m.M, (int)g->C, (int)g->K, (int)l.m.T,
                  (int)l.block, (int)l.depth, conv2d_epilogue(g), (int)l.items, (int)l.copies);
}

enum rote_status conv2d_filter_direct_prepare(struct op_inst *inst, const struct conv2d_geometry *g)
{
    struct layout l = layout_of(inst, g, true);
    inst->workspace_bytes = 4 * (uint64_t)l.items * (uint64_t)l.scratch;
    return rt_kernel_new(inst->dev, "conv2d_direct",
                         l.turned ? "conv2d_filter__direct_turned" : "conv2d_filter__direct", l.tile.options,
                         &inst->kernel[0]);
}

enum rote_status conv2d_filter_direct(struct op_inst *inst, const struct conv2d_geometry *g, struct conv2d_ports p)
{
    struct layout l = layout_of(inst, g, true);
    size_t one = 1;
    if (l.turned)
        return rt_run(inst->kernel[0], 1, &l.items, &one, "mmmmiiiii", inst->in[p.in], inst->in[p.filter],
                      inst->workspace, inst->out[0], (int)l.m.M, (int)g->C, (int)g->K, (int)l.m.T, (int)l.items);
    return rt_run(inst->kernel[0], 1, &l.items, &one, "mmmmiiiiiii", inst->in[p.in], inst->in[p.filter],
                  inst->workspace, inst->out[0], (int)l.m.M, (int)g->C, (int)g->K, (int)l.m.T, (int)l.channels,
                  (int)l.set, (int)l.items);
}
