/* The depthwise variant of a product and a filter gradient: groups of one channel and one filter
 * (cl/conv2d_depthwise.cl).
 * Workspace of a filter gradient: [partial sums of each split, if several][sums of each work-item]. */
#include "op/conv2d_geometry.h"

#define BLOCK 8 /* samples of a row of pixels at a time; in a filter gradient a part of the order of sums */
#define MOST_BLOCK 64 /* of a tile of windows */
#define WINDOW_FLOATS 8192 /* of a pixel before the next tile of windows: much less lies in few sets of a cache */
#define MOST_TAPS 128 /* TAPS of the kernel file */

const struct op_tunable conv2d_depthwise_tunables[] = {
    {"rows", (const int[]){2, 4, 8, 12, 0}, "samples of a pixel at a time; rows of a tile of windows"},
    {"pixels", (const int[]){1, 2, 3, 4, 0},
     "neighbours at a time, where their windows lie within the image; columns of a tile"},
    {"samples", (const int[]){1, 2, 4, 0}, "samples of such neighbours at a time"},
    {"block", (const int[]){8, 16, 32, 64, 0}, "samples of a row of pixels before the next one"},
    {"items", (const int[]){1, 2, 4, 8, 0}, "work-items for each of the device's cores"},
    {NULL, NULL, NULL},
};

const struct op_tunable conv2d_depthwise_filter_tunables[] = {
    {"items", (const int[]){1, 2, 4, 8, 0}, "work-items for each of the device's cores"},
    {NULL, NULL, NULL},
};

bool conv2d_product_depthwise_accepts(const struct rt_facts *f, const struct conv2d_geometry *g)
{
    return f->long_items && g->C == 1 && g->K == 1 && g->groups > 1 && g->R * g->S <= MOST_TAPS;
}

bool conv2d_filter_depthwise_accepts(const struct rt_facts *f, const struct conv2d_geometry *g)
{
    return conv2d_product_depthwise_accepts(f, g);
}

/* Of 3 by 3 (WINDOW of the kernel file), one pixel apart, where the registers hold a tile's sums and a filter. */
static bool by_window(const struct conv2d_geometry *g, int vec)
{
    return vec == 16 && g->R == 3 && g->S == 3 && g->mul_h == 1 && g->mul_w == 1 && g->div_h == 1 && g->div_w == 1 &&
           g->step_h == g->step_w && (g->step_h == 1 || g->step_h == -1);
}

struct layout {
    int vec;
    int64_t block, span, splits, partial, scratch;
    bool window;
    size_t items;
    char options[128];
};

static struct layout layout_of(const struct op_inst *inst, const struct conv2d_geometry *g, bool filter)
{
    struct layout l = {.vec = op_vec(inst, g->groups)};
    l.window = !filter && by_window(g, l.vec);
    int64_t cores = (int64_t)rt_facts_of(inst->dev)->compute_units, taps = g->R * g->S;
    int64_t items = cores * op_tuned(inst, "items", 2), fitting = WINDOW_FLOATS / g->groups;
    int64_t tile_p = l.window ? op_tuned(inst, "rows", 2) : 1, tile_q = l.window ? op_tuned(inst, "pixels", 4) : 1;
    l.block = op_tuned(inst, "block", l.window && fitting > BLOCK ? least(fitting, MOST_BLOCK) : BLOCK);
    /* Whole rows of pixels, or shorter spans of few rows, so that all items have some. */
    int64_t rows = (g->P + tile_p - 1) / tile_p * ((g->N + l.block - 1) / l.block);
    int64_t spans = least((2 * items + rows - 1) / rows, g->Q);
    l.span = round_up(rows >= 2 * items ? g->Q : (g->Q + spans - 1) / spans, tile_q);
    /* Not by the number of work-items: a tunable must not change the order of sums. */
    l.splits = least(2 * cores, g->P * g->Q);
    l.partial = l.splits > 1 ? l.splits * taps * g->groups : 0;
    l.scratch = (taps + 1) * round_up(g->groups, l.vec);
    l.items = (size_t)least(items, filter ? l.splits : rows * ((g->Q + l.span - 1) / l.span));
    if (filter) /* a row of the window, or a column */
        snprintf(l.options, sizeof l.options, "-DVEC=%d -DTB=%d%s", l.vec, (int)least(g->S > 1 ? g->S : g->R, 9),
                 op_cache_option(inst));
    else if (l.window)
        snprintf(l.options, sizeof l.options, "-DVEC=%d -DTILE_P=%d -DTILE_Q=%d%s", l.vec, (int)tile_p,
                 (int)tile_q, op_cache_option(inst));
    else /* 16 sums of a line of one vector, where there are as many registers; else 6 of one of two or more */
        snprintf(l.options, sizeof l.options, "-DVEC=%d -DROWS=%d -DPIXELS=%d -DSAMPLES=%d%s", l.vec,
                 (int)op_tuned(inst, "rows", l.vec / 2), (int)op_tuned(inst, "pixels", l.vec == 16 ? 4 : 3),
                 (int)op_tuned(inst, "samples", l.vec == 16 ? 4 : 2), op_cache_option(inst));
    return l;
}

