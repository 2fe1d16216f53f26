/* A benchmark's result as tables. */
#include <stdlib.h>
#include <string.h>

#include "bench/bench.h"

double bench_number(const json_t *o, const char *key)
{
    return json_number_value(json_object_get(o, key));
}

const char *bench_string(const json_t *o, const char *key)
{
    const char *s = json_string_value(json_object_get(o, key));
    return s ? s : "";
}

void bench_tables_free(struct bench_table *t, int count)
{
    for (int i = 0; t && i < count; i++) {
        for (int k = 0; t[i].cell && k < t[i].rows * t[i].columns; k++)
            base_free(t[i].cell[k]);
        base_free(t[i].cell);
        base_free(t[i].title);
    }
    base_free(t);
}

/* Room for a further row, of which the cells are then written in order. */
static enum rote_status add_row(struct bench_table *t)
{
    size_t have = (size_t)t->rows * (size_t)t->columns;
    enum rote_status st = base_grow(&t->cell, have + (size_t)t->columns, sizeof *t->cell);
    if (st)
        return st;
    memset(t->cell + have, 0, (size_t)t->columns * sizeof *t->cell);
    t->rows++;
    return ROTE_OK;
}

static enum rote_status put(struct bench_table *t, int column, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

static enum rote_status put(struct bench_table *t, int column, const char *fmt, ...)
{
    char text[512];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    return base_strdup(&t->cell[(t->rows - 1) * t->columns + column], text);
}

static void columns(struct bench_table *t, const char *const *head)
{
    for (t->columns = 0; head[t->columns]; t->columns++)
        t->head[t->columns] = head[t->columns];
}

static double chosen_ms(const json_t *row)
{
    return bench_number(row, "count") * bench_number(json_array_get(json_object_get(row, "variants"), 0), "least_ms");
}

static int by_time(const void *a, const void *b)
{
    double x = chosen_ms(*(json_t *const *)a), y = chosen_ms(*(json_t *const *)b);
    return (x < y) - (x > y);
}

static enum rote_status variant_row(struct bench_table *t, const json_t *row, const json_t *v)
{
    enum rote_status st = ROTE_OK;
    bool chosen = json_is_true(json_object_get(v, "chosen"));
    bool arithmetic = bench_number(v, "flops_share") > bench_number(v, "bandwidth_share");
    TRY(add_row(t));
    TRY(put(t, 0, "%s", chosen ? bench_string(row, "operator") : ""));
    if (chosen) {
        TRY(put(t, 1, "%.0f", bench_number(row, "count")));
        TRY(put(t, 10, "%.3f", chosen_ms(row)));
    } else {
        TRY(put(t, 1, "%s", ""));
        TRY(put(t, 10, "%s", ""));
    }
    TRY(put(t, 2, "%s%s", bench_string(v, "variant"), chosen ? " *" : ""));
    TRY(put(t, 3, "%.3f", bench_number(v, "least_ms")));
    TRY(put(t, 4, "%.3f", bench_number(v, "median_ms")));
    TRY(put(t, 5, "%.1f", bench_number(v, "gflops")));
    TRY(put(t, 6, "%.1f", bench_number(v, "gb_s")));
    TRY(put(t, 7, "%.2f", bench_number(row, "flops") / bench_number(row, "bytes")));
    TRY(put(t, 8, "%.0f%%", 100 * bench_number(v, "roof_share")));
    TRY(put(t, 9, "%s", arithmetic ? "arithmetic" : "memory"));
    TRY(put(t, 11, "%s", chosen ? bench_string(row, "words") : ""));
out:
    return st;
}

static enum rote_status ops_tables(const json_t *o, struct bench_table *t, int *count)
{
    static const char *const head[] = {"<operator", "nodes", "<variant", "ms", "median", "GFLOP/s", "GB/s", "flop/byte",
                                       "of roof", "<roof", "ms a step", "<shape", NULL};
    enum rote_status st = ROTE_OK;
    const json_t *list = json_object_get(o, "operators"), *peak = json_object_get(o, "peak");
    const json_t **row = NULL;
    size_t n = json_array_size(list), j;
    json_t *v;
    double all = 0;
    *count = 1;
    columns(t, head);
    TRY(base_alloc(&row, n + 1, sizeof *row));
    for (size_t i = 0; i < n; i++) {
        row[i] = json_array_get(list, i);
        all += chosen_ms(row[i]);
    }
    qsort(row, n, sizeof *row, by_time);
    TRY(base_sprintf(&t->title,
                     "operators of a step of %s, batch %.0f, on %s\nmeasured peaks: %.1f GFLOP/s, %.1f GB/s; the "
                     "chosen variants (*) take %.2f ms a step",
                     bench_string(o, "network"), bench_number(o, "batch"),
                     bench_string(json_object_get(o, "device"), "id"), bench_number(peak, "gflops"),
                     bench_number(peak, "gb_s"), all));
    for (size_t i = 0; i < n; i++)
        json_array_foreach(json_object_get(row[i], "variants"), j, v)
            TRY(variant_row(t, row[i], v));
out:
    base_free(row);
    return st;
}

static int by_ms(const void *a, const void *b)
{
    double x = bench_number(*(json_t *const *)a, "ms"), y = bench_number(*(json_t *const *)b, "ms");
    return (x < y) - (x > y);
}

static enum rote_status profile_table(const json_t *o, struct bench_table *t)
{
    static const char *const head[] = {"<operator", "<variant", "launches", "ms a step", "share", NULL};
    enum rote_status st = ROTE_OK;
    const json_t *list = json_object_get(o, "profile"), **row = NULL;
    size_t n = json_array_size(list);
    columns(t, head);
    TRY(base_alloc(&row, n + 1, sizeof *row));
    for (size_t i = 0; i < n; i++)
        row[i] = json_array_get(list, i);
    qsort(row, n, sizeof *row, by_ms);
    TRY(base_sprintf(&t->title,
                     "training %s, batch %.0f, on %s\n%.1f images/s (median %.1f), %.3f ms a step (median %.3f)",
                     bench_string(o, "network"), bench_number(o, "batch"),
                     bench_string(json_object_get(o, "device"), "id"), bench_number(o, "images_s"),
                     bench_number(o, "median_images_s"), bench_number(o, "step_ms"),
                     bench_number(o, "median_step_ms")));
    for (size_t i = 0; i < n; i++) {
        TRY(add_row(t));
        TRY(put(t, 0, "%s", bench_string(row[i], "operator")));
        TRY(put(t, 1, "%s", bench_string(row[i], "variant")));
        TRY(put(t, 2, "%.0f", bench_number(row[i], "launches")));
        TRY(put(t, 3, "%.3f", bench_number(row[i], "ms")));
        TRY(put(t, 4, "%.1f%%", 100 * bench_number(row[i], "share")));
    }
out:
    base_free(row);
    return st;
}

static enum rote_status memory_table(const json_t *o, struct bench_table *t)
{
    static const char *const head[] = {"MiB", "<memory", NULL};
    enum rote_status st = ROTE_OK;
    size_t i;
    json_t *row;
    columns(t, head);
    TRY(base_sprintf(&t->title, "device memory, %.2f MiB in all", bench_number(o, "predicted_peak_bytes") / 1048576));
    json_array_foreach(json_object_get(o, "memory"), i, row) {
        TRY(add_row(t));
        TRY(put(t, 0, "%.2f", bench_number(row, "bytes") / 1048576));
        TRY(put(t, 1, "%s", bench_string(row, "what")));
    }
out:
    return st;
}

static enum rote_status train_tables(const json_t *o, struct bench_table *t, int *count)
{
    enum rote_status st = profile_table(o, &t[0]);
    *count = 1;
    if (!st) {
        st = memory_table(o, &t[1]);
        *count = 2;
    }
    return st;
}

static enum rote_status heads_tables(const json_t *o, struct bench_table *t, int *count)
{
    static const char *const head[] = {"<sweep", "heads", "n", "width", "ms a step", "median", "over none", "over one",
                                       "kernel time", "<at", NULL};
    enum rote_status st = ROTE_OK;
    size_t i;
    json_t *row;
    *count = 1;
    columns(t, head);
    TRY(base_sprintf(&t->title,
                     "random heads on %s, batch %.0f, on %s\nover none, over one: of the step's time, in turn with "
                     "none and one head; kernel time: the heads' share of the step's",
                     bench_string(o, "network"), bench_number(o, "batch"),
                     bench_string(json_object_get(o, "device"), "id")));
    json_array_foreach(json_object_get(o, "rows"), i, row) {
        TRY(add_row(t));
        TRY(put(t, 0, "%s", bench_string(row, "sweep")));
        TRY(put(t, 1, "%.0f", bench_number(row, "heads")));
        TRY(put(t, 2, "%.0f", bench_number(row, "n")));
        TRY(put(t, 3, "%.0f", bench_number(row, "width")));
        TRY(put(t, 4, "%.3f", bench_number(row, "step_ms")));
        TRY(put(t, 5, "%.3f", bench_number(row, "median_step_ms")));
        TRY(put(t, 6, "%+.1f%%", 100 * bench_number(row, "over_none")));
        TRY(put(t, 7, "%+.1f%%", 100 * bench_number(row, "over_one")));
        TRY(put(t, 8, "%.2f%%", 100 * bench_number(row, "kernel_share")));
        TRY(put(t, 9, "%s", bench_string(row, "at")));
    }
out:
    return st;
}

/* before: the row above of the same sweep, NULL for its first. */
static enum rote_status scale_cells(struct bench_table *t, const json_t *row, const json_t *before)
{
    enum rote_status st = ROTE_OK;
    double ms = bench_number(row, "step_ms"), last = bench_number(before, "step_ms");
    TRY(put(t, 0, "%s", bench_string(row, "sweep")));
    TRY(put(t, 1, "%.0f", bench_number(row, "batch")));
    TRY(put(t, 2, "%.0f", bench_number(row, "heads")));
    if (ms > 0) {
        TRY(put(t, 3, "%.3f", ms));
        TRY(put(t, 4, "%.3f", bench_number(row, "median_step_ms")));
        TRY(put(t, 5, "%.1f", bench_number(row, "images_s")));
        TRY(put(t, 6, "%.1f", bench_number(row, "arena_bytes") / 1048576));
    }
    for (int k = 3; ms <= 0 && k < 7; k++)
        TRY(put(t, k, "-"));
    if (ms > 0 && last > 0)
        TRY(put(t, 7, "x%.2f", ms / last));
    else
        TRY(put(t, 7, "%s", ""));
    TRY(put(t, 8, "%s", bench_string(row, "error")));
out:
    return st;
}

static enum rote_status scale_tables(const json_t *o, struct bench_table *t, int *count)
{
    static const char *const head[] = {"<sweep", "batch", "heads", "ms a step", "median", "images/s", "arena MiB",
                                       "step grows", "<", NULL};
    enum rote_status st = ROTE_OK;
    const json_t *before = NULL;
    size_t i;
    json_t *row;
    *count = 1;
    columns(t, head);
    TRY(base_sprintf(&t->title, "%s on %s, by batch and by random heads (n = 10)", bench_string(o, "network"),
                     bench_string(json_object_get(o, "device"), "id")));
    json_array_foreach(json_object_get(o, "rows"), i, row) {
        if (before && strcmp(bench_string(before, "sweep"), bench_string(row, "sweep")))
            before = NULL;
        TRY(add_row(t));
        TRY(scale_cells(t, row, before));
        before = row;
    }
out:
    return st;
}

enum rote_status bench_tables(const json_t *o, struct bench_table **out, int *count)
{
    enum rote_status st = ROTE_OK;
    struct bench_table *t = NULL;
    const char *what = bench_string(o, "bench");
    int n = 0;
    TRY(base_alloc(&t, 2, sizeof *t));
    if (!strcmp(what, "ops"))
        st = ops_tables(o, t, &n);
    else if (!strcmp(what, "train"))
        st = train_tables(o, t, &n);
    else if (!strcmp(what, "heads"))
        st = heads_tables(o, t, &n);
    else
        st = scale_tables(o, t, &n);
    TRY(st);
    *out = t;
    *count = n;
    t = NULL;
out:
    bench_tables_free(t, n);
    return st;
}
