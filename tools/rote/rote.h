/* The command line: one cmd_<name>.c a subcommand, over the public API only. */
#ifndef ROTE_CLI_H
#define ROTE_CLI_H

#include "rote/run.h"
#include "rote/status.h"

/* Exit codes, the same for every subcommand. */
enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_LOST = 3 };

struct command {
    const char *name, *summary;
    int (*run)(int argc, char **argv); /* argv[0] is the subcommand's name */
    /* summary NULL: not for people, and not in the help */
};
extern const struct command commands[];
extern const int command_count;

int cmd_bench(int argc, char **argv);
int cmd_certify(int argc, char **argv);
int cmd_devices(int argc, char **argv);
int cmd_doctor(int argc, char **argv);
int cmd_eval(int argc, char **argv);
int cmd_folds(int argc, char **argv);
int cmd_op(int argc, char **argv);
int cmd_plan(int argc, char **argv);
int cmd_report(int argc, char **argv);
int cmd_study(int argc, char **argv);
int cmd_train(int argc, char **argv);
int cmd_tune(int argc, char **argv);
int cmd_version(int argc, char **argv);
int cmd_warm(int argc, char **argv);
int cmd_worker(int argc, char **argv);

/* Prints "rote COMMAND: detail" and gives the exit code that belongs to status. */
int cli_fail(const char *command, enum rote_status status);
/* A usage error in words; gives EXIT_USAGE. */
int cli_usage(const char *command, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* getopt_long met a flag that is not there: names the nearest of `options`. */
struct option;
int cli_unknown_flag(const char *command, const char *given, const struct option *options);
/* The last evaluation as a table on standard output. */
enum rote_status cli_print_report(const rote_run *run);
/* [CONFIG.yaml] --set KEY=VALUE ... --model M ...: one configuration a model. */
#define CLI_MOST 256
struct cli_models {
    const char *config, *set[CLI_MOST], *model[CLI_MOST];
    int n_set, n_models;
};
int cli_models_flag(struct cli_models *m, int flag, const char *value); /* 's', 'm'; 0: neither */
int cli_models_count(const struct cli_models *m);
enum rote_status cli_models_config(const struct cli_models *m, int index, rote_config **out);
enum rote_status cli_models_device(const struct cli_models *m, char **selector); /* the configuration's */
/* "90", "90s", "10m", "2h" as seconds; 0: none of these. */
double cli_seconds(const char *text);
/* The candidate nearest to word, or NULL. */
const char *cli_nearest(const char *word, const char *const *names, int count);

#endif
