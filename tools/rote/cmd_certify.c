/* rote certify: the library's cases, each run in a worker that may crash or hang. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "progress.h"
#include "rote.h"
#include "rote/certify.h"
#include "worker.h"

#define OPENING_SECONDS 60

static const char usage[] =
    "usage: rote certify [flags]\n"
    "       rote certify --compare A.json B.json\n\n"
    "Runs every operator, by every variant, and every gradient against the float64 reference on a\n"
    "device, twice for the same bits; then a small training against the reference's; then measures\n"
    "rates. Cases run in a process of their own: one that crashes or hangs is a line of the table.\n\n"
    "  --device D      index, part of the name, cpu or gpu\n"
    "  --all           every device in turn; files get the device's id in their names\n"
    "  --quick         small cases alone\n"
    "  --full          also settings of the variants' tunables\n"
    "  --only TEXT     cases whose id holds TEXT\n"
    "  -o, --out FILE  the certificate, JSON\n"
    "  --junit FILE    the cases as JUnit XML\n"
    "  --redact        leaves the host out of the certificate\n"
    "  --waive FILE    known failures: lines of PATTERN  # reason\n"
    "  --timeout TIME  how long a case may take before it counts as hung; default 120s\n"
    "  --compare       what differs between two certificates; exit code 1 if verdicts do\n"
    "  --list          the ids of the cases\n"
    "  --help\n";

static const struct option options[] = {
    {"device", 1, 0, 'd'}, {"all", 0, 0, 'a'},   {"quick", 0, 0, 'q'},   {"full", 0, 0, 'f'},    {"only", 1, 0, 'n'},
    {"out", 1, 0, 'o'},    {"junit", 1, 0, 'j'}, {"redact", 0, 0, 'r'},  {"waive", 1, 0, 'w'},   {"timeout", 1, 0, 't'},
    {"compare", 0, 0, 'c'}, {"list", 0, 0, 'l'}, {"help", 0, 0, 'h'},    {0}};

struct certify {
    enum rote_certify_level level;
    const char *only, *out, *junit, *waive;
    double timeout;
    int all, redact, terminal, stopped;
    struct worker worker;
    char device[64];
    int in_batch; /* cases that this worker has run */
};

/* One case in the worker, a new one where there is none. */
static void ask(struct certify *c, const char *id, struct rote_case_result *r)
{
    char line[4096], answer[4096];
    *r = (struct rote_case_result){.verdict = ROTE_CASE_CRASHED};
    snprintf(r->why, sizeof r->why, "its process ended");
    if (!c->worker.pid) {
        c->in_batch = 0;
        if (worker_start(&c->worker, c->device)) {
            r->verdict = ROTE_CASE_FAILED;
            snprintf(r->why, sizeof r->why, "cannot start a process: %s", strerror(errno));
            return;
        }
    }
    c->in_batch++;
    snprintf(line, sizeof line, "certify %s", id);
    double began = worker_clock(), left = c->timeout;
    enum worker_answer a = worker_send(&c->worker, line) ? WORKER_GONE : WORKER_SILENT;
    while (a == WORKER_SILENT && left > 0 && !progress_stopped()) {
        a = worker_receive(&c->worker, left > 0.2 ? 0.2 : left, answer, sizeof answer);
        left = c->timeout - (worker_clock() - began);
    }
    c->stopped = progress_stopped();
    if (a == WORKER_ANSWERED) {
        if (rote_case_parse(answer, r))
            snprintf(r->why, sizeof r->why, "%.*s", (int)sizeof r->why - 1, answer);
        return;
    }
    if (a == WORKER_SILENT) {
        r->verdict = ROTE_CASE_HUNG;
        snprintf(r->why, sizeof r->why, "not done after %.0f s", c->timeout);
    }
    r->seconds = worker_clock() - began;
    worker_kill(&c->worker);
}

/* What fails is run twice more, each time in a new process: if it passes there, it was flaky, or the case
 * before it was to blame. A hang is believed after one more. */
