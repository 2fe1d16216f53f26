/* The list of layers: building it, looking into it, validating it. */
#include "model/spec.h"

#include <stdlib.h>
#include <string.h>

struct attr_rule {
    const char *key;
    double min, max;
    bool integer;
};

struct type_rule {
    const char *type;
    int inputs;
    const char *keys; /* blank separated */
    const char *required;
};

#define BIG 1048576.0
static const struct attr_rule attr_rules[] = {
    {"filters", 1, BIG, true},    {"features", 1, BIG, true},   {"window", 1, BIG, true},
    {"window_h", 1, BIG, true},   {"window_w", 1, BIG, true},   {"stride", 1, BIG, true},
    {"stride_h", 1, BIG, true},   {"stride_w", 1, BIG, true},   {"pad", 0, BIG, true},
    {"pad_h", 0, BIG, true},      {"pad_w", 0, BIG, true},      {"dilation", 1, BIG, true},
    {"dilation_h", 1, BIG, true}, {"dilation_w", 1, BIG, true}, {"groups", 1, BIG, true},
    {"bias", 0, 1, true},         {"eps", 1e-12, 1, false},     {"momentum", 0, 1, false},
    {"p", 0, 0.99, false},
};

#define POOL_KEYS "window window_h window_w stride stride_h stride_w pad pad_h pad_w"
static const struct type_rule type_rules[] = {
    {"conv2d", 1, "filters " POOL_KEYS " dilation dilation_h dilation_w groups bias", "filters window"},
    {"batchnorm", 1, "eps momentum", ""},
    {"relu", 1, "", ""},
    {"gelu", 1, "", ""},
    {"add", 2, "", ""},
    {"maxpool", 1, POOL_KEYS, "window"},
    {"avgpool", 1, POOL_KEYS, "window"},
    {"globalpool", 1, "", ""},
    {"dropout", 1, "p", "p"},
    {"linear", 1, "features bias", "features"},
};

enum rote_status spec_new(const char *name, struct spec **out)
{
    enum rote_status st = ROTE_OK;
    struct spec *s = NULL;
    TRY(base_alloc(&s, 1, sizeof *s));
    TRY(base_strdup(&s->name, name));
    *out = s;
    s = NULL;
out:
    spec_free(s);
    return st;
}

static void layer_free(struct spec_layer *l)
{
    base_free(l->name);
    base_free(l->type);
    base_free(l->from);
    base_free(l->attrs);
}

enum rote_status spec_add(struct spec *s, const char *name, const char *type, const char *from,
                          const char *attrs_fmt, ...)
{
    enum rote_status st = ROTE_OK;
    struct spec_layer l = {0};
    char attrs[1024];
    va_list ap;
    va_start(ap, attrs_fmt);
    int n = vsnprintf(attrs, sizeof attrs, attrs_fmt, ap);
    va_end(ap);
    if (n < 0 || n >= (int)sizeof attrs)
        return base_error(ROTE_EINVAL, "layer %s: its attributes are too long", name);
    TRY(base_strdup(&l.name, name));
    TRY(base_strdup(&l.type, type));
    TRY(base_strdup(&l.from, from ? from : ""));
    TRY(base_strdup(&l.attrs, attrs));
    TRY(base_grow(&s->layer, s->count + 1, sizeof l));
    s->layer[s->count++] = l;
    return ROTE_OK;
out:
    layer_free(&l);
    return st;
}

void spec_free(struct spec *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < s->count; i++)
        layer_free(&s->layer[i]);
    base_free(s->layer);
    base_free(s->name);
    base_free(s);
}

static int find_word(const struct spec *s, const char *word, size_t len, size_t end)
{
    for (size_t i = 0; i < end; i++)
        if (strlen(s->layer[i].name) == len && !strncmp(s->layer[i].name, word, len))
            return (int)i;
    return -1;
}

int spec_find(const struct spec *s, const char *name)
{
    return find_word(s, name, strlen(name), s->count);
}

/* The next blank-separated word; NULL at the end. */
static const char *next_word(const char *p, size_t *len)
{
    p += strspn(p, " \t");
    *len = strcspn(p, " \t");
    return *len ? p : NULL;
}

