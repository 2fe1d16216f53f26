/* rote folds: out-of-sample class probabilities by k-fold cross-validation. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#include "progress.h"
#include "rote.h"
#include "worker.h"

static const char usage[] =
    "usage: rote folds [CONFIG.yaml] --out DIR [flags]\n\n"
    "Trains once for each fold, on all training samples outside of it, and writes every\n"
    "training sample's class probabilities by the network that has not seen it, in the form\n"
    "that label-error tools read: DIR/probabilities.npy, labels.npy, fold.npy. The same\n"
    "command again goes on where it was ended.\n\n"
    "  --folds K          folds; default data.folds, or 5\n"
    "  --out DIR          the folder; its fold-0, fold-1 .. are run folders (see rote train)\n"
    "  --set KEY=VALUE    overrides a key of the configuration (docs/config.md); repeatable\n"
    "  --device D         index, part of the name, cpu or gpu (see rote devices)\n"
    "  --json             prints the result as JSON\n"
    "  --quiet            no progress bar, no result\n"
    "  --help\n\n"
    "Ctrl-C writes a checkpoint. Exit codes: 0 done, 1 failed or interrupted, 2 usage,\n"
    "3 device lost.\n";

struct arguments {
    const char *device, *out;
    int folds, json, quiet;
    struct cli_models models;
};

static const struct option options[] = {{"folds", 1, 0, 'f'}, {"out", 1, 0, 'o'},   {"set", 1, 0, 's'},
                                        {"device", 1, 0, 'd'}, {"json", 0, 0, 'j'}, {"quiet", 0, 0, 'q'},
                                        {"help", 0, 0, 'h'},   {0}};

/* -1: go on; else the exit code. */
static int parse(int argc, char **argv, struct arguments *a)
{
    int c;
    char *end;
    opterr = 0;
    while ((c = getopt_long(argc, argv, ":", options, NULL)) != -1) {
        if (c == 'f') {
            long folds = strtol(optarg, &end, 10);
            if (*end || folds < 2 || folds > 1000)
                return cli_usage("folds", "--folds %s: give 2 to 1000", optarg);
            a->folds = (int)folds;
        } else if (c == 'o')
            a->out = optarg;
        else if (c == 'd')
            a->device = optarg;
        else if (c == 'j')
            a->json = 1;
        else if (c == 'q')
            a->quiet = 1;
        else if (c == 'h') {
            fputs(usage, stdout);
            return EXIT_DONE;
        } else if (!cli_models_flag(&a->models, c, optarg))
            return cli_unknown_flag("folds", argv[optind - 1], options);
    }
    if (optind < argc)
        a->models.config = argv[optind++];
    if (optind < argc)
        return cli_usage("folds", "unexpected argument '%s'", argv[optind]);
    if (!a->out)
        return cli_usage("folds", "where to? give the folder as --out DIR%s", "");
    return -1;
}

static void tell(const struct arguments *a, const struct rote_folds_report *r)
{
    char *json;
    if (a->json && !rote_folds_json(r, &json)) {
        fputs(json, stdout);
        rote_free(json);
    }
    if (a->json || a->quiet)
        return;
    printf("%lld samples in %d folds; out of sample: accuracy %.2f%%, loss %.4f\n", (long long)r->samples, r->folds,
           100 * r->accuracy, r->loss);
    if (r->planted)
        printf("\n%lld canaries, found by %18s %9s\n", (long long)r->planted, "AUROC", "AUPRC");
    for (int i = 0; i < ROTE_FOLDS_MEASURES && r->planted; i++)
        printf("%-31s %9.3f %9.3f\n", r->canaries[i].name, r->canaries[i].auroc, r->canaries[i].auprc);
    printf("\nprobabilities.npy, labels.npy, fold.npy in %s\n", a->out);
}

static int folds(const struct arguments *a, const rote_config *config, const char *selector)
{
    struct progress bar;
    struct builders builders = {.quiet = a->quiet || a->json};
    struct rote_folds_report r;
    rote_device *dev = NULL;
    enum rote_status st = rote_device_open(selector, &dev);
    if (!st) {
        cli_build_in_workers(dev, &builders);
        progress_start(&bar, a->quiet);
        st = rote_folds(dev, config, a->folds, a->out, progress_show, &bar, &r);
        progress_end(&bar);
    }
    int code = st ? cli_fail("folds", st) : EXIT_DONE;
    if (st == ROTE_EINTERRUPTED)
        fprintf(stderr, "the same command goes on from here\n");
    if (!st)
        tell(a, &r);
    rote_device_free(dev);
    return code;
}

int cmd_folds(int argc, char **argv)
{
    struct arguments a = {0};
    rote_config *config = NULL;
    char *own = NULL;
    int code = parse(argc, argv, &a);
    if (code >= 0)
        return code;
    enum rote_status st = cli_models_config(&a.models, 0, &config);
    if (!st && a.device)
        st = rote_config_set_device(config, a.device);
    if (!st)
        st = rote_config_device(config, &own);
    code = st ? cli_fail("folds", st) : folds(&a, config, own);
    rote_free(own);
    rote_config_free(config);
    return code;
}
