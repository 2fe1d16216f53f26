/* rote train: a run from a configuration, or a run that goes on. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "progress.h"
#include "rote.h"
#include "rote/tune.h"
#include "worker.h"

static const char usage[] =
    "usage: rote train [CONFIG.yaml] [flags]\n"
    "       rote train --resume RUN [flags]\n"
    "       rote train --probe RUN [flags]\n\n"
    "Trains a network with its heads and writes a run folder: config.yaml, log.jsonl,\n"
    "log.csv, TensorBoard events, checkpoints, ledger.npy, summary.json. Without a\n"
    "configuration: cnn on Fashion-MNIST with one class head and one random head.\n\n"
    "  --set KEY=VALUE    overrides a key of the configuration (docs/config.md); repeatable\n"
    "  --memory SIZE      device memory for the run, 512M or 2G: memory.limit\n"
    "  --canaries F       plants wrong labels in this share of the training samples, and tells how\n"
    "                     well each measure of the ledger finds them: data.canaries\n"
    "  --device D         index, part of the name, cpu or gpu (see rote devices)\n"
    "  --out DIR          the run folder; default a new one under runs/\n"
    "  --resume RUN       goes on from the folder's newest checkpoint\n"
    "  --probe RUN        a new run: trains heads on that run's finished network, which stays as it is\n"
    "  --checkpoint FILE  with --resume: from this one\n"
    "  --trace FILE       writes a Perfetto trace of every kernel, and prints a table\n"
    "  --json             prints the summary as JSON\n"
    "  --quiet            no progress bar, no table\n"
    "  --help\n\n"
    "Ctrl-C writes a checkpoint and tells how to resume. Exit codes: 0 done, 1 failed or\n"
    "interrupted, 2 usage, 3 device lost.\n";

struct arguments {
    const char *config, *device, *memory, *canaries, *out, *resume, *checkpoint, *trace, *probe;
    int json, quiet, n_set;
    const char *set[256];
};

static const struct option options[] = {
    {"set", 1, 0, 's'},    {"memory", 1, 0, 'm'},     {"device", 1, 0, 'd'}, {"out", 1, 0, 'o'},
    {"canaries", 1, 0, 'k'}, {"probe", 1, 0, 'p'},
    {"resume", 1, 0, 'r'}, {"checkpoint", 1, 0, 'c'}, {"trace", 1, 0, 't'},  {"json", 0, 0, 'j'},
    {"quiet", 0, 0, 'q'},  {"help", 0, 0, 'h'},       {0}};

/* -1: go on; else the exit code. */
static int parse(int argc, char **argv, struct arguments *a)
{
    int c;
    opterr = 0;
    while ((c = getopt_long(argc, argv, ":", options, NULL)) != -1) {
        const char **text = c == 'd' ? &a->device : c == 'm' ? &a->memory : c == 'k' ? &a->canaries
                          : c == 'o' ? &a->out : c == 'r' ? &a->resume : c == 'c' ? &a->checkpoint
                          : c == 't' ? &a->trace : c == 'p' ? &a->probe : NULL;
        if (text)
            *text = optarg;
        else if (c == 's' && a->n_set < 256)
            a->set[a->n_set++] = optarg;
        else if (c == 'j')
            a->json = 1;
        else if (c == 'q')
            a->quiet = 1;
        else if (c == 'h') {
            fputs(usage, stdout);
            return EXIT_DONE;
        } else {
            return cli_unknown_flag("train", argv[optind - 1], options);
        }
    }
    if (optind < argc)
        a->config = argv[optind++];
    if (optind < argc)
        return cli_usage("train", "unexpected argument '%s'", argv[optind]);
    if (a->resume && (a->config || a->n_set || a->out || a->memory || a->canaries || a->probe))
        return cli_usage("train", "--resume goes on with the run's own configuration and folder");
    if (a->probe && a->config)
        return cli_usage("train", "--probe takes the run's own configuration; change it with --set");
    if (a->checkpoint && !a->resume)
        return cli_usage("train", "--checkpoint needs --resume RUN");
    return -1;
}

