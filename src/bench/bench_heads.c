/* What random heads cost: their number, their labels, the width of the features; and how a step
 * grows with the batch and with heads. */
#include <string.h>

#include "bench/bench.h"

struct point {
    const char *sweep; /* what differs from point to point */
    int heads, n, batch;
    char at[MODEL_NAME];
    int64_t width;
};

static const char *class_layer(const struct config *c)
{
    for (unsigned i = 0; i < c->heads_count; i++)
        if (c->heads[i].kind == CONFIG_HEAD_CLASS)
            return c->heads[i].at;
    return "features";
}

/* The configuration's network with a class head and p->heads probes beside it. */
static enum rote_status point_run(struct rote_bench *b, const struct point *p, struct rote_run **out)
{
    enum rote_status st = ROTE_OK;
    struct base_buf heads = {0};
    char batch[32];
    TRY(base_buf_printf(&heads, "heads=[{name: class, kind: class, at: '%s'}", class_layer(b->cfg)));
    for (int i = 0; i < p->heads; i++)
        TRY(base_buf_printf(&heads, ", {name: random%d, n: %d, at: '%s'}", i, p->n, p->at));
    TRY(base_buf_printf(&heads, "]"));
    snprintf(batch, sizeof batch, "batch=%d", p->batch);
    TRY(bench_run_new(b, (const char *const[]){heads.text, batch, "control.enabled=false"}, 3, out));
out:
    base_buf_free(&heads);
    return st;
}

/* Kernel time of what random heads add, the ledger's part of them included, as a share of the
 * step's. */
static enum rote_status heads_share(struct rote_run *t, double *share)
{
    enum rote_status st = ROTE_OK;
    struct rt_span *s = NULL;
    size_t n = 0;
    double heads = 0, all = 0;
    TRY(bench_profile(t, 4, &s, &n));
    for (size_t i = 0; i < n; i++) {
        int group = -1;
        const char *space = strrchr(s[i].label, ' '), *probe = strstr(s[i].label, ".probe.");
        bool mine = !strncmp(s[i].label, "heads/", 6) && probe && probe < space;
        if (sscanf(s[i].label, "ledger.%d ", &group) == 1)
            mine = group < t->net.m->n_groups && !t->net.m->group[group].sends;
        all += s[i].end - s[i].start;
        heads += mine ? s[i].end - s[i].start : 0;
    }
    *share = all > 0 ? heads / all : 0;
out:
    rt_trace_stop(t->dev);
    base_free(s);
    return st;
}

/* One point beside the same network without random heads and with one. */
static enum rote_status heads_row(struct rote_bench *b, const struct point *p, const char *name,
                                  struct rote_run *const base[2])
{
    enum rote_status st = ROTE_OK;
    struct rote_run *t = NULL;
    double share = 0;
    TRY(point_run(b, p, &t));
    struct bench_side side[3] = {{.enqueue = bench_enqueue_steps, .what = base[0]},
                                 {.enqueue = bench_enqueue_steps, .what = base[1]},
                                 {.enqueue = bench_enqueue_steps, .what = t}};
    TRY(bench_in_turn(b, name, side, 3));
    TRY(heads_share(t, &share));
    json_array_append_new(
        json_object_get(b->o, "rows"),
        json_pack("{s:s s:i s:i s:s s:I s:f s:f s:f s:f s:f s:f s:f}", "sweep", p->sweep, "heads", p->heads, "n", p->n,
                  "at", p->at, "width", (json_int_t)p->width, "step_ms", side[2].least * 1e3, "median_step_ms",
                  side[2].median * 1e3, "none_ms", side[0].least * 1e3, "one_ms", side[1].least * 1e3, "over_none",
                  side[2].least / side[0].least - 1, "over_one", side[2].least / side[1].least - 1, "kernel_share",
                  share));
    b->done++;
out:
    if (t)
        rt_finish(b->dev);
    train_free(t);
    return st;
}

/* The last layer of each width, and the width of the layer that the class head is at. */
static enum rote_status widths(struct rote_bench *b, const struct rote_run *t, struct point *p, int *n, int most,
                               int64_t *own)
{
    enum rote_status st = ROTE_OK;
    const struct spec *s = t->net.m->spec;
    const struct data_set *d = b->data;
    struct spec_shape *shape = NULL;
    TRY(base_alloc(&shape, s->count, sizeof *shape));
    TRY(spec_shapes(s, d->channels, d->height, d->width, shape, NULL));
    *own = shape[spec_find(s, class_layer(b->cfg))].c;
    for (size_t i = 0; i < s->count && *n < most; i++) {
        bool later = false;
        for (size_t k = i + 1; k < s->count; k++)
            later = later || shape[k].c == shape[i].c;
        if (later)
            continue;
        p[*n] = (struct point){.sweep = "width", .heads = 10, .n = 10, .batch = b->cfg->batch, .width = shape[i].c};
        snprintf(p[*n].at, sizeof p[*n].at, "%s", s->layer[i].name);
        ++*n;
    }
out:
    base_free(shape);
    return st;
}

