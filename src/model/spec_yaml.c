/* Networks in YAML. */
#include "model/spec_yaml.h"

#include <string.h>
#include <strings.h>

#define ENTRY_STRING(key) \
    CYAML_FIELD_STRING_PTR(#key, CYAML_FLAG_OPTIONAL | CYAML_FLAG_POINTER, struct spec_entry, key, 0, CYAML_UNLIMITED),
static const cyaml_schema_field_t entry_fields[] = {
    ENTRY_STRING(name) ENTRY_STRING(type) ENTRY_STRING(from) SPEC_ATTR_LIST(ENTRY_STRING) CYAML_FIELD_END};

const struct cyaml_schema_value spec_entry_schema = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct spec_entry, entry_fields)};

struct document {
    char *name;
    struct spec_entry *layers;
    unsigned layers_count;
};

static const cyaml_schema_field_t document_fields[] = {
    CYAML_FIELD_STRING_PTR("name", CYAML_FLAG_OPTIONAL | CYAML_FLAG_POINTER, struct document, name, 0,
                           CYAML_UNLIMITED),
    CYAML_FIELD_SEQUENCE("layers", CYAML_FLAG_OPTIONAL | CYAML_FLAG_POINTER, struct document, layers,
                         &spec_entry_schema, 0, CYAML_UNLIMITED),
    CYAML_FIELD_END};

static enum rote_status entry_line(const char *sequence, void *entry, int line)
{
    (void)sequence;
    ((struct spec_entry *)entry)->line = line;
    return ROTE_OK;
}

static const struct schema document_schema = {
    .fields = document_fields, .size = sizeof(struct document), .entry_init = entry_line};

/* The attribute's place in an entry. */
static char **entry_attr(struct spec_entry *e, const char *key, size_t len)
{
#define ENTRY_ATTR(k)                                  \
    if (strlen(#k) == len && !strncmp(#k, key, len))   \
        return &e->k;
    SPEC_ATTR_LIST(ENTRY_ATTR)
#undef ENTRY_ATTR
    return NULL;
}

static const char *as_number(const char *value)
{
    if (!strcasecmp(value, "true") || !strcasecmp(value, "yes"))
        return "1";
    if (!strcasecmp(value, "false") || !strcasecmp(value, "no"))
        return "0";
    return value;
}

static enum rote_status add_attr(struct base_buf *attrs, const struct spec_entry *e, const char *key,
                                 const char *value)
{
    if (!value)
        return ROTE_OK;
    if (!*value || strpbrk(value, " \t\n"))
        return base_error(ROTE_ECONFIG, "layer %s: %s must be a number, not \"%s\"", e->name, key, value);
    return base_buf_printf(attrs, "%s%s=%s", attrs->len ? " " : "", key, as_number(value));
}

static enum rote_status add_entry(struct spec *s, const struct spec_entry *e)
{
    struct base_buf attrs = {0};
    enum rote_status st = ROTE_OK;
    char at[32] = "";
    if (e->line)
        snprintf(at, sizeof at, "line %d: ", e->line);
    if (!e->name)
        FAIL(ROTE_ECONFIG, "%slayer %zu has no name", at, s->count + 1);
    if (!e->type)
        FAIL(ROTE_ECONFIG, "%slayer %s has no type", at, e->name);
#define ADD_ATTR(key) TRY(add_attr(&attrs, e, #key, e->key));
    SPEC_ATTR_LIST(ADD_ATTR)
#undef ADD_ATTR
    TRY(spec_add(s, e->name, e->type, e->from, "%s", attrs.text ? attrs.text : ""));
    s->layer[s->count - 1].line = e->line;
out:
    base_buf_free(&attrs);
    return st;
}

enum rote_status spec_from_entries(const char *name, const struct spec_entry *entry, size_t count,
                                   struct spec **out)
{
    struct spec *s = NULL;
    enum rote_status st = ROTE_OK;
    TRY(spec_new(name, &s));
    for (size_t i = 0; i < count; i++)
        TRY(add_entry(s, &entry[i]));
    TRY(spec_validate(s));
    *out = s;
    s = NULL;
out:
    spec_free(s);
    return st;
}

static enum rote_status fill_entry(struct spec_entry *e, const struct spec_layer *l)
{
    enum rote_status st = ROTE_OK;
    TRY(base_strdup(&e->name, l->name));
    TRY(base_strdup(&e->type, l->type));
    if (l->from && *l->from)
        TRY(base_strdup(&e->from, l->from));
    for (const char *p = l->attrs + strspn(l->attrs, " "); *p; p += strspn(p, " ")) {
        size_t len = strcspn(p, " "), key = strcspn(p, "=");
        char **at = entry_attr(e, p, key);
        if (!at || *at || key >= len)
            FAIL(ROTE_EINVAL, "layer %s: \"%.*s\" is not an attribute", l->name, (int)len, p);
        TRY(base_sprintf(at, "%.*s", (int)(len - key - 1), p + key + 1));
        p += len;
    }
out:
    return st;
}

void spec_entries_free(struct spec_entry *entry, size_t count)
{
    for (size_t i = 0; entry && i < count; i++)
        schema_free_fields(entry_fields, &entry[i]);
    base_free(entry);
}

enum rote_status spec_to_entries(const struct spec *s, struct spec_entry **out)
{
    struct spec_entry *entry = NULL;
    enum rote_status st = ROTE_OK;
    TRY(base_alloc(&entry, s->count, sizeof *entry));
    for (size_t i = 0; i < s->count; i++)
        TRY(fill_entry(&entry[i], &s->layer[i]));
    *out = entry;
    entry = NULL;
out:
    spec_entries_free(entry, s->count);
    return st;
}

enum rote_status spec_to_yaml(const struct spec *s, struct base_buf *out)
{
    struct document d = {.name = s->name, .layers_count = (unsigned)s->count};
    enum rote_status st = ROTE_OK;
    TRY(spec_to_entries(s, &d.layers));
    TRY(schema_write(&document_schema, &d, out));
out:
    spec_entries_free(d.layers, s->count);
    return st;
}

enum rote_status spec_from_yaml(const char *text, const char *what, struct spec **out)
{
    struct document d = {0};
    enum rote_status st = ROTE_OK;
    TRY(schema_load(&document_schema, text, what, &d));
    st = spec_from_entries(d.name ? d.name : "network", d.layers, d.layers_count, out);
    if (st && what[0])
        base_error_prefix("%s", what);
out:
    schema_free(&document_schema, &d);
    return st;
}

enum rote_status spec_load(const char *path, struct spec **out)
{
    char *text = NULL;
    size_t len;
    enum rote_status st = ROTE_OK;
    TRY(base_read_file(path, &text, &len));
    if (strlen(text) != len)
        FAIL(ROTE_EFORMAT, "%s: a network is a text file; this one has zero bytes", path);
    TRY(spec_from_yaml(text, path, out));
out:
    base_free(text);
    return st;
}
