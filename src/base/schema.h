/* YAML into C structs and back, from one libcyaml schema: the same table loads a
 * file over defaults, takes "a.b[0].c=value" assignments, and writes a struct out.
 *
 * libcyaml alone accepts 3.5 as an integer, 010 as 8 and any word as true, knows no
 * defaults, and forgets a double's last digits; so the document is checked first,
 * with the line of each node, and copied over the defaults key by key.
 * Used of the schema: INT, FLOAT (double), BOOL, ENUM, STRING_PTR, MAPPING, SEQUENCE. */
#ifndef SCHEMA_H
#define SCHEMA_H

#include <cyaml/cyaml.h>

#include "base/base.h"

/* What a number may be; path is "optimizer.momentum" or "heads[].n". */
struct schema_bound {
    const char *path;
    double min, max;
    bool above, below; /* min, max themselves are excluded */
};

struct schema {
    const struct cyaml_schema_field *fields;
    size_t size; /* of the struct */
    const struct schema_bound *bounds;
    size_t n_bounds;
    /* What else a string must be: an error that starts with `where`. May be NULL; strings
     * that are NULL are not asked about. */
    enum rote_status (*check_string)(const char *path, const char *value, const char *where);
    /* Gives a new (zeroed) entry of a sequence its defaults; `line` is where it is in
     * the text, 0 when it is not from a file. NULL: zeros. What it allocates before it
     * fails is freed by schema_free. */
    enum rote_status (*entry_init)(const char *sequence, void *entry, int line);
};

/* Sets the keys that `text` has and leaves the others. `what` starts error messages,
 * "runs/a.yaml" or "". When it fails, inout keeps its values but for ROTE_ENOMEM. */
enum rote_status schema_load(const struct schema *s, const char *text, const char *what, void *inout);
/* "optimizer.momentum=0.95"; the value is YAML. "heads[n]" with n entries adds one. */
enum rote_status schema_set(const struct schema *s, const char *assignment, void *inout);
/* Bounds of a struct that was filled by C code. */
enum rote_status schema_check(const struct schema *s, const void *data);
/* Every key; loading the text gives the same struct. In sequences' entries, strings
 * that are NULL are left out. */
enum rote_status schema_write(const struct schema *s, const void *data, struct base_buf *out);
/* Frees what the struct points to, not itself, and sets it to zero. */
void schema_free(const struct schema *s, void *data);
void schema_free_fields(const struct cyaml_schema_field *fields, void *data);

#endif
