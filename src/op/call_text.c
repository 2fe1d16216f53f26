/* Calls from words ("x=5x7x2x3 stride_h=2"), and their checks: the one path by
 * which test cases, the command line and the graph describe an operator. */
#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "op/op.h"

void op_call_init(struct call *c, const struct op_def *def)
{
    memset(c, 0, sizeof *c);
    c->sig = &def->sig;
    for (int i = 0; i < def->sig.n_attr; i++) {
        if (def->sig.attr[i].kind == ATTR_FLOAT)
            c->attr[i].f = def->sig.attr[i].initial;
        else
            c->attr[i].i = (int64_t)def->sig.attr[i].initial;
    }
}

static enum rote_status bad(const struct call *c, const char *word, const char *why)
{
    return base_error(ROTE_EINVAL, "%s: '%s': %s", c->sig->name, word, why);
}

static enum rote_status set_shape(struct call *c, int port, const char *word, const char *value)
{
    const struct call_port *p = &c->sig->in[port];
    struct call_shape s = {.dtype = p->dtype};
    for (const char *v = value;; v++) {
        char *end;
        long long d = strtoll(v, &end, 10);
        if (end == v || d < 1 || s.rank == CALL_MAX_RANK)
            return bad(c, word, "a shape is 1 to 4 positive sizes joined by x, such as 5x7x2x3");
        s.dim[s.rank++] = d;
        v = end;
        if (!*v)
            break;
        if (*v != 'x')
            return bad(c, word, "a shape is 1 to 4 positive sizes joined by x, such as 5x7x2x3");
    }
    c->in[port] = s;
    c->in_present[port] = true;
    return ROTE_OK;
}

static enum rote_status set_choice(const struct call *c, int attr, const char *word, const char *value,
                                   union call_value *out)
{
    const char *s = c->sig->attr[attr].choices;
    size_t n = strlen(value);
    for (int64_t i = 0;; i++) {
        const char *bar = strchr(s, '|');
        size_t len = bar ? (size_t)(bar - s) : strlen(s);
        if (len == n && !memcmp(s, value, n)) {
            out->i = i;
            return ROTE_OK;
        }
        if (!bar)
            break;
        s = bar + 1;
    }
    return base_error(ROTE_EINVAL, "%s: '%s': choose one of %s", c->sig->name, word, c->sig->attr[attr].choices);
}

static enum rote_status set_attr(struct call *c, int attr, const char *word, const char *value)
{
    const struct call_attr *a = &c->sig->attr[attr];
    union call_value v = {0};
    char *end;
    double number;
    if (a->kind == ATTR_ENUM) {
        enum rote_status st = set_choice(c, attr, word, value, &v);
        if (!st)
            c->attr[attr] = v;
        return st;
    }
    if (a->kind == ATTR_INT) {
        v.i = strtoll(value, &end, 10);
        number = (double)v.i;
    } else {
        v.f = number = strtod(value, &end);
    }
    if (end == value || *end)
        return bad(c, word, a->kind == ATTR_INT ? "not a whole number" : "not a number");
    if (!(number >= a->min && number <= a->max))
        return base_error(ROTE_EINVAL, "%s: '%s': must be from %g to %g", c->sig->name, word, a->min, a->max);
    c->attr[attr] = v;
    return ROTE_OK;
}

enum rote_status op_call_set(struct call *c, const char *word)
{
    const char *eq = strchr(word, '=');
    char name[64];
    const char *known[CALL_MAX_PORTS + CALL_MAX_ATTRS];
    size_t n = 0;
    if (!eq || eq == word || (size_t)(eq - word) >= sizeof name)
        return bad(c, word, "expected name=value");
    memcpy(name, word, (size_t)(eq - word));
    name[eq - word] = 0;
    int port = call_in(c, name);
    if (port >= 0)
        return set_shape(c, port, word, eq + 1);
    for (int i = 0; i < c->sig->n_attr; i++)
        if (!strcmp(c->sig->attr[i].name, name))
            return set_attr(c, i, word, eq + 1);
    for (int i = 0; i < c->sig->n_in; i++)
        known[n++] = c->sig->in[i].name;
    for (int i = 0; i < c->sig->n_attr; i++)
        known[n++] = c->sig->attr[i].name;
    const char *near = base_nearest(name, known, n);
    return base_error(ROTE_EINVAL, "%s has no input or attribute '%s'%s%s", c->sig->name, name,
                      near ? "; nearest: " : "", near ? near : "");
}

