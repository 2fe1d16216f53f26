/* A certificate: one JSON object that grows by cases; tables and JUnit XML are made from it. */
#include <fnmatch.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "bench/certificate.h"
#include "rote/certify.h"

struct waiver {
    char *pattern, *reason;
    bool used;
};

struct rote_certificate {
    json_t *o, *cases; /* cases: borrowed from o */
    struct waiver *waiver;
    size_t waivers;
    int bad;
};

static const char *const level_words[] = {"quick", "usual", "full"};

static json_t *device_json(const struct rote_device_info *d)
{
    return json_pack("{s:s s:s s:s s:s s:s s:s s:s s:I s:I s:I s:I s:I s:b s:b s:b}", "id", d->id, "name", d->name,
                     "vendor", d->vendor, "platform", d->platform, "version", d->version, "driver", d->driver, "type",
                     d->type, "compute_units", (json_int_t)d->compute_units, "memory_bytes",
                     (json_int_t)d->memory_bytes, "max_allocation_bytes", (json_int_t)d->max_allocation_bytes,
                     "local_bytes", (json_int_t)d->local_bytes, "max_work_group", (json_int_t)d->max_work_group,
                     "fp16", d->fp16, "fp64", d->fp64, "subgroups", d->subgroups);
}

enum rote_status rote_certificate_new(const struct rote_device_info *device, enum rote_certify_level level,
                                      rote_certificate **out)
{
    enum rote_status st = ROTE_OK;
    rote_certificate *c = NULL;
    struct utsname u;
    char kernels[RT_HASH], date[16], system[200] = "";
    time_t now = time(NULL);
    struct tm day;
    if (!device || !out)
        return base_null_argument("rote_certificate_new");
    if ((unsigned)level >= COUNT_OF(level_words))
        return base_error(ROTE_EINVAL, "rote_certificate_new: %d is no level; see enum rote_certify_level", (int)level);
    TRY(rt_kernels_hash(kernels));
    TRY(base_alloc(&c, 1, sizeof *c));
    if (!uname(&u))
        snprintf(system, sizeof system, "%s %s %s", u.sysname, u.release, u.machine);
    strftime(date, sizeof date, "%Y-%m-%d", gmtime_r(&now, &day));
    c->o = json_pack("{s:s s:{s:s s:s s:s} s:s s:s s:o s:{s:s s:I} s:[]}", "format", CERTIFICATE_FORMAT, "rote",
                     "version", rote_version(), "commit", ROTE_COMMIT, "kernels", kernels, "date", date, "level",
                     level_words[level], "device", device_json(device), "host", "system", system, "processors",
                     (json_int_t)sysconf(_SC_NPROCESSORS_ONLN), "cases");
    c->cases = json_object_get(c->o, "cases");
    if (!c->cases)
        FAIL(ROTE_ENOMEM, "no memory for a certificate");
    *out = c;
    c = NULL;
out:
    rote_certificate_free(c);
    return st;
}

void rote_certificate_free(rote_certificate *c)
{
    if (!c)
        return;
    for (size_t i = 0; i < c->waivers; i++) {
        base_free(c->waiver[i].pattern);
        base_free(c->waiver[i].reason);
    }
    base_free(c->waiver);
    json_decref(c->o);
    base_free(c);
}

/* "PATTERN  # reason" */
static enum rote_status add_waiver(rote_certificate *c, const char *path, int number, char *line)
{
    enum rote_status st = ROTE_OK;
    char *reason = strchr(line, '#');
    if (reason)
        *reason++ = 0;
    size_t n = strlen(line);
    while (n && strchr(" \t\r", line[n - 1]))
        line[--n] = 0;
    line += strspn(line, " \t");
    if (!*line)
        return ROTE_OK;
    if (!reason || !reason[strspn(reason, " \t\r")])
        return base_error(ROTE_EFORMAT, "%s:%d: a waiver is PATTERN  # reason; the reason is missing", path, number);
    TRY(base_grow(&c->waiver, c->waivers + 1, sizeof *c->waiver));
    struct waiver *w = &c->waiver[c->waivers];
    *w = (struct waiver){0};
    c->waivers++;
    TRY(base_strdup(&w->pattern, line));
    TRY(base_strdup(&w->reason, reason + strspn(reason, " \t")));
out:
    return st;
}

enum rote_status rote_certificate_waive(rote_certificate *c, const char *path)
{
    enum rote_status st = ROTE_OK;
    char *text = NULL;
    int number = 0;
    if (!c || !path)
        return base_null_argument("rote_certificate_waive");
    TRY(base_read_file(path, &text, NULL));
    for (char *line = text, *next; line; line = next) {
        next = strchr(line, '\n');
        if (next)
            *next++ = 0;
        TRY(add_waiver(c, path, ++number, line));
    }
out:
    base_free(text);
    return st;
}

