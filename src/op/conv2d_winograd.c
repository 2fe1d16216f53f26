/* The winograd variant of a product: 3x3 windows of stride 1 or 2, forward and data gradient, in one
 * of two orders (cl/conv2d_winograd.cl). Workspaces:
 *   filters first: [U][scratch of each work-item]
 *   panels:        [V][zeros of each work-item][scratch of each work-item] */
#include "op/conv2d_geometry.h"

#include <string.h>

#define BLOCK_ROWS 24                    /* samples of a tile: as many as let the filters' lines be asked for in time */
#define BLOCK_BYTES ((int64_t)1280 << 10) /* V and M of a block: inside a second-level cache */
#define PANEL_ROWS 128
#define PANEL_CHANNELS 64                /* transformed in passing */
#define TAIL_ROWS 4                      /* TAIL of the kernel file */

const struct op_tunable conv2d_winograd_tunables[] = {
    {"vectors", (const int[]){1, 2, 3, 4, 0}, "vectors of filters in the register tile"},
    {"rows", (const int[]){4, 5, 6, 7, 8, 12, 0}, "rows of the register tile"},
    {"tile", (const int[]){2, 4, 0}, "side of the output tiles"},
    {"order", (const int[]){1, 2, 0}, "1: all filters transformed first; 2: panel by panel"},
    {"items", (const int[]){1, 2, 4, 8, 0}, "work-items for each of the device's cores"},
    {"block", (const int[]){12, 18, 24, 32, 48, 64, 128, 0}, "rows that a work-item takes at a time"},
    {NULL, NULL, NULL},
};

static int64_t planes(const struct conv2d_geometry *g, int64_t tile)
{
    int64_t side = g->mul_h * g->div_h > 1 ? 2 * tile + 1 : tile + 2;
    return side * side;
}

static int64_t tiles_across(const struct conv2d_geometry *g, int64_t tile)
{
    return (g->Q + tile * g->div_w - 1) / (tile * g->div_w);
}

static int64_t tiles(const struct conv2d_geometry *g, int64_t tile)
{
    return (g->P + tile * g->div_h - 1) / (tile * g->div_h) * tiles_across(g, tile);
}

/* The tiles' share that lies over the edge costs as much as the rest. */
struct conv2d_winograd conv2d_winograd_of(const struct op_inst *inst, const struct conv2d_geometry *g, int rows)
{
    struct conv2d_winograd w = {.tile = conv2d_tile_of(inst, g->K, rows)};
    int64_t side = planes(g, 4) * tiles(g, 4) <= planes(g, 2) * tiles(g, 2) ? 4 : 2;
    side = op_tuned(inst, "tile", side);
    w.planes = planes(g, side);
    w.filter_planes = (side + 2) * (side + 2);
    w.tiles_q = tiles_across(g, side);
    w.tiles = tiles(g, side);
    size_t at = strlen(w.tile.options);
    snprintf(w.tile.options + at, sizeof w.tile.options - at, " -DTILE=%d -DMUL=%d -DDIV=%d", (int)side,
             (int)g->mul_h, (int)g->div_h);
    return w;
}

/* Of `all` rows in even blocks of at most `most` and an even number. */
static int64_t block_rows(int64_t all, int64_t most)
{
    int64_t rows = least(all, most > 2 ? most : 2), blocks = (all + rows - 1) / rows;
    return round_up((all + blocks - 1) / blocks, 2);
}

struct layout {
    struct conv2d_winograd w;
    int64_t kt, panels, v_row, rows, v_rows, first, scratch, units;
    bool by_panel;
    size_t items;
};

