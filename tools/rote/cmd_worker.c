/* rote worker: not for people. What rote spawns to build programs and to try variants: a line
 * in, a line out (worker.h). */
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "rote.h"
#include "rote/certify.h"
#include "rote/programs.h"
#include "rote/tune.h"

/* Errors in one line. */
static void answer_error(const char *word)
{
    printf("%s ", word);
    for (const char *c = rote_error_detail(); *c; c++)
        putchar(*c == '\n' || *c == '\r' ? ' ' : *c);
    putchar('\n');
}

static void build(rote_device *dev, const char *rest)
{
    if (rote_call_build(dev, rest))
        answer_error("failed");
    else
        puts("built");
}

/* For tests: ROTE_FAULT_WORKER="crash WORDS" or "hang WORDS", where a candidate has the words. */
static void fault(const char *candidate)
{
    const char *f = getenv("ROTE_FAULT_WORKER");
    if (f && !strncmp(f, "crash ", 6) && strstr(candidate, f + 6))
        abort();
    while (f && !strncmp(f, "hang ", 5) && strstr(candidate, f + 5))
        pause();
}

/* "CALL | INCUMBENT | CANDIDATE" */
static void trial(rote_device *dev, char *rest)
{
    char *field[3] = {rest, NULL, NULL}, why[400];
    double ms[2] = {0, 0};
    for (int i = 1; i < 3; i++) {
        field[i] = strstr(field[i - 1], " | ");
        if (!field[i]) {
            puts("failed a trial is CALL | VARIANT | VARIANT");
            return;
        }
        *field[i] = 0;
        field[i] += 3;
    }
    fault(field[2]);
    enum rote_verdict v = ROTE_TRIAL_REFUSED;
    enum rote_status st = rote_trial_run(dev, field[0], field[1], field[2], &v, ms, why, sizeof why);
    if (st)
        answer_error("failed");
    else
        printf("%s %.9g %.9g %s\n", rote_verdict_word(v), ms[0], ms[1], why);
}

static void certify(rote_device *dev, const char *id)
{
    struct rote_case_result r;
    char text[2048];
    fault(id);
    if (rote_certify_case(dev, id, &r)) {
        answer_error("failed");
        return;
    }
    rote_case_line(&r, text, sizeof text);
    puts(text);
}

static void tell(const struct rote_device_info *info)
{
    fputs("device ", stdout);
    for (size_t i = 0; i < sizeof *info; i++)
        printf("%02x", ((const unsigned char *)info)[i]);
    putchar('\n');
}

static void pass_on(void *user, const char *message)
{
    (void)user;
    printf("warning %.*s\n", (int)strcspn(message, "\r\n"), message);
}

/* For worker_devices(). */
static int tell_devices(const char *selector, int all)
{
    struct rote_device_info *list = NULL, one;
    rote_device *dev = NULL;
    size_t count = 0;
    enum rote_status st = all ? rote_device_list(&list, &count) : rote_device_open(selector, &dev);
    for (size_t i = 0; !st && i < count; i++)
        tell(&list[i]);
    if (!st && dev && !(st = rote_device_info_get(dev, &one)))
        tell(&one);
    if (st)
        answer_error("failed");
    else
        puts("end");
    fflush(stdout); /* a driver may die at the device's end as well */
    rote_device_free(dev);
    rote_free(list);
    return EXIT_DONE;
}

int cmd_worker(int argc, char **argv)
{
    static const struct option options[] = {{"device", 1, 0, 'd'}, {"info", 0, 0, 'i'}, {"list", 0, 0, 'l'}, {0}};
    char line[4096];
    const char *selector = NULL;
    rote_device *dev = NULL;
    int c, what = 0;
    opterr = 0;
    while ((c = getopt_long(argc, argv, ":", options, NULL)) != -1) {
        if (c == 'd')
            selector = optarg;
        else if (c == 'i' || c == 'l')
            what = c;
    }
    signal(SIGINT, SIG_IGN); /* a terminal's Ctrl-C is for the parent, whose end is ours */
    rote_set_warning_handler(NULL, NULL);
    if (what) {
        rote_set_warning_handler(pass_on, NULL);
        return tell_devices(selector, what == 'l');
    }
    enum rote_status st = rote_device_open(selector, &dev);
    if (st)
        return cli_fail("worker", st);
    while (fgets(line, sizeof line, stdin)) {
        line[strcspn(line, "\n")] = 0;
        if (!strncmp(line, "build ", 6))
            build(dev, line + 6);
        else if (!strncmp(line, "trial ", 6))
            trial(dev, line + 6);
        else if (!strncmp(line, "certify ", 8))
            certify(dev, line + 8);
        else
            puts("failed an unknown request");
        fflush(stdout);
    }
    rote_device_free(dev);
    return EXIT_DONE;
}
