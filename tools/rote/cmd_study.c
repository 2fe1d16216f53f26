/* rote study: many runs of one plan. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "progress.h"
#include "rote.h"
#include "rote/study.h"
#include "rote/tune.h"
#include "worker.h"

static const char usage[] =
    "usage: rote study run STUDY.yaml [--db FILE] [--device D] [--retry] [--quiet]\n"
    "       rote study status STUDY.yaml [--db FILE] [--json]\n"
    "       rote study compare STUDY.yaml [--db FILE] [--json]\n"
    "       rote study export STUDY.yaml [--db FILE] [--out FILE]\n"
    "       rote study import STUDY.yaml FILE [--db FILE]\n\n"
    "A study is a plan of runs (docs/study.md); results are in one SQLite file, STUDY.db. Several\n"
    "processes may run it at a time, and it goes on where it was after being killed.\n\n"
    "  run        does what is left of it\n"
    "  status     how far it is, and how long it will take\n"
    "  compare    means, and paired differences with intervals and tests\n"
    "  export     finished runs as text, a line each\n"
    "  import     adds the runs of such a text\n\n"
    "  --db FILE    the database; default the plan's name with .db\n"
    "  --device D   index, part of the name, cpu or gpu (see rote devices)\n"
    "  --retry      runs that failed are done again\n"
    "  --out FILE   instead of standard output\n"
    "  --json       as JSON\n"
    "  --quiet      no progress bar, no lines\n"
    "  --help\n\n"
    "Exit codes: 0 done, 1 failed or interrupted, 2 usage, 3 device lost.\n";

static const struct option options[] = {
    {"db", 1, 0, 'b'},   {"device", 1, 0, 'd'}, {"retry", 0, 0, 'r'}, {"out", 1, 0, 'o'},
    {"json", 0, 0, 'j'}, {"quiet", 0, 0, 'q'},  {"help", 0, 0, 'h'},  {0}};

struct arguments {
    const char *verb, *plan, *file, *db, *device, *out;
    int retry, json, quiet;
};

struct shown {
    struct progress bar;
    int done, total;
    double remaining, last;
};

static void clear(const struct shown *s)
{
    if (s->bar.terminal && !s->bar.quiet)
        fputs("\r\033[K", stderr);
}

static void draw(struct shown *s, const struct rote_study_progress *p)
{
    double now = worker_clock(), left = s->remaining;
    char bar[21];
    if (!s->bar.terminal || s->bar.quiet || now - s->last < 0.1)
        return;
    s->last = now;
    for (int i = 0; i < 20; i++)
        bar[i] = i * s->total < 20 * s->done ? '#' : '.';
    bar[20] = 0;
    fprintf(stderr, "\r\033[K[%s] %d of %d runs", bar, s->done, s->total);
    if (left >= 0)
        fprintf(stderr, ", left %ldh%02ldm", (long)left / 3600, (long)left / 60 % 60);
    if (p->cell && p->run)
        fprintf(stderr, "  %.60s seed %lld epoch %d/%d", p->cell, (long long)p->seed,
                p->run->epoch + 1 > p->run->epochs ? p->run->epochs : p->run->epoch + 1, p->run->epochs);
    else if (p->result)
        fprintf(stderr, "  waiting: %s", p->result);
    fflush(stderr);
}

static int show(void *user, const struct rote_study_progress *p)
{
    struct shown *s = user;
    s->done = p->done;
    s->total = p->total;
    if (p->event != ROTE_STUDY_TRAINING)
        s->remaining = p->remaining;
    if (p->event == ROTE_STUDY_FINISHED && !s->bar.quiet) {
        char trial[24] = "";
        clear(s);
        if (p->trial >= 0)
            snprintf(trial, sizeof trial, " trial %d", p->trial);
        printf("[%d of %d] %s%s seed %lld (%s): %s\n", p->done, p->total, p->cell, trial, (long long)p->seed, p->key,
               p->result);
        fflush(stdout);
    }
    draw(s, p);
    return !progress_stopped();
}

static int run(const struct arguments *a, rote_study *study)
{
    struct shown s = {.remaining = -1};
    struct builders builders = {.quiet = 1};
    rote_device *dev = NULL;
    enum rote_status st = rote_device_open(a->device, &dev);
    if (!st) {
        cli_build_in_workers(dev, &builders);
        progress_start(&s.bar, a->quiet);
        st = rote_study_run(study, dev, a->retry, show, &s);
        clear(&s);
    }
    rote_device_free(dev);
    if (st == ROTE_EINTERRUPTED) {
        fprintf(stderr, "rote study: %s\ngo on with: rote study run %s\n", rote_error_detail(), a->plan);
        return EXIT_FAILED;
    }
    return st ? cli_fail("study", st) : EXIT_DONE;
}

static int print(const struct arguments *a, enum rote_status st, char *text)
{
    FILE *f = stdout;
    int bad;
    if (st)
        return cli_fail("study", st);
    if (a->out && !(f = fopen(a->out, "w"))) {
        fprintf(stderr, "rote study: cannot write %s\n", a->out);
        rote_free(text);
        return EXIT_FAILED;
    }
    bad = fputs(text, f) < 0;
    if (a->out && fclose(f))
        bad = 1;
    if (bad)
        fprintf(stderr, "rote study: cannot write %s\n", a->out ? a->out : "to standard output");
    rote_free(text);
    return bad ? EXIT_FAILED : EXIT_DONE;
}

static int take_in(const struct arguments *a, rote_study *study)
{
    int added, known;
    enum rote_status st = rote_study_import(study, a->file, &added, &known);
    if (st)
        return cli_fail("study", st);
    if (!a->quiet)
        printf("%d runs added, %d were there\n", added, known);
    return EXIT_DONE;
}

/* -1: go on; else the exit code. */
static int parse(int argc, char **argv, struct arguments *a)
{
    int c;
    opterr = 0;
    while ((c = getopt_long(argc, argv, ":", options, NULL)) != -1) {
        const char **text = c == 'b' ? &a->db : c == 'd' ? &a->device : c == 'o' ? &a->out : NULL;
        if (text)
            *text = optarg;
        else if (c == 'r')
            a->retry = 1;
        else if (c == 'j')
            a->json = 1;
        else if (c == 'q')
            a->quiet = 1;
        else if (c == 'h') {
            fputs(usage, stdout);
            return EXIT_DONE;
        } else {
            return cli_unknown_flag("study", argv[optind - 1], options);
        }
    }
    const char **word[] = {&a->verb, &a->plan, &a->file};
    for (int i = 0; i < 3 && optind < argc; i++)
        *word[i] = argv[optind++];
    if (optind < argc)
        return cli_usage("study", "unexpected argument '%s'", argv[optind]);
    if (!a->verb || !a->plan)
        return cli_usage("study", "say what to do, and with which plan: rote study run STUDY.yaml");
    if (!strcmp(a->verb, "import") != !!a->file)
        return a->file ? cli_usage("study", "unexpected argument '%s'", a->file)
                       : cli_usage("study", "import needs the file that 'rote study export' wrote");
    return -1;
}

int cmd_study(int argc, char **argv)
{
    static const char *const verbs[] = {"run", "status", "compare", "export", "import"};
    struct arguments a = {0};
    rote_study *study = NULL;
    char *text = NULL;
    int verb = 0, count = (int)(sizeof verbs / sizeof *verbs), code = parse(argc, argv, &a);
    if (code >= 0)
        return code;
    while (verb < count && strcmp(verbs[verb], a.verb))
        verb++;
    if (verb == count) {
        const char *near = cli_nearest(a.verb, verbs, count);
        return cli_usage("study", "there is no '%s'%s%s", a.verb, near ? "; nearest: " : "", near ? near : "");
    }
    enum rote_status st = rote_study_open(a.plan, a.db, &study);
    if (st)
        return cli_fail("study", st);
    if (verb == 0)
        code = run(&a, study);
    else if (verb == 4)
        code = take_in(&a, study);
    else {
        st = verb == 1 ? rote_study_status(study, a.json, &text)
           : verb == 2 ? rote_study_compare(study, a.json, &text) : rote_study_export(study, &text);
        code = print(&a, st, text);
    }
    rote_study_free(study);
    return code;
}