/* Not by fnmatch's ranges: ids have no brackets, and a pattern may be an id. */
static struct waiver *waiver_of(const rote_certificate *c, const char *id)
{
    for (size_t i = 0; i < c->waivers; i++)
        if (!fnmatch(c->waiver[i].pattern, id, 0))
            return &c->waiver[i];
    return NULL;
}

/* JSON has no infinity. */
static json_t *number(double v)
{
    return isfinite(v) ? json_real(v) : json_null();
}

static json_t *losses(const char *text, const char *end)
{
    json_t *a = json_array();
    char *next;
    for (const char *p = text; p < end; p = next) {
        double v = strtod(p, &next);
        if (next == p || next > end)
            break;
        json_array_append_new(a, json_real(v));
    }
    return a;
}

enum rote_status rote_certificate_add(rote_certificate *c, const char *id, const struct rote_case_result *r)
{
    if (!c || !id || !r)
        return base_null_argument("rote_certificate_add");
    enum rote_case_verdict v = r->verdict;
    struct waiver *w = rote_case_bad(v) || v == ROTE_CASE_FLAKY ? waiver_of(c, id) : NULL;
    json_t *o = json_pack("{s:s s:s s:f}", "id", id, "verdict", rote_case_word(w ? ROTE_CASE_WAIVED : v), "seconds",
                          round(r->seconds * 1e4) * 1e-4);
    if (w) {
        w->used = true;
        json_object_set_new(o, "waived", json_pack("{s:s s:s}", "verdict", rote_case_word(v), "reason", w->reason));
    }
    if (*r->unit) {
        json_object_set_new(o, "value", number(r->value));
        json_object_set_new(o, "unit", json_string(r->unit));
    } else if (v != ROTE_CASE_UNTAKEN && v < ROTE_CASE_FAILED) {
        json_object_set_new(o, "error", number(r->error));
        json_object_set_new(o, "ulp", number(r->ulp));
    }
    const char *bar = strstr(r->curves, " | ");
    if (bar) {
        json_object_set_new(o, "loss", losses(r->curves, bar));
        json_object_set_new(o, "reference", losses(bar + 3, r->curves + strlen(r->curves)));
    }
    if (*r->why)
        json_object_set_new(o, "why", json_string(r->why));
    c->bad += !w && rote_case_bad(v);
    return json_array_append_new(c->cases, o) ? base_error(ROTE_ENOMEM, "no memory for a case") : ROTE_OK;
}

int rote_certificate_bad(const rote_certificate *c)
{
    return c ? c->bad : 0;
}

const char *cert_text(const json_t *o, const char *key)
{
    const char *s = json_string_value(json_object_get(o, key));
    return s ? s : "";
}

/* The fields before the words: "conv2d_fwd/tile" of an id. */
static size_t prefix_of(const char *id, int fields)
{
    const char *p = id;
    for (int i = 0; i < fields && p; i++)
        p = strchr(p + (i > 0), '/');
    return p ? (size_t)(p - id) : strlen(id);
}

/* Cases of one operator and variant, which follow each other. */
struct group {
    const char *name;
    size_t length;
    int count[ROTE_CASE_VERDICTS], cases;
    double error, ulp;
};

static bool next_group(const json_t *cases, size_t *at, struct group *g)
{
    size_t n = json_array_size(cases);
    if (*at >= n)
        return false;
    *g = (struct group){.name = cert_text(json_array_get(cases, *at), "id")};
    g->length = prefix_of(g->name, 2);
    for (; *at < n; ++*at) {
        const json_t *o = json_array_get(cases, *at);
        const char *id = cert_text(o, "id");
        if (prefix_of(id, 2) != g->length || strncmp(id, g->name, g->length))
            break;
        g->count[rote_case_verdict_of(cert_text(o, "verdict"))]++;
        g->cases++;
        g->error = fmax(g->error, json_number_value(json_object_get(o, "error")));
        g->ulp = fmax(g->ulp, json_number_value(json_object_get(o, "ulp")));
    }
    return true;
}

static bool is_gradient(const struct group *g)
{
    return g->length > 9 && !strncmp(g->name + g->length - 9, "/gradient", 9);
}

static bool is_operator(const struct group *g)
{
    return strncmp(g->name, "rate/", 5) && strncmp(g->name, "training/", 9);
}

static int bad_of(const struct group *g)
{
    int n = 0;
    for (int v = 0; v < ROTE_CASE_VERDICTS; v++)
        n += rote_case_bad((enum rote_case_verdict)v) ? g->count[v] : 0;
    return n;
}

