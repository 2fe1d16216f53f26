/* Loading: libyaml parses the text to a tree, check_* holds it against the schema
 * (keys, types, bounds: errors with lines), libcyaml loads it to a scratch struct,
 * and apply_* moves the values whose keys are present over the caller's. */
#include "base/schema.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <yaml.h>

#define PATH_MAX_LEN 256
#define MAX_INDICES 4

struct load {
    const struct schema *schema;
    const char *what;
    bool lines; /* say them: the text is a file, not an assignment */
    yaml_document_t doc;
    /* Of an assignment: entries named by [i], outermost first. */
    unsigned long index[MAX_INDICES];
    int n_indices, used;
};

static const char *where(const struct load *l, const yaml_node_t *node, char out[PATH_MAX_LEN])
{
    char line[32] = "";
    if (l->lines && node)
        snprintf(line, sizeof line, "line %zu: ", node->start_mark.line + 1);
    snprintf(out, PATH_MAX_LEN, "%.180s%s%s", l->what, l->what[0] ? ": " : "", line);
    return out;
}

static const char *text_of(const yaml_node_t *node)
{
    return (const char *)node->data.scalar.value;
}

static const struct cyaml_schema_field *find_field(const struct cyaml_schema_field *fields, const char *key)
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

static enum rote_status unknown_key(const struct load *l, const yaml_node_t *node, const char *path,
                                    const struct cyaml_schema_field *fields)
{
    const char *names[64];
    char near[400], at[PATH_MAX_LEN];
    size_t count = 0;
    for (; fields->key && count < COUNT_OF(names); fields++)
        names[count++] = fields->key;
    suggest(text_of(node), names, count, near, sizeof near);
    return base_error(ROTE_ECONFIG, "%sunknown key %s%s%s; %s", where(l, node, at), path,
                      path[0] ? "." : "", text_of(node), near);
}

static bool parse_bool(const char *text, bool *out)
{
    static const char *const words[] = {"false", "true", "no", "yes", "off", "on", "0", "1"};
    for (size_t i = 0; i < COUNT_OF(words); i++)
        if (!strcasecmp(text, words[i])) {
            *out = i % 2;
            return true;
        }
    return false;
}

