/* Shared by schema*.c. */
#ifndef SCHEMA_INTERNAL_H
#define SCHEMA_INTERNAL_H

#include <yaml.h>

#include "base/schema.h"

#define SCHEMA_MESSAGE_MAX 256
#define SCHEMA_INDICES 4

/* A text that is being loaded. */
struct schema_text {
    const struct schema *schema;
    const char *what;
    bool lines; /* say them: the text is a file, not an assignment */
    yaml_document_t doc;
    /* Of an assignment: entries named by [i], outermost first. */
    unsigned long index[SCHEMA_INDICES];
    int n_indices, used;
};

const char *schema_text_of(const yaml_node_t *scalar);
/* A string that is not there: nothing, ~ or null without quotes, or "". */
bool schema_is_null(const yaml_node_t *scalar);
bool schema_parse_bool(const char *text, bool *out);
const struct cyaml_schema_field *schema_find_field(const struct cyaml_schema_field *fields, const char *key);
enum rote_status schema_check_tree(struct schema_text *l, const yaml_node_t *root);

enum rote_status schema_bound_error(const struct schema *s, const char *path, double v, const char *where);
unsigned schema_count(const struct cyaml_schema_field *f, const void *data);
int64_t schema_int(const struct cyaml_schema_value *v, const void *at);

#endif
