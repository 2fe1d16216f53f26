/* Whole networks: the graph's gradients against central differences of its own loss, and
 * the planner: no two tensors that live at the same time share memory. ROTE_TEST_DEVICE
 * selects the device. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "model/model.h"
#include "unit.h"

#define BATCH 4
#define SIDE 8
#define CHANNELS 2
#define SAMPLES 4

static struct rote_device *dev;

struct net {
    struct model *m;
    struct model_plan *p;
    struct graph_arena arena;
    struct rt_mem *images, *labels, *order, *norm, *m1;
};

static const struct model_head heads[] = {
    {.name = "class", .at = "features", .kind = HEAD_CLASS, .n = 3, .loss = LOSS_OWN, .smoothing = 0.1},
    {.name = "push", .at = "mid", .kind = HEAD_RANDOM, .n = 4, .loss = LOSS_CONFUSION, .lambda = 3, .seed = 1},
    {.name = "probe", .at = "features", .kind = HEAD_RANDOM, .n = 5, .loss = LOSS_UNLIKELIHOOD, .seed = 1},
    {.name = "group", .at = "features", .kind = HEAD_RANDOM_PER_CLASS, .n = 2, .loss = LOSS_ENTROPY, .lambda = 2, .seed = 1},
};

/* Branches that meet, a layer whose output two layers read, stride, groups, pooling. */
static struct spec *network(void)
{
    struct spec *s;
    ck_assert_int_eq(spec_new("test", &s), ROTE_OK);
    spec_add(s, "conv", "conv2d", "input", "filters=4 window=3 pad=1");
    spec_add(s, "act", "gelu", "", "%s", "");
    spec_add(s, "left", "conv2d", "act", "filters=6 window=3 stride=2 pad=1 groups=2 bias=0");
    spec_add(s, "norm", "batchnorm", "", "%s", "");
    spec_add(s, "right", "avgpool", "act", "window=2");
    spec_add(s, "fit", "conv2d", "", "filters=6 window=1");
    spec_add(s, "mid", "add", "norm fit", "%s", "");
    spec_add(s, "norm2", "batchnorm", "", "%s", "");
    spec_add(s, "same", "conv2d", "", "filters=6 window=3 pad=1 bias=0");
    spec_add(s, "pool", "avgpool", "", "window=3 stride=2 pad=1"); /* a maximum has kinks */
    spec_add(s, "lin", "linear", "", "features=7");
    spec_add(s, "features", "gelu", "", "%s", "");
    ck_assert_msg(!spec_validate(s), "%s", rote_error_detail());
    return s;
}

static struct rt_mem *buffer(uint64_t bytes, const void *data)
{
    struct rt_mem *m;
    ck_assert_msg(!rt_mem_new(dev, bytes, "test", &m), "%s", rote_error_detail());
    ck_assert_int_eq(rt_write(m, 0, data, bytes), ROTE_OK);
    return m;
}

