/* rote doctor: what keeps this machine from running Rote, and the command that mends it. */
#include <getopt.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "doctor.h"
#include "rote.h"

static const char usage[] =
    "usage: rote doctor [--json] [--timeout TIME]\n\n"
    "Looks for what keeps Rote from running here: the OpenCL loader, its drivers, platforms, devices,\n"
    "rights, graphics hardware without a driver, folders. A line a finding; a fault comes with the\n"
    "command that mends it. Drivers are asked in processes of their own, which may crash or hang.\n\n"
    "  --timeout TIME  how long a driver may take before it counts as hung; default 60s\n"
    "  --json          the same as JSON\n"
    "  --help\n\n"
    "Exit code: 0 without a fault, 1 with one.\n";

static const char *const mark_word[MARKS] = {"ok", "note", "FAULT"};

static void print_finding(const struct finding *f)
{
    printf("%-5s  %-8s  %s\n", mark_word[f->mark], f->check, f->text);
    for (const char *line = f->mend; *line;) {
        int len = (int)strcspn(line, "\n");
        printf("%*s%s %.*s\n", 17, "", line == f->mend ? "mend:" : "     ", len, line);
        line += len + (line[len] != 0);
    }
    fflush(stdout); /* the next may take its time */
}

void doctor_add(struct doctor *d, enum mark mark, const char *check, const char *mend, const char *fmt, ...)
{
    va_list ap;
    d->of[mark]++;
    if (d->count == MOST_FINDINGS)
        return;
    struct finding *f = &d->finding[d->count++];
    f->mark = mark;
    f->check = check;
    va_start(ap, fmt);
    vsnprintf(f->text, sizeof f->text, fmt, ap);
    va_end(ap);
    snprintf(f->mend, sizeof f->mend, "%s", mend ? mend : "");
    for (char *c = f->text; *c; c++)
        if ((unsigned char)*c < ' ' || *c == 127)
            *c = ' '; /* names come from drivers and files */
    if (!d->json)
        print_finding(f);
}

/* Bytes that are no UTF-8 become '?'. */
static json_t *text_json(const char *text)
{
    char plain[1024];
    size_t n = 0;
    json_t *s = json_string(text);
    if (s)
        return s;
    for (; text[n] && n + 1 < sizeof plain; n++)
        plain[n] = (unsigned char)text[n] < 128 ? text[n] : '?';
    plain[n] = 0;
    return json_string(plain);
}

static int print_json(const struct doctor *d)
{
    static const char *const word[MARKS] = {"ok", "note", "fault"};
    json_t *list = json_array();
    for (int i = 0; i < d->count; i++) {
        const struct finding *f = &d->finding[i];
        json_t *o = json_pack("{s:s s:s s:o}", "mark", word[f->mark], "check", f->check, "text", text_json(f->text));
        if (*f->mend)
            json_object_set_new(o, "mend", text_json(f->mend));
        json_array_append_new(list, o);
    }
    json_t *all = json_pack("{s:i s:i s:i s:o}", "ok", d->of[MARK_OK], "notes", d->of[MARK_NOTE], "faults",
                            d->of[MARK_FAULT], "findings", list);
    int failed = !all || json_dumpf(all, stdout, JSON_INDENT(2));
    putchar('\n');
    json_decref(all);
    return failed;
}

static void print_counts(const struct doctor *d)
{
    printf("\n%d ok, %d note%s, %d fault%s\n", d->of[MARK_OK], d->of[MARK_NOTE], d->of[MARK_NOTE] == 1 ? "" : "s",
           d->of[MARK_FAULT], d->of[MARK_FAULT] == 1 ? "" : "s");
}

static int examine(struct doctor *d)
{
    doctor_scan_hardware(d);
    doctor_drivers(d);
    doctor_platforms(d);
    doctor_hardware(d);
    doctor_access(d);
    doctor_folders(d);
    if (!d->json)
        print_counts(d);
    else if (print_json(d))
        return EXIT_FAILED;
    return d->of[MARK_FAULT] ? EXIT_FAILED : EXIT_DONE;
}

int cmd_doctor(int argc, char **argv)
{
    static const struct option options[] = {
        {"json", 0, 0, 'j'}, {"timeout", 1, 0, 't'}, {"help", 0, 0, 'h'}, {0}};
    static struct doctor d;
    int c;
    if (argc > 2 && !strcmp(argv[1], "--probe")) /* what this command starts itself */
        return doctor_probe(argc - 2, argv + 2);
    d = (struct doctor){.seconds = 60};
    opterr = 0;
    while ((c = getopt_long(argc, argv, ":", options, NULL)) != -1) {
        switch (c) {
        case 'j': d.json = 1; break;
        case 't':
            if ((d.seconds = cli_seconds(optarg)) <= 0)
                return cli_usage("doctor", "'%s' is no time; say 90s, 10m or 2h", optarg);
            break;
        case 'h': fputs(usage, stdout); return EXIT_DONE;
        default: return cli_unknown_flag("doctor", argv[optind - 1], options);
        }
    }
    if (optind < argc)
        return cli_usage("doctor", "unexpected argument '%s'", argv[optind]);
    return examine(&d);
}