static void judge(struct certify *c, const char *id, struct rote_case_result *r)
{
    struct rote_case_result again;
    ask(c, id, r);
    int before = c->in_batch - 1;
    for (int i = 0; rote_case_bad(r->verdict) && i < (r->verdict == ROTE_CASE_HUNG ? 1 : 2) && !c->stopped; i++) {
        worker_kill(&c->worker);
        ask(c, id, &again);
        if (rote_case_bad(again.verdict))
            continue;
        snprintf(again.why, sizeof again.why, "%s after %d cases in one process, then %s alone: %.100s",
                 rote_case_word(r->verdict), before, rote_case_word(again.verdict), r->why);
        again.verdict = ROTE_CASE_FLAKY;
        *r = again;
    }
}

static void show(struct certify *c, int done, int count, double began, const char *id)
{
    if (!c->terminal)
        return;
    double spent = worker_clock() - began;
    fprintf(stderr, "\r\033[K[%3d%%] %d of %d, %.0f s left  %.60s", 100 * done / count, done, count,
            done ? spent / done * (count - done) : 0, id);
    fflush(stderr);
}

static int contains(const struct certify *c, const char *id)
{
    return !c->only || strstr(id, c->only);
}

/* "a.json" with a device's id: "a.ID.json" */
static void name_of(const struct certify *c, const char *path, char *out, size_t cap)
{
    const char *slash = strrchr(path, '/'), *dot = strrchr(slash ? slash : path, '.');
    int stem = dot ? (int)(dot - path) : (int)strlen(path);
    if (c->all)
        snprintf(out, cap, "%.*s.%s%s", stem, path, c->device, dot ? dot : "");
    else
        snprintf(out, cap, "%s", path);
}

static int write_file(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");
    int bad = !f || fputs(text, f) < 0;
    if (f && fclose(f))
        bad = 1;
    if (bad)
        fprintf(stderr, "rote certify: cannot write %s: %s\n", path, strerror(errno));
    return bad;
}

static enum rote_status finish(const struct certify *c, const rote_certificate *certificate, int *unwritten)
{
    char *text = NULL, path[1024];
    enum rote_status st = rote_certificate_text(certificate, &text);
    if (!st)
        fputs(text, stdout);
    rote_free(text);
    text = NULL;
    if (!st && c->out && !(st = rote_certificate_json(certificate, c->redact, &text))) {
        name_of(c, c->out, path, sizeof path);
        *unwritten |= write_file(path, text);
    }
    rote_free(text);
    text = NULL;
    if (!st && c->junit && !(st = rote_certificate_junit(certificate, &text))) {
        name_of(c, c->junit, path, sizeof path);
        *unwritten |= write_file(path, text);
    }
    rote_free(text);
    return st;
}

static int certify_device(struct certify *c, const char *selector)
{
    struct rote_device_info *info;
    struct rote_case_result r;
    rote_certificate *certificate = NULL;
    char why[400];
    const char **id = NULL;
    int count = 0, wanted = 0, done = 0, unwritten = 0;
    if (!worker_devices(selector, 0, OPENING_SECONDS, &info, why, sizeof why)) { /* a driver may crash at that too */
        fprintf(stderr, "rote certify: %s%s%s\n", c->all ? selector : "", c->all ? ": " : "", why);
        c->stopped = progress_stopped();
        return EXIT_FAILED;
    }
    enum rote_status st = rote_certificate_new(info, c->level, &certificate);
    if (!st && c->waive)
        st = rote_certificate_waive(certificate, c->waive);
    if (!st)
        st = rote_certify_cases(c->level, &id, &count);
    for (int i = 0; !st && i < count; i++)
        wanted += contains(c, id[i]);
    if (!st && !wanted) {
        free(info);
        rote_certificate_free(certificate);
        rote_free((void *)id);
        return cli_usage("certify", "no case's id holds '%s'; --list shows them", c->only);
    }
    if (!st) {
        snprintf(c->device, sizeof c->device, "%s", info->id);
        printf("%s, %s, driver %s\n", info->name, info->platform, info->driver);
        fflush(stdout);
    }
    free(info);
    double began = worker_clock();
    for (int i = 0; !st && i < count && !c->stopped; i++) {
        if (!contains(c, id[i]))
            continue;
        show(c, done++, wanted, began, id[i]);
        judge(c, id[i], &r);
        if (!c->stopped)
            st = rote_certificate_add(certificate, id[i], &r);
    }
    worker_kill(&c->worker);
    if (c->terminal)
        fputs("\r\033[K", stderr);
    if (!st)
        st = finish(c, certificate, &unwritten);
    int code = st ? cli_fail("certify", st) : unwritten || c->stopped || rote_certificate_bad(certificate) ? EXIT_FAILED
                                                                                                       : EXIT_DONE;
    if (!st && c->stopped)
        fprintf(stderr, "rote certify: stopped after %d of %d cases\n", done - 1, wanted);
    rote_certificate_free(certificate);
    rote_free((void *)id);
    return code;
}