static void make_with(struct net *n, int whole_batch, bool recompute)
{
    unsigned char images[SAMPLES * SIDE * SIDE * CHANNELS];
    int32_t labels[SAMPLES], order[SAMPLES];
    float norm[2 * CHANNELS];
    for (size_t i = 0; i < sizeof images; i++)
        images[i] = (unsigned char)(i * 73 + i / 7 * 29);
    for (int i = 0; i < SAMPLES; i++) {
        labels[i] = i % 3;
        order[i] = SAMPLES - 1 - i;
    }
    for (int c = 0; c < CHANNELS; c++) {
        norm[c] = 0.5f;
        norm[CHANNELS + c] = 3;
    }
    memset(n, 0, sizeof *n);
    ck_assert_msg(!model_new(dev, network(), CHANNELS, SIDE, SIDE, 3, heads, (int)COUNT_OF(heads), &n->m), "%s",
                  rote_error_detail());
    struct model_plan_options o = {.batch = BATCH, .whole_batch = whole_batch, .recompute = recompute, .training = true,
                                   .data_count = SAMPLES, .order_count = SAMPLES};
    ck_assert_msg(!model_plan_new(n->m, &o, &n->p), "%s", rote_error_detail());
    ck_assert_int_eq(model_allocate(n->m, true), ROTE_OK);
    ck_assert_int_eq(model_init(n->m, 5), ROTE_OK);
    ck_assert_int_eq(graph_arena_new(dev, n->p->g->arena_bytes, &n->arena), ROTE_OK);
    n->images = buffer(sizeof images, images);
    n->labels = buffer(sizeof labels, labels);
    n->order = buffer(sizeof order, order);
    n->norm = buffer(sizeof norm, norm);
    ck_assert_int_eq(rt_mem_new(dev, n->m->param_bytes, "momentum", &n->m1), ROTE_OK);
    ck_assert_int_eq(rt_fill(n->m1, 0), ROTE_OK);
    graph_set_mem(n->p->g, n->p->images, n->images);
    graph_set_mem(n->p->g, n->p->labels, n->labels);
    graph_set_mem(n->p->g, n->p->order, n->order);
    graph_set_mem(n->p->g, n->p->norm, n->norm);
    graph_set_mem(n->p->g, n->p->m1, n->m1);
    ck_assert_msg(!model_plan_bind(n->m, n->p, n->m->params, &n->arena), "%s", rote_error_detail());
    graph_set_int(n->p->g, "count", SAMPLES);
    graph_set_float(n->p->g, "lambda_scale", 1);
    graph_set_float(n->p->g, "lr", 0);
}

static void make(struct net *n)
{
    make_with(n, 0, false);
}

static void drop(struct net *n)
{
    model_plan_free(n->p);
    graph_arena_free(&n->arena);
    rt_mem_free(n->images);
    rt_mem_free(n->labels);
    rt_mem_free(n->order);
    rt_mem_free(n->norm);
    rt_mem_free(n->m1);
    model_free(n->m);
}

/* What the trunk descends: own losses of class heads, lambda / M' times regularisers. */
static double loss(struct net *n)
{
    double sums[COUNT_OF(heads) * MODEL_STATS];
    ck_assert_int_eq(model_plan_take_sums(n->m, n->p, sums), ROTE_OK);
    ck_assert_msg(!graph_run(n->p->g, 0, n->p->g->n_nodes), "%s", rote_error_detail());
    ck_assert_int_eq(model_plan_take_sums(n->m, n->p, sums), ROTE_OK);
    double senders = 2, total = sums[0];
    for (size_t i = 1; i < COUNT_OF(heads); i++)
        total += heads[i].lambda / senders * sums[i * MODEL_STATS + 6];
    return total / BATCH;
}

/* Along the gradient itself the loss changes by its squared length: one number a parameter
 * tensor that float32 differences can resolve. */
START_TEST(gradients_of_a_network)
{
    struct net n;
    int compared = 0;
    make(&n);
    loss(&n);
    for (int v = 0; v < n.m->n_values; v++) {
        const struct model_value *value = &n.m->value[v];
        size_t count = (size_t)model_value_count(value);
        if (n.m->param[value->param].state || !strncmp(value->name, "heads.", 6))
            continue;
        float *g = malloc(count * sizeof *g), *w = malloc(count * sizeof *w), *moved = malloc(count * sizeof *w);
        double square = 0, side[2];
        ck_assert_int_eq(model_read_value(n.m, v, n.m->grads, 0, g), ROTE_OK);
        ck_assert_int_eq(model_read_value(n.m, v, n.m->params, 0, w), ROTE_OK);
        for (size_t i = 0; i < count; i++)
            square += (double)g[i] * g[i];
        double step = 1e-3 / sqrt(square + 1e-12);
        for (int s = 0; s < 2; s++) {
            for (size_t i = 0; i < count; i++)
                moved[i] = (float)(w[i] + (s ? step : -step) * g[i]);
            model_write_value(n.m, v, n.m->params, 0, moved);
            side[s] = loss(&n);
        }
        model_write_value(n.m, v, n.m->params, 0, w);
        double slope = (side[1] - side[0]) / (2 * step);
        if (!strcmp(value->name, "left.weight") || square > 1e-6) {
            ck_assert_msg(fabs(slope - square) <= 0.02 * square + 1e-5, "%s: slope %.6g along its gradient, should be %.6g",
                          value->name, slope, square);
            compared++;
        }
        free(g);
        free(w);
        free(moved);
    }
    ck_assert_int_ge(compared, 8);
    drop(&n);
}
END_TEST