static enum rote_status layer_error(const struct spec_layer *l, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
static enum rote_status layer_error(const struct spec_layer *l, const char *fmt, ...)
{
    char text[700], line[32] = "";
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    if (l->line)
        snprintf(line, sizeof line, "line %d: ", l->line);
    return base_error(ROTE_ECONFIG, "%slayer %s: %s", line, l->name, text);
}

static void no_such_input(const struct spec *s, size_t layer, const char *word)
{
    const struct spec_layer *l = &s->layer[layer];
    const char **names = NULL, *near = NULL;
    if (spec_find(s, word) >= 0) {
        layer_error(l, "its input %s must come before it", word);
        return;
    }
    if (!base_alloc(&names, layer + 1, sizeof *names)) {
        names[layer] = "input";
        for (size_t i = 0; i < layer; i++)
            names[i] = s->layer[i].name;
        near = base_nearest(word, names, layer + 1);
    }
    layer_error(l, "there is no layer %s to take its input from%s%s%s", word, near ? "; did you mean " : "",
                near ? near : "", near ? "?" : "");
    base_free(names);
}

int spec_inputs(const struct spec *s, size_t layer, int in[2])
{
    size_t len;
    const char *p = next_word(s->layer[layer].from ? s->layer[layer].from : "", &len);
    int n = 0;
    if (!p) {
        in[0] = (int)layer - 1;
        return 1;
    }
    for (; p; p = next_word(p + len, &len)) {
        int found = len == 5 && !strncmp(p, "input", 5) ? -1 : find_word(s, p, len, layer);
        if (found < 0 && !(len == 5 && !strncmp(p, "input", 5))) {
            char word[SPEC_NAME_MAX + 1];
            snprintf(word, sizeof word, "%.*s", (int)len, p);
            no_such_input(s, layer, word);
            return 0;
        }
        if (n == 2) {
            layer_error(&s->layer[layer], "takes at most 2 inputs, not \"%s\"", s->layer[layer].from);
            return 0;
        }
        in[n++] = found;
    }
    return n;
}

static const char *find_attr(const char *attrs, const char *key, size_t key_len)
{
    size_t len;
    for (const char *p = next_word(attrs, &len); p; p = next_word(p + len, &len))
        if (len > key_len && p[key_len] == '=' && !strncmp(p, key, key_len))
            return p + key_len + 1;
    return NULL;
}

static const char *attr_value(const struct spec_layer *l, const char *key)
{
    size_t n = strlen(key);
    const char *v = find_attr(l->attrs, key, n);
    if (!v && n > 2 && key[n - 2] == '_' && (key[n - 1] == 'h' || key[n - 1] == 'w'))
        v = find_attr(l->attrs, key, n - 2);
    return v;
}

int64_t spec_attr_int(const struct spec_layer *l, const char *key, int64_t missing)
{
    const char *v = attr_value(l, key);
    return v ? strtoll(v, NULL, 10) : missing;
}

double spec_attr_float(const struct spec_layer *l, const char *key, double missing)
{
    const char *v = attr_value(l, key);
    return v ? strtod(v, NULL) : missing;
}

static bool has_word(const char *words, const char *word, size_t len)
{
    size_t n;
    for (const char *p = next_word(words, &n); p; p = next_word(p + n, &n))
        if (n == len && !strncmp(p, word, len))
            return true;
    return false;
}

static enum rote_status check_attr(const struct spec_layer *l, const struct type_rule *type, const char *word,
                                   size_t len)
{
    const char *equal = memchr(word, '=', len), *names[COUNT_OF(attr_rules)];
    size_t key_len = equal ? (size_t)(equal - word) : len, count = 0;
    const struct attr_rule *rule = NULL;
    char key[64], value[64], *end;
    snprintf(key, sizeof key, "%.*s", (int)key_len, word);
    for (size_t i = 0; i < COUNT_OF(attr_rules); i++) {
        const char *k = attr_rules[i].key;
        if (!has_word(type->keys, k, strlen(k)))
            continue;
        names[count++] = k;
        if (!strcmp(k, key))
            rule = &attr_rules[i];
    }
    if (!rule) {
        const char *near = base_nearest(key, names, count);
        if (near)
            return layer_error(l, "%s has no %s; did you mean %s?", type->type, key, near);
        return layer_error(l, "%s has no %s; it takes %s", type->type, key, count ? type->keys : "no attributes");
    }
    if (find_attr(word + len, key, key_len))
        return layer_error(l, "%s is given twice", key);
    snprintf(value, sizeof value, "%.*s", equal ? (int)(len - key_len - 1) : 0, equal ? equal + 1 : "");
    double v = rule->integer ? (double)strtoll(value, &end, 10) : strtod(value, &end);
    if (end == value || *end)
        return layer_error(l, "%s must be %s, not \"%s\"", key, rule->integer ? "an integer" : "a number", value);
    if (!(v >= rule->min && v <= rule->max))
        return layer_error(l, "%s = %s must be from %g to %.7g", key, value, rule->min, rule->max);
    return ROTE_OK;
}

static enum rote_status check_attrs(const struct spec_layer *l, const struct type_rule *type)
{
    size_t len;
    enum rote_status st = ROTE_OK;
    for (const char *p = next_word(l->attrs, &len); p; p = next_word(p + len, &len))
        TRY(check_attr(l, type, p, len));
    for (const char *p = next_word(type->required, &len); p; p = next_word(p + len, &len)) {
        bool both = !strncmp(p, "window", len) && find_attr(l->attrs, "window_h", 8) &&
                    find_attr(l->attrs, "window_w", 8);
        if (!both && !find_attr(l->attrs, p, len))
            return layer_error(l, "%s needs %.*s", type->type, (int)len, p);
    }
out:
    return st;
}

static enum rote_status check_name(const struct spec *s, size_t i)
{
    static const char ok[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.";
    const struct spec_layer *l = &s->layer[i];
    size_t n = strlen(l->name);
    if (!n || n > SPEC_NAME_MAX || l->name[strspn(l->name, ok)])
        return layer_error(l, "a name has 1 to %d letters, digits, _ - or .", SPEC_NAME_MAX);
    if (!strcmp(l->name, "input"))
        return layer_error(l, "this name is the network's input");
    if (find_word(s, l->name, n, i) >= 0)
        return layer_error(l, "another layer has this name");
    return ROTE_OK;
}

static enum rote_status check_layer(const struct spec *s, size_t i)
{
    const struct spec_layer *l = &s->layer[i];
    const struct type_rule *type = NULL;
    const char *names[COUNT_OF(type_rules)];
    enum rote_status st = ROTE_OK;
    int in[2];
    TRY(check_name(s, i));
    for (size_t k = 0; k < COUNT_OF(type_rules); k++) {
        names[k] = type_rules[k].type;
        if (!strcmp(l->type, names[k]))
            type = &type_rules[k];
    }
    if (!type) {
        const char *near = base_nearest(l->type, names, COUNT_OF(names));
        return layer_error(l, "there is no layer type \"%s\"; %s%s", l->type, near ? "did you mean " : "",
                           near ? near : "the types are conv2d, batchnorm, relu, gelu, add, maxpool, avgpool, "
                                         "globalpool, dropout and linear");
    }
    int n = spec_inputs(s, i, in);
    if (!n)
        return ROTE_ECONFIG;
    if (n != type->inputs)
        return layer_error(l, type->inputs == 2 ? "%s takes 2 inputs: from: \"one other\""
                                                : "%s takes 1 input", type->type);
    TRY(check_attrs(l, type));
out:
    return st;
}

enum rote_status spec_validate(const struct spec *s)
{
    enum rote_status st = ROTE_OK;
    if (!s->count)
        FAIL(ROTE_ECONFIG, "network %s has no layers", s->name);
    for (size_t i = 0; i < s->count; i++)
        TRY(check_layer(s, i));
out:
    return st;
}

enum rote_status spec_add_dropout(struct spec *s, double p)
{
    enum rote_status st = ROTE_OK;
    struct spec_layer *last = &s->layer[s->count - 1];
    char *name = NULL, *inner = NULL;
    TRY(base_strdup(&name, last->name));
    TRY(base_sprintf(&inner, "%s.in", name));
    TRY(spec_add(s, name, "dropout", inner, "p=%.17g", p));
    last = &s->layer[s->count - 2];
    base_free(last->name);
    last->name = inner;
    inner = NULL;
    st = check_layer(s, s->count - 1);
out:
    base_free(name);
    base_free(inner);
    return st;
}
