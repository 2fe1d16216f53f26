/* A run's folder: made once, with config.yaml; opened again to resume or evaluate. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "train/train_internal.h"

static const char *model_name(const struct config *c)
{
    return c->layers_count ? "layers" : c->model ? c->model : "cnn";
}

/* runs/20261124-134501-cnn, with -2, -3 .. where that is taken. */
static enum rote_status new_name(const struct config *c, char **out)
{
    enum rote_status st = ROTE_OK;
    char stamp[32], *path = NULL;
    time_t now = time(NULL);
    struct tm tm;
    localtime_r(&now, &tm);
    strftime(stamp, sizeof stamp, "%Y%m%d-%H%M%S", &tm);
    for (int i = 1; !path; i++) {
        if (i == 1)
            TRY(base_sprintf(&path, "runs/%s-%s", stamp, model_name(c)));
        else
            TRY(base_sprintf(&path, "runs/%s-%s-%d", stamp, model_name(c), i));
        if (base_file_exists(path)) {
            base_free(path);
            path = NULL;
        }
    }
    *out = path;
out:
    return st;
}

static enum rote_status write_config(const struct rote_run *t)
{
    enum rote_status st = ROTE_OK;
    struct base_buf yaml = {0};
    char *path = NULL;
    TRY(base_sprintf(&path, "%s/config.yaml", t->folder));
    TRY(config_to_yaml(&t->cfg, &yaml));
    TRY(base_write_file_atomic(path, yaml.text, yaml.len));
out:
    base_free(path);
    base_buf_free(&yaml);
    return st;
}

/* One process writes to a run at a time: a lock on its config.yaml, gone with the process. */
static enum rote_status lock_folder(struct rote_run *t)
{
    enum rote_status st = ROTE_OK;
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    char *path = NULL;
    TRY(base_sprintf(&path, "%s/config.yaml", t->folder));
    t->lock = open(path, O_RDWR | O_CLOEXEC);
    if (t->lock < 0)
        FAIL(ROTE_EIO, "%s: cannot open for writing: %s", path, strerror(errno));
    if (fcntl(t->lock, F_SETLK, &lock))
        FAIL(ROTE_EIO, "%s is being written to by another process; wait for it, or end it", t->folder);
out:
    base_free(path);
    return st;
}

enum rote_status train_create_folder(struct rote_run *t, const char *folder)
{
    enum rote_status st = ROTE_OK;
    char *config = NULL;
    if (t->cfg.init)
        TRY(train_start(t)); /* what cannot begin leaves no folder */
    if (!folder)
        folder = t->cfg.out;
    if (folder)
        TRY(base_strdup(&t->folder, folder));
    else
        TRY(new_name(&t->cfg, &t->folder));
    TRY(base_sprintf(&config, "%s/config.yaml", t->folder));
    if (base_file_exists(config))
        FAIL(ROTE_EINVAL, "%s holds a run already; resume it, or choose another folder", t->folder);
    TRY(base_make_dirs(t->folder));
    TRY(write_config(t));
    TRY(lock_folder(t));
out:
    base_free(config);
    if (st) {
        base_free(t->folder);
        t->folder = NULL;
    }
    return st;
}

/* Removes files whose names contain `part`. */
static void remove_files(const char *folder, const char *part)
{
    DIR *d = opendir(folder);
    for (struct dirent *e; d && (e = readdir(d));) {
        char *path;
        if (strstr(e->d_name, part) && !base_sprintf(&path, "%s/%s", folder, e->d_name)) {
            unlink(path);
            base_free(path);
        }
    }
    if (d)
        closedir(d);
}

enum rote_status train_folder_config(const char *folder, struct config *c)
{
    enum rote_status st = ROTE_OK;
    char *path = NULL;
    TRY(base_sprintf(&path, "%s/config.yaml", folder));
    if (!base_file_exists(path))
        FAIL(ROTE_ENOTFOUND, "%s is not a run's folder: it has no config.yaml", folder);
    TRY(config_defaults(c));
    TRY(config_load(c, path));
out:
    base_free(path);
    return st;
}

static enum rote_status load_run(struct rote_device *dev, const char *folder, const char *checkpoint, bool resume,
                                 bool shifted, struct rote_run **out)
{
    enum rote_status st = ROTE_OK;
    struct config c = {0};
    struct rote_run *t = NULL;
    char *path = NULL;
    TRY(train_folder_config(folder, &c));
    c.also_shifted = shifted;
    if (checkpoint)
        TRY(strchr(checkpoint, '/') ? base_strdup(&path, checkpoint) : base_sprintf(&path, "%s/%s", folder, checkpoint));
    else if (!resume || checkpoint_any(folder))
        TRY(checkpoint_latest(folder, &path));
    TRY(train_new(dev, &c, NULL, &t));
    TRY(base_strdup(&t->folder, folder));
    if (resume) {
        TRY(lock_folder(t));
        remove_files(folder, ".tmp."); /* what a killed process left half-written */
    }
    if (path)
        TRY(checkpoint_load(t, path, resume));
    else
        remove_files(folder, "events.out.tfevents."); /* it was ended before its first checkpoint: anew */
    *out = t;
    t = NULL;
out:
    config_free(&c);
    train_free(t);
    base_free(path);
    return st;
}

enum rote_status train_resume(struct rote_device *dev, const char *folder, const char *checkpoint, struct rote_run **out)
{
    return load_run(dev, folder, checkpoint, true, false, out);
}

enum rote_status train_open(struct rote_device *dev, const char *folder, const char *checkpoint, bool shifted,
                            struct rote_run **out)
{
    return load_run(dev, folder, checkpoint, false, shifted, out);
}
