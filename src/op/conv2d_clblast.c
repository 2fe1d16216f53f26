/* The clblast variant: im2col, a bounded number of rows at a time, then GEMM.
 * Workspace: [GEMM's own temporary][transposed filter][col]; the temporary comes first
 * because CLBlast takes a buffer, not an offset. */
#include "op/bias.h"
#include "op/conv2d_geometry.h"

#define BIAS_KERNEL 2 /* of inst->kernel: without relu, then with */

#define COL_FLOATS ((int64_t)4 << 20)

struct plan {
    int64_t chunk;           /* rows of col at a time */
    bool direct;             /* 1x1 at stride 1: in is the matrix */
    uint64_t filter_at, col_at; /* floats */
};

static int64_t smaller(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static struct rt_gemm product_gemm(const struct conv2d_geometry *g, const struct plan *p, int64_t rows, int64_t first,
                                   int64_t group)
{
    uint64_t depth = (uint64_t)(g->R * g->S * g->C), columns = (uint64_t)(g->K * g->groups);
    struct rt_gemm m = {.m = (uint64_t)rows, .n = (uint64_t)g->K, .k = depth, .alpha = 1};
    m.lda = p->direct ? (uint64_t)(g->C * g->groups) : depth;
    m.offset_a = p->direct ? (uint64_t)first * m.lda + (uint64_t)(group * g->C) : p->col_at;
    m.ldb = columns;
    m.offset_b = (uint64_t)(group * g->K) + (g->transposed ? p->filter_at : 0);
    m.ldc = columns;
    m.offset_c = (uint64_t)first * columns + (uint64_t)(group * g->K);
    return m;
}

static struct rt_gemm filter_gemm(const struct conv2d_geometry *g, const struct plan *p, int64_t rows, int64_t first,
                                  int64_t group)
{
    uint64_t depth = (uint64_t)(g->R * g->S * g->C), columns = (uint64_t)(g->K * g->groups);
    struct rt_gemm m = {.trans_a = true, .m = depth, .n = (uint64_t)g->K, .k = (uint64_t)rows, .alpha = 1,
                        .beta = first ? 1.0f : 0.0f};
    m.lda = p->direct ? (uint64_t)(g->C * g->groups) : depth;
    m.offset_a = p->direct ? (uint64_t)first * m.lda + (uint64_t)(group * g->C) : p->col_at;
    m.ldb = m.ldc = columns;
    m.offset_b = (uint64_t)first * columns + (uint64_t)(group * g->K);
    m.offset_c = (uint64_t)(group * g->K);
    return m;
}

typedef struct rt_gemm (*gemm_fn)(const struct conv2d_geometry *, const struct plan *, int64_t, int64_t, int64_t);

/* The temporary depends on offsets' alignment too, so every call is asked; twice,
 * since the temporary itself moves what lies behind it. */
static enum rote_status make_plan(struct op_inst *inst, const struct conv2d_geometry *g, gemm_fn gemm, struct plan *p,
                                  uint64_t *temp_bytes)
{
    enum rote_status st = ROTE_OK;
    int64_t depth = g->R * g->S * g->C, rows = g->P * g->Q * g->N;
    p->direct = g->R * g->S == 1 && g->mul_h == 1 && g->mul_w == 1 && g->div_h == 1 && g->div_w == 1 && !g->off_h &&
                !g->off_w;
    p->chunk = p->direct ? rows : smaller(rows, COL_FLOATS / depth > 0 ? COL_FLOATS / depth : 1);
    uint64_t temp = 0, filter = g->transposed ? (uint64_t)(depth * g->K * g->groups) : 0;
    for (int pass = 0; pass < 2; pass++) {
        p->filter_at = (temp + 255) / 256 * 64;
        p->col_at = p->filter_at + (filter + 63) / 64 * 64;
        for (int64_t first = 0; first < rows; first += p->chunk) {
            if (first && first + p->chunk < rows)
                continue; /* all but the first and the last are alike */
            for (int64_t group = 0; group < g->groups; group++) {
                struct rt_gemm m = gemm(g, p, smaller(p->chunk, rows - first), first, group);
                uint64_t bytes;
                TRY(rt_gemm_temp(inst->dev, &m, &bytes));
                temp = bytes > temp ? bytes : temp;
            }
        }
    }
    p->filter_at = (temp + 255) / 256 * 64;
    p->col_at = p->filter_at + (filter + 63) / 64 * 64;
    *temp_bytes = temp;
out:
    return st;
}

static enum rote_status prepare(struct op_inst *inst, const struct conv2d_geometry *g, gemm_fn gemm)
{
    enum rote_status st = ROTE_OK;
    struct plan *p;
    uint64_t temp;
    TRY(base_alloc(&p, 1, sizeof *p));
    inst->extra = p;
    TRY(make_plan(inst, g, gemm, p, &temp));
    TRY(rt_kernel_new(inst->dev, "conv2d", "conv2d_im2col", NULL, &inst->kernel[0]));
    TRY(rt_kernel_new(inst->dev, "conv2d", "conv2d_transpose", NULL, &inst->kernel[1]));
    uint64_t col = p->direct ? 0 : (uint64_t)(p->chunk * g->R * g->S * g->C);
    inst->workspace_bytes = 4 * (p->col_at + col);
out:
    return st;
}

static enum rote_status im2col(struct op_inst *inst, const struct conv2d_geometry *g, const struct plan *p, int in,
                               int64_t first, int64_t rows, int64_t group)
{
    size_t items = (size_t)(rows * g->R * g->S), local = op_group_1d(inst);
    if (p->direct)
        return ROTE_OK;
    return rt_run(inst->kernel[0], 1, &items, &local, "mmllliiiiiiiiiiiiiiiii", inst->in[in], inst->workspace,
                  p->col_at, (uint64_t)first, (uint64_t)rows, (int)group, (int)g->N, (int)g->H, (int)g->W, (int)g->C,
                  (int)g->Q, (int)g->R, (int)g->S, (int)g->groups, (int)g->mul_h, (int)g->mul_w, (int)g->step_h,
                  (int)g->step_w, (int)g->off_h, (int)g->off_w, (int)g->div_h, (int)g->div_w);
}

enum rote_status conv2d_product_clblast_prepare(struct op_inst *inst, const struct conv2d_geometry *g)
{
    enum rote_status st = ROTE_OK;
    TRY(prepare(inst, g, product_gemm));
    if (g->bias) { /* the library's product has no epilogue; relu may change from run to run */
        TRY(bias_kernel(inst, "bias_fwd__plain", g->K * g->groups, BIAS_KERNEL));
        TRY(bias_kernel(inst, "bias_relu_fwd__plain", g->K * g->groups, BIAS_KERNEL + 1));
    }
out:
    return st;
}

enum rote_status conv2d_filter_clblast_prepare(struct op_inst *inst, const struct conv2d_geometry *g)
{
    return prepare(inst, g, filter_gemm);
}

static enum rote_status transpose_filter(struct op_inst *inst, const struct conv2d_geometry *g, const struct plan *p,
                                         int filter)
{
    size_t items = (size_t)(g->R * g->S * g->C * g->K * g->groups), local = op_group_1d(inst);
    return rt_run(inst->kernel[1], 1, &items, &local, "mmliiii", inst->in[filter], inst->workspace, p->filter_at,
                  (int)(g->R * g->S), (int)g->C, (int)g->K, (int)g->groups);
}

enum rote_status conv2d_product_clblast(struct op_inst *inst, const struct conv2d_geometry *g, struct conv2d_ports ports)
{
    enum rote_status st = ROTE_OK;
    const struct plan *p = inst->extra;
    int64_t rows = g->P * g->Q * g->N;
    if (g->transposed)
        TRY(transpose_filter(inst, g, p, ports.filter));
    for (int64_t first = 0; first < rows; first += p->chunk) {
        int64_t n = smaller(p->chunk, rows - first);
        for (int64_t group = 0; group < g->groups; group++) {
            struct rt_gemm m = product_gemm(g, p, n, first, group);
            TRY(im2col(inst, g, p, ports.in, first, n, group));
            TRY(rt_gemm_run(inst->dev, &m, p->direct ? inst->in[ports.in] : inst->workspace,
                            g->transposed ? inst->workspace : inst->in[ports.filter], inst->out[0], inst->workspace));
        }
    }
    if (g->bias)
        TRY(bias_run(inst, BIAS_KERNEL + g->relu, inst->out[0], conv2d_bias(inst, g), inst->out[0], rows,
                     g->K * g->groups));
out:
    return st;
}

enum rote_status conv2d_filter_clblast(struct op_inst *inst, const struct conv2d_geometry *g, struct conv2d_ports ports)
{
    enum rote_status st = ROTE_OK;
    const struct plan *p = inst->extra;
    int64_t rows = g->P * g->Q * g->N;
    for (int64_t first = 0; first < rows; first += p->chunk) {
        int64_t n = smaller(p->chunk, rows - first);
        for (int64_t group = 0; group < g->groups; group++) {
            struct rt_gemm m = filter_gemm(g, p, n, first, group);
            TRY(im2col(inst, g, p, ports.in, first, n, group));
            TRY(rt_gemm_run(inst->dev, &m, p->direct ? inst->in[ports.in] : inst->workspace, inst->in[ports.filter],
                            inst->out[0], inst->workspace));
        }
    }
out:
    return st;
}
