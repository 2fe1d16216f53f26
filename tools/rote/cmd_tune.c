/* rote tune: the search of the library, its trials in a worker that may crash or hang. */
#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "progress.h"
#include "rote.h"
#include "rote/tune.h"
#include "worker.h"

static const char usage[] =
    "usage: rote tune [CONFIG.yaml] [flags]\n\n"
    "Finds the fastest variants and tunables for the operators of a network's training step\n"
    "and evaluation on a device, and writes them to the device's tuning file. Each is held to\n"
    "the float64 reference before it is timed. It goes on where an earlier one ended.\n\n"
    "  --model M        a network of the zoo instead of the configuration's; repeatable\n"
    "  --set KEY=VALUE  overrides a key of the configuration; repeatable\n"
    "  --device D       index, part of the name, cpu or gpu\n"
    "  --budget TIME    how long to search: 90s, 10m, 2h; default 60s\n"
    "  --trial TIME     how long one trial may take before it counts as hung; default 60s\n"
    "  --all            searches anew what was tuned before\n"
    "  --json           the result as JSON\n"
    "  --help\n";

static const struct option options[] = {
    {"model", 1, 0, 'm'}, {"set", 1, 0, 's'},  {"device", 1, 0, 'd'}, {"budget", 1, 0, 'b'}, {"trial", 1, 0, 't'},
    {"all", 0, 0, 'a'},   {"json", 0, 0, 'j'}, {"help", 0, 0, 'h'},   {0}};

struct tuner {
    struct worker worker;
    char device[64];
    double end, trial_seconds;
    int json, terminal, spoke, calls;
};

static enum worker_answer ask(struct tuner *t, const char *line, char *answer, size_t cap, double *limit)
{
    double began = worker_clock();
    *limit = t->end - began < t->trial_seconds ? t->end - began : t->trial_seconds;
    if (!t->worker.pid && worker_start(&t->worker, t->device))
        return WORKER_GONE;
    if (worker_send(&t->worker, line))
        return WORKER_GONE;
    for (;;) {
        double left = *limit - (worker_clock() - began);
        enum worker_answer a = worker_receive(&t->worker, left > 0.2 ? 0.2 : left, answer, cap);
        if (a != WORKER_SILENT || left <= 0 || progress_stopped())
            return a;
    }
}

static enum rote_verdict trial(void *user, const char *call, const char *incumbent, const char *candidate, double ms[2],
                               char *why, size_t why_size)
{
    struct tuner *t = user;
    char line[4096], answer[1024], word[16] = "";
    double limit;
    int at = 0;
    if (worker_clock() >= t->end || progress_stopped())
        return ROTE_TRIAL_STOP;
    snprintf(line, sizeof line, "trial %s | %s | %s", call, incumbent, candidate);
    enum worker_answer a = ask(t, line, answer, sizeof answer, &limit);
    if (a != WORKER_ANSWERED) {
        worker_kill(&t->worker);
        snprintf(why, why_size, a == WORKER_GONE ? "its process ended" : "not done after %.0f s", limit);
        if (a == WORKER_GONE)
            return progress_stopped() ? ROTE_TRIAL_STOP : ROTE_TRIAL_CRASHED;
        return limit < t->trial_seconds || progress_stopped() ? ROTE_TRIAL_STOP : ROTE_TRIAL_HUNG;
    }
    if (sscanf(answer, "%15s %lf %lf %n", word, &ms[0], &ms[1], &at) >= 3) {
        snprintf(why, why_size, "%s", answer + at);
        return rote_verdict_of(word);
    }
    snprintf(why, why_size, "%s", answer);
    return ROTE_TRIAL_REFUSED;
}

static void clear(struct tuner *t)
{
    if (t->terminal && t->spoke)
        fputs("\r\033[K", stderr);
    t->spoke = 0;
}

static void show(void *user, int pass, int index, const struct rote_tune_call *c, const char *candidate)
{
    struct tuner *t = user;
    double left = t->end - worker_clock();
    clear(t);
    if (candidate && t->terminal) {
        fprintf(stderr, "[%s %d/%d] %.0fs left  %.40s  %s", pass ? "tunables" : "variants", index + 1, t->calls,
                left > 0 ? left : 0, c->call, candidate);
        t->spoke = 1;
        fflush(stderr);
    } else if (!candidate && !t->json && c->ms > 0) {
        printf("%5.1f%%  %s: %d trial%s, %s", 100 * c->share, c->call, c->trials, c->trials == 1 ? "" : "s", c->initial);
        if (strcmp(c->initial, c->chosen))
            printf(" %.3g ms -> %s %.3g ms\n", c->initial_ms, c->chosen, c->ms);
        else
            printf(" %.3g ms stays\n", c->ms);
        fflush(stdout);
    }
}

static void failure(void *user, const struct rote_tune_call *c, const char *candidate, enum rote_verdict v,
                    const char *why)
{
    struct tuner *t = user;
    clear(t);
    if (!t->json)
        printf("        %.40s: %s is %s%s: %s\n", c->call, candidate, rote_verdict_word(v),
               v == ROTE_TRIAL_REFUSED ? "" : ", and will not be tried again", why);
    fflush(stdout);
}

