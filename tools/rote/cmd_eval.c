/* rote eval: the figures of a run's checkpoint, on any device. */
#include <getopt.h>
#include <stdio.h>

#include "progress.h"
#include "rote.h"
#include "worker.h"

static const char usage[] =
    "usage: rote eval RUN [flags]\n\n"
    "Evaluates a run's newest checkpoint: every head on the test samples, the validation\n"
    "split where there is one, and training samples as they are. Nothing is written to\n"
    "the run folder.\n\n"
    "  --predictions DIR  writes what the network says of every sample as NPY files to\n"
    "                     DIR/train, DIR/test, DIR/validation: logits, probabilities, labels\n"
    "  --features LAYER   with --predictions: this layer's output too\n"
    "  --checkpoint FILE  this one instead of the newest\n"
    "  --device D         another device than the run's\n"
    "  --shifted          the class head on shifted test samples too\n"
    "  --json             prints JSON\n"
    "  --help\n";

static const struct option options[] = {
    {"predictions", 1, 0, 'p'}, {"features", 1, 0, 'f'}, {"checkpoint", 1, 0, 'c'}, {"device", 1, 0, 'd'},
    {"shifted", 0, 0, 's'},     {"json", 0, 0, 'j'},     {"help", 0, 0, 'h'},       {0}};

struct arguments {
    const char *folder, *checkpoint, *device, *predictions, *features;
    int shifted, json;
};

static int evaluate(const struct arguments *a, const char *selector)
{
    int json = a->json;
    struct progress bar;
    struct builders builders = {.quiet = json};
    rote_device *dev = NULL;
    rote_run *run = NULL;
    char *text;
    enum rote_status st = rote_device_open(selector, &dev);
    if (!st)
        cli_build_in_workers(dev, &builders);
    if (!st)
        st = (a->shifted ? rote_run_open_shifted : rote_run_open)(dev, a->folder, a->checkpoint, &run);
    if (!st) {
        progress_start(&bar, json);
        st = rote_run_evaluate(run, progress_show, &bar);
        if (!st && a->predictions)
            st = rote_run_write_predictions(run, a->predictions, a->features, progress_show, &bar);
        progress_end(&bar);
    }
    if (!st && json) {
        st = rote_run_report_json(run, &text);
        if (!st) {
            fputs(text, stdout);
            rote_free(text);
        }
    } else if (!st) {
        st = cli_print_report(run);
    }
    int code = st ? cli_fail("eval", st) : EXIT_DONE;
    rote_run_free(run);
    rote_device_free(dev);
    return code;
}

int cmd_eval(int argc, char **argv)
{
    struct arguments a = {0};
    char *own = NULL;
    int c;
    opterr = 0;
    while ((c = getopt_long(argc, argv, ":", options, NULL)) != -1) {
        const char **text = c == 'c' ? &a.checkpoint : c == 'd' ? &a.device : c == 'p' ? &a.predictions
                          : c == 'f' ? &a.features : NULL;
        if (text)
            *text = optarg;
        else if (c == 's')
            a.shifted = 1;
        else if (c == 'j')
            a.json = 1;
        else if (c == 'h') {
            fputs(usage, stdout);
            return EXIT_DONE;
        } else {
            return cli_unknown_flag("eval", argv[optind - 1], options);
        }
    }
    if (optind + 1 != argc)
        return cli_usage("eval", optind < argc ? "unexpected argument '%s'" : "which run? give its folder%s",
                         optind < argc ? argv[optind + 1] : "");
    if (a.features && !a.predictions)
        return cli_usage("eval", "--features %s: where to? give --predictions DIR", a.features);
    a.folder = argv[optind];
    enum rote_status st = rote_run_folder_device(a.folder, &own);
    int code = st ? cli_fail("eval", st) : evaluate(&a, a.device ? a.device : own);
    rote_free(own);
    return code;
}