static struct layout layout_of(const struct op_inst *inst, const struct conv2d_geometry *g)
{
    const struct rt_facts *f = rt_facts_of(inst->dev);
    struct layout l;
    l.w = conv2d_winograd_of(inst, g, CONV2D_TILE_ROWS);
    l.kt = l.w.tile.kt;
    l.panels = (g->K + l.kt - 1) / l.kt;
    l.v_row = round_up(g->C, l.w.tile.vec);
    int64_t all = l.w.tiles * g->N, room;
    /* Few rows: the transformed filters would cost more than they, or a tile has too few samples. */
    bool by_panel = all <= g->K / 2 || (g->N < BLOCK_ROWS / 2 && all <= g->K);
    by_panel = by_panel && g->groups == 1 && l.panels >= f->compute_units;
    l.by_panel = op_tuned(inst, "order", by_panel ? 2 : 1) == 2;
    if (l.by_panel) {
        l.rows = block_rows(all, op_tuned(inst, "block", PANEL_ROWS));
        room = round_up(l.rows, l.w.tile.pt);
        l.units = l.panels * ((all + l.rows - 1) / l.rows);
        l.v_rows = round_up(all, l.rows) + l.w.tile.pt;
        l.first = l.w.planes * (l.v_rows * l.v_row + WINOGRAD_PLANE_PAD);
        l.scratch = l.w.planes * (l.kt * room + WINOGRAD_PLANE_PAD) +
                    l.w.filter_planes * (l.kt * PANEL_CHANNELS + WINOGRAD_PLANE_PAD);
    } else {
        /* with short rows half as many are 5% faster */
        int64_t most = least(l.v_row + l.kt <= 128 ? BLOCK_ROWS / 2 : BLOCK_ROWS,
                             BLOCK_BYTES / (l.w.planes * 4 * (l.v_row + l.kt)));
        l.rows = block_rows(g->N, op_tuned(inst, "block", most));
        room = round_up(l.rows, l.w.tile.pt);
        l.units = g->groups * l.w.tiles * ((g->N + l.rows - 1) / l.rows);
        l.v_rows = 0;
        l.first = l.w.filter_planes * (g->groups * g->C * l.panels * l.kt + WINOGRAD_PLANE_PAD);
        l.scratch = WINOGRAD_ZEROS + l.w.planes * (room * (l.v_row + l.kt) + 2 * WINOGRAD_PLANE_PAD);
    }
    l.items = (size_t)least((int64_t)f->compute_units * op_tuned(inst, "items", 2), l.units);
    return l;
}

/* Where sums are long enough for the direct sum's error bound to hold the transforms' errors, and
 * tiles do not lie mostly over the edge: strided, at most 25 products for 36. A data gradient of stride 2 begins with
 * a middle tap: its padding is odd. Not measured on GPUs. */
bool conv2d_winograd_takes(const struct rt_facts *f, const struct conv2d_geometry *g)
{
    bool square = g->R == 3 && g->S == 3 && g->mul_h == g->mul_w && g->div_h == g->div_w && g->step_h == g->step_w;
    if (!f->long_items || !square || g->step_h != (g->transposed ? -1 : 1) || g->C < 16 || g->K < 16)
        return false;
    if (g->mul_h == 1 && g->div_h == 1)
        return g->P * g->Q > 1;
    int64_t products = least(planes(g, 4) * tiles(g, 4), planes(g, 2) * tiles(g, 2));
    int64_t direct = 9 * ((g->P + g->div_h - 1) / g->div_h) * ((g->Q + g->div_w - 1) / g->div_w);
    return g->mul_h * g->div_h == 2 && (g->div_h == 1 || (g->off_h % 2 && g->off_w % 2)) &&
           36 * products <= 25 * direct;
}

/* Where the first patch of a product begins. */
static int patch_off(const struct conv2d_geometry *g, int64_t off)
{
    /* out[p] sums in[(p - r + off) / div]: taps in reverse, from the last one on */
    return (int)(!g->transposed ? off : g->div_h > 1 ? (off - 1) / 2 : off - 2);
}

bool conv2d_product_winograd_accepts(const struct rt_facts *f, const struct conv2d_geometry *g)
{
    return conv2d_winograd_takes(f, g) && (g->mul_h == 1 || g->C >= 32);
}

