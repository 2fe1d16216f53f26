/* The thin variant of a product and a filter gradient: few channels (cl/conv2d_thin.cl).
 * Workspace: [partial sums of each split, if there are several][scratch of each work-item]. */
#include "op/conv2d_geometry.h"

#define MOST_CHANNELS 8
#define MOST_TAPS 32    /* TAPS and PLACES of the kernel file */
#define MOST_PLACES 128

const struct op_tunable conv2d_thin_tunables[] = {
    {"vectors", (const int[]){1, 2, 3, 4, 0}, "vectors of filters in the register tile"},
    {"rows", (const int[]){4, 5, 6, 8, 10, 12, 14, 0}, "rows of the register tile, of a filter gradient channels"},
    {"items", (const int[]){1, 2, 4, 8, 0}, "work-items for each of the device's cores"},
    {NULL, NULL, NULL},
};

/* On GPUs a work-item of its own for so much is no good: tile takes these. */
bool conv2d_thin_takes(const struct rt_facts *f, const struct conv2d_geometry *g)
{
    return f->long_items && g->groups == 1 && !g->transposed && g->div_h == 1 && g->div_w == 1 &&
           g->C <= MOST_CHANNELS && g->R * g->S <= MOST_TAPS && g->R * g->S * g->C <= MOST_PLACES;
}

bool conv2d_product_thin_accepts(const struct rt_facts *f, const struct conv2d_geometry *g)
{
    return conv2d_thin_takes(f, g);
}

bool conv2d_filter_thin_accepts(const struct rt_facts *f, const struct conv2d_geometry *g)
{
    return conv2d_thin_takes(f, g);
}

static int64_t places(const struct conv2d_geometry *g)
{
    return g->R * g->S * g->C;
}

/* Places in even blocks of at most `most`. */
static int64_t in_blocks(const struct conv2d_geometry *g, int64_t most)
{
    return round_up(places(g), (places(g) + most - 1) / most);
}

/* As many accumulators as the registers hold beside the vectors in use. */
static struct conv2d_tile tile_of(const struct op_inst *inst, const struct conv2d_geometry *g, bool filter)
{
    struct conv2d_tile t = conv2d_tile_of(inst, g->K, 1);
    int64_t accumulators = t.vec == 16 ? 24 : 12, columns = g->K;
    /* two vectors where as many accumulators then hold fewer places that there are not */
    if (filter && t.nv == 4 && in_blocks(g, accumulators / 2) < in_blocks(g, accumulators / 4))
        columns = 2 * t.vec;
    int64_t most = accumulators / conv2d_tile_of(inst, columns, 1).nv;
    if (filter)
        most = in_blocks(g, most) / ((places(g) + most - 1) / most);
    return conv2d_tile_of(inst, columns, (int)least(most, 14));
}

static size_t work_items(const struct op_inst *inst, int64_t units)
{
    return (size_t)least(rt_facts_of(inst->dev)->compute_units * op_tuned(inst, "items", 2), units);
}

static size_t product_items(const struct op_inst *inst, const struct conv2d_geometry *g, const struct conv2d_tile *t)
{
    return work_items(inst, g->P * g->Q * ((g->K + t->kt - 1) / t->kt));
}

enum rote_status conv2d_product_thin_prepare(struct op_inst *inst, const struct conv2d_geometry *g)
{
    struct conv2d_tile t = tile_of(inst, g, false);
    inst->workspace_bytes = 4 * (uint64_t)product_items(inst, g, &t) * (uint64_t)(places(g) * t.kt);
    return rt_kernel_new(inst->dev, "conv2d_thin", "conv2d_product__thin", t.options, &inst->kernel[0]);
}

enum rote_status conv2d_product_thin(struct op_inst *inst, const struct conv2d_geometry *g, struct conv2d_ports p)
{
    struct conv2d_tile t = tile_of(inst, g, false);
    size_t items = product_items(inst, g, &t), one = 1;
    return rt_run(inst->kernel[0], 1, &items, &one, "mmmmmiiiiiiiiiiiiiiiiii", inst->in[p.in], inst->in[p.filter],
                  inst->workspace, inst->out[0], conv2d_bias(inst, g), (int)g->N, (int)g->H, (int)g->W, (int)g->C,
                  (int)g->P, (int)g->Q, (int)g->K, (int)g->R, (int)g->S, (int)g->mul_h, (int)g->mul_w, (int)g->step_h,
                  (int)g->step_w, (int)g->off_h, (int)g->off_w, conv2d_epilogue(g), conv2d_streams(inst, g),
                  (int)items);
}

struct filter_plan {
    struct conv2d_tile tile;
    int64_t splits, partial, scratch;
    size_t items;
};

static struct filter_plan filter_plan_of(const struct op_inst *inst, const struct conv2d_geometry *g)
{
    struct filter_plan f = {.tile = tile_of(inst, g, true)};
    int64_t panels = (g->K + f.tile.kt - 1) / f.tile.kt, mc = f.tile.pt;
    f.splits = least(2 * (int64_t)rt_facts_of(inst->dev)->compute_units, g->P * g->Q);
    f.partial = f.splits > 1 ? f.splits * places(g) * g->K : 0;
    f.scratch = g->N * g->C + (places(g) + mc - 1) / mc * mc * f.tile.kt;
    f.items = work_items(inst, f.splits * panels);
    return f;
}

enum rote_status conv2d_filter_thin_prepare(struct op_inst *inst, const struct conv2d_geometry *g)
{
    enum rote_status st = ROTE_OK;
    struct filter_plan f = filter_plan_of(inst, g);
    TRY(rt_kernel_new(inst->dev, "conv2d_thin", "conv2d_filter__thin", f.tile.options, &inst->kernel[0]));
    if (f.splits > 1)
        TRY(rt_kernel_new(inst->dev, "conv2d", "conv2d_reduce", NULL, &inst->kernel[1]));
    inst->workspace_bytes = 4 * ((uint64_t)f.partial + 64 + f.items * (uint64_t)f.scratch);
out:
    return st;
}

enum rote_status conv2d_filter_thin(struct op_inst *inst, const struct conv2d_geometry *g, struct conv2d_ports p)
{
    enum rote_status st = ROTE_OK;
    struct filter_plan f = filter_plan_of(inst, g);
    size_t one = 1;
    TRY(rt_run(inst->kernel[0], 1, &f.items, &one, "mmmmliiiiiiiiiiiiiiiii", inst->in[p.in], inst->in[p.filter],
               inst->workspace, f.splits > 1 ? inst->workspace : inst->out[0], (uint64_t)f.partial, (int)f.splits,
               (int)g->N, (int)g->H, (int)g->W, (int)g->C, (int)g->P, (int)g->Q, (int)g->K, (int)g->R, (int)g->S,
               (int)g->mul_h, (int)g->mul_w, (int)g->step_h, (int)g->step_w, (int)-g->off_h, (int)-g->off_w,
               (int)f.items));
    if (f.splits > 1)
        TRY(conv2d_reduce(inst, inst->kernel[1], f.splits, places(g) * g->K));
out:
    return st;
}
