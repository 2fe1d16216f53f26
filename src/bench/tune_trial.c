/* One trial of a variant: right on small ragged cases, right on the call itself, and how long it
 * takes beside the incumbent. */
#include <math.h>
#include <string.h>

#include "op/case.h"
#include "op/selftest.h"
#include "rote/programs.h"
#include "rote/tune.h"

#define SEED 29
#define ROUNDS 7
#define LOST_ROUNDS 2    /* after these a clear loser is not measured further */
#define CLEAR_LOSS 1.3
#define ROUND_SECONDS 0.03
#define TWO_ROUNDINGS 2  /* both of two outputs may be off by the tolerance */

static const char *const verdict_words[] = {"done", "wrong", "refused", "crashed", "hung", "stop"};

const char *rote_verdict_word(enum rote_verdict v)
{
    return verdict_words[v];
}

enum rote_verdict rote_verdict_of(const char *word)
{
    for (size_t i = 0; i < COUNT_OF(verdict_words); i++)
        if (!strcmp(word, verdict_words[i]))
            return (enum rote_verdict)i;
    return ROTE_TRIAL_REFUSED;
}

struct trial {
    struct rote_device *dev;
    struct call call;
    struct op_inst *inst[2]; /* incumbent, candidate */
    struct rt_mem *workspace[2];
    struct op_case data;
    struct op_memory memory;
};

static void trial_free(struct trial *t)
{
    rt_finish(t->dev);
    for (int i = 0; i < 2; i++) {
        op_inst_free(t->inst[i]);
        rt_mem_free(t->workspace[i]);
    }
    op_memory_free(&t->memory);
    op_case_free(&t->data);
}

static enum rote_status run_once(struct trial *t, int which, void *out[CALL_MAX_PORTS])
{
    enum rote_status st = ROTE_OK;
    TRY(op_memory_load(&t->memory, &t->data));
    TRY(op_inst_run(t->inst[which]));
    for (int i = 0; i < t->call.sig->n_out; i++)
        TRY(op_memory_read(&t->memory, &t->call, i, &out[i]));
out:
    return st;
}

/* incumbent_failed: its own failure is an error, not the candidate's. */
static enum rote_status compare_outputs(struct trial *t, struct op_case_result *r, bool *incumbent_failed)
{
    enum rote_status st = ROTE_OK;
    void *want[CALL_MAX_PORTS] = {NULL}, *got[CALL_MAX_PORTS] = {NULL};
    *incumbent_failed = true;
    TRY(run_once(t, 0, want));
    *incumbent_failed = false;
    TRY(run_once(t, 1, got));
    bool looser = t->inst[0]->variant->tolerance > t->inst[1]->variant->tolerance;
    const struct op_variant *v = t->inst[looser ? 0 : 1]->variant;
    for (int i = 0; i < t->call.sig->n_out; i++)
        op_case_compare(&t->call, v, TWO_ROUNDINGS, i, got[i], want[i], r);
out:
    op_outputs_free(want);
    op_outputs_free(got);
    return st;
}

static enum rote_status launches(struct trial *t, int which, int n, double *seconds)
{
    enum rote_status st = ROTE_OK;
    double began = base_now();
    for (int i = 0; i < n; i++)
        TRY(op_inst_run(t->inst[which]));
    TRY(rt_finish(t->dev));
    *seconds = (base_now() - began) / n;
out:
    return st;
}

/* The least of several rounds each, in turn. */
static enum rote_status measure(struct trial *t, double ms[2])
{
    enum rote_status st = ROTE_OK;
    double least[2] = {INFINITY, INFINITY}, once = 0;
    TRY(op_memory_load(&t->memory, &t->data));
    TRY(launches(t, 1, 1, &once));
    TRY(launches(t, 0, 1, &once));
    int n = once > 0 ? (int)(ROUND_SECONDS / once) : 1000;
    n = n < 1 ? 1 : n > 1000 ? 1000 : n;
    for (int round = 0; round < ROUNDS; round++) {
        for (int k = 0; k < 2; k++) {
            int which = (round + k) % 2;
            TRY(launches(t, which, n, &once));
            if (once < least[which])
                least[which] = once;
        }
        if (round + 1 >= LOST_ROUNDS && least[1] > CLEAR_LOSS * least[0])
            break;
    }
    ms[0] = 1e3 * least[0];
    ms[1] = 1e3 * least[1];
out:
    return st;
}

