/* The winograd variant of a product: 3x3 windows of stride 1, forward and data gradient.
 * Workspace: [transformed filters U][scratch of each work-item]. */
#include "op/conv2d_geometry.h"

#define PT 6
#define SCRATCH_BYTES ((int64_t)2 << 20) /* of a work-item: about a core's second-level cache */

static int64_t round_up(int64_t a, int64_t b)
{
    return (a + b - 1) / b * b;
}

/* Samples a block: as many as the scratch allows, in whole register tiles. */
static int64_t block_rows(const struct conv2d_geometry *g, int64_t columns)
{
    int64_t most = SCRATCH_BYTES / (36 * 4 * (g->C + columns)) / PT * PT, all = round_up(g->N, PT);
    int64_t rows = most < PT ? PT : most < all ? most : all;
    int64_t blocks = (g->N + rows - 1) / rows;
    return round_up((g->N + blocks - 1) / blocks, PT); /* even blocks: less filling up */
}

struct layout {
    int64_t kt, vec, columns, rows, u, scratch, units;
    size_t items;
};

static struct layout layout_of(const struct op_inst *inst, const struct conv2d_geometry *g, char options[64])
{
    const struct rt_facts *f = rt_facts_of(inst->dev);
    struct layout l;
    conv2d_tile_options(f, g->K, options, 64, &l.kt);
    l.vec = f->native_float >= 16 ? 16 : f->native_float >= 8 ? 8 : 4;
    l.columns = round_up(g->K, l.kt);
    l.rows = block_rows(g, l.columns);
    l.units = (g->P + 3) / 4 * ((g->Q + 3) / 4) * ((g->N + l.rows - 1) / l.rows);
    int64_t items = (int64_t)f->compute_units * 2;
    l.items = (size_t)(items < l.units ? items : l.units);
    l.u = 36 * g->C * l.columns;
    l.scratch = 36 * l.rows * (g->C + l.columns);
    return l;
}

/* Where the tiles of 4 x 4 do not reach far over the edge, and sums are long enough for the
 * direct sum's error bound to hold the transforms' errors. Not measured on GPUs. */
bool conv2d_product_winograd_accepts(const struct rt_facts *f, const struct conv2d_geometry *g)
{
    bool fits = g->R == 3 && g->S == 3 && g->groups == 1 && g->mul_h == 1 && g->mul_w == 1 && g->div_h == 1 &&
                g->div_w == 1 && g->step_h == g->step_w && (g->step_h == 1 || g->step_h == -1);
    return f->cls == RT_CPU && fits && g->C >= 16 && g->K >= 16 &&
           2 * g->P * g->Q >= round_up(g->P, 4) * round_up(g->Q, 4);
}

enum rote_status conv2d_product_winograd_prepare(struct op_inst *inst, const struct conv2d_geometry *g)
{
    enum rote_status st = ROTE_OK;
    char options[64];
    struct layout l = layout_of(inst, g, options);
    TRY(rt_kernel_new(inst->dev, "conv2d_winograd", "conv2d_product__winograd", options, &inst->kernel[0]));
    TRY(rt_kernel_new(inst->dev, "conv2d_winograd", "conv2d_winograd_filter", options, &inst->kernel[1]));
    inst->workspace_bytes = 4 * (uint64_t)(l.u + (int64_t)l.items * l.scratch);
out:
    return st;
}

enum rote_status conv2d_product_winograd(struct op_inst *inst, const struct conv2d_geometry *g, struct conv2d_ports p)
{
    enum rote_status st = ROTE_OK;
    char options[64];
    struct layout l = layout_of(inst, g, options);
    bool flipped = g->step_h < 0; /* out[p] sums in[p - r + off]: window taps in reverse from p + off - 2 */
    size_t filters[2] = {(size_t)g->C, (size_t)(l.columns / l.vec)}, one = 1;
    TRY(rt_run(inst->kernel[1], 2, filters, NULL, "mmliiii", inst->in[p.filter], inst->workspace, (uint64_t)0,
               (int)g->C, (int)g->K, (int)g->transposed, (int)flipped));
    TRY(rt_run(inst->kernel[0], 1, &l.items, &one, "mmmlliiiiiiiiii", inst->in[p.in], inst->workspace, inst->out[0],
               (uint64_t)0, (uint64_t)l.u, (int)l.rows, (int)g->N, (int)g->H, (int)g->W, (int)g->C, (int)g->P,
               (int)g->Q, (int)g->K, (int)(g->off_h - (flipped ? 2 : 0)), (int)(g->off_w - (flipped ? 2 : 0))));
out:
    return st;
}
