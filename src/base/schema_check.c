/* Holds a YAML tree against the schema: keys, types, bounds, words; errors have the line
 * of the node. */
#include "base/schema_internal.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const char *where(const struct schema_text *l, const yaml_node_t *node, char out[SCHEMA_MESSAGE_MAX])
{
    char line[32] = "";
    if (l->lines && node)
        snprintf(line, sizeof line, "line %zu: ", node->start_mark.line + 1);
    snprintf(out, SCHEMA_MESSAGE_MAX, "%.180s%s%s", l->what, l->what[0] ? ": " : "", line);
    return out;
}

const char *schema_text_of(const yaml_node_t *node)
{
    return (const char *)node->data.scalar.value;
}

bool schema_is_null(const yaml_node_t *node)
{
    static const char *const words[] = {"~", "null", "Null", "NULL"};
    const char *text = schema_text_of(node);
    for (size_t i = 0; i < COUNT_OF(words); i++)
        if (!strcmp(text, words[i]))
            return node->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    return !*text;
}

const struct cyaml_schema_field *schema_find_field(const struct cyaml_schema_field *fields, const char *key)
{
    for (; fields->key; fields++)
        if (!strcmp(fields->key, key))
            return fields;
    return NULL;
}

/* "; did you mean X?" or the list of what there is. */
static void suggest(const char *word, const char *const *names, size_t count, char *out, size_t size)
{
    const char *near = base_nearest(word, names, count);
    size_t n = 0;
    if (near) {
        snprintf(out, size, "did you mean %s?", near);
        return;
    }
    n = (size_t)snprintf(out, size, "valid are");
    for (size_t i = 0; i < count && n < size; i++)
        n += (size_t)snprintf(out + n, size - n, "%s %s", i ? "," : "", names[i]);
}

static enum rote_status unknown_key(const struct schema_text *l, const yaml_node_t *node, const char *path,
                                    const struct cyaml_schema_field *fields)
{
    const char *names[64];
    char near[400], at[SCHEMA_MESSAGE_MAX];
    size_t count = 0;
    for (; fields->key && count < COUNT_OF(names); fields++)
        names[count++] = fields->key;
    suggest(schema_text_of(node), names, count, near, sizeof near);
    return base_error(ROTE_ECONFIG, "%sunknown key %s%s%s; %s", where(l, node, at), path,
                      path[0] ? "." : "", schema_text_of(node), near);
}

bool schema_parse_bool(const char *text, bool *out)
{
    static const char *const words[] = {"false", "true", "no", "yes", "off", "on", "0", "1"};
    for (size_t i = 0; i < COUNT_OF(words); i++)
        if (!strcasecmp(text, words[i])) {
            *out = i % 2;
            return true;
        }
    return false;
}

static enum rote_status check_number(struct schema_text *l, const yaml_node_t *node, const char *path,
                                     const struct cyaml_schema_value *v)
{
    const char *text = schema_text_of(node);
    char *end, at[SCHEMA_MESSAGE_MAX];
    bool integer = v->type == CYAML_INT;
    double number;
    where(l, node, at);
    errno = 0;
    if (integer) {
        long long i = strtoll(text, &end, 10);
        /* 010 would be loaded as octal. */
        const char *digits = text + (*text == '-' || *text == '+');
        if (digits[0] == '0' && digits[1])
            end = (char *)text;
        if (v->data_size == 4 && (i < INT32_MIN || i > INT32_MAX))
            errno = ERANGE;
        number = (double)i;
    } else {
        number = strtod(text, &end);
        if (!isfinite(number))
            errno = ERANGE;
        else
            errno = 0; /* a subnormal is as good as any */
    }
    if (end == text || *end || isspace((unsigned char)*text))
        return base_error(ROTE_ECONFIG, "%s%s must be %s, not \"%s\"", at, path,
                          integer ? "an integer" : "a number", text);
    if (errno == ERANGE)
        return base_error(ROTE_ECONFIG, "%s%s: %s is out of range", at, path, text);
    return schema_bound_error(l->schema, path, number, at);
}

