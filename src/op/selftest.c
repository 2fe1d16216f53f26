#include "op/selftest.h"

#include <stdlib.h>
#include <string.h>

#include "op/case.h"

#define SEED 41
#define MOST_WORK 5e7 /* operations of a case that the oracle does in a moment */

static void key_of(const struct op_inst *inst, char key[RT_HASH])
{
    struct base_sha256 s;
    char words[OP_VARIANT_WORDS], hex[65];
    op_inst_words(inst, words);
    base_sha256_init(&s);
    base_sha256_add(&s, inst->def->sig.name, strlen(inst->def->sig.name) + 1);
    base_sha256_add(&s, words, strlen(words) + 1);
    for (int i = 0; i < OP_MAX_KERNELS; i++)
        if (inst->kernel[i])
            base_sha256_add(&s, rt_kernel_key(inst->kernel[i]), strlen(rt_kernel_key(inst->kernel[i])));
    base_sha256_hex(&s, hex);
    snprintf(key, RT_HASH, "%.*s", RT_HASH - 1, hex);
}

/* The smallest case that runs by the same programs; where the table has none, the smallest that the variant
 * takes at all. */
static const char *case_for(struct op_inst *inst, const char *words)
{
    const char *best = NULL, *any = NULL;
    double least = MOST_WORK, least_any = MOST_WORK;
    for (const char *const *w = inst->def->cases; *w; w++) {
        bool own;
        double work;
        if (!op_case_fits(inst, *w, words, &own, &work))
            continue;
        if (own && work <= least) {
            best = *w;
            least = work;
        }
        if (work <= least_any) {
            any = *w;
            least_any = work;
        }
    }
    return best ? best : any;
}

static enum rote_status run_case(struct op_inst *inst, const char *words, const char *variant,
                                 struct op_case_result *r)
{
    enum rote_status st = ROTE_OK;
    struct op_case k;
    void *want[CALL_MAX_PORTS] = {NULL};
    TRY(op_case_new(inst->def, words, SEED, &k));
    st = op_case_reference(&k, want);
    if (!st && op_case_check(inst->dev, &k, variant, want, r)) {
        r->error = 2; /* it does not run */
        snprintf(r->where, sizeof r->where, "%.150s", rote_error_detail());
    }
    op_outputs_free(want);
    op_case_free(&k);
out:
    return st;
}

static void complain(const struct op_inst *inst, struct rt_verdict *v)
{
    if (!v->told)
        base_warn("%s: variant %s is passed over: on this driver it fails its self-test: %s", inst->def->sig.name,
                  inst->variant->name, v->why);
    v->told = true;
}

enum rote_status op_selftest(struct op_inst *inst, bool *right)
{
    enum rote_status st = ROTE_OK;
    char key[RT_HASH], words[OP_VARIANT_WORDS];
    struct rt_verdict *v;
    struct op_case_result r = {0};
    *right = true;
    if (inst->variant == &op_variant_host || rt_collecting(inst->dev) || getenv("ROTE_NO_SELFTEST"))
        return ROTE_OK;
    key_of(inst, key);
    TRY(rt_verdict_get(inst->dev, key, &v));
    if (!v) {
        op_inst_words(inst, words);
        const char *text = case_for(inst, words);
        if (!text)
            return ROTE_OK;
        TRY(run_case(inst, text, words, &r));
        if (r.unsteady && r.error <= 1)
            snprintf(r.where, sizeof r.where, "two runs on the same data differ");
        bool good = r.error <= 1 && !r.unsteady;
        char why[300] = "";
        if (!good)
            snprintf(why, sizeof why, "%s/%s: %s", inst->def->sig.name, text, r.where);
        TRY(rt_verdict_put(inst->dev, key, good, why));
        TRY(rt_verdict_get(inst->dev, key, &v));
    }
    *right = v->right;
    if (!v->right)
        complain(inst, v);
out:
    return st;
}
