/* Sum of two tensors: residual branches, gradients that meet. */
#include "op/elementwise.h"
#include "ref/ref.h"

static const struct call_port in[] = {
    {"a", "HWNC", CALL_F32, 0, "first term"},
    {"b", "HWNC", CALL_F32, 0, "second term"},
};
static const struct call_port out[] = {{"y", "HWNC", CALL_F32, 0, "sum"}};

static enum rote_status prepare(struct op_inst *inst)
{
    return elementwise_kernel(inst, "add", "add_fwd__plain");
}

static const struct op_variant plain = {.name = "plain", .prepare = prepare, .enqueue = elementwise_run};

const struct op_def op_add_fwd = {
    .sig = {"add_fwd", in, out, 2, 1, NULL, 0},
    .text = "y = a + b",
    .infer = elementwise_infer,
    .ref = ref_add_fwd,
    .tolerance = 1,
    .variants = (const struct op_variant *const[]){&plain, NULL},
    .in_place = (const char *const[]){"y=a", "y=b", NULL},
    .grads = (const char *const[]){"da=dy", "db=dy", NULL},
    .cases = (const char *const[]){"a=1x1x1x1 b=1x1x1x1", "a=3x5x7x31 b=3x5x7x31", "a=2x2x2x32 b=2x2x2x32",
                                   "a=1x1x63x65 b=1x1x63x65", "a=7x11x13x17 b=7x11x13x17", NULL},
};