static enum rote_status check_scalar(struct schema_text *l, const yaml_node_t *node, const char *path,
                                     const struct cyaml_schema_value *v)
{
    char at[SCHEMA_MESSAGE_MAX], near[400];
    const char *names[32];
    size_t count = 0;
    bool b;
    if (node->type != YAML_SCALAR_NODE)
        return base_error(ROTE_ECONFIG, "%s%s must be a single value, not a %s", where(l, node, at), path,
                          node->type == YAML_MAPPING_NODE ? "mapping" : "list");
    switch (v->type) {
    case CYAML_STRING:
        if (!l->schema->check_string || schema_is_null(node))
            return ROTE_OK;
        return l->schema->check_string(path, schema_text_of(node), where(l, node, at));
    case CYAML_BOOL:
        if (schema_parse_bool(schema_text_of(node), &b))
            return ROTE_OK;
        return base_error(ROTE_ECONFIG, "%s%s must be true or false, not \"%s\"", where(l, node, at), path,
                          schema_text_of(node));
    case CYAML_ENUM:
        for (size_t i = 0; i < v->enumeration.count && i < COUNT_OF(names); i++) {
            if (!strcmp(v->enumeration.strings[i].str, schema_text_of(node)))
                return ROTE_OK;
            names[count++] = v->enumeration.strings[i].str;
        }
        suggest(schema_text_of(node), names, count, near, sizeof near);
        return base_error(ROTE_ECONFIG, "%s%s cannot be \"%s\"; %s", where(l, node, at), path, schema_text_of(node),
                          near);
    default:
        return check_number(l, node, path, v);
    }
}

static enum rote_status check_mapping(struct schema_text *l, const yaml_node_t *node, const char *path,
                                      const struct cyaml_schema_field *fields);

static enum rote_status check_value(struct schema_text *l, yaml_node_t *node, const char *path,
                                    const struct cyaml_schema_value *v)
{
    char sub[SCHEMA_MESSAGE_MAX], at[SCHEMA_MESSAGE_MAX];
    if (v->type == CYAML_MAPPING)
        return check_mapping(l, node, path, v->mapping.fields);
    if (v->type != CYAML_SEQUENCE)
        return check_scalar(l, node, path, v);
    if (node->type != YAML_SEQUENCE_NODE)
        return base_error(ROTE_ECONFIG, "%s%s must be a list: [..], or lines that start with \"- \"",
                          where(l, node, at), path);
    snprintf(sub, sizeof sub, "%.200s[]", path);
    for (yaml_node_item_t *i = node->data.sequence.items.start; i < node->data.sequence.items.top; i++) {
        enum rote_status st = check_value(l, yaml_document_get_node(&l->doc, *i), sub, v->sequence.entry);
        if (st)
            return st;
    }
    return ROTE_OK;
}

static enum rote_status check_mapping(struct schema_text *l, const yaml_node_t *node, const char *path,
                                      const struct cyaml_schema_field *fields)
{
    char sub[SCHEMA_MESSAGE_MAX], at[SCHEMA_MESSAGE_MAX];
    if (node->type != YAML_MAPPING_NODE)
        return base_error(ROTE_ECONFIG, "%s%s must be keys with values, \"key: value\"", where(l, node, at),
                          path[0] ? path : "the document");
    yaml_node_pair_t *first = node->data.mapping.pairs.start, *end = node->data.mapping.pairs.top;
    for (yaml_node_pair_t *p = first; p < end; p++) {
        yaml_node_t *key = yaml_document_get_node(&l->doc, p->key);
        if (key->type != YAML_SCALAR_NODE)
            return base_error(ROTE_ECONFIG, "%sa key must be a word", where(l, key, at));
        const struct cyaml_schema_field *f = schema_find_field(fields, schema_text_of(key));
        if (!f)
            return unknown_key(l, key, path, fields);
        snprintf(sub, sizeof sub, "%.180s%s%.60s", path, path[0] ? "." : "", f->key);
        for (yaml_node_pair_t *q = first; q < p; q++)
            if (!strcmp(schema_text_of(yaml_document_get_node(&l->doc, q->key)), f->key))
                return base_error(ROTE_ECONFIG, "%s%s is given twice", where(l, key, at), sub);
        enum rote_status st = check_value(l, yaml_document_get_node(&l->doc, p->value), sub, &f->value);
        if (st)
            return st;
    }
    return ROTE_OK;
}

enum rote_status schema_check_tree(struct schema_text *l, const yaml_node_t *root)
{
    return check_mapping(l, root, "", l->schema->fields);
}