static int certify_all(struct certify *c)
{
    struct rote_device_info *list = NULL;
    char why[400];
    int code = EXIT_DONE, count = worker_devices(NULL, 1, OPENING_SECONDS, &list, why, sizeof why);
    for (int i = 0; i < count && !c->stopped; i++) {
        int one = certify_device(c, list[i].id);
        code = one > code ? one : code;
    }
    if (!count) {
        fprintf(stderr, "rote certify: %s\n", why);
        code = EXIT_FAILED;
    }
    free(list);
    return code;
}

static int compare(int n, char **path)
{
    char *text = NULL;
    int differences;
    if (n != 2)
        return cli_usage("certify", "--compare takes two certificates, not %d", n);
    enum rote_status st = rote_certificate_compare(path[0], path[1], &text, &differences);
    if (st)
        return cli_fail("certify", st);
    fputs(text, stdout);
    rote_free(text);
    return differences ? EXIT_FAILED : EXIT_DONE;
}

static int list_cases(const struct certify *c)
{
    const char **id = NULL;
    int count;
    enum rote_status st = rote_certify_cases(c->level, &id, &count);
    if (st)
        return cli_fail("certify", st);
    for (int i = 0; i < count; i++)
        if (contains(c, id[i]))
            puts(id[i]);
    rote_free((void *)id);
    return EXIT_DONE;
}

int cmd_certify(int argc, char **argv)
{
    struct certify c = {.level = ROTE_CERTIFY_USUAL, .timeout = 120, .terminal = isatty(STDERR_FILENO)};
    struct progress stop;
    const char *device = NULL;
    int f, comparing = 0, listing = 0;
    opterr = 0;
    while ((f = getopt_long(argc, argv, ":o:", options, NULL)) != -1) {
        switch (f) {
        case 'd': device = optarg; break;
        case 'a': c.all = 1; break;
        case 'q': c.level = ROTE_CERTIFY_QUICK; break;
        case 'f': c.level = ROTE_CERTIFY_FULL; break;
        case 'n': c.only = optarg; break;
        case 'o': c.out = optarg; break;
        case 'j': c.junit = optarg; break;
        case 'r': c.redact = 1; break;
        case 'w': c.waive = optarg; break;
        case 'c': comparing = 1; break;
        case 'l': listing = 1; break;
        case 't':
            if ((c.timeout = cli_seconds(optarg)) <= 0)
                return cli_usage("certify", "'%s' is no time; say 90s, 10m or 2h", optarg);
            break;
        case 'h': fputs(usage, stdout); return EXIT_DONE;
        default: return cli_unknown_flag("certify", argv[optind - 1], options);
        }
    }
    if (comparing)
        return compare(argc - optind, argv + optind);
    if (optind < argc)
        return cli_usage("certify", "unexpected argument '%s'", argv[optind]);
    if (device && c.all)
        return cli_usage("certify", "--device and --all exclude each other");
    if (listing)
        return list_cases(&c);
    progress_start(&stop, 1);
    return c.all ? certify_all(&c) : certify_device(&c, device);
}
