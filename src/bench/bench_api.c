/* include/rote/bench.h: the benchmarks by name, and their results in three forms. */
#include <stdlib.h>
#include <string.h>

#include "bench/bench.h"

static const struct kind {
    const char *name;
    enum rote_status (*run)(struct rote_bench *b);
} kinds[] = {{"ops", bench_ops}, {"train", bench_train}, {"heads", bench_heads}, {"scale", bench_scale}};

static enum rote_status find_kind(const char *what, const struct kind **out)
{
    const char *names[COUNT_OF(kinds)];
    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        names[i] = kinds[i].name;
        if (!strcmp(what, kinds[i].name)) {
            *out = &kinds[i];
            return ROTE_OK;
        }
    }
    const char *near = base_nearest(what, names, COUNT_OF(kinds));
    return base_error(ROTE_ENOTFOUND, "there is no benchmark '%s'; choose ops, train, heads or scale%s%s", what,
                      near ? "; nearest: " : "", near ? near : "");
}

static enum rote_status set_options(struct rote_bench *b, const struct rote_bench_options *o)
{
    char why[128];
    if (o->rounds < 1 || o->rounds > 10000)
        return base_error(ROTE_EINVAL, "a benchmark's rounds must be from 1 to 10000, not %d", o->rounds);
    b->options = *o;
    if (!o->only)
        return ROTE_OK;
    int bad = regcomp(&b->only, o->only, REG_EXTENDED | REG_NOSUB);
    if (bad) {
        regerror(bad, &b->only, why, sizeof why);
        return base_error(ROTE_EINVAL, "'%s' is no regular expression: %s", o->only, why);
    }
    b->has_only = true;
    return ROTE_OK;
}

static void describe(struct rote_bench *b, const char *what)
{
    static const char *const type[RT_CLASS_COUNT] = {"cpu", "integrated", "discrete"};
    const struct rt_facts *f = rt_facts_of(b->dev);
    json_object_set_new(b->o, "rote", json_string(rote_version()));
    json_object_set_new(b->o, "bench", json_string(what));
    json_object_set_new(b->o, "rounds", json_integer(b->options.rounds));
    json_object_set_new(b->o, "device",
                        json_pack("{s:s s:s s:s s:s s:s s:I}", "id", f->id, "name", f->name, "platform", f->platform,
                                  "driver", f->driver, "type", type[f->cls], "compute_units",
                                  (json_int_t)f->compute_units));
}

enum rote_status rote_bench_new(rote_device *device, const rote_config *config, const char *what,
                                const struct rote_bench_options *options, rote_progress_fn progress, void *user,
                                rote_bench **out)
{
    static const struct rote_bench_options defaults = ROTE_BENCH_OPTIONS_INIT;
    enum rote_status st = ROTE_OK;
    struct rote_bench *b = NULL;
    const struct kind *kind = NULL;
    if (!device || !config || !what || !out)
        return base_null_argument("rote_bench_new");
    TRY(find_kind(what, &kind));
    TRY(base_alloc(&b, 1, sizeof *b));
    *b = (struct rote_bench){.dev = device, .cfg = &config->c, .progress = progress, .user = user, .o = json_object(),
                             .began = base_now()};
    TRY(set_options(b, options ? options : &defaults));
    describe(b, what);
    TRY(kind->run(b));
    json_object_set_new(b->o, "complete", json_boolean(!b->stopped));
    b->cfg = NULL;
    *out = b;
    b = NULL;
out:
    rote_bench_free(b);
    return st;
}

void rote_bench_free(rote_bench *b)
{
    if (!b)
        return;
    if (b->has_only)
        regfree(&b->only);
    data_free(b->data);
    json_decref(b->o);
    base_free(b);
}

int rote_bench_complete(const rote_bench *b)
{
    return b && !b->stopped;
}

enum rote_status rote_bench_json(const rote_bench *b, char **text)
{
    enum rote_status st = ROTE_OK;
    struct base_buf out = {0};
    char *dump = NULL;
    if (!b || !text)
        return base_null_argument("rote_bench_json");
    dump = json_dumps(b->o, JSON_INDENT(1) | JSON_REAL_PRECISION(9));
    if (!dump)
        FAIL(ROTE_ENOMEM, "no memory for the benchmark's text");
    TRY(base_buf_printf(&out, "%s\n", dump));
    *text = out.text;
    out.text = NULL;
out:
    free(dump);
    base_buf_free(&out);
    return st;
}

static size_t cell_width(const struct bench_table *t, int column)
{
    size_t width = strlen(t->head[column] + (*t->head[column] == '<'));
    for (int r = 0; r < t->rows; r++) {
        size_t n = strlen(t->cell[r * t->columns + column]);
        width = n > width ? n : width;
    }
    return width;
}

static enum rote_status table_text(const struct bench_table *t, struct base_buf *out)
{
    enum rote_status st = ROTE_OK;
    TRY(base_buf_printf(out, "%s\n", t->title));
    for (int r = -1; r < t->rows; r++) {
        for (int k = 0; k < t->columns; k++) {
            bool left = *t->head[k] == '<';
            const char *cell = r < 0 ? t->head[k] + left : t->cell[r * t->columns + k];
            int width = left && k == t->columns - 1 ? 0 : (int)cell_width(t, k);
            TRY(base_buf_printf(out, "%s%*s", k ? "  " : "", left ? -width : width, cell));
        }
        TRY(base_buf_printf(out, "\n"));
    }
out:
    return st;
}

enum rote_status rote_bench_text(const rote_bench *b, char **text)
{
    enum rote_status st = ROTE_OK;
    struct base_buf out = {0};
    struct bench_table *t = NULL;
    int n = 0;
    if (!b || !text)
        return base_null_argument("rote_bench_text");
    TRY(bench_tables(b->o, &t, &n));
    for (int i = 0; i < n; i++) {
        if (i)
            TRY(base_buf_printf(&out, "\n"));
        TRY(table_text(&t[i], &out));
    }
    *text = out.text;
    out.text = NULL;
out:
    bench_tables_free(t, n);
    base_buf_free(&out);
    return st;
}

enum rote_status rote_bench_html(const rote_bench *b, char **text)
{
    enum rote_status st = ROTE_OK;
    struct base_buf out = {0};
    if (!b || !text)
        return base_null_argument("rote_bench_html");
    TRY(bench_html(b->o, &out));
    *text = out.text;
    out.text = NULL;
out:
    base_buf_free(&out);
    return st;
}
