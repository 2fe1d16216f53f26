/* An event file is a sequence of records: u64 length, masked CRC-32C of the length, the
 * bytes, their masked CRC-32C (all little-endian); the bytes are a protocol buffer:
 *   Event { double wall_time = 1; int64 step = 2; string file_version = 3; Summary summary = 5 }
 *   Summary { repeated Value value = 1 }   Value { string tag = 1; float simple_value = 2 }
 * Sources: TensorFlow's record_writer and event.proto, summary.proto. */
#include "train/tfevents.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define PREFIX "events.out.tfevents."
#define SUFFIX ".rote"

struct tfevents {
    FILE *file;
    char *path;
    uint32_t table[256];
};

struct message {
    unsigned char bytes[512];
    size_t len;
};

static void make_table(uint32_t table[256])
{
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t c = i;
        for (int k = 0; k < 8; k++)
            c = c & 1 ? 0x82F63B78u ^ (c >> 1) : c >> 1; /* Castagnoli, reflected */
        table[i] = c;
    }
}

static uint32_t masked_crc(const struct tfevents *t, const unsigned char *p, size_t n)
{
    uint32_t c = 0xFFFFFFFFu;
    for (size_t i = 0; i < n; i++)
        c = t->table[(c ^ p[i]) & 255] ^ (c >> 8);
    c = ~c;
    return ((c >> 15) | (c << 17)) + 0xa282ead8u;
}

static void put_bytes(struct message *m, const void *p, size_t n)
{
    if (m->len + n <= sizeof m->bytes) {
        memcpy(m->bytes + m->len, p, n);
        m->len += n;
    }
}

static void put_varint(struct message *m, uint64_t v)
{
    do {
        unsigned char b = (unsigned char)((v & 127) | (v > 127 ? 128 : 0));
        put_bytes(m, &b, 1);
        v >>= 7;
    } while (v);
}

static void put_fixed(struct message *m, uint64_t bits, int bytes)
{
    for (int i = 0; i < bytes; i++) {
        unsigned char b = (unsigned char)(bits >> (8 * i));
        put_bytes(m, &b, 1);
    }
}

static void put_block(struct message *m, int field, const void *p, size_t n)
{
    put_varint(m, (uint64_t)field << 3 | 2);
    put_varint(m, n);
    put_bytes(m, p, n);
}

static enum rote_status write_record(struct tfevents *t, const struct message *event)
{
    struct message head = {.len = 0}, tail = {.len = 0};
    put_fixed(&head, event->len, 8);
    put_fixed(&head, masked_crc(t, head.bytes, 8), 4);
    put_fixed(&tail, masked_crc(t, event->bytes, event->len), 4);
    if (fwrite(head.bytes, 1, head.len, t->file) != head.len ||
        fwrite(event->bytes, 1, event->len, t->file) != event->len ||
        fwrite(tail.bytes, 1, tail.len, t->file) != tail.len)
        return base_error(ROTE_EIO, "%s: cannot write: %s", t->path, strerror(errno));
    return ROTE_OK;
}

static void put_double(struct message *m, int field, double v)
{
    uint64_t bits;
    memcpy(&bits, &v, sizeof bits);
    put_varint(m, (uint64_t)field << 3 | 1);
    put_fixed(m, bits, 8);
}

enum rote_status tfevents_scalar(struct tfevents *t, const char *tag, int64_t step, double wall_time, float value)
{
    struct message v = {.len = 0}, summary = {.len = 0}, event = {.len = 0};
    uint32_t bits;
    if (strlen(tag) > 300)
        return base_error(ROTE_EINVAL, "a tag of more than 300 letters: %.40s..", tag);
    memcpy(&bits, &value, sizeof bits);
    put_block(&v, 1, tag, strlen(tag));
    put_varint(&v, 2 << 3 | 5);
    put_fixed(&v, bits, 4);
    put_block(&summary, 1, v.bytes, v.len);
    put_double(&event, 1, wall_time);
    put_varint(&event, 2 << 3);
    put_varint(&event, (uint64_t)step);
    put_block(&event, 5, summary.bytes, summary.len);
    return write_record(t, &event);
}

