/* Tuning files: read when a device first looks for a choice, found by exact words, written whole. */
#include "rt/rt_tuning.h"

#include <dirent.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "rt/rt_internal.h"

#define FORMAT "rote-tuning 1"
#define MOST_FIELDS 6

enum match { MATCH_DEVICE, MATCH_FAMILY, MATCH_CLASS, MATCH_NONE };

struct list {
    struct rt_tuning_line *line;
    size_t count, cap;
};

/* A device's; shipped lists by how near the file is. */
struct rt_tuning {
    struct list user, shipped[MATCH_NONE];
    bool complained;
};

static void line_free(struct rt_tuning_line *l)
{
    base_free(l->call);
    base_free(l->variant);
}

static void list_free(struct list *l)
{
    for (size_t i = 0; i < l->count; i++)
        line_free(&l->line[i]);
    base_free(l->line);
    *l = (struct list){0};
}

void rt_tuning_free(struct rt_tuning *t)
{
    if (!t)
        return;
    list_free(&t->user);
    for (int i = 0; i < MATCH_NONE; i++)
        list_free(&t->shipped[i]);
    base_free(t);
}

/* Takes what `l` owns. */
static enum rote_status append(struct list *list, struct rt_tuning_line *l)
{
    if (list->count == list->cap) {
        enum rote_status st = base_grow(&list->line, list->cap * 2 + 16, sizeof *l);
        if (st)
            return st;
        list->cap = list->cap * 2 + 16;
    }
    list->line[list->count++] = *l;
    *l = (struct rt_tuning_line){0};
    return ROTE_OK;
}

static bool number(const char *text, double *out)
{
    char *end;
    *out = strtod(text, &end);
    return end != text && !*end && *out >= 0 && *out < 1e12;
}

static bool hash(const char *text, char out[RT_HASH])
{
    if (strlen(text) != RT_HASH - 1 || strspn(text, "0123456789abcdef") != RT_HASH - 1)
        return false;
    memcpy(out, text, RT_HASH);
    return true;
}

/* Splits a copy of the line in place; NULL or what is wrong with it. */
static const char *fields_of(char *text, struct rt_tuning_line *l, char *field[MOST_FIELDS])
{
    static const char *const failures[] = {"crashed", "hung", "wrong", "refused"};
    int n = 0;
    for (char *at = text; at && n < MOST_FIELDS; n++) {
        field[n] = at;
        at = strstr(at, " | ");
        if (at) {
            *at = 0;
            at += 3;
        }
    }
    if (n == 4) {
        for (size_t i = 0; i < COUNT_OF(failures); i++)
            if (!strcmp(field[2], failures[i]))
                snprintf(l->failure, sizeof l->failure, "%s", failures[i]);
        return !*l->failure ? "the third field is no reason (crashed, hung, wrong, refused)"
               : !hash(field[3], l->kernels) ? "the last field is no hash of 16 hexadecimal digits" : NULL;
    }
    if (n != MOST_FIELDS)
        return "expected CALL | VARIANT | MS | MS | variants or all | HASH";
    if (!number(field[2], &l->ms) || !number(field[3], &l->initial_ms))
        return "milliseconds are not a number";
    if (strcmp(field[4], "all") && strcmp(field[4], "variants"))
        return "the fifth field is neither variants nor all";
    l->complete = !strcmp(field[4], "all");
    return hash(field[5], l->kernels) ? NULL : "the last field is no hash of 16 hexadecimal digits";
}

static enum rote_status add_line(struct list *list, const char *file, int number, const char *text)
{
    enum rote_status st = ROTE_OK;
    struct rt_tuning_line l = {.complete = false};
    char *copy = NULL, *field[MOST_FIELDS];
    TRY(base_strdup(&copy, text));
    const char *wrong = fields_of(copy, &l, field);
    if (wrong) {
        base_warn("%s:%d: %s; the line is passed over", file, number, wrong);
        goto out;
    }
    const char *name = strrchr(file, '/') ? strrchr(file, '/') + 1 : file;
    snprintf(l.where, sizeof l.where, "%.*s:%d", (int)sizeof l.where - 13, name, number);
    TRY(base_strdup(&l.call, field[0]));
    TRY(base_strdup(&l.variant, field[1]));
    TRY(append(list, &l));
out:
    line_free(&l);
    base_free(copy);
    return st;
}

