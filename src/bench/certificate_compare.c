/* Two certificates held against each other: facts, verdicts, rates. */
#include <stdlib.h>
#include <string.h>

#include "bench/certificate.h"
#include "rote/certify.h"

static enum rote_status load(const char *path, json_t **out)
{
    json_error_t e;
    *out = json_load_file(path, 0, &e);
    if (!*out)
        return base_error(ROTE_EFORMAT, "%s:%d: %s", path, e.line, e.text);
    if (strcmp(cert_text(*out, "format"), CERTIFICATE_FORMAT) || !json_is_array(json_object_get(*out, "cases")))
        return base_error(ROTE_EFORMAT, "%s: not a certificate; `rote certify -o %s` writes one", path, path);
    return ROTE_OK;
}

static json_t *by_id(const json_t *certificate)
{
    json_t *map = json_object(), *o;
    size_t i;
    json_array_foreach(json_object_get(certificate, "cases"), i, o)
        json_object_set(map, cert_text(o, "id"), o);
    return map;
}

static enum rote_status compare_facts(struct base_buf *b, const char *part, const json_t *x, const json_t *y)
{
    enum rote_status st = ROTE_OK;
    const char *key;
    json_t *v, *px = json_object_get(x, part), *py = json_object_get(y, part);
    json_object_foreach(px, key, v) {
        json_t *w = json_object_get(py, key);
        if (json_equal(v, w))
            continue;
        char *from = json_dumps(v, JSON_ENCODE_ANY), *to = w ? json_dumps(w, JSON_ENCODE_ANY) : NULL;
        st = base_buf_printf(b, "%s.%-22s %s  ->  %s\n", part, key, from ? from : "", to ? to : "nothing");
        free(from);
        free(to);
        TRY(st);
    }
out:
    return st;
}

/* Verdicts and rates of the cases of x against y's; what only x has. */
static enum rote_status compare_cases(struct base_buf *b, json_t *x, json_t *y, bool forward, int *differences,
                                      int *same, int *bits)
{
    enum rote_status st = ROTE_OK;
    const char *id;
    json_t *v;
    json_object_foreach(x, id, v) {
        json_t *w = json_object_get(y, id);
        if (!w) {
            ++*differences;
            TRY(base_buf_printf(b, "only in %s: %s (%s)\n", forward ? "A" : "B", id, cert_text(v, "verdict")));
            continue;
        }
        if (!forward)
            continue;
        double from = json_number_value(json_object_get(v, "value"));
        double to = json_number_value(json_object_get(w, "value"));
        if (strcmp(cert_text(v, "verdict"), cert_text(w, "verdict"))) {
            ++*differences;
            TRY(base_buf_printf(b, "%s -> %s: %s%s%s\n", cert_text(v, "verdict"), cert_text(w, "verdict"), id,
                                *cert_text(w, "why") ? ": " : "", cert_text(w, "why")));
        } else if (from > 0 && to > 0) {
            TRY(base_buf_printf(b, "%s: %.4g -> %.4g %s (%.2f times)\n", id, from, to, cert_text(w, "unit"),
                                to / from));
        } else {
            ++*same;
            *bits += !json_equal(json_object_get(v, "ulp"), json_object_get(w, "ulp"));
        }
    }
out:
    return st;
}

enum rote_status rote_certificate_compare(const char *a_path, const char *b_path, char **text, int *differences)
{
    enum rote_status st = ROTE_OK;
    struct base_buf b = {0};
    json_t *x = NULL, *y = NULL, *mx = NULL, *my = NULL;
    static const char *const parts[] = {"rote", "device", "host"};
    int same = 0, bits = 0;
    if (!a_path || !b_path || !text || !differences)
        return base_null_argument("rote_certificate_compare");
    *differences = 0;
    TRY(load(a_path, &x));
    TRY(load(b_path, &y));
    TRY(base_buf_printf(&b, "A %s (%s, %s)\nB %s (%s, %s)\n\n", a_path, cert_text(x, "date"), cert_text(x, "level"),
                        b_path, cert_text(y, "date"), cert_text(y, "level")));
    for (size_t i = 0; i < COUNT_OF(parts); i++)
        TRY(compare_facts(&b, parts[i], x, y));
    mx = by_id(x);
    my = by_id(y);
    TRY(compare_cases(&b, mx, my, true, differences, &same, &bits));
    TRY(compare_cases(&b, my, mx, false, differences, &same, &bits));
    TRY(base_buf_printf(&b, "\n%d cases with the same verdict, %d of them with another greatest error; "
                        "%d differences\n", same, bits, *differences));
    *text = b.text;
    b.text = NULL;
out:
    json_decref(x);
    json_decref(y);
    json_decref(mx);
    json_decref(my);
    base_buf_free(&b);
    return st;
}
