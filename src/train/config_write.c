/* A configuration as YAML: complete, as run. */
#include "train/config_schema.h"

enum rote_status config_to_yaml(const struct config *c, struct base_buf *out)
{
    struct config whole = *c; /* a borrowed copy that says the default network's name */
    char cnn[] = "cnn";
    if (!c->model && !c->network && !c->layers_count)
        whole.model = cnn;
    return schema_write(&config_schema, &whole, out);
}
