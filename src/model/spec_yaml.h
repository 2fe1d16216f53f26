/* A layer as YAML has it, one key an attribute: for files of networks, and for run
 * configurations that hold their network. */
#ifndef SPEC_YAML_H
#define SPEC_YAML_H

#include "base/schema.h"
#include "model/spec.h"

#define SPEC_ATTR_LIST(X) \
    X(filters)            \
    X(features)           \
    X(window)             \
    X(window_h)           \
    X(window_w)           \
    X(stride)             \
    X(stride_h)           \
    X(stride_w)           \
    X(pad)                \
    X(pad_h)              \
    X(pad_w)              \
    X(dilation)           \
    X(dilation_h)         \
    X(dilation_w)         \
    X(groups)             \
    X(bias)               \
    X(eps)                \
    X(momentum)           \
    X(p)

struct spec_entry {
    char *name, *type, *from;
#define SPEC_ATTR_MEMBER(key) char *key;
    SPEC_ATTR_LIST(SPEC_ATTR_MEMBER)
#undef SPEC_ATTR_MEMBER
    int line;
};

extern const struct cyaml_schema_value spec_entry_schema;

/* Makes and validates a spec. */
enum rote_status spec_from_entries(const char *name, const struct spec_entry *entry, size_t count,
                                   struct spec **out);
/* A new array, owned by the caller, of what spec has. */
enum rote_status spec_to_entries(const struct spec *s, struct spec_entry **out);
void spec_entries_free(struct spec_entry *entry, size_t count);

#endif
