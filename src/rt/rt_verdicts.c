/* Self-tests' verdicts, of this process and of earlier ones: lines "KEY right" or "KEY wrong WHY" in the cache
 * folder. A key holds all that the verdict depends on, driver and sources included, so that no line
 * becomes false; several processes may append. */
#include <stdlib.h>
#include <string.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "rt/rt_internal.h"

struct rt_verdicts {
    struct rt_verdict *v;
    size_t count;
    off_t read; /* bytes of the file that are in v */
};

void rt_verdicts_free(struct rt_verdicts *t)
{
    for (size_t i = 0; t && i < t->count; i++)
        base_free(t->v[i].why);
    if (t)
        base_free(t->v);
    base_free(t);
}

static enum rote_status add(struct rt_verdicts *t, const char *key, bool right, const char *why)
{
    enum rote_status st = ROTE_OK;
    TRY(base_grow(&t->v, t->count + 1, sizeof *t->v));
    struct rt_verdict *v = &t->v[t->count];
    *v = (struct rt_verdict){.right = right};
    snprintf(v->key, sizeof v->key, "%s", key);
    TRY(base_strdup(&v->why, why));
    t->count++;
out:
    return st;
}

static bool path_of(const struct rote_device *dev, char **path)
{
    char name[80];
    snprintf(name, sizeof name, "%s.verdicts", dev->facts.id);
    return !getenv("ROTE_NO_CACHE") && rt_cache_file(name, path) == ROTE_OK;
}

/* What was appended since; a line that is none, or not yet whole, is passed over. */
static void read_more(struct rote_device *dev, struct rt_verdicts *t)
{
    char *path = NULL, *text = NULL;
    size_t len = 0;
    struct stat s;
    if (path_of(dev, &path) && !stat(path, &s) && s.st_size > t->read && !base_read_file(path, &text, &len)) {
        char *line = text + ((size_t)t->read < len ? (size_t)t->read : len);
        for (char *end; (end = strchr(line, '\n')); line = end + 1) {
            char key[RT_HASH], word[8];
            int at = 0;
            *end = 0;
            if (sscanf(line, "%16s %7s%n", key, word, &at) == 2 && strlen(key) == RT_HASH - 1)
                add(t, key, !strcmp(word, "right"), line + at + (line[at] == ' '));
            t->read = end + 1 - text;
        }
    }
    base_free(text);
    base_free(path);
}

static struct rt_verdict *find(struct rt_verdicts *t, const char *key)
{
    for (size_t i = 0; i < t->count; i++)
        if (!strcmp(t->v[i].key, key))
            return &t->v[i];
    return NULL;
}

enum rote_status rt_verdict_get(struct rote_device *dev, const char key[RT_HASH], struct rt_verdict **out)
{
    enum rote_status st = ROTE_OK;
    *out = NULL;
    if (!dev->verdicts)
        TRY(base_alloc(&dev->verdicts, 1, sizeof *dev->verdicts));
    *out = find(dev->verdicts, key);
    if (!*out) {
        read_more(dev, dev->verdicts);
        *out = find(dev->verdicts, key);
    }
out:
    return st;
}

/* A file that cannot be written costs a self-test next time. */
static void append_line(const struct rote_device *dev, const char *line)
{
    char *path = NULL;
    int fd = path_of(dev, &path) ? open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666) : -1;
    size_t len = strlen(line);
    if (fd >= 0) {
        if (write(fd, line, len) != (ssize_t)len)
            base_warn("cannot write %s: self-tests will run again", path);
        close(fd);
    }
    base_free(path);
}

enum rote_status rt_verdict_put(struct rote_device *dev, const char key[RT_HASH], bool right, const char *why,
                                bool keep)
{
    enum rote_status st = ROTE_OK;
    char line[400];
    if (!dev->verdicts)
        TRY(base_alloc(&dev->verdicts, 1, sizeof *dev->verdicts));
    TRY(add(dev->verdicts, key, right, why));
    if (!keep)
        return ROTE_OK;
    snprintf(line, sizeof line - 1, "%s %s %s", key, right ? "right" : "wrong", why);
    for (char *c = line; *c; c++)
        if (*c == '\n' || *c == '\r')
            *c = ' ';
    strcat(line, "\n");
    append_line(dev, line);
out:
    return st;
}
