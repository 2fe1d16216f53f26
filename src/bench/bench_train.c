/* Runs for benchmarks, their profile, and whole training steps. */
#include <string.h>

#include "bench/bench.h"

enum rote_status bench_run_new(struct rote_bench *b, const char *const *words, int n, struct rote_run **out)
{
    enum rote_status st = ROTE_OK;
    struct config c = {0};
    struct data_set *data = NULL;
    struct rote_run *t = NULL;
    TRY(config_copy(b->cfg, &c));
    for (int i = 0; i < n; i++)
        TRY(config_set(&c, words[i]));
    if (b->data)
        TRY(data_copy(b->data, &data));
    st = train_new(b->dev, &c, data, &t);
    data = NULL;
    TRY(st);
    if (!b->data) {
        TRY(data_copy(t->data, &b->data));
        json_object_set_new(b->o, "network", json_string(t->net.m->spec->name));
        json_object_set_new(b->o, "batch", json_integer(t->cfg.batch));
    }
    *out = t;
    t = NULL;
out:
    train_free(t);
    data_free(data);
    config_free(&c);
    return st;
}

enum rote_status bench_enqueue_steps(void *run, int times)
{
    return train_enqueue(run, times);
}

enum rote_status bench_profile(struct rote_run *t, int64_t steps, struct rt_span **out, size_t *count)
{
    enum rote_status st = ROTE_OK;
    TRY(rt_trace_start(t->dev));
    TRY(train_enqueue(t, steps));
    TRY(rt_trace_spans(t->dev, out, count));
out:
    return st;
}

/* Spans' labels are "node operator/variant"; sums by the second word. */
static enum rote_status profile_rows(struct rote_run *t, int64_t steps, json_t *rows)
{
    enum rote_status st = ROTE_OK;
    struct rt_span *s = NULL;
    size_t n = 0;
    double total = 0;
    json_t *by = json_object(), *row;
    const char *key;
    TRY(bench_profile(t, steps, &s, &n));
    for (size_t i = 0; i < n; i++) {
        const char *space = strrchr(s[i].label, ' '), *what = space ? space + 1 : s[i].label;
        double ms = (s[i].end - s[i].start) * 1e-3 / (double)steps;
        row = json_object_get(by, what);
        if (!row)
            json_object_set_new(by, what, row = json_pack("{s:f s:f}", "launches", 0.0, "ms", 0.0));
        json_object_set_new(row, "launches", json_real(bench_number(row, "launches") + 1.0 / (double)steps));
        json_object_set_new(row, "ms", json_real(bench_number(row, "ms") + ms));
        total += ms;
    }
    json_object_foreach(by, key, row) {
        int slash = (int)strcspn(key, "/");
        json_array_append_new(rows, json_pack("{s:s# s:s s:f s:f s:f}", "operator", key, slash, "variant",
                                              key[slash] ? key + slash + 1 : "", "launches",
                                              bench_number(row, "launches"), "ms", bench_number(row, "ms"), "share",
                                              total > 0 ? bench_number(row, "ms") / total : 0.0));
    }
out:
    rt_trace_stop(t->dev);
    base_free(s);
    json_decref(by);
    return st;
}

static enum rote_status add_memory(struct rote_bench *b, const struct rote_run *t)
{
    enum rote_status st = ROTE_OK;
    struct base_buf text = {0};
    json_t *plan = NULL;
    TRY(train_describe(t, true, &text));
    plan = json_loads(text.text, 0, NULL);
    if (!plan)
        FAIL(ROTE_ENOMEM, "no memory for the plan");
    json_object_set(b->o, "memory", json_object_get(plan, "memory"));
    json_object_set(b->o, "predicted_peak_bytes", json_object_get(plan, "predicted_peak_bytes"));
    json_object_set_new(b->o, "arena_bytes", json_integer((json_int_t)t->arena_bytes));
    json_object_set(b->o, "parameters", json_object_get(plan, "parameters"));
out:
    json_decref(plan);
    base_buf_free(&text);
    return st;
}

enum rote_status bench_train(struct rote_bench *b)
{
    enum rote_status st = ROTE_OK;
    struct rote_run *t = NULL;
    json_t *rows = json_array();
    b->total = 1;
    TRY(bench_run_new(b, NULL, 0, &t));
    struct bench_side side = {.enqueue = bench_enqueue_steps, .what = t};
    TRY(bench_in_turn(b, "training steps", &side, 1));
    json_object_set_new(b->o, "step_ms", json_real(side.least * 1e3));
    json_object_set_new(b->o, "median_step_ms", json_real(side.median * 1e3));
    json_object_set_new(b->o, "images_s", json_real(t->cfg.batch / side.least));
    json_object_set_new(b->o, "median_images_s", json_real(t->cfg.batch / side.median));
    TRY(profile_rows(t, side.least < 0.1 ? 10 : 2, rows));
    json_object_set(b->o, "profile", rows);
    TRY(add_memory(b, t));
    b->done = 1;
out:
    if (t)
        rt_finish(b->dev);
    train_free(t);
    json_decref(rows);
    return st;
}
