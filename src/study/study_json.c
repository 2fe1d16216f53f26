/* JSON of a study's values, for --json, exports and pages. */
#include <math.h>
#include <stdlib.h>

#include "study/study.h"

json_t *study_json_real(double v)
{
    return isfinite(v) ? json_real(v) : json_null();
}

json_t *study_json_text(const char *text)
{
    json_t *t = text ? json_string(text) : json_null();
    if (t)
        return t;
    char *copy = NULL;
    if (base_strdup(&copy, text))
        return json_null();
    for (char *c = copy; *c; c++)
        *c = (unsigned char)*c < 128 ? *c : '?';
    t = json_string(copy);
    base_free(copy);
    return t;
}

json_t *study_json_column(sqlite3_stmt *q, int i)
{
    switch (sqlite3_column_type(q, i)) {
    case SQLITE_INTEGER:
        return json_integer(sqlite3_column_int64(q, i));
    case SQLITE_FLOAT:
        return study_json_real(sqlite3_column_double(q, i));
    default:
        return study_json_text((const char *)sqlite3_column_text(q, i));
    }
}

enum rote_status study_json_write(const json_t *o, size_t flags, struct base_buf *out)
{
    char *text = o ? json_dumps(o, flags) : NULL;
    enum rote_status st = text ? base_buf_printf(out, "%s\n", text) : base_error(ROTE_ENOMEM, "no memory for JSON");
    free(text);
    return st;
}
