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
    "  --checkpoint FILE  this one instead of the newest\n"
    "  --device D         another device than the run's\n"
    "  --shifted          the class head on shifted test samples too\n"
    "  --json             prints JSON\n"
    "  --help\n";

static const struct option options[] = {
    {"checkpoint", 1, 0, 'c'}, {"device", 1, 0, 'd'}, {"shifted", 0, 0, 's'}, {"json", 0, 0, 'j'},
    {"help", 0, 0, 'h'}, {0}};

static int evaluate(const char *folder, const char *checkpoint, const char *selector, int shifted, int json)
{
    struct progress bar;
    struct builders builders = {.quiet = json};
    rote_device *dev = NULL;
    rote_run *run = NULL;
    char *text;
    enum rote_status st = rote_device_open(selector, &dev);
    if (!st)
        cli_build_in_workers(dev, &builders);
    if (!st)
        st = (shifted ? rote_run_open_shifted : rote_run_open)(dev, folder, checkpoint, &run);
    if (!st) {
        progress_start(&bar, json);
        st = rote_run_evaluate(run, progress_show, &bar);
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
    const char *checkpoint = NULL, *device = NULL;
    char *own = NULL;
    int c, json = 0, shifted = 0;
    opterr = 0;
    while ((c = getopt_long(argc, argv, ":", options, NULL)) != -1) {
        if (c == 'c')
            checkpoint = optarg;
        else if (c == 'd')
            device = optarg;
        else if (c == 's')
            shifted = 1;
        else if (c == 'j')
            json = 1;
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
    enum rote_status st = rote_run_folder_device(argv[optind], &own);
    int code = st ? cli_fail("eval", st) : evaluate(argv[optind], checkpoint, device ? device : own, shifted, json);
    rote_free(own);
    return code;
}
