/* A benchmark as one page that needs nothing else. */
#include <string.h>

#include "bench/bench.h"

static const char style[] =
    ":root{color-scheme:light dark;--ink:#1c2430;--soft:#5d6876;--line:#d5dae1;--page:#fff;--a:#0b66c3;--b:#b8860b}"
    "@media(prefers-color-scheme:dark){:root{--ink:#e4e8ee;--soft:#9aa5b3;--line:#39424e;--page:#14181d;--a:#6cb2ff;"
    "--b:#e5b454}}"
    "body{font:15px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--page);max-width:76rem;margin:2rem auto;"
    "padding:0 1rem}h1{font-size:1.4rem}p{color:var(--soft)}"
    ".wide{overflow-x:auto}table{border-collapse:collapse;font-size:13px;font-variant-numeric:tabular-nums}"
    "caption{text-align:left;color:var(--soft);white-space:pre-line;padding:.6rem 0}"
    "th,td{padding:.15rem .7rem;text-align:right;white-space:nowrap;border-bottom:1px solid var(--line)}"
    "th.l,td.l{text-align:left}svg{width:100%;height:auto;display:block;margin:1rem 0}"
    "svg text{fill:var(--soft);font:12px system-ui,sans-serif}svg .grid{stroke:var(--line);stroke-width:1}"
    "svg .roof{stroke:var(--ink);stroke-width:1.5;fill:none}svg .a{fill:var(--a)}svg .b{fill:none;stroke:var(--b);"
    "stroke-width:1.5}";

enum rote_status bench_escape(struct base_buf *out, const char *text)
{
    enum rote_status st = ROTE_OK;
    for (; *text && !st; text++) {
        const char *as = *text == '<' ? "&lt;" : *text == '>' ? "&gt;" : *text == '&' ? "&amp;" : NULL;
        st = as ? base_buf_add(out, as, strlen(as)) : base_buf_add(out, text, 1);
    }
    return st;
}

static enum rote_status cell(struct base_buf *out, const char *tag, bool left, const char *text)
{
    enum rote_status st = ROTE_OK;
    TRY(base_buf_printf(out, "<%s%s>", tag, left ? " class=l" : ""));
    TRY(bench_escape(out, text));
    TRY(base_buf_printf(out, "</%s>", tag));
out:
    return st;
}

static enum rote_status table_html(const struct bench_table *t, struct base_buf *out)
{
    enum rote_status st = ROTE_OK;
    TRY(base_buf_printf(out, "<div class=wide><table><caption>"));
    TRY(bench_escape(out, t->title));
    TRY(base_buf_printf(out, "</caption>\n<tr>"));
    for (int k = 0; k < t->columns; k++) {
        bool left = *t->head[k] == '<';
        TRY(cell(out, "th", left, t->head[k] + left));
    }
    TRY(base_buf_printf(out, "</tr>\n"));
    for (int r = 0; r < t->rows; r++) {
        TRY(base_buf_printf(out, "<tr>"));
        for (int k = 0; k < t->columns; k++)
            TRY(cell(out, "td", *t->head[k] == '<', t->cell[r * t->columns + k]));
        TRY(base_buf_printf(out, "</tr>\n"));
    }
    TRY(base_buf_printf(out, "</table></div>\n"));
out:
    return st;
}

enum rote_status bench_html(const json_t *o, struct base_buf *out)
{
    enum rote_status st = ROTE_OK;
    const json_t *device = json_object_get(o, "device");
    struct bench_table *t = NULL;
    int n = 0;
    TRY(bench_tables(o, &t, &n));
    TRY(base_buf_printf(out, "<!doctype html>\n<html lang=en><meta charset=utf-8>\n<meta name=viewport "
                             "content=\"width=device-width\">\n<title>rote bench %s</title>\n<style>%s</style>\n"
                             "<h1>rote bench %s</h1>\n<p>",
                        bench_string(o, "bench"), style, bench_string(o, "bench")));
    TRY(bench_escape(out, bench_string(device, "name")));
    TRY(base_buf_printf(out, ", "));
    TRY(bench_escape(out, bench_string(device, "platform")));
    TRY(base_buf_printf(out, " "));
    TRY(bench_escape(out, bench_string(device, "driver")));
    TRY(base_buf_printf(out, "; %.0f compute units; Rote %s; least of %.0f rounds%s</p>\n",
                        bench_number(device, "compute_units"), bench_string(o, "rote"), bench_number(o, "rounds"),
                        json_is_false(json_object_get(o, "complete")) ? "; stopped before its end" : ""));
    if (json_object_get(o, "peak"))
        TRY(bench_roofline(o, out));
    for (int i = 0; i < n; i++)
        TRY(table_html(&t[i], out));
    TRY(base_buf_printf(out, "</html>\n"));
out:
    bench_tables_free(t, n);
    return st;
}
