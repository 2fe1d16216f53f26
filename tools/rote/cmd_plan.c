/* rote plan: what a training step would run and how much memory it would take. */
#include <getopt.h>
#include <stdio.h>

#include "rote.h"
#include "worker.h"

static const char usage[] =
    "usage: rote plan [CONFIG.yaml] [--set KEY=VALUE]... [--device D] [--json]\n\n"
    "Plans a training step without running it: nodes, variants, layouts, memory. The\n"
    "predicted peak is what the device will be asked for.\n";

static const struct option options[] = {
    {"set", 1, 0, 's'}, {"device", 1, 0, 'd'}, {"json", 0, 0, 'j'}, {"help", 0, 0, 'h'}, {0}};

static int plan(const rote_config *config, const char *selector, int json)
{
    struct builders builders = {.quiet = json};
    rote_device *dev = NULL;
    rote_run *run = NULL;
    char *text = NULL;
    enum rote_status st = rote_device_open(selector, &dev);
    if (!st)
        cli_build_in_workers(dev, &builders);
    if (!st)
        st = rote_run_new(dev, config, NULL, &run);
    if (!st)
        st = rote_run_plan(run, json, &text);
    if (!st)
        fputs(text, stdout);
    int code = st ? cli_fail("plan", st) : EXIT_DONE;
    rote_free(text);
    rote_run_free(run);
    rote_device_free(dev);
    return code;
}

int cmd_plan(int argc, char **argv)
{
    rote_config *config = NULL;
    const char *device = NULL, *set[256];
    char *own = NULL;
    int c, json = 0, n = 0;
    opterr = 0;
    while ((c = getopt_long(argc, argv, ":", options, NULL)) != -1) {
        if (c == 's' && n < 256)
            set[n++] = optarg;
        else if (c == 'd')
            device = optarg;
        else if (c == 'j')
            json = 1;
        else if (c == 'h') {
            fputs(usage, stdout);
            return EXIT_DONE;
        } else {
            return cli_unknown_flag("plan", argv[optind - 1], options);
        }
    }
    if (optind + 1 < argc)
        return cli_usage("plan", "unexpected argument '%s'", argv[optind + 1]);
    enum rote_status st = rote_config_new(&config);
    if (!st && optind < argc)
        st = rote_config_load(config, argv[optind]);
    for (int i = 0; !st && i < n; i++)
        st = rote_config_set(config, set[i]);
    if (!st)
        st = rote_config_device(config, &own);
    int code = st ? cli_fail("plan", st) : plan(config, device ? device : own, json);
    rote_free(own);
    rote_config_free(config);
    return code;
}