static const char *value_of(const char *line, const char *key)
{
    size_t n = strlen(key);
    return !strncmp(line, key, n) && line[n] == ' ' ? line + n + 1 : NULL;
}

/* A header's line; true if it was one. */
static bool header(const struct rt_facts *f, const char *line, enum match *match, bool *other_driver)
{
    static const char *const classes[RT_CLASS_COUNT] = {"cpu", "integrated", "discrete"};
    const char *device = value_of(line, "device"), *family = value_of(line, "family"),
               *class = value_of(line, "class"), *driver = value_of(line, "driver");
    if (device && !strcmp(device, f->id))
        *match = MATCH_DEVICE;
    if (family && !fnmatch(family, f->id, 0))
        *match = MATCH_FAMILY;
    if (class && !strcmp(class, classes[f->cls]))
        *match = MATCH_CLASS;
    if (driver)
        *other_driver = strcmp(driver, f->driver);
    return device || family || class || driver;
}

/* user: where the lines go; NULL: to the shipped list that the header says. */
static enum rote_status read_text(struct rote_device *dev, struct rt_tuning *t, const char *file, char *text,
                                  struct list *user)
{
    enum rote_status st = ROTE_OK;
    enum match match = MATCH_NONE;
    bool other_driver = false;
    int number = 1;
    if (strncmp(text, FORMAT "\n", sizeof FORMAT)) {
        base_warn("%s is no tuning file of this version (its first line is not '%s'); it is not used. "
                  "Remove it, and tune anew: rote tune", file, FORMAT);
        return ROTE_OK;
    }
    for (char *line = text, *next; line; line = next, number++) {
        next = strchr(line, '\n');
        if (next)
            *next++ = 0;
        if (number == 1 || !*line || *line == '#' || header(&dev->facts, line, &match, &other_driver))
            continue;
        if (match == MATCH_NONE)
            break; /* for another device */
        TRY(add_line(user ? user : &t->shipped[match], file, number, line));
    }
    if (user && other_driver && user->count)
        base_warn("%s was measured with another driver; 'rote tune --all' measures with %s", file, dev->facts.driver);
out:
    return st;
}

static enum rote_status read_file(struct rote_device *dev, struct rt_tuning *t, const char *path, struct list *user)
{
    enum rote_status st = ROTE_OK;
    char *text = NULL;
    TRY(base_read_file(path, &text, NULL));
    TRY(read_text(dev, t, path, text, user));
out:
    base_free(text);
    return st;
}

static enum rote_status read_folder(struct rote_device *dev, struct rt_tuning *t, const char *folder)
{
    enum rote_status st = ROTE_OK;
    char *path = NULL;
    struct dirent **entry = NULL;
    int n = -1;
    TRY(base_sprintf(&path, "%s/tune", folder));
    n = scandir(path, &entry, NULL, alphasort);
    for (int i = 0; i < n; i++) {
        const char *dot = strrchr(entry[i]->d_name, '.');
        if (!dot || strcmp(dot, ".tune"))
            continue;
        base_free(path);
        path = NULL;
        TRY(base_sprintf(&path, "%s/tune/%s", folder, entry[i]->d_name));
        TRY(read_file(dev, t, path, NULL));
    }
out:
    for (int i = 0; i < n; i++)
        free(entry[i]);
    free(entry);
    base_free(path);
    return st;
}

static enum rote_status read_shipped(struct rote_device *dev, struct rt_tuning *t)
{
    enum rote_status st = ROTE_OK;
    const char *folder = getenv("ROTE_KERNELS");
    char *text = NULL;
    if (folder && *folder)
        return read_folder(dev, t, folder);
    for (const struct rt_embedded *e = rt_embedded_kernels; e->name; e++) {
        if (strncmp(e->name, "tune/", 5))
            continue;
        TRY(base_strdup(&text, (const char *)e->text));
        TRY(read_text(dev, t, e->name, text, NULL));
        base_free(text);
        text = NULL;
    }
out:
    base_free(text);
    return st;
}

enum rote_status rt_tuning_path(const struct rote_device *dev, char **path)
{
    char name[80];
    snprintf(name, sizeof name, "%s.tune", dev->facts.id);
    return rt_cache_file(name, path);
}

