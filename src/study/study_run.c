/* Doing a study's runs, one after the other, among any number of processes.
 *
 * A process holds a run by a lock on one byte of DATABASE.lock, whose number is the run's key: a lock ends with its
 * process, however that ends. A run whose cost is measured also holds the machine, a lock on a file in the cache
 * folder that other runs share. */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "rt/rt.h"
#include "study/study.h"
#include "train/train.h"

struct work {
    struct rote_study *s;
    struct study_run *run; /* NULL: waiting */
    rote_study_progress_fn progress;
    void *user;
    struct study_energy energy;
};

static bool take(int fd, short type, off_t byte, bool wait)
{
    struct flock lock = {.l_type = type, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1};
    return fcntl(fd, wait ? F_SETLKW : F_SETLK, &lock) == 0;
}

static int tell(const struct work *w, enum rote_study_event event, const struct rote_progress *run, const char *result)
{
    struct rote_study_progress p = {.event = event, .trial = -1, .run = run, .result = result};
    if (!w->progress)
        return 1;
    study_count(w->s, &p.done, &p.total);
    p.remaining = event == ROTE_STUDY_TRAINING ? -1 : study_remaining(w->s);
    if (w->run) {
        p.cell = w->s->cell[w->run->cell].id;
        p.key = w->run->key;
        p.trial = w->run->trial;
        p.seed = w->run->seed;
    }
    return w->progress(w->user, &p);
}

static int train_progress(void *user, const struct rote_progress *p)
{
    struct work *w = user;
    study_energy_count(&w->energy, false);
    return tell(w, ROTE_STUDY_TRAINING, p, NULL);
}

static enum rote_status run_folder(const struct rote_study *s, const struct study_run *r, char **out)
{
    return base_sprintf(out, "%s/%s", s->folder, r->key);
}

/* Of a run that nobody goes on with. */
static void remove_folder(const struct rote_study *s, const struct study_run *r)
{
    char *folder = NULL, *pattern = NULL;
    glob_t g;
    if (run_folder(s, r, &folder) || base_sprintf(&pattern, "%s/*", folder) || !base_file_exists(folder))
        goto out;
    if (!glob(pattern, 0, NULL, &g)) {
        for (size_t i = 0; i < g.gl_pathc; i++)
            unlink(g.gl_pathv[i]);
        globfree(&g);
    }
    rmdir(folder);
out:
    base_free(pattern);
    base_free(folder);
}

/* Runs that are done, and trials that the tuning has dropped. */
static void clean_up(struct rote_study *s)
{
    for (int i = 0; i < s->n_runs && !s->plan.keep; i++) {
        const struct study_run *r = &s->run[i];
        bool over = r->assignments && !study_unfinished(r) &&
                    (r->trial < 0 || r->ended || r->done >= r->config.epochs || s->cell[r->cell].selected >= 0);
        if (over)
            remove_folder(s, r);
    }
    rmdir(s->folder); /* where it is empty */
}

static enum rote_status open_run(const struct study_run *r, struct rote_device *dev, const char *folder,
                                 struct rote_run **out)
{
    enum rote_status st = ROTE_OK;
    struct config c = {0};
    struct rote_run *t = NULL;
    char *config = NULL;
    TRY(base_sprintf(&config, "%s/config.yaml", folder));
    if (base_file_exists(config)) {
        TRY(train_resume(dev, folder, NULL, out));
        goto out;
    }
    TRY(config_copy(&r->config, &c));
    TRY(train_new(dev, &c, NULL, &t));
    TRY(train_create_folder(t, folder));
    *out = t;
    t = NULL;
out:
    base_free(config);
    config_free(&c);
    train_free(t);
    return st;
}

/* What is the run's own, and not the machine's or the user's. */
static bool own_failure(enum rote_status st)
{
    return st == ROTE_ENUMERIC || st == ROTE_ECONFIG || st == ROTE_EUNSUPPORTED || st == ROTE_EDEVMEM ||
           st == ROTE_EINVAL || st == ROTE_ENOTFOUND || st == ROTE_EFORMAT;
}

static enum rote_status record(struct work *w, struct rote_device *dev, const char *folder, enum rote_status ran,
                               struct study_result *put)
{
    enum rote_status st = ROTE_OK;
    struct study_run *r = w->run;
    struct base_buf figures = {0};
    char *error = NULL, result[300];
    double metric;
    const char *figure = r->trial >= 0 ? w->s->plan.tuning.metric : study_main_figure(w->s);
    put->state = !ran ? "done" : ran == ROTE_ENUMERIC ? "diverged" : "failed";
    put->device = rt_facts_of(dev)->name;
    put->driver = rt_facts_of(dev)->driver;
    put->rote = rote_version();
    put->epochs = r->epochs;
    if (ran)
        TRY(base_strdup(&error, rote_error_detail()));
    if (!ran)
        TRY(study_read_figures(folder, r->epochs, r->epochs >= r->config.epochs, &w->s->plan, &figures));
    put->error = error;
    put->figures = figures.text;
    TRY(study_db_put(w->s, r->key, r->assignments, put));
    TRY(study_next(w->s)); /* which may give the run more epochs */
    if (ran) {
        snprintf(result, sizeof result, "%s: %.250s", put->state, error);
    } else {
        TRY(study_db_figure(w->s, r->key, r->last < put->epochs ? r->last : put->epochs, figure, &metric));
        snprintf(result, sizeof result, "%s %.4f after %lld epochs, %.0f s", figure, metric, (long long)put->epochs,
                 put->seconds);
    }
    if (!tell(w, ROTE_STUDY_FINISHED, NULL, result))
        FAIL(ROTE_EINTERRUPTED, "stopped; all results are in %s", w->s->path);
out:
    base_buf_free(&figures);
    base_free(error);
    return st;
}

