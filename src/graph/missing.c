/* Which calls of a plan need programs that are not built yet: what a device's builder is told. */
#include <stdlib.h>
#include <string.h>

#include "graph/graph.h"

struct named_call {
    char *words;
    size_t length; /* of the sources that are built for it */
    size_t place;  /* among all calls */
};

struct calls {
    struct named_call *call;
    size_t count, cap;
};

static void calls_free(struct calls *c)
{
    for (size_t i = 0; i < c->count; i++)
        base_free(c->call[i].words);
    base_free(c->call);
}

/* "OPERATOR WORDS | VARIANT", once. */
static enum rote_status add(struct calls *c, const struct op_inst *inst, size_t length)
{
    enum rote_status st = ROTE_OK;
    struct base_buf text = {0};
    char variant[OP_VARIANT_WORDS];
    op_inst_words(inst, variant);
    TRY(op_call_words(&inst->call, &text));
    TRY(base_buf_printf(&text, " | %s", variant));
    for (size_t i = 0; i < c->count; i++)
        if (!strcmp(c->call[i].words, text.text))
            goto out;
    if (c->count == c->cap) {
        TRY(base_grow(&c->call, c->cap * 2 + 16, sizeof *c->call));
        c->cap = c->cap * 2 + 16;
    }
    c->call[c->count] = (struct named_call){text.text, length, c->count};
    c->count++;
    text.text = NULL;
out:
    base_buf_free(&text);
    return st;
}

static enum rt_need need_of(const struct op_inst *inst)
{
    enum rt_need need = RT_HAVE;
    for (int i = 0; i < OP_MAX_KERNELS; i++)
        if (inst->kernel[i] && rt_kernel_need(inst->kernel[i]) != RT_HAVE && need != RT_MISSING)
            need = rt_kernel_need(inst->kernel[i]);
    return need;
}

static enum rote_status list(const struct graph *g, enum rt_need wanted, struct calls *c)
{
    enum rote_status st = ROTE_OK;
    for (int i = 0; i < g->n_nodes; i++) {
        const struct op_inst *inst = g->node[i].inst;
        if (need_of(inst) != wanted)
            continue;
        size_t length = 0;
        for (int k = 0; k < OP_MAX_KERNELS; k++) {
            if (!inst->kernel[k])
                continue;
            length += rt_kernel_need(inst->kernel[k]) == RT_MISSING ? rt_kernel_length(inst->kernel[k]) : 0;
            rt_kernel_claim(inst->kernel[k]);
        }
        TRY(add(c, inst, length));
    }
out:
    return st;
}

static int longest_first(const void *a, const void *b)
{
    const struct named_call *x = a, *y = b;
    return x->length != y->length ? (x->length < y->length) - (x->length > y->length)
                                  : (x->place > y->place) - (x->place < y->place);
}

/* Long sources first, so that no process is left with one when the others are done. */
void graph_tell_builder(const struct graph *const *g, int count)
{
    enum rote_status st = ROTE_OK;
    struct calls c = {0};
    const char **words = NULL;
    size_t first = 0;
    for (int i = 0; i < count; i++)
        TRY(list(g[i], RT_MISSING, &c));
    first = c.count;
    for (int i = 0; i < count; i++)
        TRY(list(g[i], RT_CLAIMED, &c));
    TRY(base_alloc(&words, c.count + 1, sizeof *words));
    if (first)
        qsort(c.call, first, sizeof *c.call, longest_first);
    for (size_t i = 0; i < c.count; i++)
        words[i] = c.call[i].words;
out:
    if (!st && count)
        rt_tell_builder(g[0]->dev, words, first, c.count);
    base_free(words);
    calls_free(&c);
}
