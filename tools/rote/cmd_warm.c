/* rote warm: a network's kernels, compiled before they are needed. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rote.h"
#include "worker.h"

static const char usage[] =
    "usage: rote warm [CONFIG.yaml] [flags]\n\n"
    "Compiles every kernel that training and evaluating a network takes into the cache, in\n"
    "one process a processor, so that the next run starts at once.\n\n"
    "  --model M        a network of the zoo instead of the configuration's; repeatable\n"
    "  --set KEY=VALUE  overrides a key of the configuration; repeatable\n"
    "  --device D       index, part of the name, cpu or gpu\n"
    "  --json           what was built, as JSON\n"
    "  --help\n";

static const struct option options[] = {{"model", 1, 0, 'm'}, {"set", 1, 0, 's'},  {"device", 1, 0, 'd'},
                                        {"json", 0, 0, 'j'},  {"help", 0, 0, 'h'}, {0}};

/* On a device of its own, which holds what this network takes and no more. */
static enum rote_status warm(const char *selector, struct cli_models *m, int i, int json)
{
    struct builders b = {.quiet = json};
    rote_config *config = NULL;
    rote_device *dev = NULL;
    rote_run *run = NULL;
    size_t built = 0, programs = 0;
    double began = worker_clock();
    enum rote_status st = cli_models_config(m, i, &config);
    if (!st)
        st = rote_device_open(selector, &dev);
    if (!st) {
        cli_build_in_workers(dev, &b);
        st = rote_run_new(dev, config, NULL, &run);
        programs = rote_device_program_count(dev, &built);
    }
    const char *name = m->n_models ? m->model[i] : m->config ? m->config : "default";
    if (!st)
        printf(json ? "%s {\"model\": \"%s\", \"built\": %zu, \"cached\": %zu, \"seconds\": %.3f}"
                    : "%s%s: %zu programs built, %zu in the cache, %.1f s\n",
               json ? (i ? ",\n" : "[") : "", name, built, programs - built, worker_clock() - began);
    fflush(stdout);
    rote_run_free(run);
    rote_device_free(dev);
    rote_config_free(config);
    return st;
}

int cmd_warm(int argc, char **argv)
{
    struct cli_models m = {0};
    const char *device = NULL;
    char *own = NULL;
    int c, json = 0;
    opterr = 0;
    while ((c = getopt_long(argc, argv, ":", options, NULL)) != -1) {
        if (cli_models_flag(&m, c, optarg))
            continue;
        if (c == 'd')
            device = optarg;
        else if (c == 'j')
            json = 1;
        else if (c == 'h') {
            fputs(usage, stdout);
            return EXIT_DONE;
        } else {
            return cli_unknown_flag("warm", argv[optind - 1], options);
        }
    }
    if (optind < argc)
        m.config = argv[optind++];
    if (optind < argc)
        return cli_usage("warm", "unexpected argument '%s'", argv[optind]);
    if (getenv("ROTE_NO_CACHE"))
        return cli_usage("warm", "ROTE_NO_CACHE is set: there is no cache to compile into%s", "");
    enum rote_status st = cli_models_device(&m, &own);
    for (int i = 0; !st && i < cli_models_count(&m); i++)
        st = warm(device ? device : own, &m, i, json);
    if (!st && json)
        puts("]");
    int code = st ? cli_fail("warm", st) : EXIT_DONE;
    rote_free(own);
    return code;
}
