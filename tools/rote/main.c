#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rote.h"

const struct command commands[] = {
    {"train", "train a network, or resume a run", cmd_train},
    {"eval", "evaluate a run's checkpoint", cmd_eval},
    {"study", "do the runs of a study, and compare them", cmd_study},
    {"folds", "class probabilities out of sample, by k-fold cross-validation", cmd_folds},
    {"report", "write what a study or a run shows as one page", cmd_report},
    {"plan", "show a training step's operators and memory", cmd_plan},
    {"bench", "measure operators, training steps and heads", cmd_bench},
    {"certify", "prove every operator right on a device", cmd_certify},
    {"op", "run one operator on NPY arrays", cmd_op},
    {"devices", "list OpenCL devices", cmd_devices},
    {"doctor", "find what keeps Rote from running here", cmd_doctor},
    {"tune", "find the fastest variants for a device", cmd_tune},
    {"warm", "compile a network's kernels ahead of time", cmd_warm},
    {"version", "print version", cmd_version},
    {"worker", NULL, cmd_worker},
};
const int command_count = (int)(sizeof commands / sizeof *commands);

int cli_fail(const char *command, enum rote_status status)
{
    const char *detail = rote_error_detail();
    fprintf(stderr, "rote %s: %s\n", command, *detail ? detail : rote_status_text(status));
    if (status == ROTE_ELOST)
        return EXIT_LOST;
    return EXIT_FAILED;
}

int cli_usage(const char *command, const char *fmt, ...)
{
    va_list ap;
    fprintf(stderr, "rote %s: ", command);
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fprintf(stderr, "\nSee 'rote %s --help'.\n", command);
    return EXIT_USAGE;
}

/* Letters that must change, by the longest common subsequence: enough for flags. */
static int unlikeness(const char *a, const char *b)
{
    int row[65] = {0}, n = (int)strlen(b), m = (int)strlen(a);
    if (n > 64)
        return 1000;
    for (int i = 0; i < m; i++) {
        int diagonal = 0;
        for (int j = 1; j <= n; j++) {
            int above = row[j];
            row[j] = a[i] == b[j - 1] ? diagonal + 1 : row[j] > row[j - 1] ? row[j] : row[j - 1];
            diagonal = above;
        }
    }
    return n + m - 2 * row[n];
}

const char *cli_nearest(const char *word, const char *const *names, int count)
{
    const char *best = NULL;
    int least = (int)strlen(word) / 2 + 3;
    for (int i = 0; i < count; i++) {
        int d = unlikeness(word, names[i]);
        if (d < least) {
            least = d;
            best = names[i];
        }
    }
    return best;
}

int cli_unknown_flag(const char *command, const char *given, const struct option *options)
{
    const char *names[64];
    int n = 0;
    while (options[n].name && n < 64) {
        names[n] = options[n].name;
        n++;
    }
    const char *near = cli_nearest(given + strspn(given, "-"), names, n);
    if (near)
        return cli_usage(command, "unknown flag or missing value: %s; nearest: --%s", given, near);
    return cli_usage(command, "unknown flag or missing value: %s", given);
}

double cli_seconds(const char *text)
{
    char *end;
    double v = strtod(text, &end);
    double unit = !*end || !strcmp(end, "s") ? 1 : !strcmp(end, "m") ? 60 : !strcmp(end, "h") ? 3600 : 0;
    return end != text && v > 0 && v < 1e9 ? v * unit : 0;
}

static void help(FILE *f)
{
    fprintf(f, "rote trains convolutional networks on OpenCL devices and measures what they learn by rote.\n\n"
               "usage: rote COMMAND [flags]\n\n");
    for (int i = 0; i < command_count; i++)
        if (commands[i].summary)
            fprintf(f, "  %-10s %s\n", commands[i].name, commands[i].summary);
    fprintf(f, "\n'rote COMMAND --help' tells more. Exit codes: 0 done, 1 failed, 2 usage, 3 device lost.\n");
}

static void warn(void *user, const char *message)
{
    (void)user;
    fprintf(stderr, "rote: warning: %s\n", message);
}

/* Output that could not be written is a failure. */
static int finish(int code)
{
    if (!fflush(stdout) && !ferror(stdout))
        return code;
    fprintf(stderr, "rote: cannot write to standard output\n");
    return code ? code : EXIT_FAILED;
}

int main(int argc, char **argv)
{
    const char *names[64];
    int count = 0;
    rote_set_warning_handler(warn, NULL);
    if (argc < 2) {
        help(stderr);
        return EXIT_USAGE;
    }
    if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help")) {
        help(stdout);
        return EXIT_DONE;
    }
    if (!strcmp(argv[1], "--version"))
        return cmd_version(1, argv + 1);
    for (int i = 0; i < command_count; i++) {
        if (!strcmp(argv[1], commands[i].name))
            return finish(commands[i].run(argc - 1, argv + 1));
        if (commands[i].summary)
            names[count++] = commands[i].name;
    }
    const char *near = cli_nearest(argv[1], names, count);
    fprintf(stderr, "rote: there is no command '%s'%s%s. 'rote --help' lists them.\n", argv[1],
            near ? "; nearest: " : "", near ? near : "");
    return EXIT_USAGE;
}
