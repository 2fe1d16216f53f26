/* The keys of a configuration: for config*.c, and for files that hold a configuration. */
#ifndef CONFIG_SCHEMA_H
#define CONFIG_SCHEMA_H

#include "base/schema.h"
#include "train/config.h"

extern const struct schema config_schema;
extern const struct cyaml_schema_field config_fields[]; /* of struct config */

#endif
