/* Whole files read, written atomically; folders; time. */
#include "base/base.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum rote_status base_read_file(const char *path, char **out, size_t *out_len)
{
    enum rote_status st = ROTE_OK;
    char *text = NULL;
    size_t len = 0, cap = 1 << 16;
    FILE *f = fopen(path, "rb");
    if (!f)
        FAIL(errno == ENOENT ? ROTE_ENOTFOUND : ROTE_EIO, "%s: %s", path, strerror(errno));
    TRY(base_alloc(&text, cap, 1));
    for (;;) {
        size_t n = fread(text + len, 1, cap - len - 1, f);
        len += n;
        if (n == 0)
            break;
        if (len + 1 == cap)
            TRY(base_grow(&text, cap *= 2, 1));
    }
    if (ferror(f))
        FAIL(ROTE_EIO, "%s: %s while reading", path, strerror(errno));
    text[len] = 0;
    *out = text;
    if (out_len)
        *out_len = len;
    text = NULL;
out:
    if (f)
        fclose(f);
    base_free(text);
    return st;
}

static enum rote_status sync_folder_of(const char *path)
{
    enum rote_status st = ROTE_OK;
    char *folder = NULL;
    int fd = -1;
    TRY(base_strdup(&folder, path));
    char *slash = strrchr(folder, '/');
    if (slash)
        slash[slash == folder] = 0;
    fd = open(slash ? folder : ".", O_RDONLY | O_DIRECTORY);
    if (fd >= 0 && fsync(fd) && errno != EINVAL)
        FAIL(ROTE_EIO, "%s: cannot sync the folder: %s", path, strerror(errno));
out:
    if (fd >= 0)
        close(fd);
    base_free(folder);
    return st;
}

static enum rote_status write_all(int fd, const char *path, const char *bytes, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, bytes, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return base_error(ROTE_EIO, "%s: cannot write: %s", path, strerror(errno));
        bytes += n;
        len -= (size_t)n;
    }
    return ROTE_OK;
}

enum rote_status base_write_pieces_atomic(const char *path, const struct base_piece *piece, size_t count)
{
    enum rote_status st = ROTE_OK;
    char *temp = NULL;
    int fd = -1;
    TRY(base_sprintf(&temp, "%s.tmp.%ld", path, (long)getpid()));
    fd = open(temp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0)
        FAIL(ROTE_EIO, "%s: cannot write: %s", path, strerror(errno));
    for (size_t i = 0; i < count; i++)
        TRY(write_all(fd, path, piece[i].bytes, piece[i].len));
    if (fsync(fd))
        FAIL(ROTE_EIO, "%s: cannot sync: %s", path, strerror(errno));
    int closed = close(fd);
    fd = -1;
    if (closed || rename(temp, path))
        FAIL(ROTE_EIO, "%s: cannot replace: %s", path, strerror(errno));
    TRY(sync_folder_of(path));
out:
    if (fd >= 0)
        close(fd);
    if (st && temp)
        unlink(temp);
    base_free(temp);
    return st;
}

enum rote_status base_write_file_atomic(const char *path, const void *bytes, size_t len)
{
    return base_write_pieces_atomic(path, &(struct base_piece){bytes, len}, 1);
}

enum rote_status base_make_dirs(const char *path)
{
    enum rote_status st = ROTE_OK;
    char *p = NULL;
    TRY(base_strdup(&p, path));
    for (char *s = p + 1;; s++) {
        if (*s != '/' && *s)
            continue;
        char c = *s;
        *s = 0;
        if (mkdir(p, 0777) && errno != EEXIST)
            FAIL(ROTE_EIO, "%s: cannot make the folder: %s", p, strerror(errno));
        *s = c;
        if (!c)
            break;
    }
    struct stat info;
    if (stat(path, &info) || !S_ISDIR(info.st_mode))
        FAIL(ROTE_EIO, "%s: is not a folder", path);
out:
    base_free(p);
    return st;
}

bool base_file_exists(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0;
}

double base_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}
