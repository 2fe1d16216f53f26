/* A configuration as YAML: complete, as run; or as the few keys that differ from the defaults. */
#include <string.h>

#include "train/config_schema.h"

enum rote_status config_to_yaml(const struct config *c, struct base_buf *out)
{
    struct config whole = *c; /* a borrowed copy that says the default network's name */
    char cnn[] = "cnn";
    if (!c->model && !c->network && !c->layers_count)
        whole.model = cnn;
    return schema_write(&config_schema, &whole, out);
}

/* Whether an entry "{a: b, c: d}" has this pair. */
static bool holds(const char *text, const char *piece, size_t len)
{
    for (const char *at = text; (at = strchr(at, piece[0])); at++)
        if (!strncmp(at, piece, len) && at > text && strchr(" {", at[-1]) && at[len] && strchr(",}", at[len]))
            return true;
    return false;
}

/* "{name: a, n: 10}" without what an entry has by default. */
static enum rote_status add_entry(struct base_buf *out, const char *line, size_t len, const char *standard)
{
    enum rote_status st = ROTE_OK;
    const char *p = line + 1, *end = line + len - 1; /* within the braces */
    bool first = true;
    TRY(base_buf_printf(out, "{"));
    while (p < end) {
        const char *comma = strstr(p, ", ");
        size_t n = comma && comma < end ? (size_t)(comma - p) : (size_t)(end - p);
        if (!holds(standard, p, n)) {
            TRY(base_buf_printf(out, "%s%.*s", first ? "" : ", ", (int)n, p));
            first = false;
        }
        p += n + 2;
    }
    TRY(base_buf_printf(out, "}"));
out:
    return st;
}

/* The writer's YAML as one assignment a line. */
static enum rote_status flatten(const char *yaml, const char *standard, struct base_buf *out)
{
    enum rote_status st = ROTE_OK;
    char top[64] = "";
    bool list = false;
    for (const char *line = yaml; *line; line += strcspn(line, "\n") + 1) {
        size_t len = strcspn(line, "\n"), key = strcspn(line, ":");
        if (!strncmp(line, "  - ", 4)) {
            TRY(list ? base_buf_printf(out, ", ") : base_buf_printf(out, "%s=[", top));
            list = true;
            TRY(add_entry(out, line + 4, len - 4, standard));
            continue;
        }
        if (list)
            TRY(base_buf_printf(out, "]\n"));
        list = false;
        if (line[0] != ' ')
            snprintf(top, sizeof top, "%.*s", (int)key, line);
        if (key + 1 >= len) /* a key alone: more follows */
            continue;
        if (line[0] == ' ')
            TRY(base_buf_printf(out, "%s.%.*s=%.*s\n", top, (int)key - 2, line + 2, (int)(len - key - 2),
                                line + key + 2));
        else
            TRY(base_buf_printf(out, "%s=%.*s\n", top, (int)(len - key - 2), line + key + 2));
    }
    if (list)
        TRY(base_buf_printf(out, "]\n"));
out:
    return st;
}

static enum rote_status flat(const struct config *c, const char *standard, struct base_buf *out)
{
    struct config bare = *c;
    struct base_buf yaml = {0};
    bare.out = bare.device = NULL;
    enum rote_status st = config_to_yaml(&bare, &yaml);
    if (!st)
        st = flatten(yaml.text, standard, out);
    base_buf_free(&yaml);
    return st;
}

enum rote_status config_assignments(const struct config *c, struct base_buf *out)
{
    enum rote_status st = ROTE_OK;
    struct config usual = {0};
    struct base_buf entry = {0}, all = {0}, standard = {0};
    TRY(config_defaults(&usual));
    TRY(config_set(&usual, "heads=[{}]"));
    TRY(flat(&usual, "", &entry));
    char *heads = strstr(entry.text, "heads=[");
    *strchr(heads, '\n') = 0;
    config_free(&usual);
    TRY(config_defaults(&usual));
    TRY(flat(&usual, heads + 7, &standard));
    TRY(flat(c, heads + 7, &all));
    for (const char *line = all.text; *line; line += strcspn(line, "\n") + 1) {
        size_t len = strcspn(line, "\n");
        bool same = false;
        for (const char *s = standard.text; !same && *s; s += strcspn(s, "\n") + 1)
            same = strcspn(s, "\n") == len && !strncmp(s, line, len);
        if (!same)
            TRY(base_buf_add(out, line, len + 1));
    }
out:
    config_free(&usual);
    base_buf_free(&entry);
    base_buf_free(&standard);
    base_buf_free(&all);
    return st;
}