enum rote_status conv2d_product_winograd_prepare(struct op_inst *inst, const struct conv2d_geometry *g)
{
    enum rote_status st = ROTE_OK;
    struct layout l = layout_of(inst, g);
    if (l.w.tile.pt < TAIL_ROWS)
        FAIL(ROTE_EUNSUPPORTED, "winograd: %lld rows; the register tile has at least %d", (long long)l.w.tile.pt,
             TAIL_ROWS);
    if (l.by_panel && g->groups > 1)
        FAIL(ROTE_EUNSUPPORTED, "winograd: order 2 takes no groups; this call has %lld", (long long)g->groups);
    const char *product = l.by_panel ? "conv2d_product__winograd_panels" : "conv2d_product__winograd";
    const char *first = l.by_panel ? "conv2d_winograd_input" : "conv2d_winograd_filter";
    TRY(rt_kernel_new(inst->dev, "conv2d_winograd", product, l.w.tile.options, &inst->kernel[0]));
    TRY(rt_kernel_new(inst->dev, "conv2d_winograd", first, l.w.tile.options, &inst->kernel[1]));
    int64_t zeros = l.by_panel ? (int64_t)l.items * WINOGRAD_ZEROS : 0;
    inst->workspace_bytes = 4 * (uint64_t)(l.first + zeros + (int64_t)l.items * l.scratch);
out:
    return st;
}

static enum rote_status by_panel(struct op_inst *inst, const struct conv2d_geometry *g, struct conv2d_ports p,
                                 const struct layout *l, int off_h, int off_w)
{
    enum rote_status st = ROTE_OK;
    size_t one = 1;
    uint64_t zeros_at = (uint64_t)l->first, scratch_at = zeros_at + l->items * WINOGRAD_ZEROS;
    TRY(rt_run(inst->kernel[1], 1, &l->items, &one, "mmllliiiiiiiii", inst->in[p.in], inst->workspace, (uint64_t)0,
               zeros_at, (uint64_t)l->v_rows, (int)g->N, (int)g->H, (int)g->W, (int)g->C, (int)l->w.tiles,
               (int)l->w.tiles_q, off_h, off_w, (int)l->items));
    TRY(rt_run(inst->kernel[0], 1, &l->items, &one, "mmmmllliiiiiiiiiii", inst->in[p.filter], inst->workspace,
               inst->out[0], conv2d_bias(inst, g), (uint64_t)0, scratch_at, (uint64_t)l->v_rows, (int)l->rows,
               PANEL_CHANNELS, (int)g->N, (int)g->C, (int)g->P, (int)g->Q, (int)g->K, (int)g->transposed,
               conv2d_epilogue(g), conv2d_streams(inst, g), (int)l->items));
out:
    return st;
}

enum rote_status conv2d_product_winograd(struct op_inst *inst, const struct conv2d_geometry *g, struct conv2d_ports p)
{
    enum rote_status st = ROTE_OK;
    struct layout l = layout_of(inst, g);
    int off_h = patch_off(g, g->off_h), off_w = patch_off(g, g->off_w);
    if (l.by_panel)
        return by_panel(inst, g, p, &l, off_h, off_w);
    int64_t channels = g->transposed ? l.w.tile.vec : least(l.w.tile.vec, 4);
    size_t filters[2] = {(size_t)((g->C + channels - 1) / channels), (size_t)(l.panels * g->groups)};
    size_t one = 1, group[2] = {1, 1};
    TRY(rt_run(inst->kernel[1], 2, filters, group, "mmliiiii", inst->in[p.filter], inst->workspace, (uint64_t)0,
               (int)g->C, (int)g->K, (int)g->groups, (int)g->transposed, (int)channels));
    TRY(rt_run(inst->kernel[0], 1, &l.items, &one, "mmmmlliiiiiiiiiiiiii", inst->in[p.in], inst->workspace,
               inst->out[0], conv2d_bias(inst, g), (uint64_t)0, (uint64_t)l.first, (int)l.rows, (int)g->N, (int)g->H,
               (int)g->W, (int)g->C, (int)g->P, (int)g->Q, (int)g->K, (int)g->groups, off_h, off_w, conv2d_epilogue(g),
               conv2d_streams(inst, g), (int)l.items));
out:
    return st;
}