/* How many of each verdict, and of what there are verdicts. */
static json_t *summary_of(const rote_certificate *c)
{
    int count[ROTE_CASE_VERDICTS] = {0}, operators = 0, variants = 0, gradients = 0, idle = 0;
    json_t *s = json_object();
    struct group g;
    const char *last = "";
    size_t last_length = 0;
    for (size_t at = 0; next_group(c->cases, &at, &g);) {
        size_t op = prefix_of(g.name, 1);
        for (int v = 0; v < ROTE_CASE_VERDICTS; v++)
            count[v] += g.count[v];
        if (!is_operator(&g))
            continue;
        operators += op != last_length || strncmp(last, g.name, op);
        last = g.name;
        last_length = op;
        gradients += is_gradient(&g);
        variants += !is_gradient(&g);
        idle += g.count[ROTE_CASE_UNTAKEN] == g.cases;
    }
    json_object_set_new(s, "cases", json_integer((json_int_t)json_array_size(c->cases)));
    for (int v = 0; v < ROTE_CASE_VERDICTS; v++)
        json_object_set_new(s, rote_case_word((enum rote_case_verdict)v), json_integer(count[v]));
    json_object_set_new(s, "operators", json_integer(operators));
    json_object_set_new(s, "variants", json_integer(variants));
    json_object_set_new(s, "variants_untaken", json_integer(idle));
    json_object_set_new(s, "gradients", json_integer(gradients));
    return s;
}

static enum rote_status dump(json_t *o, size_t flags, char **text)
{
    char *s = json_dumps(o, flags);
    enum rote_status st = s ? base_strdup(text, s) : base_error(ROTE_ENOMEM, "no memory for a certificate");
    free(s);
    return st;
}

enum rote_status rote_certificate_json(const rote_certificate *c, int redact, char **text)
{
    enum rote_status st = ROTE_OK;
    if (!c || !text)
        return base_null_argument("rote_certificate_json");
    json_t *o = json_copy(c->o), *unused = json_array();
    for (size_t i = 0; i < c->waivers; i++)
        if (!c->waiver[i].used)
            json_array_append_new(unused, json_string(c->waiver[i].pattern));
    if (redact)
        json_object_del(o, "host");
    json_object_set_new(o, "summary", summary_of(c));
    if (json_array_size(unused))
        json_object_set(o, "unused_waivers", unused);
    json_object_del(o, "cases"); /* last in the file */
    json_object_set(o, "cases", c->cases);
    st = dump(o, JSON_INDENT(1), text);
    json_decref(unused);
    json_decref(o);
    return st;
}

/* --- table ---------------------------------------------------------------------------- */

static enum rote_status text_groups(const rote_certificate *c, struct base_buf *b)
{
    enum rote_status st = ROTE_OK;
    struct group g;
    TRY(base_buf_printf(b, "%-26s %-44s %6s %8s %5s %10s %8s\n", "operator", "variant", "right", "untaken", "bad",
                        "tolerance", "ulp"));
    for (size_t at = 0; next_group(c->cases, &at, &g);) {
        size_t op = prefix_of(g.name, 1);
        int bad = bad_of(&g);
        if (!is_operator(&g))
            continue;
        TRY(base_buf_printf(b, "%-26.*s %-44.*s %6d %8d %5d", (int)op, g.name, (int)(g.length - op - 1),
                            g.name + op + 1, g.count[ROTE_CASE_RIGHT], g.count[ROTE_CASE_UNTAKEN], bad));
        if (g.count[ROTE_CASE_UNTAKEN] < g.cases)
            TRY(base_buf_printf(b, " %10.3f %8.3g", g.error, g.ulp));
        TRY(base_buf_printf(b, "%s%s%s\n", g.count[ROTE_CASE_WAIVED] ? "  waived" : "",
                            g.count[ROTE_CASE_FLAKY] ? "  flaky" : "", bad ? "  BAD" : ""));
    }
out:
    return st;
}

