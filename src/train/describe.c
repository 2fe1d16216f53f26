/* A training step's plan as people and programs read it. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "train/train_internal.h"

static double mib(uint64_t bytes)
{
    return (double)bytes / 1048576.0;
}

static const char *layout_of(const struct graph_node *n)
{
    return n->call.sig->out[0].dims;
}

static void shape_text(const struct call_shape *s, char *out, size_t cap)
{
    size_t at = 0;
    for (int i = 0; i < s->rank && at < cap; i++)
        at += (size_t)snprintf(out + at, cap - at, "%s%lld", i ? "x" : "", (long long)s->dim[i]);
}

struct memory_item {
    const char *what;
    uint64_t bytes;
};

static int memory_items(const struct rote_run *t, struct memory_item *item)
{
    const struct train_net *nets[] = {&t->net, &t->control};
    static const char *const names[2][4] = {
        {"the parameters", "the gradients", "the running statistics", "the heads' tables"},
        {"the control's parameters", "the control's gradients", "the control's running statistics",
         "the control's heads' tables"}};
    int n = 0;
    item[n++] = (struct memory_item){"the activations' arena", t->arena_bytes};
    for (int i = 0; i < t->n_items; i++)
        item[n++] = (struct memory_item){t->item[i].what, t->item[i].bytes};
    for (int i = 0; i < 2; i++) {
        const struct train_net *k = nets[i];
        if (!k->m)
            continue;
        item[n++] = (struct memory_item){names[i][0], k->m->param_bytes};
        item[n++] = (struct memory_item){names[i][1], k->m->param_bytes};
        if (k->m->state_bytes)
            item[n++] = (struct memory_item){names[i][2], k->m->state_bytes};
        item[n++] = (struct memory_item){names[i][3], train_table_bytes(k)};
    }
    return n;
}

static int micro_batches(const struct rote_run *t)
{
    return t->cfg.batch / t->cfg.micro_batch;
}

#define PEAK_LINES 12

/* What the arena holds where it holds most. */
static enum rote_status peak_text(const struct rote_run *t, struct base_buf *out)
{
    enum rote_status st = ROTE_OK;
    const struct graph *g = t->net.step->g;
    struct graph_live *live = NULL;
    size_t n;
    int node, largest = 0;
    uint64_t all = 0, rest = 0;
    TRY(graph_peak(g, &node, &live, &n));
    for (size_t i = 0; i < n; i++) {
        all += live[i].bytes;
        rest += i < PEAK_LINES ? 0 : live[i].bytes;
    }
    TRY(base_buf_printf(out, "\nat the step's peak, node %d, the arena holds %.2f MiB\n", node, mib(all)));
    for (size_t i = 0; i < n && i < PEAK_LINES; i++)
        TRY(base_buf_printf(out, "%10.2f MiB  %s%s, nodes %d to %d\n", mib(live[i].bytes), live[i].name,
                            live[i].workspace ? "'s workspace" : "", live[i].first, live[i].last));
    if (n > PEAK_LINES)
        TRY(base_buf_printf(out, "%10.2f MiB  %zu others\n", mib(rest), n - PEAK_LINES));
    for (int i = 1; i < g->n_nodes; i++)
        if (g->node[i].inst->workspace_bytes > g->node[largest].inst->workspace_bytes)
            largest = i;
    TRY(base_buf_printf(out, "the largest workspace is %.2f MiB, of node %d, %s\n",
                        mib(g->node[largest].inst->workspace_bytes), largest, g->node[largest].name));
out:
    base_free(live);
    return st;
}

