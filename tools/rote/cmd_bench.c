/* rote bench: how fast a training step, its operators and its heads are. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "progress.h"
#include "rote.h"
#include "rote/bench.h"

static const char usage[] =
    "usage: rote bench ops|train|heads|scale [CONFIG.yaml] [flags]\n\n"
    "  ops     each operator and shape of a training step, by each variant that takes it,\n"
    "          against the device's measured peaks\n"
    "  train   whole training steps: images/s, time by operator, memory\n"
    "  heads   what random heads cost, by their number, labels and width\n"
    "  scale   how a step grows with the batch and with heads\n\n"
    "  --set KEY=VALUE    overrides a key of the configuration; repeatable\n"
    "  --device D         index, part of the name, cpu or gpu (see rote devices)\n"
    "  --rounds N         figures are the least and the median of so many; default 10\n"
    "  --only REGEX       only rows whose name holds it\n"
    "  --variants WHICH   ops: all (but host), the default, or chosen\n"
    "  --json FILE        writes the figures\n"
    "  --html FILE        writes a page, with the roofline of ops\n"
    "  --quiet            no progress bar, no tables\n"
    "  --help\n";

struct arguments {
    const char *what, *config, *device, *json, *html, *set[256];
    struct rote_bench_options options;
    int n_set, quiet;
};

static const struct option options[] = {
    {"set", 1, 0, 's'},  {"device", 1, 0, 'd'}, {"rounds", 1, 0, 'n'}, {"only", 1, 0, 'o'}, {"variants", 1, 0, 'v'},
    {"json", 1, 0, 'j'}, {"html", 1, 0, 'w'},   {"quiet", 0, 0, 'q'},  {"help", 0, 0, 'h'}, {0}};

/* -1: go on; else the exit code. */
static int parse(int argc, char **argv, struct arguments *a)
{
    int c;
    opterr = 0;
    while ((c = getopt_long(argc, argv, ":", options, NULL)) != -1) {
        const char **text = c == 'd' ? &a->device : c == 'o' ? &a->options.only : c == 'j' ? &a->json
                          : c == 'w' ? &a->html : NULL;
        if (text)
            *text = optarg;
        else if (c == 's' && a->n_set < 256)
            a->set[a->n_set++] = optarg;
        else if (c == 'q')
            a->quiet = 1;
        else if (c == 'n') {
            char *end;
            long n = strtol(optarg, &end, 10);
            if (end == optarg || *end || n < 1 || n > 10000)
                return cli_usage("bench", "--rounds is a number from 1 to 10000, not '%s'", optarg);
            a->options.rounds = (int)n;
        } else if (c == 'v') {
            a->options.chosen_only = !strcmp(optarg, "chosen");
            if (!a->options.chosen_only && strcmp(optarg, "all"))
                return cli_usage("bench", "--variants is all or chosen, not '%s'", optarg);
        } else if (c == 'h') {
            fputs(usage, stdout);
            return EXIT_DONE;
        } else {
            return cli_unknown_flag("bench", argv[optind - 1], options);
        }
    }
    if (optind == argc)
        return cli_usage("bench", "which benchmark? ops, train, heads or scale");
    a->what = argv[optind++];
    if (optind < argc)
        a->config = argv[optind++];
    if (optind < argc)
        return cli_usage("bench", "unexpected argument '%s'", argv[optind]);
    return -1;
}

/* Text of one of the three forms into a file, or to standard output where path is NULL. */
static int write_form(enum rote_status (*form)(const rote_bench *, char **), const rote_bench *b, const char *path)
{
    char *text = NULL;
    enum rote_status st = form(b, &text);
    if (st)
        return cli_fail("bench", st);
    FILE *f = path ? fopen(path, "w") : stdout;
    int bad = !f || fputs(text, f) < 0, code = errno;
    if (f && path && fclose(f))
        bad = 1, code = errno;
    if (bad)
        fprintf(stderr, "rote bench: cannot write %s: %s\n", path ? path : "to standard output", strerror(code));
    rote_free(text);
    return bad ? EXIT_FAILED : EXIT_DONE;
}

static int write_all(const struct arguments *a, const rote_bench *b)
{
    int code = a->quiet ? EXIT_DONE : write_form(rote_bench_text, b, NULL);
    if (!code && a->json)
        code = write_form(rote_bench_json, b, a->json);
    if (!code && a->html)
        code = write_form(rote_bench_html, b, a->html);
    if (!rote_bench_complete(b)) {
        fprintf(stderr, "rote bench: stopped before its end; the figures are those so far\n");
        code = EXIT_FAILED;
    }
    return code;
}

static int bench(const struct arguments *a, const rote_config *config, const char *selector)
{
    struct progress bar;
    rote_device *dev = NULL;
    rote_bench *b = NULL;
    enum rote_status st = rote_device_open(selector, &dev);
    if (!st) {
        progress_start(&bar, a->quiet);
        st = rote_bench_new(dev, config, a->what, &a->options, progress_show, &bar, &b);
        progress_end(&bar);
    }
    int code = st ? cli_fail("bench", st) : write_all(a, b);
    rote_bench_free(b);
    rote_device_free(dev);
    return code;
}

int cmd_bench(int argc, char **argv)
{
    struct arguments a = {.options = ROTE_BENCH_OPTIONS_INIT};
    rote_config *config = NULL;
    char *own = NULL;
    int code = parse(argc, argv, &a);
    if (code >= 0)
        return code;
    enum rote_status st = rote_config_new(&config);
    if (!st && a.config)
        st = rote_config_load(config, a.config);
    for (int i = 0; !st && i < a.n_set; i++)
        st = rote_config_set(config, a.set[i]);
    if (!st)
        st = rote_config_device(config, &own);
    code = st ? cli_fail("bench", st) : bench(&a, config, a.device ? a.device : own);
    rote_free(own);
    rote_config_free(config);
    return code;
}
