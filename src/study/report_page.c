/* The page: a template with styles, scripts and the report's JSON in their places. */
#include <stdlib.h>
#include <string.h>

#include "study/report.h"

struct study_embedded {
    const char *name;
    const unsigned char *text;
};
extern const struct study_embedded study_embedded_page[]; /* made from src/study/page by the build */

static const char *embedded(const char *name, size_t len)
{
    for (const struct study_embedded *e = study_embedded_page; e->name; e++)
        if (strlen(e->name) == len && !strncmp(e->name, name, len))
            return (const char *)e->text;
    return NULL;
}

/* Within a script element no text of a study may end it: <, > and & become what JSON writes for them. */
static enum rote_status add_json(const json_t *report, struct base_buf *out)
{
    enum rote_status st = ROTE_OK;
    char *text = json_dumps(report, JSON_COMPACT | JSON_REAL_PRECISION(9));
    if (!text)
        FAIL(ROTE_ENOMEM, "no memory for the report");
    for (const char *p = text, *end; *p; p = end) {
        end = p + strcspn(p, "<>&");
        TRY(base_buf_add(out, p, (size_t)(end - p)));
        if (*end)
            TRY(base_buf_printf(out, "\\u%04x", (unsigned)(unsigned char)*end++));
    }
out:
    free(text);
    return st;
}

/* report.html says where: a line {{report.css}} is that file, {{data}} the JSON. */
enum rote_status report_page(const json_t *report, char **html)
{
    enum rote_status st = ROTE_OK;
    struct base_buf out = {0};
    const char *p = embedded("report.html", strlen("report.html"));
    for (const char *open; (open = strstr(p, "{{")); p = strstr(open, "}}") + 2) {
        size_t len = (size_t)(strstr(open, "}}") - open - 2);
        TRY(base_buf_add(&out, p, (size_t)(open - p)));
        if (len == 4 && !strncmp(open + 2, "data", 4)) {
            TRY(add_json(report, &out));
            continue;
        }
        const char *text = embedded(open + 2, len);
        if (!text)
            FAIL(ROTE_ENOTFOUND, "report.html wants %.*s, which the build did not embed", (int)len, open + 2);
        TRY(base_buf_add(&out, text, strlen(text)));
    }
    TRY(base_buf_add(&out, p, strlen(p)));
    *html = out.text;
    out.text = NULL;
out:
    base_buf_free(&out);
    return st;
}
