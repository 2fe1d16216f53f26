/* ROTE_RECORD names a file to which each device adds what it is told to do, a JSON object a line: programs,
 * buffers, copies, launches. tools/fuzz.py makes programs of it that need no Rote; docs/fuzz.md has the format. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "rt/rt_internal.h"

static void text(FILE *f, const char *s)
{
    putc('"', f);
    for (const unsigned char *c = (const unsigned char *)s; *c; c++) {
        if (*c == '"' || *c == '\\')
            fprintf(f, "\\%c", *c);
        else if (*c < ' ')
            fprintf(f, "\\u%04x", *c);
        else
            putc(*c, f);
    }
    putc('"', f);
}

static void field(FILE *f, const char *name, const char *value)
{
    fprintf(f, ", \"%s\": ", name);
    text(f, value);
}

/* In hexadecimal, the last field. */
static void data(FILE *f, const void *bytes, uint64_t count)
{
    const unsigned char *b = bytes;
    fputs(", \"data\": \"", f);
    for (uint64_t i = 0; i < count; i++)
        fprintf(f, "%02x", b[i]);
    putc('"', f);
}

/* At once: the driver may end the process at what comes next. */
static void end(FILE *f)
{
    fputs("}\n", f);
    fflush(f);
}

enum rote_status rt_record_open(struct rote_device *dev)
{
    const char *path = getenv("ROTE_RECORD");
    if (!path || !*path)
        return ROTE_OK;
    dev->record = fopen(path, "a");
    if (!dev->record)
        return base_error(ROTE_EIO, "%s: %s; ROTE_RECORD must name a file that can be written", path, strerror(errno));
    fputs("{\"event\": \"device\"", dev->record);
    field(dev->record, "name", dev->facts.name);
    field(dev->record, "platform", dev->facts.platform);
    field(dev->record, "driver", dev->facts.driver);
    field(dev->record, "version", dev->facts.version);
    end(dev->record);
    return ROTE_OK;
}

void rt_record_close(struct rote_device *dev)
{
    if (dev->record)
        fclose(dev->record);
}

void rt_record_program(struct rote_device *dev, const struct rt_program *p, const char *kernel, const char *standard,
                       const char *options, const char *source)
{
    if (!dev->record)
        return;
    fprintf(dev->record, "{\"event\": \"program\", \"key\": \"%s\", \"options\": \"%s %s\"", p->key, standard, options);
    field(dev->record, "kernel", kernel);
    field(dev->record, "source", source);
    end(dev->record);
}

void rt_record_buffer(struct rt_mem *m, const char *what)
{
    struct rote_device *dev = m->dev;
    if (!dev->record)
        return;
    m->id = ++dev->recorded;
    if (m->parent)
        fprintf(dev->record, "{\"event\": \"view\", \"id\": %u, \"of\": %u, \"offset\": %" PRIu64
                ", \"bytes\": %" PRIu64, m->id, m->parent->id, m->offset, m->bytes);
    else
        fprintf(dev->record, "{\"event\": \"buffer\", \"id\": %u, \"bytes\": %" PRIu64, m->id, m->bytes);
    if (what)
        field(dev->record, "name", what);
    end(dev->record);
}

void rt_record_transfer(const struct rt_mem *m, const char *event, uint64_t offset, const void *bytes, uint64_t count)
{
    FILE *f = m->dev->record;
    if (!f)
        return;
    fprintf(f, "{\"event\": \"%s\", \"id\": %u, \"offset\": %" PRIu64, event, m->id, offset);
    data(f, bytes, count);
    end(f);
}

void rt_record_fill(const struct rt_mem *m, uint32_t word)
{
    if (!m->dev->record)
        return;
    fprintf(m->dev->record, "{\"event\": \"fill\", \"id\": %u, \"word\": %" PRIu32, m->id, word);
    end(m->dev->record);
}

void rt_record_copy(const struct rt_mem *to, uint64_t to_offset, const struct rt_mem *from, uint64_t from_offset,
                    uint64_t bytes)
{
    if (!to->dev->record)
        return;
    fprintf(to->dev->record, "{\"event\": \"copy\", \"to\": %u, \"to_offset\": %" PRIu64 ", \"from\": %u, "
            "\"from_offset\": %" PRIu64 ", \"bytes\": %" PRIu64, to->id, to_offset, from->id, from_offset, bytes);
    end(to->dev->record);
}

static void sizes(FILE *f, const char *name, int dims, const size_t *size)
{
    fprintf(f, ", \"%s\": [", name);
    for (int i = 0; i < dims && size; i++)
        fprintf(f, "%s%zu", i ? ", " : "", size[i]);
    putc(']', f);
}

/* Floats by their bits: JSON knows no NaN. */
static void argument(FILE *f, char letter, va_list *ap)
{
    union {
        float f;
        uint32_t u;
    } bits;
    struct rt_mem *m;
    fprintf(f, "[\"%c\", ", letter);
    switch (letter) {
    case 'm':
        m = va_arg(*ap, struct rt_mem *);
        fprintf(f, "%u", m ? m->id : 0);
        break;
    case 'i':
        fprintf(f, "%d", va_arg(*ap, int));
        break;
    case 'u':
        fprintf(f, "%u", va_arg(*ap, unsigned));
        break;
    case 'l':
        fprintf(f, "%" PRIu64, va_arg(*ap, uint64_t));
        break;
    case 'f':
        bits.f = (float)va_arg(*ap, double);
        fprintf(f, "%" PRIu32, bits.u);
        break;
    default: /* 'L' */
        fprintf(f, "%zu", va_arg(*ap, size_t));
    }
    putc(']', f);
}

void rt_record_launch(const struct rt_kernel *k, int dims, const size_t *global, const size_t *local, const char *fmt,
                      va_list *ap)
{
    FILE *f = k->dev->record;
    fprintf(f, "{\"event\": \"launch\", \"program\": \"%s\"", k->program->key);
    sizes(f, "global", dims, global);
    sizes(f, "local", dims, local);
    fputs(", \"arguments\": [", f);
    for (int i = 0; fmt[i]; i++) {
        fputs(i ? ", " : "", f);
        argument(f, fmt[i], ap);
    }
    putc(']', f);
    end(f);
}

void rt_record_library(const struct rote_device *dev, const char *call)
{
    if (!dev->record)
        return;
    fputs("{\"event\": \"library\"", dev->record);
    field(dev->record, "call", call);
    end(dev->record);
}

void rt_record_want(const struct rt_mem *m, const char *port, const void *want, uint64_t bytes, double tolerance)
{
    FILE *f = m->dev->record;
    if (!f)
        return;
    fprintf(f, "{\"event\": \"want\", \"id\": %u, \"port\": \"%s\", \"tolerance\": %.9g", m->id, port, tolerance);
    data(f, want, bytes);
    end(f);
}