/* Without a tuning file, or memory for it, the device runs as it would untuned. */
static struct rt_tuning *tuning_of(struct rote_device *dev)
{
    char *path = NULL;
    if (dev->tuning || base_alloc(&dev->tuning, 1, sizeof *dev->tuning))
        return dev->tuning;
    if (getenv("ROTE_NO_TUNING"))
        return dev->tuning;
    if (!rt_tuning_path(dev, &path) && base_file_exists(path) && read_file(dev, dev->tuning, path, &dev->tuning->user))
        base_warn("tuning is not used: %s", rote_error_detail());
    base_free(path);
    if (read_shipped(dev, dev->tuning))
        base_warn("shipped tuning is not used: %s", rote_error_detail());
    return dev->tuning;
}

static struct rt_tuning_line *find(const struct list *l, const char *call, const char *variant)
{
    for (size_t i = 0; i < l->count; i++)
        if (!strcmp(l->line[i].call, call) && (variant ? *l->line[i].failure && !strcmp(l->line[i].variant, variant)
                                                       : !*l->line[i].failure))
            return &l->line[i];
    return NULL;
}

const struct rt_tuning_line *rt_tuning_choice(struct rote_device *dev, const char *call)
{
    const struct rt_tuning *t = tuning_of(dev);
    const struct rt_tuning_line *l = t ? find(&t->user, call, NULL) : NULL;
    for (int i = 0; t && !l && i < MATCH_NONE; i++)
        l = find(&t->shipped[i], call, NULL);
    return l;
}

const struct rt_tuning_line *rt_tuning_failure(struct rote_device *dev, const char *call, const char *variant)
{
    const struct rt_tuning *t = tuning_of(dev);
    return t ? find(&t->user, call, variant) : NULL;
}

bool rt_tuning_any(struct rote_device *dev)
{
    const struct rt_tuning *t = tuning_of(dev);
    bool any = t && t->user.count;
    for (int i = 0; t && i < MATCH_NONE; i++)
        any = any || t->shipped[i].count;
    return any;
}

void rt_tuning_complain(struct rote_device *dev, const struct rt_tuning_line *line, const char *why)
{
    if (dev->tuning->complained)
        return;
    dev->tuning->complained = true;
    base_warn("%s: %s; this line and others like it are passed over until 'rote tune' measures again", line->where, why);
}

static enum rote_status save(const struct rote_device *dev)
{
    enum rote_status st = ROTE_OK;
    struct base_buf b = {0};
    char *path = NULL;
    TRY(base_buf_printf(&b, FORMAT "\ndevice %s\ndriver %s\n", dev->facts.id, dev->facts.driver));
    for (size_t i = 0; i < dev->tuning->user.count; i++) {
        const struct rt_tuning_line *l = &dev->tuning->user.line[i];
        TRY(base_buf_printf(&b, "%s | %s | ", l->call, l->variant));
        if (*l->failure)
            TRY(base_buf_printf(&b, "%s | %s\n", l->failure, l->kernels));
        else
            TRY(base_buf_printf(&b, "%.6g | %.6g | %s | %s\n", l->ms, l->initial_ms, l->complete ? "all" : "variants",
                                l->kernels));
    }
    TRY(rt_tuning_path(dev, &path));
    TRY(base_write_file_atomic(path, b.text, b.len));
out:
    base_free(path);
    base_buf_free(&b);
    return st;
}

enum rote_status rt_tuning_put(struct rote_device *dev, const struct rt_tuning_line *line)
{
    enum rote_status st = ROTE_OK;
    struct rt_tuning *t = tuning_of(dev);
    struct rt_tuning_line l = *line;
    l.call = l.variant = NULL;
    if (!t)
        return base_error(ROTE_ENOMEM, "no memory for tuning");
    TRY(base_strdup(&l.call, line->call));
    TRY(base_strdup(&l.variant, line->variant));
    snprintf(l.where, sizeof l.where, "%.60s.tune", dev->facts.id);
    struct rt_tuning_line *old = find(&t->user, l.call, *l.failure ? l.variant : NULL);
    if (old) {
        line_free(old);
        *old = l;
        l = (struct rt_tuning_line){0};
    } else {
        TRY(append(&t->user, &l));
    }
    TRY(save(dev));
out:
    line_free(&l);
    return st;
}