#define MOST_POINTS 64

static void point_name(const struct point *p, char out[128])
{
    snprintf(out, 128, "%s: %d heads, n %d, at %s, batch %d", p->sweep, p->heads, p->n, p->at, p->batch);
}

static bool point_wanted(const struct rote_bench *b, const struct point *p)
{
    char name[128];
    point_name(p, name);
    return bench_wanted(b, name);
}

static enum rote_status stopped_with_rows(const struct rote_bench *b, enum rote_status st)
{
    return st == ROTE_EINTERRUPTED && b->done ? ROTE_OK : st;
}

enum rote_status bench_heads(struct rote_bench *b)
{
    static const int numbers[] = {1, 4, 10, 16, 64}, labels[] = {2, 10, 100, 1000, 10000};
    enum rote_status st = ROTE_OK;
    struct rote_run *base[2] = {NULL, NULL};
    struct point p[MOST_POINTS], at = {.heads = 0, .n = 10, .batch = b->cfg->batch};
    char name[128];
    int n = 0;
    snprintf(at.at, sizeof at.at, "%s", class_layer(b->cfg));
    TRY(point_run(b, &at, &base[0]));
    at.heads = 1;
    TRY(point_run(b, &at, &base[1]));
    TRY(widths(b, base[0], p, &n, MOST_POINTS - 10, &at.width));
    for (size_t i = 0; i < COUNT_OF(numbers); i++) {
        p[n] = at;
        p[n].sweep = "number";
        p[n++].heads = numbers[i];
    }
    for (size_t i = 0; i < COUNT_OF(labels); i++) {
        p[n] = at;
        p[n].sweep = "n";
        p[n].heads = 10;
        p[n++].n = labels[i];
    }
    json_object_set_new(b->o, "rows", json_array());
    for (int i = 0; i < n; i++)
        b->total += point_wanted(b, &p[i]);
    TRY(bench_any(b));
    for (int i = 0; i < n; i++) {
        if (!point_wanted(b, &p[i]))
            continue;
        point_name(&p[i], name);
        TRY(heads_row(b, &p[i], name, base));
    }
out:
    if (base[0])
        rt_finish(b->dev);
    train_free(base[0]);
    train_free(base[1]);
    return stopped_with_rows(b, st);
}

/* What the device has no memory for is a row that says so. */
static enum rote_status scale_row(struct rote_bench *b, const struct point *p)
{
    enum rote_status st = ROTE_OK;
    struct rote_run *t = NULL;
    struct bench_side side = {.enqueue = bench_enqueue_steps};
    char name[128];
    json_t *row = json_pack("{s:s s:i s:i}", "sweep", p->sweep, "batch", p->batch, "heads", p->heads);
    point_name(p, name);
    st = point_run(b, p, &t);
    if (!st) {
        side.what = t;
        st = bench_in_turn(b, name, &side, 1);
    }
    if (st == ROTE_EDEVMEM) {
        json_object_set_new(row, "error", json_string(rote_error_detail()));
        st = ROTE_OK;
    } else if (!st) {
        json_object_set_new(row, "step_ms", json_real(side.least * 1e3));
        json_object_set_new(row, "median_step_ms", json_real(side.median * 1e3));
        json_object_set_new(row, "images_s", json_real(p->batch / side.least));
        json_object_set_new(row, "arena_bytes", json_integer((json_int_t)t->arena_bytes));
    }
    if (!st) {
        json_array_append(json_object_get(b->o, "rows"), row);
        b->done++;
    }
    if (t)
        rt_finish(b->dev);
    train_free(t);
    json_decref(row);
    return st;
}

enum rote_status bench_scale(struct rote_bench *b)
{
    static const int numbers[] = {0, 1, 4, 16, 64};
    enum rote_status st = ROTE_OK;
    struct rote_run *first = NULL;
    struct point p[MOST_POINTS], at = {.n = 10, .batch = b->cfg->batch};
    int n = 0;
    snprintf(at.at, sizeof at.at, "%s", class_layer(b->cfg));
    TRY(bench_run_new(b, NULL, 0, &first)); /* the data, before any size */
    train_free(first);
    for (int batch = 1; batch <= 512 && batch <= b->data->train.count; batch *= 2) {
        p[n] = at;
        p[n].sweep = "batch";
        p[n++].batch = batch;
    }
    for (size_t i = 0; i < COUNT_OF(numbers); i++) {
        p[n] = at;
        p[n].sweep = "heads";
        p[n++].heads = numbers[i];
    }
    json_object_set_new(b->o, "rows", json_array());
    for (int i = 0; i < n; i++)
        b->total += point_wanted(b, &p[i]);
    TRY(bench_any(b));
    for (int i = 0; i < n; i++)
        if (point_wanted(b, &p[i]))
            TRY(scale_row(b, &p[i]));
out:
    return stopped_with_rows(b, st);
}
