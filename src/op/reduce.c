/* Reductions: sums over rows, and over everything. */
#include "op/reduce_rows.h"
#include "ref/ref.h"

int reduce_rows_parts(int64_t rows)
{
    return rows < 64 ? 1 : rows < 4096 ? 8 : 64;
}

enum rote_status reduce_rows_prepare(struct op_inst *inst, int64_t rows, int64_t columns)
{
    enum rote_status st = ROTE_OK;
    char options[16];
    op_vec_options(inst, columns, options);
    TRY(rt_kernel_new(inst->dev, "reduce", "reduce_rows_part", options, &inst->kernel[0]));
    TRY(rt_kernel_new(inst->dev, "reduce", "reduce_rows_all", options, &inst->kernel[1]));
    inst->workspace_bytes = 4 * (uint64_t)(reduce_rows_parts(rows) * columns);
out:
    return st;
}

enum rote_status reduce_rows_run(struct op_inst *inst, struct rt_mem *x, int64_t rows, int64_t columns)
{
    enum rote_status st = ROTE_OK;
    int parts = reduce_rows_parts(rows);
    size_t vec = (size_t)op_vec(inst, columns), all = (size_t)columns;
    size_t global[2] = {(all + vec - 1) / vec, (size_t)parts}, group = op_group_1d(inst);
    TRY(rt_run(inst->kernel[0], 2, global, NULL, "mmlii", x, inst->workspace, (uint64_t)rows, (int)columns, parts));
    TRY(rt_run(inst->kernel[1], 1, &all, &group, "mmii", inst->workspace, inst->out[0], (int)columns, parts));
out:
    return st;
}

static const struct call_port rows_in[] = {{"x", "EC", CALL_F32, 0, "input"}};
static const struct call_port rows_out[] = {{"y", "C", CALL_F32, 0, "sums of the columns"}};
static const struct call_port sum_in[] = {{"x", "E", CALL_F32, 0, "input"}};
static const struct call_port sum_out[] = {{"y", "1", CALL_F32, 0, "the sum"}};

static enum rote_status infer_rows(struct call *c)
{
    op_set_out(c, 0, 1, &c->in[0].dim[1]);
    return ROTE_OK;
}

static enum rote_status infer_sum(struct call *c)
{
    op_set_out(c, 0, 1, (int64_t[]){1});
    return ROTE_OK;
}

static enum rote_status prepare_rows(struct op_inst *inst)
{
    return reduce_rows_prepare(inst, inst->call.in[0].dim[0], inst->call.in[0].dim[1]);
}

static enum rote_status enqueue_rows(struct op_inst *inst)
{
    return reduce_rows_run(inst, inst->in[0], inst->call.in[0].dim[0], inst->call.in[0].dim[1]);
}

static enum rote_status prepare_sum(struct op_inst *inst)
{
    return reduce_rows_prepare(inst, inst->call.in[0].dim[0], 1);
}

static enum rote_status enqueue_sum(struct op_inst *inst)
{
    return reduce_rows_run(inst, inst->in[0], inst->call.in[0].dim[0], 1);
}

static double rows_length(const struct call *c)
{
    return (double)c->in[0].dim[0];
}

static const struct op_variant plain_rows = {.name = "plain", .prepare = prepare_rows, .enqueue = enqueue_rows};
static const struct op_variant plain_sum = {.name = "plain", .prepare = prepare_sum, .enqueue = enqueue_sum};

const struct op_def op_reduce_rows = {
    .sig = {"reduce_rows", rows_in, rows_out, 1, 1, NULL, 0},
    .text = "y[c] = sum over rows of x[row,c]",
    .infer = infer_rows,
    .ref = ref_reduce_rows,
    .variants = (const struct op_variant *const[]){&plain_rows, NULL},
    .length = rows_length,
    .tolerance = 4,
    .cases = (const char *const[]){"x=1x1", "x=2x3", "x=31x33", "x=63x4", "x=75x8", "x=65x6", "x=64x65",
                                   "x=4099x7", "x=5000x64", NULL},
};

const struct op_def op_reduce_sum = {
    .sig = {"reduce_sum", sum_in, sum_out, 1, 1, NULL, 0},
    .text = "y = sum of x",
    .infer = infer_sum,
    .ref = ref_reduce_sum,
    .variants = (const struct op_variant *const[]){&plain_sum, NULL},
    .length = rows_length,
    .tolerance = 16,
    .cases = (const char *const[]){"x=1", "x=2", "x=33", "x=65", "x=4099", NULL},
};