START_TEST(memory_is_never_shared)
{
    struct net n;
    int pairs = 0;
    make(&n);
    const struct graph *g = n.p->g;
    for (int i = 0; i < g->n_tensors; i++)
        for (int k = 0; k < i; k++) {
            const struct graph_tensor *a = &g->tensor[i], *b = &g->tensor[k];
            if (a->storage != i || b->storage != k || a->kind != GRAPH_ACTIVATION || b->kind != GRAPH_ACTIVATION ||
                a->first < 0 || b->first < 0 || a->last < b->first || b->last < a->first)
                continue;
            pairs++;
            ck_assert_msg(a->offset + op_bytes(&a->shape) <= b->offset || b->offset + op_bytes(&b->shape) <= a->offset,
                          "%s and %s share memory", a->name, b->name);
        }
    ck_assert_int_gt(pairs, 50);
    uint64_t sum = 0;
    for (int i = 0; i < g->n_tensors; i++)
        if (g->tensor[i].storage == i && g->tensor[i].kind == GRAPH_ACTIVATION && g->tensor[i].first >= 0)
            sum += op_bytes(&g->tensor[i].shape);
    for (int i = 0; i < g->n_nodes; i++)
        sum += g->node[i].inst->workspace_bytes;
    ck_assert_msg(g->arena_bytes < sum, "the arena (%llu bytes) saves nothing over %llu", (unsigned long long)g->arena_bytes,
                  (unsigned long long)sum);
    drop(&n);
}
END_TEST

static bool overlap(uint64_t a, uint64_t a_bytes, uint64_t b, uint64_t b_bytes)
{
    return a < b + b_bytes && b < a + a_bytes;
}

/* A walk over the plan that knows who wrote last to each place. */
struct walk {
    const struct graph *g;
    const char *holds[4096]; /* by storage: the tensor that lies there, by name */
};

static void lose(struct walk *w, uint64_t at, uint64_t bytes)
{
    for (int i = 0; i < w->g->n_tensors; i++) {
        const struct graph_tensor *t = &w->g->tensor[i];
        if (w->holds[i] && overlap(t->offset, op_bytes(&t->shape), at, bytes))
            w->holds[i] = NULL;
    }
}

/* Gives the number of outputs that lie in an input's place. */
static int visit(struct walk *w, const struct graph_node *n)
{
    int in_place = 0;
    if (n->inst->workspace_bytes)
        lose(w, n->workspace_offset, n->inst->workspace_bytes);
    for (int k = 0; k < n->call.sig->n_in; k++) {
        const struct graph_tensor *t = n->in[k] < 0 ? NULL : &w->g->tensor[n->in[k]];
        if (!t || n->call.sig->in[k].flags & PORT_SHAPE_ONLY || w->g->tensor[t->storage].kind != GRAPH_ACTIVATION)
            continue;
        ck_assert_msg(w->holds[t->storage] && !strcmp(w->holds[t->storage], t->name), "%s reads %s, but there lies %s",
                      n->name, t->name, w->holds[t->storage] ? w->holds[t->storage] : "something else");
    }
    for (int k = 0; k < n->call.sig->n_out; k++) {
        const struct graph_tensor *t = n->out[k] < 0 ? NULL : &w->g->tensor[n->out[k]];
        if (!t || w->g->tensor[t->storage].kind != GRAPH_ACTIVATION)
            continue;
        in_place += w->holds[t->storage] != NULL;
        lose(w, w->g->tensor[t->storage].offset, op_bytes(&t->shape));
        w->holds[t->storage] = t->name;
    }
    return in_place;
}