static enum rote_status check_number(struct load *l, const yaml_node_t *node, const char *path,
                                     const struct cyaml_schema_value *v)
{
    const char *text = text_of(node);
    char *end, at[PATH_MAX_LEN];
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

static enum rote_status check_scalar(struct load *l, const yaml_node_t *node, const char *path,
                                     const struct cyaml_schema_value *v)
{
    char at[PATH_MAX_LEN], near[400];
    const char *names[32];
    size_t count = 0;
    bool b;
    if (node->type != YAML_SCALAR_NODE)
        return base_error(ROTE_ECONFIG, "%s%s must be a single value, not a %s", where(l, node, at), path,
                          node->type == YAML_MAPPING_NODE ? "mapping" : "list");
    switch (v->type) {
    case CYAML_STRING:
        return ROTE_OK;
    case CYAML_BOOL:
        if (parse_bool(text_of(node), &b))
            return ROTE_OK;
        return base_error(ROTE_ECONFIG, "%s%s must be true or false, not \"%s\"", where(l, node, at), path,
                          text_of(node));
    case CYAML_ENUM:
        for (size_t i = 0; i < v->enumeration.count && i < COUNT_OF(names); i++) {
            if (!strcmp(v->enumeration.strings[i].str, text_of(node)))
                return ROTE_OK;
            names[count++] = v->enumeration.strings[i].str;
        }
        suggest(text_of(node), names, count, near, sizeof near);
        return base_error(ROTE_ECONFIG, "%s%s cannot be \"%s\"; %s", where(l, node, at), path, text_of(node),
                          near);
    default:
        return check_number(l, node, path, v);
    }
}

static enum rote_status check_mapping(struct load *l, const yaml_node_t *node, const char *path,
                                      const struct cyaml_schema_field *fields);

static enum rote_status check_value(struct load *l, yaml_node_t *node, const char *path,
                                    const struct cyaml_schema_value *v)
{
    char sub[PATH_MAX_LEN], at[PATH_MAX_LEN];
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

static enum rote_status check_mapping(struct load *l, const yaml_node_t *node, const char *path,
                                      const struct cyaml_schema_field *fields)
{
    char sub[PATH_MAX_LEN], at[PATH_MAX_LEN];
    if (node->type != YAML_MAPPING_NODE)
        return base_error(ROTE_ECONFIG, "%s%s must be keys with values, \"key: value\"", where(l, node, at),
                          path[0] ? path : "the document");
    yaml_node_pair_t *first = node->data.mapping.pairs.start, *end = node->data.mapping.pairs.top;
    for (yaml_node_pair_t *p = first; p < end; p++) {
        yaml_node_t *key = yaml_document_get_node(&l->doc, p->key);
        if (key->type != YAML_SCALAR_NODE)
            return base_error(ROTE_ECONFIG, "%sa key must be a word", where(l, key, at));
        const struct cyaml_schema_field *f = find_field(fields, text_of(key));
        if (!f)
            return unknown_key(l, key, path, fields);
        snprintf(sub, sizeof sub, "%.180s%s%.60s", path, path[0] ? "." : "", f->key);
        for (yaml_node_pair_t *q = first; q < p; q++)
            if (!strcmp(text_of(yaml_document_get_node(&l->doc, q->key)), f->key))
                return base_error(ROTE_ECONFIG, "%s%s is given twice", where(l, key, at), sub);
        enum rote_status st = check_value(l, yaml_document_get_node(&l->doc, p->value), sub, &f->value);
        if (st)
            return st;
    }
    return ROTE_OK;
}

static enum rote_status apply_mapping(struct load *l, const yaml_node_t *node,
                                      const struct cyaml_schema_field *fields, void *src, void *dst);

static enum rote_status apply_entry(struct load *l, yaml_node_item_t item, const struct cyaml_schema_value *entry,
                                    void *src, void *dst)
{
    yaml_node_t *node = yaml_document_get_node(&l->doc, item);
    if (entry->type == CYAML_MAPPING)
        return apply_mapping(l, node, entry->mapping.fields, src, dst);
    memcpy(dst, src, entry->data_size);
    return ROTE_OK;
}

static enum rote_status entry_new(struct load *l, const struct cyaml_schema_field *f, yaml_node_item_t item,
                                  void *entry)
{
    yaml_node_t *node = yaml_document_get_node(&l->doc, item);
    if (!l->schema->entry_init || f->value.sequence.entry->type != CYAML_MAPPING)
        return ROTE_OK;
    return l->schema->entry_init(f->key, entry, l->lines ? (int)node->start_mark.line + 1 : 0);
}

/* One entry, heads[i], of the list that is there; i = its length appends. */
static enum rote_status apply_indexed(struct load *l, const yaml_node_t *node, const struct cyaml_schema_field *f,
                                      char *src, char *dst)
{
    const struct cyaml_schema_value *entry = f->value.sequence.entry;
    unsigned count = schema_count(f, dst);
    unsigned long i = l->index[l->used++];
    yaml_node_item_t item = *node->data.sequence.items.start;
    enum rote_status st = ROTE_OK;
    char *from, *list;
    if (i > count)
        return base_error(ROTE_ECONFIG, "%s: %s has %u entries; %s[%u] would add one", l->what, f->key, count,
                          f->key, count);
    memcpy(&from, src + f->data_offset, sizeof from);
    memcpy(&list, dst + f->data_offset, sizeof list);
    if (i == count) {
        TRY(base_grow(&list, count + 1, entry->data_size));
        memcpy(dst + f->data_offset, &list, sizeof list);
        memset(list + i * entry->data_size, 0, entry->data_size);
        count++;
        memcpy(dst + f->count_offset, &count, sizeof count);
        TRY(entry_new(l, f, item, list + i * entry->data_size));
    }
    TRY(apply_entry(l, item, entry, from, list + i * entry->data_size));
out:
    return st;
}

static enum rote_status apply_sequence(struct load *l, const yaml_node_t *node, const struct cyaml_schema_field *f,
                                       char *src, char *dst)
{
    const struct cyaml_schema_value *entry = f->value.sequence.entry;
    const struct cyaml_schema_field one[2] = {*f, CYAML_FIELD_END};
    size_t size = entry->data_size;
    unsigned count = schema_count(f, src);
    enum rote_status st = ROTE_OK;
    char *from, *list = NULL;
    if (l->used < l->n_indices)
        return apply_indexed(l, node, f, src, dst);
    memcpy(&from, src + f->data_offset, sizeof from);
    TRY(base_alloc(&list, count, size));
    schema_free_fields(one, dst);
    memcpy(dst + f->data_offset, &list, sizeof list);
    memcpy(dst + f->count_offset, &count, sizeof count);
    for (unsigned i = 0; i < count; i++) {
        yaml_node_item_t item = node->data.sequence.items.start[i];
        TRY(entry_new(l, f, item, list + i * size));
        TRY(apply_entry(l, item, entry, from + i * size, list + i * size));
    }
out:
    return st;
}

static enum rote_status apply_mapping(struct load *l, const yaml_node_t *node,
                                      const struct cyaml_schema_field *fields, void *src, void *dst)
{
    enum rote_status st = ROTE_OK;
    for (yaml_node_pair_t *p = node->data.mapping.pairs.start; p < node->data.mapping.pairs.top; p++) {
        const struct cyaml_schema_field *f =
            find_field(fields, text_of(yaml_document_get_node(&l->doc, p->key)));
        yaml_node_t *value = yaml_document_get_node(&l->doc, p->value);
        char *from = (char *)src + f->data_offset, *to = (char *)dst + f->data_offset;
        bool b = false;
        char *old;
        switch (f->value.type) {
        case CYAML_MAPPING:
            TRY(apply_mapping(l, value, f->value.mapping.fields, from, to));
            break;
        case CYAML_SEQUENCE:
            TRY(apply_sequence(l, value, f, src, dst));
            break;
        case CYAML_STRING: /* swapped: the scratch struct frees the old one */
            memcpy(&old, to, sizeof(void *));
            memcpy(to, from, sizeof(void *));
            memcpy(from, &old, sizeof(void *));
            break;
        case CYAML_BOOL:
            parse_bool(text_of(value), &b);
            memcpy(to, &b, sizeof b);
            break;
        default:
            memcpy(to, from, f->value.data_size);
        }
    }
out:
    return st;
}

static void *cyaml_memory(void *ctx, void *p, size_t size)
{
    (void)ctx;
    if (!size) {
        base_free(p);
        return NULL;
    }
    return base_grow(&p, size, 1) ? NULL : p;
}

/* Keeps the first error line of libcyaml's. */
static void cyaml_message(cyaml_log_t level, void *ctx, const char *fmt, va_list args)
{
    char *message = ctx;
    (void)level;
    if (!message[0])
        vsnprintf(message, PATH_MAX_LEN, fmt, args);
}

static enum rote_status parse(struct load *l, const char *text, bool *have_doc)
{
    enum rote_status st = ROTE_OK;
    yaml_parser_t parser;
    yaml_document_t more;
    if (!yaml_parser_initialize(&parser))
        return base_error(ROTE_ENOMEM, "%s: no memory for the YAML parser", l->what);
    yaml_parser_set_input_string(&parser, (const unsigned char *)text, strlen(text));
    *have_doc = yaml_parser_load(&parser, &l->doc);
    if (*have_doc && yaml_document_get_root_node(&l->doc) && yaml_parser_load(&parser, &more)) {
        bool second = yaml_document_get_root_node(&more);
        yaml_document_delete(&more);
        if (second)
            FAIL(ROTE_ECONFIG, "%s: only one YAML document is read; remove the second \"---\"", l->what);
    }
    if (parser.error == YAML_MEMORY_ERROR)
        FAIL(ROTE_ENOMEM, "%s: no memory for the YAML parser", l->what);
    if (parser.error && l->lines)
        FAIL(ROTE_ECONFIG, "%s%sline %zu: not YAML: %s", l->what, l->what[0] ? ": " : "",
             parser.problem_mark.line + 1, parser.problem ? parser.problem : "unreadable");
    if (parser.error)
        FAIL(ROTE_ECONFIG, "%s: the value is not YAML: %s; quote it", l->what,
             parser.problem ? parser.problem : "unreadable");
out:
    yaml_parser_delete(&parser);
    return st;
}

static enum rote_status load(struct load *l, const char *text, void *inout)
{
    const struct cyaml_schema_value top = {.type = CYAML_MAPPING, .flags = CYAML_FLAG_POINTER,
                                           .data_size = (uint32_t)l->schema->size,
                                           .mapping = {.fields = l->schema->fields}};
    char message[PATH_MAX_LEN] = "";
    const cyaml_config_t config = {.log_fn = cyaml_message, .log_ctx = message, .mem_fn = cyaml_memory,
                                   .log_level = CYAML_LOG_ERROR};
    enum rote_status st = ROTE_OK;
    cyaml_data_t *scratch = NULL;
    bool have_doc = false;
    yaml_node_t *root = NULL;
    TRY(parse(l, text, &have_doc));
    root = yaml_document_get_root_node(&l->doc);
    if (!root) /* an empty file changes nothing */
        goto out;
    TRY(check_mapping(l, root, "", l->schema->fields));
    cyaml_err_t err = cyaml_load_data((const uint8_t *)text, strlen(text), &config, &top, &scratch, NULL);
    if (err == CYAML_ERR_OOM)
        FAIL(ROTE_ENOMEM, "%s: no memory to read it", l->what);
    if (err)
        FAIL(ROTE_ECONFIG, "%s: %s", l->what, message[0] ? message : cyaml_strerror(err));
    if (scratch)
        TRY(apply_mapping(l, root, l->schema->fields, scratch, inout));
out:
    cyaml_free(&config, &top, scratch, 0);
    if (have_doc)
        yaml_document_delete(&l->doc);
    return st;
}

enum rote_status schema_load(const struct schema *s, const char *text, const char *what, void *inout)
{
    struct load l = {.schema = s, .what = what, .lines = true};
    return load(&l, text, inout);
}

/* Turns "a.b[1].c=value" into the document a: {b: [{c: value}]}, in block style so
 * that the value's own characters mean what they mean in a file. */
enum rote_status schema_set(const struct schema *s, const char *assignment, void *inout)
{
    const char *equal = strchr(assignment, '='), *p = assignment;
    char what[PATH_MAX_LEN];
    struct load l = {.schema = s, .what = what};
    struct base_buf doc = {0};
    enum rote_status st = ROTE_OK;
    int depth = 0;
    snprintf(what, sizeof what, "%.200s", assignment);
    if (!equal || equal == assignment)
        FAIL(ROTE_ECONFIG, "\"%s\": write KEY=VALUE, such as optimizer.momentum=0.9", assignment);
    if (strpbrk(equal, "\n\r"))
        FAIL(ROTE_ECONFIG, "%s: a value is one line", what);
    while (p < equal) {
        size_t n = strspn(p, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-");
        char *end;
        if (!n)
            FAIL(ROTE_ECONFIG, "%s: \"%.*s\" is not a key such as optimizer.momentum or heads[0].lambda", what,
                 (int)(equal - assignment), assignment);
        TRY(base_buf_printf(&doc, "%s%*s%.*s:", depth ? "\n" : "", depth, "", (int)n, p));
        depth++;
        p += n;
        if (*p == '[') {
            unsigned long i = isdigit((unsigned char)p[1]) ? strtoul(p + 1, &end, 10) : 0;
            if (!isdigit((unsigned char)p[1]) || *end != ']' || l.n_indices == MAX_INDICES)
                FAIL(ROTE_ECONFIG, "%s: an index is written [0]", what);
            l.index[l.n_indices++] = i;
            TRY(base_buf_printf(&doc, "\n%*s-", depth, ""));
            depth++;
            p = end + 1;
        }
        if (p < equal && (*p++ != '.' || p == equal))
            FAIL(ROTE_ECONFIG, "%s: keys are joined by dots, such as optimizer.momentum", what);
    }
    TRY(base_buf_printf(&doc, " %s\n", equal + 1));
    TRY(load(&l, doc.text, inout));
out:
    base_buf_free(&doc);
    return st;
}