static enum rote_status describe_text(const struct rote_run *t, struct base_buf *out)
{
    enum rote_status st = ROTE_OK;
    const struct graph *g = t->net.step->g;
    struct memory_item item[MAX_ITEMS + 16];
    TRY(base_buf_printf(out, "network %s, %lld trained values, batch %d, on %s\n", t->net.m->spec->name,
                        (long long)model_trained(t->net.m), t->cfg.batch, rt_facts_of(t->dev)->id));
    if (micro_batches(t) > 1)
        TRY(base_buf_printf(out, "%d micro-batches of %d: nodes 0 to %d run for each\n", micro_batches(t),
                            t->cfg.micro_batch, t->net.step->n_micro - 1));
    TRY(base_buf_printf(out, "recomputation %s\n\n", t->recompute ? "on" : "off"));
    TRY(base_buf_printf(out, "%4s  %-36s %-18s %-8s %-6s %-18s %s\n", "#", "node", "operator", "variant", "layout",
                        "output", "workspace"));
    for (int i = 0; i < g->n_nodes; i++) {
        const struct graph_node *n = &g->node[i];
        char shape[64] = "", variant[OP_VARIANT_WORDS];
        shape_text(&n->call.out[0], shape, sizeof shape);
        op_inst_words(n->inst, variant);
        TRY(base_buf_printf(out, "%4d  %-36s %-18s %-8s %-6s %-18s", i, n->name, n->call.sig->name,
                            variant, layout_of(n), shape));
        if (n->inst->workspace_bytes)
            TRY(base_buf_printf(out, " %.2f MiB", mib(n->inst->workspace_bytes)));
        TRY(base_buf_printf(out, "\n"));
    }
    TRY(peak_text(t, out));
    TRY(base_buf_printf(out, "\nmemory on the device\n"));
    int n = memory_items(t, item);
    for (int i = 0; i < n; i++)
        TRY(base_buf_printf(out, "%10.2f MiB  %s\n", mib(item[i].bytes), item[i].what));
    TRY(base_buf_printf(out, "%10.2f MiB  in all, the predicted peak (%llu bytes)\n", mib(t->predicted_bytes),
                        (unsigned long long)t->predicted_bytes));
out:
    return st;
}

static json_t *nodes_json(const struct graph *g)
{
    json_t *list = json_array();
    for (int i = 0; i < g->n_nodes; i++) {
        const struct graph_node *n = &g->node[i];
        json_t *shape = json_array();
        for (int k = 0; k < n->call.out[0].rank; k++)
            json_array_append_new(shape, json_integer(n->call.out[0].dim[k]));
        json_array_append_new(list, json_pack("{s:s s:s s:s s:s s:o s:I}", "name", n->name, "operator",
                                              n->call.sig->name, "variant", n->inst->variant->name, "layout",
                                              layout_of(n), "output", shape, "workspace_bytes",
                                              (json_int_t)n->inst->workspace_bytes));
    }
    return list;
}

static enum rote_status peak_json(const struct graph *g, json_t **out)
{
    struct graph_live *live = NULL;
    size_t n;
    int node;
    enum rote_status st = graph_peak(g, &node, &live, &n);
    if (st)
        return st;
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++)
        json_array_append_new(list, json_pack("{s:s s:I s:b s:[ii]}", "what", live[i].name, "bytes",
                                              (json_int_t)live[i].bytes, "workspace", live[i].workspace, "nodes",
                                              live[i].first, live[i].last));
    *out = json_pack("{s:i s:o}", "node", node, "live", list);
    base_free(live);
    return ROTE_OK;
}

static enum rote_status describe_json(const struct rote_run *t, struct base_buf *out)
{
    enum rote_status st = ROTE_OK;
    struct memory_item item[MAX_ITEMS + 16];
    json_t *memory = json_array(), *peak = NULL, *o = NULL;
    char *text = NULL;
    int n = memory_items(t, item);
    for (int i = 0; i < n; i++)
        json_array_append_new(memory, json_pack("{s:s s:I}", "what", item[i].what, "bytes", (json_int_t)item[i].bytes));
    TRY(peak_json(t->net.step->g, &peak));
    o = json_pack("{s:s s:I s:i s:i s:b s:s s:o s:O s:O s:I}", "network", t->net.m->spec->name, "parameters",
                  (json_int_t)model_trained(t->net.m), "batch", t->cfg.batch, "micro_batch", t->cfg.micro_batch,
                  "recompute", t->recompute, "device", rt_facts_of(t->dev)->id, "nodes", nodes_json(t->net.step->g),
                  "peak", peak, "memory", memory, "predicted_peak_bytes", (json_int_t)t->predicted_bytes);
    text = o ? json_dumps(o, JSON_INDENT(1)) : NULL;
    if (!text)
        FAIL(ROTE_ENOMEM, "no memory for the plan's text");
    TRY(base_buf_printf(out, "%s\n", text));
out:
    free(text);
    json_decref(memory);
    json_decref(peak);
    json_decref(o);
    return st;
}

enum rote_status train_describe(const struct rote_run *t, bool json, struct base_buf *out)
{
    return json ? describe_json(t, out) : describe_text(t, out);
}
