/* The direct variant of a product and a filter gradient that is a plain product of matrices with
 * few rows: linear layers, 1x1 convolutions, matmul (cl/conv2d_direct.cl).
 * Workspace of a transposed product: a panel for each work-item. */
#include "op/conv2d_geometry.h"

#define MOST_ROWS 256 /* above, packing the filter pays */

const struct op_tunable conv2d_direct_tunables[] = {
    {"vectors", (const int[]){1, 2, 3, 4, 0}, "vectors of filters in the register tile"},
    {"rows", (const int[]){4, 6, 8, 12, 0}, "rows of the register tile, of a filter gradient channels"},
    {"items", (const int[]){1, 2, 4, 8, 0}, "work-items for each of the device's cores"},
    {"block", (const int[]){12, 24, 48, 96, 0}, "rows of a panel at a time"},
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
    return f->cls == RT_CPU && matrices_of(g, &m) && m.M <= MOST_ROWS;
}

bool conv2d_filter_direct_accepts(const struct rt_facts *f, const struct conv2d_geometry *g)
{
    return conv2d_product_direct_accepts(f, g);
}

struct layout {
    struct matrices m;
    struct conv2d_tile tile;
    int64_t panels, block, panel_floats;
    size_t items;
};

static struct layout layout_of(const struct op_inst *inst, const struct conv2d_geometry *g, bool filter)
{
    struct layout l;
    matrices_of(g, &l.m);
    l.tile = conv2d_tile_of(inst, g->K, 1);
    int64_t pt = l.tile.vec == 16 ? (l.tile.nv > 2 ? 6 : 8) : (l.tile.nv > 1 ? 6 : 8);
    l.tile = conv2d_tile_of(inst, g->K, (int)(filter ? least(pt, g->C) : pt));
    l.panels = (g->K + l.tile.kt - 1) / l.tile.kt;
    l.block = op_tuned(inst, "block", 4 * l.tile.pt);
    l.panel_floats = (g->C + l.tile.vec - 1) / l.tile.vec * l.tile.vec * l.tile.kt;
    int64_t units = filter          ? l.panels * l.m.T * ((g->C + l.tile.pt - 1) / l.tile.pt)
                    : g->transposed ? l.panels * l.m.Z
                                    : l.panels * ((l.m.M + l.block - 1) / l.block);
    l.items = (size_t)least(rt_facts_of(inst->dev)->compute_units * op_tuned(inst, "items", 2), units);
    return l;
}

enum rote_status conv2d_product_direct_prepare(struct op_inst *inst, const struct conv2d_geometry *g)
{
    struct layout l = layout_of(inst, g, false);
    if (g->transposed)
        inst->workspace_bytes = 4 * (uint64_t)l.items * (uint64_t)l.panel_floats;
    return rt_kernel_new(inst->dev, "conv2d_direct",
                         g->transposed ? "conv2d_product__direct_transposed" : "conv2d_product__direct",
                         l.tile.options, &inst->kernel[0]);
}

enum rote_status conv2d_product_direct(struct op_inst *inst, const struct conv2d_geometry *g, struct conv2d_ports p)
{
    struct layout l = layout_of(inst, g, false);
    size_t one = 1;
    if (g->transposed)
        return rt_run(inst->kernel[0], 1, &l.items, &one, "mmmmiiii", inst->in[p.in], inst->in[p.filter],
                      inst->workspace, inst->out[0], (int)l.m.M, (int)g->C, (int)g->K, (int)l.m.Z);
    return rt_run(inst->kernel[0], 1, &l.items, &one, "mmmiiiii", inst->in[p.in], inst->in[p.filter], inst->out[0],
                  (int)l.m.M, (int)g->C, (int)g->K, (int)l.m.T, (int)l.block);
}

enum rote_status conv2d_filter_direct_prepare(struct op_inst *inst, const struct conv2d_geometry *g)
{
    struct layout l = layout_of(inst, g, true);
    if (l.tile.pt > g->C)
        return base_error(ROTE_EUNSUPPORTED, "tiles of %d channels for %d", (int)l.tile.pt, (int)g->C);
    return rt_kernel_new(inst->dev, "conv2d_direct", "conv2d_filter__direct", l.tile.options, &inst->kernel[0]);
}

enum rote_status conv2d_filter_direct(struct op_inst *inst, const struct conv2d_geometry *g, struct conv2d_ports p)
{
    struct layout l = layout_of(inst, g, true);
    size_t one = 1;
    return rt_run(inst->kernel[0], 1, &l.items, &one, "mmmiiii", inst->in[p.in], inst->in[p.filter], inst->out[0],
                  (int)l.m.M, (int)g->C, (int)g->K, (int)l.m.T);
}
