/* include/rote/op.h over operator instances. */
#include "rote/op.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "op/op.h"

struct rote_op {
    struct op_inst *inst;
    struct rt_mem *workspace;
};

static const enum rote_type types[] = {[CALL_F32] = ROTE_F32, [CALL_I32] = ROTE_I32, [CALL_U8] = ROTE_U8};
static const char *const type_names[] = {[CALL_F32] = "float32", [CALL_I32] = "int32", [CALL_U8] = "uint8"};

static enum rote_status find(const char *name, const struct op_def **out)
{
    enum rote_status st = ROTE_OK;
    size_t count;
    const struct op_def *const *list = op_list(&count);
    const char **names = NULL;
    *out = op_find(name);
    if (*out)
        return ROTE_OK;
    TRY(base_alloc(&names, count, sizeof *names));
    for (size_t i = 0; i < count; i++)
        names[i] = list[i]->sig.name;
    const char *near = base_nearest(name, names, count);
    FAIL(ROTE_ENOTFOUND, "there is no operator '%s'%s%s", name, near ? "; nearest: " : "", near ? near : "");
out:
    base_free(names);
    return st;
}

static enum rote_status make(rote_device *device, struct call *c, const char *variant, rote_op **out)
{
    enum rote_status st = ROTE_OK;
    struct rote_op *op = NULL;
    TRY(op_call_infer(c));
    TRY(base_alloc(&op, 1, sizeof *op));
    TRY(op_inst_new(device, c, variant, &op->inst));
    if (op->inst->workspace_bytes)
        TRY(rt_mem_new(device, op->inst->workspace_bytes, "an operator's workspace", &op->workspace));
    op->inst->workspace = op->workspace;
    *out = op;
    op = NULL;
out:
    rote_op_free(op);
    return st;
}

enum rote_status rote_op_new(rote_device *device, const char *name, const char *words, const char *variant,
                             rote_op **out)
{
    enum rote_status st = ROTE_OK;
    const struct op_def *def;
    struct call c;
    if (!device || !name || !words || !out)
        return base_null_argument("rote_op_new");
    TRY(find(name, &def));
    op_call_init(&c, def);
    TRY(op_call_parse(&c, words));
    TRY(make(device, &c, variant, out));
out:
    return st;
}

enum rote_status rote_op_new_backward(const rote_op *forward, int index, const char *variant, rote_op **out)
{
    if (!forward || !out)
        return base_null_argument("rote_op_new_backward");
    const struct call *f = &forward->inst->call;
    const char *name = rote_op_gradient(f->sig->name, index);
    const struct op_def *def = name ? op_find(name) : NULL;
    struct call b;
    if (!def)
        return base_error(ROTE_ENOTFOUND, "%s has no backward operator number %d", f->sig->name, index);
    op_call_init(&b, def);
    for (int i = 0; i < f->sig->n_attr; i++)
        for (int k = 0; k < b.sig->n_attr; k++)
            if (!strcmp(f->sig->attr[i].name, b.sig->attr[k].name))
                b.attr[k] = f->attr[i];
    for (int i = 0; i < b.sig->n_in; i++) {
        const char *port = b.sig->in[i].name;
        int in = call_in(f, port), o = call_out(f, port), d = *port == 'd' ? call_out(f, port + 1) : -1;
        const struct call_shape *s = in >= 0 ? &f->in[in] : o >= 0 ? &f->out[o] : d >= 0 ? &f->out[d] : NULL;
        b.in_present[i] = s && (in < 0 || f->in_present[in]);
        if (b.in_present[i])
            b.in[i] = *s;
    }
    return make(forward->inst->dev, &b, variant, out);
}

void rote_op_free(rote_op *op)
{
    if (!op)
        return;
    if (op->inst)
        rt_finish(op->inst->dev);
    op_inst_free(op->inst);
    rt_mem_free(op->workspace);
    base_free(op);
}

const char *rote_op_variant(const rote_op *op)
{
    return op ? op->inst->variant->name : NULL;
}

static bool needs_memory(const struct op_inst *inst, int in)
{
    return inst->call.in_present[in] && !(inst->call.sig->in[in].flags & PORT_SHAPE_ONLY);
}

static enum rote_status static_port(const struct call_signature *s, int index, struct rote_port *out)
{
    if (index < 0 || index >= s->n_in + s->n_out)
        return base_error(ROTE_ENOTFOUND, "%s has %d ports", s->name, s->n_in + s->n_out);
    bool output = index >= s->n_in;
    const struct call_port *p = output ? &s->out[index - s->n_in] : &s->in[index];
    *out = (struct rote_port){.name = p->name, .dims = p->dims, .text = p->text, .type = types[p->dtype],
                              .output = output, .optional = !!(p->flags & PORT_OPTIONAL),
                              .shape_only = !!(p->flags & PORT_SHAPE_ONLY)};
    return ROTE_OK;
}