enum rote_status op_call_parse(struct call *c, const char *words)
{
    enum rote_status st = ROTE_OK;
    char *copy = NULL, *save = NULL;
    TRY(base_strdup(&copy, words));
    for (char *w = strtok_r(copy, " \t\n", &save); w; w = strtok_r(NULL, " \t\n", &save))
        TRY(op_call_set(c, w));
out:
    base_free(copy);
    return st;
}

static enum rote_status attr_words(const struct call *c, int i, struct base_buf *out)
{
    const struct call_attr *a = &c->sig->attr[i];
    if (a->kind == ATTR_FLOAT)
        return c->attr[i].f == a->initial ? ROTE_OK : base_buf_printf(out, " %s=%.17g", a->name, c->attr[i].f);
    if (c->attr[i].i == (int64_t)a->initial)
        return ROTE_OK;
    if (a->kind == ATTR_INT)
        return base_buf_printf(out, " %s=%lld", a->name, (long long)c->attr[i].i);
    const char *choice = a->choices;
    for (int64_t k = 0; k < c->attr[i].i; k++)
        choice = strchr(choice, '|') + 1;
    return base_buf_printf(out, " %s=%.*s", a->name, (int)strcspn(choice, "|"), choice);
}

enum rote_status op_call_words(const struct call *c, struct base_buf *out)
{
    enum rote_status st = ROTE_OK;
    TRY(base_buf_printf(out, "%s", c->sig->name));
    for (int i = 0; i < c->sig->n_in; i++)
        for (int k = 0; c->in_present[i] && k < c->in[i].rank; k++) {
            if (!k)
                TRY(base_buf_printf(out, " %s=", c->sig->in[i].name));
            TRY(base_buf_printf(out, k ? "x%lld" : "%lld", (long long)c->in[i].dim[k]));
        }
    for (int i = 0; i < c->sig->n_attr; i++)
        if (!c->sig->attr[i].runtime)
            TRY(attr_words(c, i, out));
out:
    return st;
}

enum rote_status op_call_infer(struct call *c)
{
    const struct op_def *def = op_def_of(c);
    enum rote_status st = ROTE_OK;
    for (int i = 0; i < c->sig->n_in; i++) {
        const struct call_port *p = &c->sig->in[i];
        if (!c->in_present[i] && !(p->flags & PORT_OPTIONAL))
            FAIL(ROTE_EINVAL, "%s: input %s is missing", c->sig->name, p->name);
        if (!c->in_present[i])
            continue;
        if (c->in[i].dtype != p->dtype)
            FAIL(ROTE_EINVAL, "%s: input %s has the wrong element type", c->sig->name, p->name);
        if ((size_t)c->in[i].rank != strlen(p->dims))
            FAIL(ROTE_EINVAL, "%s: input %s has %d dimensions, expected %zu (%s)", c->sig->name, p->name,
                 c->in[i].rank, strlen(p->dims), p->dims);
        uint64_t n = 4;
        for (int k = 0; k < c->in[i].rank; k++)
            if (c->in[i].dim[k] < 1 || !base_mul(n, (uint64_t)c->in[i].dim[k], &n) || n > INT64_MAX)
                FAIL(ROTE_EINVAL, "%s: input %s: sizes must be positive and below 2^63 bytes in all", c->sig->name,
                     p->name);
    }
    for (int i = 0; i < c->sig->n_out; i++)
        c->out_present[i] = true;
    TRY(def->infer(c));
out:
    return st;
}

enum rote_status op_shape_error(const struct call *c, const char *fmt, ...)
{
    char text[512];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    return base_error(ROTE_EINVAL, "%s: %s", c->sig->name, text);
}

enum rote_status op_check_below(const struct call *c, int port, const void *data, int64_t limit)
{
    const int32_t *v = data;
    for (int64_t i = 0; v && i < call_elements(&c->in[port]); i++)
        if (v[i] < 0 || v[i] >= limit)
            return op_shape_error(c, "%s[%lld] is %d; it must be from 0 to %lld", c->sig->in[port].name, (long long)i,
                                  (int)v[i], (long long)limit - 1);
    return ROTE_OK;
}

void op_set_out(struct call *c, int port, int rank, const int64_t *dims)
{
    c->out[port].dtype = c->sig->out[port].dtype;
    c->out[port].rank = rank;
    memcpy(c->out[port].dim, dims, (size_t)rank * sizeof *dims);
}
