/* Walks a struct by its schema: writes it as YAML, checks bounds, frees it. Entries
 * of lists are one line each, in flow style. */
#include "base/schema_internal.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

unsigned schema_count(const struct cyaml_schema_field *f, const void *data)
{
    unsigned count;
    memcpy(&count, (const char *)data + f->count_offset, sizeof count);
    return count;
}

int64_t schema_int(const struct cyaml_schema_value *v, const void *at)
{
    int64_t wide;
    int32_t narrow;
    if (v->data_size == sizeof wide) {
        memcpy(&wide, at, sizeof wide);
        return wide;
    }
    memcpy(&narrow, at, sizeof narrow);
    return narrow;
}

enum rote_status schema_bound_error(const struct schema *s, const char *path, double v, const char *where)
{
    for (size_t i = 0; i < s->n_bounds; i++) {
        const struct schema_bound *b = &s->bounds[i];
        if (strcmp(b->path, path))
            continue;
        bool low = b->above ? v > b->min : v >= b->min, high = b->below ? v < b->max : v <= b->max;
        if (low && high)
            return ROTE_OK;
        if (b->max > 1e15)
            return base_error(ROTE_ECONFIG, "%s%s = %.15g must be %s %.15g", where, path, v,
                              b->above ? "above" : "at least", b->min);
        return base_error(ROTE_ECONFIG, "%s%s = %.15g must be %s %.15g and %s %.15g", where, path, v,
                          b->above ? "above" : "at least", b->min, b->below ? "below" : "at most", b->max);
    }
    return ROTE_OK;
}

