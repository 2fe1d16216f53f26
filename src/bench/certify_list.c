/* The cases of a certification, by its level. */
#include <string.h>

#include "bench/certificate.h"
#include "op/case.h"
#include "rote/certify.h"

#define QUICK_WORK 1e6        /* operations of a case, as in the self-test */
#define QUICK_GRADIENT_WORK 3e4
#define GRADIENT_WORK 2e5    /* each derivative takes two runs of the oracle */

struct list {
    char **id;
    int count, cap;
};

static enum rote_status append(struct list *l, const char *op, const char *what, const char *words)
{
    enum rote_status st = ROTE_OK;
    if (l->count == l->cap) {
        TRY(base_grow(&l->id, (size_t)l->cap * 2 + 64, sizeof *l->id));
        l->cap = l->cap * 2 + 64;
    }
    TRY(base_sprintf(&l->id[l->count], "%s/%s%s%s", op, what, words ? "/" : "", words ? words : ""));
    l->count++;
out:
    return st;
}

/* Operations of a case's call; negative where its words are wrong. */
static double work_of(const struct op_def *def, const char *words)
{
    struct call c;
    op_call_init(&c, def);
    return op_call_parse(&c, words) || op_call_infer(&c) ? -1 : op_case_work(&c);
}

static bool is_small(const struct op_def *def, const char *words)
{
    double work = work_of(def, words);
    return work >= 0 && work <= QUICK_WORK;
}

/* Whether a variant takes the case, on a CPU. */
static bool takes(const struct op_def *def, const char *name, const char *words)
{
    static const struct rt_facts cpu = {.cls = RT_CPU, .long_items = true, .compute_units = 2, .native_float = 8,
                                        .max_work_group = 1};
    struct call c;
    op_call_init(&c, def);
    if (op_call_parse(&c, words) || op_call_infer(&c))
        return false;
    for (const struct op_variant *const *v = def->variants; *v; v++)
        if (!strcmp((*v)->name, name))
            return !(*v)->accepts || (*v)->accepts(&cpu, &c);
    return true; /* host */
}

/* Small cases; where a variant takes none of them, the smallest that it does. */
static enum rote_status list_quick(struct list *l, const struct op_def *def, const char *variant)
{
    enum rote_status st = ROTE_OK;
    const char *least = NULL;
    bool taken = false;
    for (const char *const *words = def->cases; *words; words++) {
        bool takes_it = takes(def, variant, *words);
        if (is_small(def, *words))
            TRY(append(l, def->sig.name, variant, *words));
        taken = taken || (takes_it && is_small(def, *words));
        if (takes_it && (!least || work_of(def, *words) < work_of(def, least)))
            least = *words;
    }
    if (!taken && least)
        TRY(append(l, def->sig.name, variant, least));
out:
    return st;
}

static enum rote_status list_operator(struct list *l, const struct op_def *def, enum rote_certify_level level)
{
    enum rote_status st = ROTE_OK;
    const char *variant[OP_CASE_VARIANTS];
    size_t variants = op_case_variants(def, level == ROTE_CERTIFY_FULL, variant);
    bool quick = level == ROTE_CERTIFY_QUICK, computes = false;
    for (size_t v = 0; v < variants; v++) {
        if (quick)
            TRY(list_quick(l, def, variant[v]));
        for (const char *const *words = def->cases; !quick && *words; words++)
            TRY(append(l, def->sig.name, variant[v], *words));
    }
    for (const char *const *g = def->grads; g && *g; g++)
        computes = computes || !strchr(*g, '=');
    for (const char *const *words = def->cases; computes && *words; words++)
        if (work_of(def, *words) <= (quick ? QUICK_GRADIENT_WORK : GRADIENT_WORK)) {
            TRY(append(l, def->sig.name, "gradient", *words));
            computes = !quick; /* one is enough */
        }
out:
    return st;
}

const char *const certify_rates[CERTIFY_RATES] = {"bandwidth", "multiply-adds", "launch", "launch and wait"};

enum rote_status rote_certify_cases(enum rote_certify_level level, const char ***ids, int *count)
{
    enum rote_status st = ROTE_OK;
    struct list l = {0};
    size_t n, bytes = 0;
    if (!ids || !count)
        return base_null_argument("rote_certify_cases");
    const struct op_def *const *def = op_list(&n);
    for (size_t i = 0; i < n; i++)
        TRY(list_operator(&l, def[i], level));
    TRY(append(&l, "training", "small", NULL));
    for (size_t i = 0; i < CERTIFY_RATES; i++)
        TRY(append(&l, "rate", certify_rates[i], NULL));
    /* one block: the pointers, then the words */
    for (int i = 0; i < l.count; i++)
        bytes += strlen(l.id[i]) + 1;
    char *block;
    TRY(base_alloc(&block, (size_t)l.count * sizeof(char *) + bytes, 1));
    const char **out = (const char **)block;
    char *text = block + (size_t)l.count * sizeof(char *);
    for (int i = 0; i < l.count; i++) {
        size_t len = strlen(l.id[i]) + 1;
        out[i] = memcpy(text, l.id[i], len);
        text += len;
    }
    *ids = out;
    *count = l.count;
out:
    for (int i = 0; i < l.count; i++)
        base_free(l.id[i]);
    base_free(l.id);
    return st;
}