enum rote_status rote_certificate_text(const rote_certificate *c, char **text)
{
    enum rote_status st = ROTE_OK;
    struct base_buf b = {0};
    size_t i;
    json_t *o, *s = NULL;
    if (!c || !text)
        return base_null_argument("rote_certificate_text");
    s = summary_of(c);
    TRY(text_groups(c, &b));
    TRY(base_buf_printf(&b, "\n"));
    json_array_foreach(c->cases, i, o) {
        const char *verdict = cert_text(o, "verdict"), *id = cert_text(o, "id");
        json_t *value = json_object_get(o, "value"), *waived = json_object_get(o, "waived");
        bool other = strcmp(verdict, "right") && strcmp(verdict, "untaken");
        if (value)
            TRY(base_buf_printf(&b, "%-26s %.4g %s\n", id, json_number_value(value), cert_text(o, "unit")));
        else if (!strncmp(id, "training/", 9) && !other)
            TRY(base_buf_printf(&b, "%-26s right, %.3f of the envelope of references that rounding moved\n", id,
                                json_number_value(json_object_get(o, "error"))));
        if (other)
            TRY(base_buf_printf(&b, "%-8s %s: %s%s%s\n", verdict, id, cert_text(o, "why"), waived ? "; waived: " : "",
                                waived ? cert_text(waived, "reason") : ""));
    }
    for (size_t w = 0; w < c->waivers; w++)
        if (!c->waiver[w].used)
            TRY(base_buf_printf(&b, "no failing case matches the waiver '%s'\n", c->waiver[w].pattern));
    TRY(base_buf_printf(&b, "\n%d operators by %d variants, %d of which take no case here, and %d gradients: %d cases",
                        (int)json_integer_value(json_object_get(s, "operators")),
                        (int)json_integer_value(json_object_get(s, "variants")),
                        (int)json_integer_value(json_object_get(s, "variants_untaken")),
                        (int)json_integer_value(json_object_get(s, "gradients")), (int)json_array_size(c->cases)));
    for (int v = 0; v < ROTE_CASE_VERDICTS; v++) {
        const char *word = rote_case_word((enum rote_case_verdict)v);
        int n = (int)json_integer_value(json_object_get(s, word));
        if (n)
            TRY(base_buf_printf(&b, ", %d %s", n, word));
    }
    TRY(base_buf_printf(&b, "\n"));
    *text = b.text;
    b.text = NULL;
out:
    json_decref(s);
    base_buf_free(&b);
    return st;
}

/* --- JUnit ---------------------------------------------------------------------------- */

static enum rote_status escaped(struct base_buf *b, const char *s)
{
    enum rote_status st = ROTE_OK;
    for (; *s; s++) {
        const char *entity =
            *s == '&' ? "&amp;" : *s == '<' ? "&lt;" : *s == '>' ? "&gt;" : *s == '"' ? "&quot;" : NULL;
        bool control = (unsigned char)*s < 32;
        TRY(entity ? base_buf_printf(b, "%s", entity) : base_buf_add(b, control ? " " : s, 1));
    }
out:
    return st;
}

static enum rote_status junit_case(struct base_buf *b, const json_t *o)
{
    enum rote_status st = ROTE_OK;
    const char *id = cert_text(o, "id"), *verdict = cert_text(o, "verdict");
    enum rote_case_verdict v = rote_case_verdict_of(verdict);
    size_t op = prefix_of(id, 1);
    TRY(base_buf_printf(b, "  <testcase classname=\"%.*s\" name=\"", (int)op, id));
    TRY(escaped(b, id + op + 1));
    TRY(base_buf_printf(b, "\" time=\"%.4f\"", json_number_value(json_object_get(o, "seconds"))));
    if (v == ROTE_CASE_RIGHT)
        return base_buf_printf(b, "/>\n");
    TRY(base_buf_printf(b, "><%s message=\"%s", rote_case_bad(v) ? "failure" : "skipped", verdict));
    TRY(base_buf_printf(b, "%s", *cert_text(o, "why") ? ": " : ""));
    TRY(escaped(b, cert_text(o, "why")));
    TRY(base_buf_printf(b, "\"/></testcase>\n"));
out:
    return st;
}

enum rote_status rote_certificate_junit(const rote_certificate *c, char **text)
{
    enum rote_status st = ROTE_OK;
    struct base_buf b = {0};
    size_t i;
    json_t *o;
    int skipped = 0;
    if (!c || !text)
        return base_null_argument("rote_certificate_junit");
    json_array_foreach(c->cases, i, o) {
        enum rote_case_verdict v = rote_case_verdict_of(cert_text(o, "verdict"));
        skipped += v != ROTE_CASE_RIGHT && !rote_case_bad(v);
    }
    TRY(base_buf_printf(&b, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuite name=\"rote certify "));
    TRY(escaped(&b, cert_text(json_object_get(c->o, "device"), "id")));
    TRY(base_buf_printf(&b, "\" tests=\"%d\" failures=\"%d\" skipped=\"%d\">\n", (int)json_array_size(c->cases), c->bad,
                        skipped));
    json_array_foreach(c->cases, i, o)
        TRY(junit_case(&b, o));
    TRY(base_buf_printf(&b, "</testsuite>\n"));
    *text = b.text;
    b.text = NULL;
out:
    base_buf_free(&b);
    return st;
}