static bool plain(const char *s)
{
    static const char *const words[] = {"true", "false", "yes", "no", "on", "off", "null", "y", "n"};
    char *end;
    for (size_t i = 0; i < COUNT_OF(words); i++)
        if (!strcasecmp(s, words[i]))
            return false;
    if (!*s || s[strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./+- ")])
        return false;
    if (s[strlen(s) - 1] == ' ')
        return false;
    if (isdigit((unsigned char)*s)) { /* numbers given as text: layers' attributes */
        strtod(s, &end);
        return !*end;
    }
    return isalpha((unsigned char)*s) || *s == '/' || (*s == '.' && (s[1] == '/' || s[1] == '.'));
}

/* What stands for the first character of s in double quotes; returns its bytes. */
static size_t escape(const char *s, char out[8])
{
    /* Line breaks to YAML that are not ASCII. */
    static const char *const breaks[][2] = {{"\xc2\x85", "\\N"}, {"\xe2\x80\xa8", "\\L"}, {"\xe2\x80\xa9", "\\P"}};
    unsigned char c = (unsigned char)*s;
    for (size_t i = 0; i < COUNT_OF(breaks); i++)
        if (!strncmp(s, breaks[i][0], strlen(breaks[i][0]))) {
            snprintf(out, 8, "%s", breaks[i][1]);
            return strlen(breaks[i][0]);
        }
    if (c < 32 || c == 127)
        snprintf(out, 8, "\\x%02x", c);
    else
        snprintf(out, 8, c == '"' || c == '\\' ? "\\%c" : "%c", c);
    return 1;
}

static enum rote_status write_string(struct base_buf *out, const char *s)
{
    enum rote_status st = ROTE_OK;
    char text[8];
    if (plain(s))
        return base_buf_printf(out, "%s", s);
    TRY(base_buf_add(out, "\"", 1));
    while (*s) {
        s += escape(s, text);
        TRY(base_buf_add(out, text, strlen(text)));
    }
    TRY(base_buf_add(out, "\"", 1));
out:
    return st;
}

/* The shortest text that reads back as the same double. */
static enum rote_status write_double(struct base_buf *out, double v)
{
    char text[40];
    for (int digits = 6; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, v);
        if (strtod(text, NULL) == v)
            break;
    }
    return base_buf_printf(out, "%s", text);
}

static enum rote_status write_scalar(struct base_buf *out, const struct cyaml_schema_value *v, const void *at)
{
    const char *s;
    double d;
    bool b;
    switch (v->type) {
    case CYAML_STRING:
        memcpy(&s, at, sizeof s);
        return s ? write_string(out, s) : base_buf_printf(out, "null");
    case CYAML_FLOAT:
        memcpy(&d, at, sizeof d);
        return write_double(out, d);
    case CYAML_BOOL:
        memcpy(&b, at, sizeof b);
        return base_buf_printf(out, b ? "true" : "false");
    case CYAML_ENUM:
        for (uint32_t i = 0; i < v->enumeration.count; i++)
            if (v->enumeration.strings[i].val == schema_int(v, at))
                return base_buf_printf(out, "%s", v->enumeration.strings[i].str);
        return base_error(ROTE_EINVAL, "a configuration holds an enumeration value that has no name");
    default:
        return base_buf_printf(out, "%lld", (long long)schema_int(v, at));
    }
}

static bool absent(const struct cyaml_schema_field *f, const void *data)
{
    const char *s = "";
    if (f->value.type == CYAML_STRING)
        memcpy(&s, (const char *)data + f->data_offset, sizeof s);
    return !s;
}

static enum rote_status write_entry(struct base_buf *out, const struct cyaml_schema_value *entry, const char *at)
{
    enum rote_status st = ROTE_OK;
    bool any = false;
    if (entry->type != CYAML_MAPPING)
        return write_scalar(out, entry, at);
    TRY(base_buf_printf(out, "{"));
    for (const struct cyaml_schema_field *f = entry->mapping.fields; f->key; f++) {
        if (absent(f, at))
            continue;
        TRY(base_buf_printf(out, "%s%s: ", any ? ", " : "", f->key));
        TRY(write_scalar(out, &f->value, at + f->data_offset));
        any = true;
    }
    TRY(base_buf_printf(out, "}"));
out:
    return st;
}

static enum rote_status write_sequence(struct base_buf *out, const struct cyaml_schema_field *f, const char *data,
                                       int indent)
{
    const struct cyaml_schema_value *entry = f->value.sequence.entry;
    bool lines = entry->type == CYAML_MAPPING;
    unsigned count = schema_count(f, data);
    enum rote_status st = ROTE_OK;
    const char *list;
    memcpy(&list, data + f->data_offset, sizeof list);
    if (!count)
        return base_buf_printf(out, " []\n");
    TRY(base_buf_printf(out, lines ? "\n" : " ["));
    for (unsigned i = 0; i < count; i++) {
        if (lines)
            TRY(base_buf_printf(out, "%*s- ", indent, ""));
        TRY(write_entry(out, entry, list + i * entry->data_size));
        TRY(base_buf_printf(out, "%s", lines ? "\n" : i + 1 < count ? ", " : "]\n"));
    }
out:
    return st;
}

static enum rote_status write_fields(struct base_buf *out, const struct cyaml_schema_field *fields, const char *data,
                                     int indent)
{
    enum rote_status st = ROTE_OK;
    for (const struct cyaml_schema_field *f = fields; f->key; f++) {
        TRY(base_buf_printf(out, "%*s%s:", indent, "", f->key));
        if (f->value.type == CYAML_SEQUENCE) {
            TRY(write_sequence(out, f, data, indent + 2));
        } else if (f->value.type == CYAML_MAPPING) {
            TRY(base_buf_printf(out, "\n"));
            TRY(write_fields(out, f->value.mapping.fields, data + f->data_offset, indent + 2));
        } else {
            TRY(base_buf_printf(out, " "));
            TRY(write_scalar(out, &f->value, data + f->data_offset));
            TRY(base_buf_printf(out, "\n"));
        }
    }
out:
    return st;
}

enum rote_status schema_write(const struct schema *s, const void *data, struct base_buf *out)
{
    return write_fields(out, s->fields, data, 0);
}

static enum rote_status check_value(const struct schema *s, const struct cyaml_schema_value *v, const char *at,
                                    const char *path);

static enum rote_status check_fields(const struct schema *s, const struct cyaml_schema_field *fields,
                                     const char *data, const char *path)
{
    enum rote_status st = ROTE_OK;
    char sub[256];
    for (const struct cyaml_schema_field *f = fields; f->key; f++) {
        snprintf(sub, sizeof sub, "%.180s%s%.60s", path, path[0] ? "." : "", f->key);
        if (f->value.type != CYAML_SEQUENCE) {
            TRY(check_value(s, &f->value, data + f->data_offset, sub));
            continue;
        }
        const struct cyaml_schema_value *entry = f->value.sequence.entry;
        const char *list;
        memcpy(&list, data + f->data_offset, sizeof list);
        snprintf(sub, sizeof sub, "%.180s%s%.60s[]", path, path[0] ? "." : "", f->key);
        for (unsigned i = 0; i < schema_count(f, data); i++)
            TRY(check_value(s, entry, list + i * entry->data_size, sub));
    }
out:
    return st;
}

static enum rote_status check_value(const struct schema *s, const struct cyaml_schema_value *v, const char *at,
                                    const char *path)
{
    const char *text;
    double d;
    switch (v->type) {
    case CYAML_STRING:
        memcpy(&text, at, sizeof text);
        return text && s->check_string ? s->check_string(path, text, "") : ROTE_OK;
    case CYAML_MAPPING:
        return check_fields(s, v->mapping.fields, at, path);
    case CYAML_INT:
        return schema_bound_error(s, path, (double)schema_int(v, at), "");
    case CYAML_FLOAT:
        memcpy(&d, at, sizeof d);
        return schema_bound_error(s, path, d, "");
    default:
        return ROTE_OK;
    }
}

enum rote_status schema_check(const struct schema *s, const void *data)
{
    return check_fields(s, s->fields, data, "");
}

void schema_free_fields(const struct cyaml_schema_field *fields, void *data)
{
    for (const struct cyaml_schema_field *f = fields; f->key; f++) {
        char *at = (char *)data + f->data_offset, *p;
        if (f->value.type == CYAML_MAPPING) {
            schema_free_fields(f->value.mapping.fields, at);
            continue;
        }
        if (f->value.type != CYAML_STRING && f->value.type != CYAML_SEQUENCE)
            continue;
        memcpy(&p, at, sizeof p);
        if (f->value.type == CYAML_SEQUENCE) {
            const struct cyaml_schema_value *entry = f->value.sequence.entry;
            for (unsigned i = 0; p && i < schema_count(f, data); i++) {
                char *text;
                if (entry->type == CYAML_MAPPING)
                    schema_free_fields(entry->mapping.fields, p + i * entry->data_size);
                if (entry->type != CYAML_STRING)
                    continue;
                memcpy(&text, p + i * entry->data_size, sizeof text);
                base_free(text);
            }
            memset((char *)data + f->count_offset, 0, sizeof(unsigned));
        }
        base_free(p);
        memset(at, 0, sizeof(void *));
    }
}

void schema_free(const struct schema *s, void *data)
{
    schema_free_fields(s->fields, data);
    memset(data, 0, s->size);
}