enum rote_status conv2d_product_depthwise_prepare(struct op_inst *inst, const struct conv2d_geometry *g)
{
    struct layout l = layout_of(inst, g, false);
    return rt_kernel_new(inst->dev, "conv2d_depthwise",
                         l.window ? "conv2d_product__depthwise_window" : "conv2d_product__depthwise", l.options,
                         &inst->kernel[0]);
}

enum rote_status conv2d_product_depthwise(struct op_inst *inst, const struct conv2d_geometry *g,
                                          struct conv2d_ports p)
{
    struct layout l = layout_of(inst, g, false);
    size_t one = 1;
    int streams = op_streams(inst, 4 * g->P * g->Q * g->N * g->groups, g->groups, 16), flip = g->step_h < 0;
    if (l.window)
        return rt_run(inst->kernel[0], 1, &l.items, &one, "mmmmiiiiiiiiiiiiii", inst->in[p.in], inst->in[p.filter],
                      inst->out[0], conv2d_bias(inst, g), (int)l.block, (int)g->N, (int)g->H, (int)g->W,
                      (int)g->groups, (int)g->P, (int)g->Q, (int)(g->off_h - 2 * flip), (int)(g->off_w - 2 * flip),
                      flip, conv2d_epilogue(g), streams, (int)l.span, (int)l.items);
    return rt_run(inst->kernel[0], 1, &l.items, &one, "mmmmiiiiiiiiiiiiiiiiiiiii", inst->in[p.in], inst->in[p.filter],
                  inst->out[0], conv2d_bias(inst, g), (int)l.block, (int)g->N, (int)g->H, (int)g->W, (int)g->groups,
                  (int)g->P, (int)g->Q, (int)g->R, (int)g->S, (int)g->mul_h, (int)g->mul_w, (int)g->step_h,
                  (int)g->step_w, (int)g->off_h, (int)g->off_w, (int)g->div_h, (int)g->div_w, conv2d_epilogue(g),
                  streams, (int)l.span, (int)l.items);
}

enum rote_status conv2d_filter_depthwise_prepare(struct op_inst *inst, const struct conv2d_geometry *g)
{
    enum rote_status st = ROTE_OK;
    struct layout l = layout_of(inst, g, true);
    TRY(rt_kernel_new(inst->dev, "conv2d_depthwise", "conv2d_filter__depthwise", l.options, &inst->kernel[0]));
    if (l.splits > 1)
        TRY(rt_kernel_new(inst->dev, "conv2d", "conv2d_reduce", NULL, &inst->kernel[1]));
    inst->workspace_bytes = 4 * ((uint64_t)l.partial + l.items * (uint64_t)l.scratch);
out:
    return st;
}

enum rote_status conv2d_filter_depthwise(struct op_inst *inst, const struct conv2d_geometry *g,
                                         struct conv2d_ports p)
{
    enum rote_status st = ROTE_OK;
    struct layout l = layout_of(inst, g, true);
    size_t one = 1;
    TRY(rt_run(inst->kernel[0], 1, &l.items, &one, "mmmmliiiiiiiiiiiiiiiii", inst->in[p.in], inst->in[p.filter],
               inst->workspace, l.splits > 1 ? inst->workspace : inst->out[0], (uint64_t)l.partial, (int)l.splits,
               (int)l.block, (int)g->N, (int)g->H, (int)g->W, (int)g->groups, (int)g->P, (int)g->Q, (int)g->R,
               (int)g->S, (int)g->mul_h, (int)g->mul_w, (int)g->step_h, (int)g->step_w, (int)-g->off_h, (int)-g->off_w,
               (int)l.items));
    if (l.splits > 1)
        TRY(conv2d_reduce(inst, inst->kernel[1], l.splits, g->R * g->S * g->groups));
out:
    return st;
}
