#include <getopt.h>
#include <stdio.h>

#include "rote.h"

int cmd_version(int argc, char **argv)
{
    static const struct option options[] = {{"help", 0, 0, 'h'}, {"json", 0, 0, 'j'}, {0}};
    int c, json = 0;
    opterr = 0;
    while ((c = getopt_long(argc, argv, ":", options, NULL)) != -1) {
        if (c == 'h') {
            puts("usage: rote version [--json]\n\nPrints the version of the command line and its library.");
            return EXIT_DONE;
        }
        if (c != 'j')
            return cli_unknown_flag("version", argv[optind - 1], options);
        json = 1;
    }
    if (optind < argc)
        return cli_usage("version", "unexpected argument '%s'", argv[optind]);
    printf(json ? "{\"version\": \"%s\"}\n" : "rote %s\n", rote_version());
    return EXIT_DONE;
}