START_TEST(inputs_are_what_was_written)
{
    for (int i = 0; i < 4; i++) {
        struct net n;
        struct walk *w = calloc(1, sizeof *w);
        int in_place = 0, again = 0;
        make_with(&n, i & 1 ? 2 * BATCH : 0, i & 2);
        w->g = n.p->g;
        ck_assert_int_lt(w->g->n_tensors, (int)COUNT_OF(w->holds));
        for (int k = 0; k < w->g->n_nodes; k++) {
            in_place += visit(w, &w->g->node[k]);
            again += strstr(w->g->node[k].name, ".again") != NULL;
        }
        ck_assert_int_gt(in_place, 3);
        ck_assert_int_eq(again > 0, (i & 2) > 0);
        free(w);
        drop(&n);
    }
}
END_TEST

/* src/graph/join.c copies ports and attributes as they come. */
START_TEST(biased_operators_begin_as_their_products)
{
    size_t count, found = 0;
    const struct op_def *const *list = op_list(&count);
    for (size_t i = 0; i < count; i++) {
        if (!list[i]->with_bias)
            continue;
        const struct call_signature *a = &list[i]->sig, *b = &op_find(list[i]->with_bias)->sig;
        found++;
        ck_assert_int_eq(b->n_in, a->n_in + 1);
        ck_assert_str_eq(b->in[a->n_in].name, "b");
        ck_assert_int_eq(b->n_attr, a->n_attr + 1);
        ck_assert_str_eq(b->attr[a->n_attr].name, "relu");
        for (int k = 0; k < a->n_in; k++)
            ck_assert_str_eq(b->in[k].name, a->in[k].name);
        for (int k = 0; k < a->n_attr; k++)
            ck_assert_str_eq(b->attr[k].name, a->attr[k].name);
    }
    ck_assert_uint_eq(found, 2);
}
END_TEST

/* Per-head values of one group's buffer come back as they went in. */
START_TEST(values_keep_their_order)
{
    struct net n;
    make(&n);
    for (int pass = 0; pass < 2; pass++)
        for (int v = 0; v < n.m->n_values; v++) {
            const struct model_value *value = &n.m->value[v];
            struct rt_mem *home = n.m->param[value->param].state ? n.m->states : n.m->params;
            size_t count = (size_t)model_value_count(value);
            float *w = malloc(count * sizeof *w);
            if (pass)
                ck_assert_int_eq(model_read_value(n.m, v, home, 0, w), ROTE_OK);
            for (size_t i = 0; i < count; i++) {
                float wanted = (float)(1000 * v) + (float)i;
                if (pass)
                    ck_assert_msg(w[i] == wanted, "%s[%zu] is %g", value->name, i, w[i]);
                w[i] = wanted;
            }
            if (!pass)
                ck_assert_int_eq(model_write_value(n.m, v, home, 0, w), ROTE_OK);
            free(w);
        }
    int left = model_find_value(n.m, "left.weight"), group = model_find_value(n.m, "heads.group.weight");
    ck_assert(left >= 0 && n.m->value[left].dim[0] == 6 && n.m->value[left].dim[1] == 2);
    ck_assert(group >= 0 && n.m->value[group].dim[0] == 3 && n.m->value[group].dim[1] == 2 && n.m->value[group].dim[2] == 7);
    drop(&n);
}
END_TEST

int main(void)
{
    if (rt_open(getenv("ROTE_TEST_DEVICE"), &dev)) {
        fprintf(stderr, "%s\n", rote_error_detail());
        return 1;
    }
    TCase *t = tcase_create("graph");
    tcase_add_test(t, gradients_of_a_network);
    tcase_add_test(t, memory_is_never_shared);
    tcase_add_test(t, inputs_are_what_was_written);
    tcase_add_test(t, values_keep_their_order);
    tcase_add_test(t, biased_operators_begin_as_their_products);
    int failed = unit_run("graph", t, 0);
    rt_close(dev);
    return failed ? 1 : 0;
}
