/* Inside config*.c. */
#ifndef CONFIG_SCHEMA_H
#define CONFIG_SCHEMA_H

#include "base/schema.h"
#include "train/config.h"

extern const struct schema config_schema;

#endif