static enum rote_status open_run(const struct arguments *a, rote_device *dev, const rote_config *config, rote_run **run)
{
    if (a->resume)
        return rote_run_resume(dev, a->resume, a->checkpoint, run);
    enum rote_status st = rote_run_new(dev, config, NULL, run);
    return st ? st : rote_run_create_folder(*run, a->out);
}

static void tell_result(const struct arguments *a, const rote_run *run)
{
    char *json;
    if (a->json && !rote_run_report_json(run, &json)) {
        fputs(json, stdout);
        rote_free(json);
    } else if (!a->quiet) {
        cli_print_report(run);
        printf("\nrun folder: %s\n", rote_run_folder(run));
    }
}

static void tell_checkpoint(const char *folder)
{
    char latest[4096];
    snprintf(latest, sizeof latest, "%s/latest", folder);
    if (!access(latest, F_OK))
        fprintf(stderr, "the last checkpoint is in %s\n", folder);
}

static int train(const struct arguments *a, const rote_config *config, const char *selector)
{
    struct progress bar;
    struct builders builders = {.quiet = a->quiet || a->json};
    rote_device *dev = NULL;
    rote_run *run = NULL;
    int code = EXIT_DONE;
    enum rote_status st = rote_device_open(selector, &dev);
    if (!st && a->trace)
        st = rote_trace_start(dev);
    if (!st)
        cli_build_in_workers(dev, &builders);
    if (!st)
        st = open_run(a, dev, config, &run);
    if (!st) {
        struct rote_device_info info;
        if (!a->quiet && !a->json && !rote_device_info_get(dev, &info))
            printf("training on %s (%s), writing to %s\n%s", info.name, info.platform, rote_run_folder(run),
                   rote_device_tuned(dev) ? "" : "this device is not tuned; 'rote tune' finds its fastest variants\n");
        fflush(stdout);
        progress_start(&bar, a->quiet);
        st = rote_run_train(run, progress_show, &bar);
        progress_end(&bar);
    }
    if (st)
        code = cli_fail("train", st);
    if (st == ROTE_EINTERRUPTED)
        fprintf(stderr, "resume with: rote train --resume %s\n", rote_run_folder(run));
    if (st == ROTE_ENUMERIC && run)
        tell_checkpoint(rote_run_folder(run));
    if (!st)
        tell_result(a, run);
    if (a->trace && dev && (!st || st == ROTE_EINTERRUPTED)) {
        enum rote_status traced = rote_trace_write(dev, a->trace);
        if (!traced && !a->json && !a->quiet)
            traced = rote_trace_print(dev, stdout);
        if (traced)
            code = cli_fail("train", traced);
    }
    rote_run_free(run);
    rote_device_free(dev);
    return code;
}

static enum rote_status set(rote_config *config, const char *key, const char *value)
{
    char assignment[80];
    snprintf(assignment, sizeof assignment, "%s=%.40s", key, value);
    return rote_config_set(config, assignment);
}

int cmd_train(int argc, char **argv)
{
    struct arguments a = {0};
    rote_config *config = NULL;
    char *yaml_device = NULL;
    int code = parse(argc, argv, &a);
    if (code >= 0)
        return code;
    enum rote_status st = a.resume ? rote_run_folder_device(a.resume, &yaml_device) : rote_config_new(&config);
    if (!st && a.probe)
        st = rote_config_probe(config, a.probe);
    if (!st && a.config)
        st = rote_config_load(config, a.config);
    for (int i = 0; !st && i < a.n_set; i++)
        st = rote_config_set(config, a.set[i]);
    if (!st && a.memory)
        st = set(config, "memory.limit", a.memory);
    if (!st && a.canaries)
        st = set(config, "data.canaries", a.canaries);
    if (!st && a.device && !a.resume)
        st = rote_config_set_device(config, a.device);
    if (!st && !a.resume)
        st = rote_config_device(config, &yaml_device);
    code = st ? cli_fail("train", st) : train(&a, config, a.device ? a.device : yaml_device);
    rote_free(yaml_device);
    rote_config_free(config);
    return code;
}
