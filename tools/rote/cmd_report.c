/* rote report: what a study or a run shows, as one page. */
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "rote.h"
#include "rote/report.h"

static const char usage[] =
    "usage: rote report RUN|STUDY.yaml [-o FILE] [--db FILE]\n\n"
    "Writes one HTML page that needs nothing else: of a study (docs/study.md) what its database has\n"
    "so far, of a run's folder that run. docs/report.md tells what is on it.\n\n"
    "  -o, --out FILE   the page; default report.html, '-' is standard output\n"
    "  --db FILE        the study's database; default the plan's name with .db\n"
    "  --help\n\n"
    "Exit codes: 0 done, 1 failed, 2 usage.\n";

static const struct option options[] = {{"out", 1, 0, 'o'}, {"db", 1, 0, 'b'}, {"help", 0, 0, 'h'}, {0}};

static int write_page(const char *path, const char *html)
{
    int to_stdout = !strcmp(path, "-");
    FILE *f = to_stdout ? stdout : fopen(path, "w");
    int bad = !f || fputs(html, f) < 0;
    if (f && !to_stdout && fclose(f))
        bad = 1;
    if (bad) {
        fprintf(stderr, "rote report: cannot write %s; does its folder exist, and is there space?\n", path);
        return EXIT_FAILED;
    }
    if (!to_stdout)
        printf("%s\n", path);
    return EXIT_DONE;
}

int cmd_report(int argc, char **argv)
{
    const char *out = "report.html", *db = NULL;
    rote_study *study = NULL;
    char *html = NULL;
    struct stat info;
    int c;
    opterr = 0;
    while ((c = getopt_long(argc, argv, ":o:", options, NULL)) != -1) {
        if (c == 'o')
            out = optarg;
        else if (c == 'b')
            db = optarg;
        else if (c == 'h') {
            fputs(usage, stdout);
            return EXIT_DONE;
        } else {
            return cli_unknown_flag("report", argv[optind - 1], options);
        }
    }
    if (optind + 1 != argc)
        return optind < argc ? cli_usage("report", "unexpected argument '%s'", argv[optind + 1])
                             : cli_usage("report", "say of what: rote report runs/first, or rote report STUDY.yaml");
    const char *of = argv[optind];
    int folder = !stat(of, &info) && S_ISDIR(info.st_mode);
    if (folder && db)
        return cli_usage("report", "--db is a study's, and %s is a folder", of);
    if (db && stat(db, &info)) {
        fprintf(stderr, "rote report: there is no database %s; 'rote study run %s --db %s' makes it\n", db, of, db);
        return EXIT_FAILED;
    }
    enum rote_status st = folder ? rote_run_folder_report(of, &html) : rote_study_open(of, db, &study);
    if (!st && !folder)
        st = rote_study_report(study, &html);
    int code = st ? cli_fail("report", st) : write_page(out, html);
    rote_free(html);
    rote_study_free(study);
    return code;
}