static void print_table(const rote_tune *tune)
{
    struct rote_tune_call c;
    double initial = 0, tuned = 0;
    int n = rote_tune_count(tune), measured = 0, complete = 0;
    printf("\n%9s %9s %6s %6s  %-28s %s\n", "default", "tuned", "gain", "runs", "variant", "call");
    for (int i = 0; i < n && !rote_tune_get(tune, i, &c); i++) {
        complete += c.complete;
        if (!(c.ms > 0))
            continue;
        measured++;
        initial += c.runs * c.initial_ms;
        tuned += c.runs * c.ms;
        printf("%9.3f %9.3f %5.2fx %6.3g  %-28s %s\n", c.initial_ms, c.ms, c.initial_ms / c.ms, c.runs, c.chosen, c.call);
    }
    if (tuned > 0)
        printf("%9.3f %9.3f %5.2fx %6s  a training step's share of %d of %d calls, milliseconds\n", initial, tuned,
               initial / tuned, "", measured, n);
    printf("%d of %d calls are done; %d operators of the plan have nothing to choose\n", complete, n,
           rote_tune_left_out(tune));
    if (complete < n)
        printf("the next 'rote tune' goes on from here; --budget gives it longer\n");
}

static void print_json(const rote_tune *tune, const char *path)
{
    struct rote_tune_call c;
    printf("{\"file\": \"%s\", \"calls\": [", path);
    for (int i = 0; !rote_tune_get(tune, i, &c); i++) {
        printf("%s\n  {\"call\": \"%s\", \"runs\": %.9g, \"share\": %.6f, \"default\": \"%s\", \"variant\": \"%s\", ",
               i ? "," : "", c.call, c.runs, c.share, c.initial, c.chosen);
        if (c.ms > 0)
            printf("\"default_ms\": %.6g, \"ms\": %.6g, ", c.initial_ms, c.ms);
        printf("\"trials\": %d, \"complete\": %s, \"skipped\": %s}", c.trials, c.complete ? "true" : "false",
               c.skipped ? "true" : "false");
    }
    printf("]}\n");
}

static enum rote_status add_models(rote_tune *tune, rote_device *dev, const struct cli_models *m)
{
    enum rote_status st = ROTE_OK;
    for (int i = 0; !st && i < cli_models_count(m); i++) {
        rote_config *config = NULL;
        rote_run *run = NULL;
        st = cli_models_config(m, i, &config);
        if (!st)
            st = rote_run_new(dev, config, NULL, &run);
        if (!st)
            st = rote_tune_add(tune, run);
        rote_run_free(run);
        rote_config_free(config);
    }
    return st;
}

static int tune(struct tuner *t, const struct cli_models *m, const char *selector, int all)
{
    struct rote_tune_options o = {.all = all, .trial = trial, .progress = show, .failure = failure, .user = t};
    struct rote_device_info info;
    struct builders builders = {.quiet = t->json};
    struct progress stop;
    rote_device *dev = NULL;
    rote_tune *tune = NULL;
    char *path = NULL;
    enum rote_status st = rote_device_open(selector, &dev);
    if (!st)
        st = rote_device_info_get(dev, &info);
    if (!st)
        st = rote_tune_new(dev, &tune);
    if (!st)
        st = rote_tune_path(tune, &path);
    if (!st) {
        snprintf(t->device, sizeof t->device, "%s", info.id);
        cli_build_in_workers(dev, &builders);
        st = add_models(tune, dev, m);
        rote_device_set_builder(dev, NULL, NULL);
    }
    if (!st) {
        t->calls = rote_tune_count(tune);
        if (!t->json)
            printf("tuning %s (%s), writing to %s\n", info.name, info.platform, path);
        fflush(stdout);
        progress_start(&stop, 1);
        st = rote_tune_search(tune, &o);
        clear(t);
        worker_kill(&t->worker);
    }
    if (!st && t->json)
        print_json(tune, path);
    else if (!st)
        print_table(tune);
    int code = st ? cli_fail("tune", st) : EXIT_DONE;
    rote_free(path);
    rote_tune_free(tune);
    rote_device_free(dev);
    return code;
}

int cmd_tune(int argc, char **argv)
{
    struct tuner t = {.trial_seconds = 60, .terminal = isatty(STDERR_FILENO)};
    struct cli_models m = {0};
    const char *device = NULL;
    double budget = 60;
    char *own = NULL;
    int c, all = 0;
    opterr = 0;
    while ((c = getopt_long(argc, argv, ":", options, NULL)) != -1) {
        double *time = c == 'b' ? &budget : c == 't' ? &t.trial_seconds : NULL;
        if (cli_models_flag(&m, c, optarg))
            continue;
        if (time) {
            if ((*time = cli_seconds(optarg)) <= 0)
                return cli_usage("tune", "'%s' is no time; say 90s, 10m or 2h", optarg);
        } else if (c == 'd')
            device = optarg;
        else if (c == 'a')
            all = 1;
        else if (c == 'j')
            t.json = 1;
        else if (c == 'h') {
            fputs(usage, stdout);
            return EXIT_DONE;
        } else {
            return cli_unknown_flag("tune", argv[optind - 1], options);
        }
    }
    if (optind < argc)
        m.config = argv[optind++];
    if (optind < argc)
        return cli_usage("tune", "unexpected argument '%s'", argv[optind]);
    t.end = worker_clock() + budget;
    t.terminal = t.terminal && !t.json;
    enum rote_status st = cli_models_device(&m, &own);
    int code = st ? cli_fail("tune", st) : tune(&t, &m, device ? device : own, all);
    rote_free(own);
    return code;
}