enum rote_status rote_op_port_of(const char *name, int index, struct rote_port *out)
{
    const struct op_def *def;
    if (!name || !out)
        return base_null_argument("rote_op_port_of");
    enum rote_status st = find(name, &def);
    return st ? st : static_port(&def->sig, index, out);
}

enum rote_status rote_op_port(const rote_op *op, int index, struct rote_port *out)
{
    if (!op || !out)
        return base_null_argument("rote_op_port");
    const struct call *c = &op->inst->call;
    int n = c->sig->n_in;
    enum rote_status st = static_port(c->sig, index, out);
    if (st)
        return st;
    const struct call_shape *s = out->output ? &c->out[index - n] : &c->in[index];
    out->present = out->output ? c->out_present[index - n] : c->in_present[index];
    if (!out->present)
        return ROTE_OK;
    out->rank = s->rank;
    memcpy(out->dim, s->dim, (size_t)s->rank * sizeof *s->dim);
    out->bytes = op_bytes(s);
    return ROTE_OK;
}

enum rote_status rote_op_bind(rote_op *op, const char *port, rote_tensor *t)
{
    if (!op || !port || !t)
        return base_null_argument("rote_op_bind");
    struct op_inst *inst = op->inst;
    const struct call *c = &inst->call;
    struct rt_mem *m = (struct rt_mem *)t;
    int in = call_in(c, port), out = call_out(c, port);
    if (in < 0 && out < 0)
        return base_error(ROTE_ENOTFOUND, "%s has no input or output '%s'; see the operator's list", c->sig->name, port);
    uint64_t bytes = op_bytes(in >= 0 ? &c->in[in] : &c->out[out]);
    if (!m || rt_mem_bytes(m) < bytes)
        return base_error(ROTE_EINVAL, "%s: %s needs %llu bytes, the tensor has %llu", c->sig->name, port,
                          (unsigned long long)bytes, (unsigned long long)(m ? rt_mem_bytes(m) : 0));
    if (in >= 0)
        inst->in[in] = m;
    if (out >= 0)
        inst->out[out] = m;
    return ROTE_OK;
}

enum rote_status rote_op_set(rote_op *op, const char *word)
{
    if (!op || !word)
        return base_null_argument("rote_op_set");
    struct call *c = &op->inst->call;
    const char *eq = strchr(word, '=');
    size_t n = eq ? (size_t)(eq - word) : 0;
    for (int i = 0; eq && i < c->sig->n_attr; i++) {
        const struct call_attr *a = &c->sig->attr[i];
        if (a->runtime && strlen(a->name) == n && !strncmp(a->name, word, n))
            return op_call_set(c, word);
    }
    return base_error(ROTE_EINVAL, "%s: '%s' sets no runtime attribute", c->sig->name, word);
}

enum rote_status rote_op_check(const rote_op *op, const char *const *ports, const void *const *data, int n)
{
    if (!op || !ports || !data)
        return base_null_argument("rote_op_check");
    const struct call *c = &op->inst->call;
    const void *in[CALL_MAX_PORTS] = {NULL};
    if (!op->inst->def->check)
        return ROTE_OK;
    for (int i = 0; i < n; i++)
        if (call_in(c, ports[i]) >= 0)
            in[call_in(c, ports[i])] = data[i];
    for (int i = 0; i < c->sig->n_in; i++)
        if (needs_memory(op->inst, i) && !in[i])
            return base_error(ROTE_EINVAL, "%s: input %s is missing", c->sig->name, c->sig->in[i].name);
    return op->inst->def->check(c, in);
}

enum rote_status rote_op_run(rote_op *op)
{
    if (!op)
        return base_null_argument("rote_op_run");
    const struct op_inst *inst = op->inst;
    const struct call_signature *s = inst->call.sig;
    for (int i = 0; i < s->n_in; i++)
        if (needs_memory(inst, i) && !inst->in[i])
            return base_error(ROTE_EINVAL, "%s: input %s is not bound", s->name, s->in[i].name);
    for (int i = 0; i < s->n_out; i++)
        if (!inst->out[i])
            return base_error(ROTE_EINVAL, "%s: output %s is not bound", s->name, s->out[i].name);
    return op_inst_run(op->inst);
}

static json_t *ports_json(const struct call_port *p, int n)
{
    json_t *list = json_array();
    for (int i = 0; i < n; i++)
        json_array_append_new(list, json_pack("{s:s s:s s:s s:b s:b s:s}", "name", p[i].name, "dims", p[i].dims,
                                              "type", type_names[p[i].dtype], "optional", p[i].flags & PORT_OPTIONAL,
                                              "shape_only", p[i].flags & PORT_SHAPE_ONLY, "text", p[i].text));
    return list;
}

static json_t *tunables_json(const struct op_tunable *t)
{
    json_t *list = json_array();
    for (; t && t->name; t++) {
        json_t *values = json_array();
        for (const int *v = t->values; *v; v++)
            json_array_append_new(values, json_integer(*v));
        json_array_append_new(list, json_pack("{s:s s:o s:s}", "name", t->name, "values", values, "text", t->text));
    }
    return list;
}

