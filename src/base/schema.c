/* Loading: libyaml parses the text to a tree, schema_check_tree holds it against the
 * schema, libcyaml loads it to a scratch struct, and apply_* moves the values whose keys
 * are present over the caller's. */
#include "base/schema_internal.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

/* From the tree: libcyaml does not tell "null" in quotes from null. */
static enum rote_status apply_string(const struct cyaml_schema_value *v, const yaml_node_t *node, char *dst)
{
    bool nullable = (v->flags & CYAML_FLAG_POINTER_NULL_STR) == CYAML_FLAG_POINTER_NULL_STR;
    enum rote_status st = ROTE_OK;
    char *text = NULL, *old;
    if (!nullable || !schema_is_null(node))
        TRY(base_strdup(&text, schema_text_of(node)));
    memcpy(&old, dst, sizeof old);
    memcpy(dst, &text, sizeof text);
    base_free(old);
out:
    return st;
}

static enum rote_status apply_mapping(struct schema_text *l, const yaml_node_t *node,
                                      const struct cyaml_schema_field *fields, void *src, void *dst);

static enum rote_status apply_entry(struct schema_text *l, yaml_node_item_t item,
                                    const struct cyaml_schema_value *entry, void *src, void *dst)
{
    yaml_node_t *node = yaml_document_get_node(&l->doc, item);
    if (entry->type == CYAML_MAPPING)
        return apply_mapping(l, node, entry->mapping.fields, src, dst);
    if (entry->type == CYAML_STRING)
        return apply_string(entry, node, dst);
    memcpy(dst, src, entry->data_size);
    return ROTE_OK;
}

static enum rote_status entry_new(struct schema_text *l, const struct cyaml_schema_field *f, yaml_node_item_t item,
                                  void *entry)
{
    yaml_node_t *node = yaml_document_get_node(&l->doc, item);
    if (!l->schema->entry_init || f->value.sequence.entry->type != CYAML_MAPPING)
        return ROTE_OK;
    return l->schema->entry_init(f->key, entry, l->lines ? (int)node->start_mark.line + 1 : 0);
}

/* One entry, heads[i], of the list that is there; i = its length appends. */
static enum rote_status apply_indexed(struct schema_text *l, const yaml_node_t *node, const struct cyaml_schema_field *f,
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

static enum rote_status apply_sequence(struct schema_text *l, const yaml_node_t *node, const struct cyaml_schema_field *f,
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

static enum rote_status apply_mapping(struct schema_text *l, const yaml_node_t *node,
                                      const struct cyaml_schema_field *fields, void *src, void *dst)
{
    enum rote_status st = ROTE_OK;
    for (yaml_node_pair_t *p = node->data.mapping.pairs.start; p < node->data.mapping.pairs.top; p++) {
        const struct cyaml_schema_field *f =
            schema_find_field(fields, schema_text_of(yaml_document_get_node(&l->doc, p->key)));
        yaml_node_t *value = yaml_document_get_node(&l->doc, p->value);
        char *from = (char *)src + f->data_offset, *to = (char *)dst + f->data_offset;
        bool b = false;
        switch (f->value.type) {
        case CYAML_MAPPING:
            TRY(apply_mapping(l, value, f->value.mapping.fields, from, to));
            break;
        case CYAML_SEQUENCE:
            TRY(apply_sequence(l, value, f, src, dst));
            break;
        case CYAML_STRING:
            TRY(apply_string(&f->value, value, to));
            break;
        case CYAML_BOOL:
            schema_parse_bool(schema_text_of(value), &b);
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
        vsnprintf(message, SCHEMA_MESSAGE_MAX, fmt, args);
}

static enum rote_status parse(struct schema_text *l, const char *text, bool *have_doc)
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

static enum rote_status load(struct schema_text *l, const char *text, void *inout)
{
    const struct cyaml_schema_value top = {.type = CYAML_MAPPING, .flags = CYAML_FLAG_POINTER,
                                           .data_size = (uint32_t)l->schema->size,
                                           .mapping = {.fields = l->schema->fields}};
    char message[SCHEMA_MESSAGE_MAX] = "";
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
    TRY(schema_check_tree(l, root));
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
    struct schema_text l = {.schema = s, .what = what, .lines = true};
    return load(&l, text, inout);
}

/* Turns "a.b[1].c=value" into the document a: {b: [{c: value}]}, in block style so
 * that the value's own characters mean what they mean in a file. */
enum rote_status schema_set(const struct schema *s, const char *assignment, void *inout)
{
    const char *equal = strchr(assignment, '='), *p = assignment;
    char what[SCHEMA_MESSAGE_MAX];
    struct schema_text l = {.schema = s, .what = what};
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
            if (!isdigit((unsigned char)p[1]) || *end != ']' || l.n_indices == SCHEMA_INDICES)
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