static enum rote_status parse(const char *text, struct call *c)
{
    char name[64];
    const char *blank = strchr(text, ' ');
    size_t n = blank ? (size_t)(blank - text) : strlen(text);
    snprintf(name, sizeof name, "%.*s", (int)(n < sizeof name ? n : sizeof name - 1), text);
    const struct op_def *def = op_find(name);
    if (!def)
        return base_error(ROTE_ENOTFOUND, "there is no operator '%s'", name);
    op_call_init(c, def);
    enum rote_status st = op_call_parse(c, text + n);
    return st ? st : op_call_infer(c);
}

static enum rote_status judge(struct trial *t, const char *candidate, enum rote_verdict *verdict, double ms[2],
                              char *why, size_t why_size)
{
    enum rote_status st = ROTE_OK;
    struct op_case_result r;
    const char *text;
    bool incumbent_failed;
    *verdict = ROTE_TRIAL_REFUSED;
    if (op_inst_new(t->dev, &t->call, candidate, &t->inst[1]) || op_known_answers(t->inst[1], &text, &r)) {
        snprintf(why, why_size, "%s", rote_error_detail());
        return ROTE_OK;
    }
    *verdict = r.status ? ROTE_TRIAL_REFUSED : ROTE_TRIAL_WRONG;
    snprintf(why, why_size, "%s", r.where);
    if (!op_case_good(&r))
        return ROTE_OK;
    TRY(op_case_fill(&t->call, SEED, &t->data));
    TRY(op_memory_new(t->dev, &t->call, &t->memory));
    for (int i = 0; i < 2; i++)
        TRY(op_memory_bind(&t->memory, t->inst[i], &t->workspace[i]));
    st = compare_outputs(t, &r, &incumbent_failed);
    if (st && !incumbent_failed) {
        *verdict = ROTE_TRIAL_REFUSED;
        snprintf(why, why_size, "%s", rote_error_detail());
        return ROTE_OK;
    }
    TRY(st);
    snprintf(why, why_size, "%s", r.where);
    if (r.error > 1)
        return ROTE_OK;
    *verdict = ROTE_TRIAL_DONE;
    *why = 0;
    TRY(measure(t, ms));
out:
    return st;
}

enum rote_status rote_trial_run(rote_device *device, const char *call, const char *incumbent, const char *candidate,
                                enum rote_verdict *verdict, double ms[2], char *why, size_t why_size)
{
    enum rote_status st = ROTE_OK;
    struct trial t = {.dev = device};
    if (!device || !call || !incumbent || !candidate || !verdict || !ms || !why || !why_size)
        return base_null_argument("rote_trial_run");
    *why = 0;
    TRY(parse(call, &t.call));
    TRY(op_inst_new(device, &t.call, incumbent, &t.inst[0]));
    TRY(judge(&t, candidate, verdict, ms, why, why_size));
out:
    trial_free(&t);
    return st;
}

enum rote_status rote_call_build(rote_device *device, const char *call)
{
    enum rote_status st = ROTE_OK;
    struct trial t = {.dev = device};
    char *words = NULL;
    if (!device || !call)
        return base_null_argument("rote_call_build");
    TRY(base_strdup(&words, call));
    char *bar = strstr(words, " | ");
    if (bar)
        *bar = 0;
    TRY(parse(words, &t.call));
    TRY(op_inst_new(device, &t.call, bar ? bar + 3 : NULL, &t.inst[0]));
    TRY(op_case_fill(&t.call, SEED, &t.data));
    TRY(op_memory_new(device, &t.call, &t.memory));
    TRY(op_memory_load(&t.memory, &t.data));
    TRY(op_memory_bind(&t.memory, t.inst[0], &t.workspace[0]));
    TRY(op_inst_run(t.inst[0]));
    bool right; /* whoever uses the programs finds the verdict */
    TRY(op_selftest(t.inst[0], &right));
out:
    trial_free(&t);
    base_free(words);
    return st;
}