static json_t *op_json(const struct op_def *d)
{
    json_t *attrs = json_array(), *variants = json_array(), *tunables = json_object(), *grads = json_array();
    static const char *const kinds[] = {"int", "float", "enum"};
    for (int i = 0; i < d->sig.n_attr; i++) {
        const struct call_attr *a = &d->sig.attr[i];
        json_t *one = json_pack("{s:s s:s s:f s:f s:f s:b s:s}", "name", a->name, "kind", kinds[a->kind], "default",
                                a->initial, "min", a->min, "max", a->max, "runtime", a->runtime, "text", a->text);
        if (a->kind == ATTR_ENUM)
            json_object_set_new(one, "choices", json_string(a->choices));
        json_array_append_new(attrs, one);
    }
    for (const struct op_variant *const *v = d->variants; *v; v++) {
        json_array_append_new(variants, json_string((*v)->name));
        json_object_set_new(tunables, (*v)->name, tunables_json((*v)->tunables));
    }
    json_array_append_new(variants, json_string("host"));
    for (const char *const *g = d->grads; g && *g; g++)
        json_array_append_new(grads, json_string(*g));
    return json_pack("{s:s s:s s:o s:o s:o s:o s:o s:o}", "name", d->sig.name, "text", d->text, "inputs",
                     ports_json(d->sig.in, d->sig.n_in), "outputs", ports_json(d->sig.out, d->sig.n_out), "attributes",
                     attrs, "variants", variants, "tunables", tunables, "gradients", grads);
}

static enum rote_status port_text(struct base_buf *b, const char *what, const struct call_port *p)
{
    return base_buf_printf(b, "  %-9s %-12s %-6s %-8s%s%s  %s\n", what, p->name, p->dims, type_names[p->dtype],
                           p->flags & PORT_OPTIONAL ? " optional" : "", p->flags & PORT_SHAPE_ONLY ? " shape only" : "",
                           p->text);
}

static enum rote_status op_text(const struct op_def *d, struct base_buf *b)
{
    enum rote_status st = ROTE_OK;
    TRY(base_buf_printf(b, "%s: %s\n", d->sig.name, d->text));
    for (int i = 0; i < d->sig.n_in; i++)
        TRY(port_text(b, "input", &d->sig.in[i]));
    for (int i = 0; i < d->sig.n_out; i++)
        TRY(port_text(b, "output", &d->sig.out[i]));
    for (int i = 0; i < d->sig.n_attr; i++) {
        const struct call_attr *a = &d->sig.attr[i];
        TRY(base_buf_printf(b, "  %-9s %-12s %-15g%s  %s\n", "attribute", a->name, a->initial,
                            a->runtime ? " runtime" : "", a->kind == ATTR_ENUM ? a->choices : a->text));
    }
    TRY(base_buf_printf(b, "  variants "));
    for (const struct op_variant *const *v = d->variants; *v; v++)
        TRY(base_buf_printf(b, " %s", (*v)->name));
    TRY(base_buf_printf(b, " host\n"));
    for (const struct op_variant *const *v = d->variants; *v; v++)
        for (const struct op_tunable *t = (*v)->tunables; t && t->name; t++)
            TRY(base_buf_printf(b, "  %-9s %-12s %-17s %s\n", "tunable", t->name, (*v)->name, t->text));
    if (d->grads)
        TRY(base_buf_printf(b, "  gradients"));
    for (const char *const *g = d->grads; g && *g; g++)
        TRY(base_buf_printf(b, " %s%s", *g, g[1] ? "" : "\n"));
out:
    return st;
}

enum rote_status rote_op_list(const char *name, int json, char **text)
{
    enum rote_status st = ROTE_OK;
    size_t count;
    const struct op_def *const *list = op_list(&count), *one;
    struct base_buf b = {0};
    json_t *array = json_array();
    char *dump = NULL;
    if (name) {
        TRY(find(name, &one));
        list = &one;
        count = 1;
    }
    for (size_t i = 0; i < count; i++) {
        if (json)
            json_array_append_new(array, op_json(list[i]));
        else
            TRY(op_text(list[i], &b));
    }
    if (json) {
        dump = json_dumps(array, JSON_INDENT(1));
        if (!dump)
            FAIL(ROTE_ENOMEM, "no memory for the list of operators");
        TRY(base_buf_printf(&b, "%s\n", dump));
    }
    *text = b.text;
    b.text = NULL;
out:
    free(dump);
    json_decref(array);
    base_buf_free(&b);
    return st;
}

const char *rote_op_gradient(const char *name, int index)
{
    const struct op_def *d = name ? op_find(name) : NULL;
    for (int i = 0; d && d->grads && d->grads[i]; i++)
        if (i == index)
            return d->grads[i];
    return NULL;
}