static enum rote_status write_version(struct tfevents *t)
{
    static const char version[] = "brain.Event:2";
    struct message event = {.len = 0};
    put_double(&event, 1, (double)time(NULL));
    put_block(&event, 3, version, sizeof version - 1);
    return write_record(t, &event);
}

static bool is_ours(const char *name)
{
    size_t n = strlen(name), head = sizeof PREFIX - 1, tail = sizeof SUFFIX - 1;
    return n > head + tail && !strncmp(name, PREFIX, head) && !strcmp(name + n - tail, SUFFIX);
}

static enum rote_status newest(const char *folder, char **out)
{
    enum rote_status st = ROTE_OK;
    char best[256] = "";
    DIR *d = opendir(folder);
    for (struct dirent *e; d && (e = readdir(d));)
        if (is_ours(e->d_name) && strcmp(e->d_name, best) > 0)
            snprintf(best, sizeof best, "%s", e->d_name);
    if (d)
        closedir(d);
    if (!*best)
        FAIL(ROTE_ENOTFOUND, "%s has no event file to go on with", folder);
    TRY(base_sprintf(out, "%s/%s", folder, best));
out:
    return st;
}

/* Never over another file: two opened within a second get names a second apart. */
static enum rote_status create(struct tfevents *t, const char *folder)
{
    enum rote_status st = ROTE_OK;
    for (long long now = (long long)time(NULL); !t->file; now++) {
        base_free(t->path);
        t->path = NULL;
        TRY(base_sprintf(&t->path, "%s/" PREFIX "%010lld" SUFFIX, folder, now));
        t->file = fopen(t->path, "wbx");
        if (!t->file && errno != EEXIST)
            FAIL(ROTE_EIO, "%s: cannot open for writing: %s", t->path, strerror(errno));
    }
    TRY(write_version(t));
out:
    return st;
}

static enum rote_status go_on(struct tfevents *t, const char *folder, int64_t bytes)
{
    enum rote_status st = ROTE_OK;
    TRY(newest(folder, &t->path));
    t->file = fopen(t->path, "r+b");
    if (!t->file || fseek(t->file, 0, SEEK_END))
        FAIL(ROTE_EIO, "%s: cannot open for writing: %s", t->path, strerror(errno));
    if (ftell(t->file) < bytes)
        FAIL(ROTE_EFORMAT, "%s: truncated: expected %lld bytes or more, %ld are there", t->path,
             (long long)bytes, ftell(t->file));
    if (ftruncate(fileno(t->file), bytes) || fseek(t->file, (long)bytes, SEEK_SET))
        FAIL(ROTE_EIO, "%s: cannot cut to %lld bytes: %s", t->path, (long long)bytes,
             strerror(errno));
out:
    return st;
}

enum rote_status tfevents_open(const char *folder, int64_t resume_bytes, struct tfevents **out)
{
    enum rote_status st = ROTE_OK;
    struct tfevents *t = NULL;
    TRY(base_alloc(&t, 1, sizeof *t));
    make_table(t->table);
    TRY(resume_bytes < 0 ? create(t, folder) : go_on(t, folder, resume_bytes));
    *out = t;
    t = NULL;
out:
    tfevents_close(t);
    return st;
}

enum rote_status tfevents_flush(struct tfevents *t, int64_t *bytes)
{
    if (fflush(t->file) || fsync(fileno(t->file)))
        return base_error(ROTE_EIO, "%s: cannot write: %s", t->path, strerror(errno));
    *bytes = ftell(t->file);
    return ROTE_OK;
}

enum rote_status tfevents_close(struct tfevents *t)
{
    enum rote_status st = ROTE_OK;
    if (!t)
        return ROTE_OK;
    if (t->file && fclose(t->file))
        st = base_error(ROTE_EIO, "%s: cannot write: %s", t->path, strerror(errno));
    base_free(t->path);
    base_free(t);
    return st;
}