static enum rote_status do_run(struct work *w, struct rote_device *dev)
{
    enum rote_status st = ROTE_OK;
    struct study_run *r = w->run;
    struct rote_run *t = NULL;
    struct rote_report report = {0};
    struct study_result put = {.training_seconds = NAN, .instrument_seconds = NAN};
    char *folder = NULL;
    bool more = true;
    const struct train_hooks hooks = {.progress = train_progress, .user = w};
    TRY(run_folder(w->s, r, &folder));
    if (!tell(w, ROTE_STUDY_STARTED, NULL, NULL))
        FAIL(ROTE_EINTERRUPTED, "stopped; all results are in %s", w->s->path);
    double began = base_now();
    study_energy_start(&w->energy);
    st = open_run(r, dev, folder, &t);
    if (!st)
        st = r->epochs >= r->config.epochs ? train_run(t, &hooks) : train_until(t, r->epochs, &hooks, &more);
    put.seconds = base_now() - began;
    study_energy_count(&w->energy, true);
    put.joules = w->energy.counters ? w->energy.joules : NAN;
    if (!st && !train_report(t, &report)) {
        put.seconds = report.seconds > put.seconds ? report.seconds : put.seconds; /* with what killed processes did */
        put.training_seconds = report.training_seconds;
        put.instrument_seconds = report.instrument_seconds;
        put.peak_bytes = (int64_t)report.predicted_bytes;
    }
    train_free(t);
    t = NULL;
    if (!st || own_failure(st))
        st = record(w, dev, folder, st, &put);
out:
    train_free(t);
    base_free(folder);
    return st;
}

static enum rote_status open_locks(struct rote_study *s)
{
    enum rote_status st = ROTE_OK;
    char *path = NULL;
    if (s->lock >= 0)
        return ROTE_OK;
    TRY(base_sprintf(&path, "%s.lock", s->path));
    s->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (s->lock < 0)
        FAIL(ROTE_EIO, "%s: cannot open for writing: %s", path, strerror(errno));
    base_free(path);
    path = NULL;
    TRY(rt_cache_file("machine.lock", &path));
    s->machine = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (s->machine < 0)
        FAIL(ROTE_EIO, "%s: cannot open for writing: %s", path, strerror(errno));
out:
    base_free(path);
    return st;
}

/* The first run that is to be done and that no other process does. *left: how many there are. */
static enum rote_status claim(struct rote_study *s, struct study_run **out, int *left)
{
    enum rote_status st = ROTE_OK;
    *out = NULL;
    *left = 0;
    TRY(study_next(s));
    for (int i = 0; i < s->n_runs && !*out; i++) {
        struct study_run *r = &s->run[i];
        *left += !r->assignments || study_unfinished(r);
        if (!study_unfinished(r) || !take(s->lock, F_WRLCK, study_lock_byte(r), false))
            continue;
        TRY(study_db_load(s)); /* it may have been finished since */
        if (study_unfinished(r))
            *out = r;
        else
            take(s->lock, F_UNLCK, study_lock_byte(r), false);
    }
out:
    return st;
}

static enum rote_status wait_for(struct work *w, const char *what)
{
    struct timespec second = {.tv_sec = 1};
    nanosleep(&second, NULL);
    return tell(w, ROTE_STUDY_WAITING, NULL, what)
               ? ROTE_OK
               : base_error(ROTE_EINTERRUPTED, "stopped; all results are in %s", w->s->path);
}

enum rote_status rote_study_run(rote_study *s, rote_device *dev, int retry, rote_study_progress_fn progress, void *user)
{
    enum rote_status st = ROTE_OK;
    struct work w = {.s = s, .progress = progress, .user = user};
    int left;
    if (!s || !dev)
        return base_null_argument("rote_study_run");
    TRY(open_locks(s));
    TRY(base_make_dirs(s->folder));
    if (retry)
        TRY(study_db_forget_failed(s));
    for (;;) {
        TRY(claim(s, &w.run, &left));
        if (!w.run && !left) {
            clean_up(s);
            break;
        }
        if (!w.run) {
            TRY(wait_for(&w, "other processes do the runs that are left"));
            continue;
        }
        struct study_run *mine = w.run;
        w.run = NULL;
        while (!take(s->machine, s->plan.alone ? F_WRLCK : F_RDLCK, 0, false))
            TRY(wait_for(&w, s->plan.alone ? "a run whose cost is measured has the machine to itself: others end first"
                                           : "a run whose cost is measured has the machine to itself"));
        w.run = mine;
        st = do_run(&w, dev);
        take(s->machine, F_UNLCK, 0, false);
        take(s->lock, F_UNLCK, study_lock_byte(mine), false);
        w.run = NULL;
        TRY(st);
        clean_up(s);
    }
out:
    return st;
}
