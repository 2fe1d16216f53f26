/* rote devices: what OpenCL finds on this machine. */
#include <getopt.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "rote.h"
#include "rote/device.h"

static const char usage[] =
    "usage: rote devices [--json]\n\n"
    "Lists every device of every OpenCL platform: index, stable id, type, compute\n"
    "units, memory, largest allocation, driver. Choose one elsewhere by\n"
    "--device INDEX, a part of its id or name, or cpu or gpu.\n";

static int print_json(const struct rote_device_info *d, size_t count)
{
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++) {
        json_t *o = json_pack("{s:i s:s s:s s:s s:s s:s s:s s:s s:i s:I s:I s:I s:I s:b}", "index", (int)i, "id", d[i].id,
                              "name", d[i].name, "vendor", d[i].vendor, "platform", d[i].platform, "driver",
                              d[i].driver, "version", d[i].version, "type", d[i].type, "compute_units",
                              (int)d[i].compute_units, "memory_bytes", (json_int_t)d[i].memory_bytes,
                              "max_allocation_bytes", (json_int_t)d[i].max_allocation_bytes, "local_bytes",
                              (json_int_t)d[i].local_bytes, "max_work_group", (json_int_t)d[i].max_work_group,
                              "duplicate", d[i].duplicate);
        json_array_append_new(list, o);
    }
    int failed = json_dumpf(list, stdout, JSON_INDENT(2));
    putchar('\n');
    json_decref(list);
    return failed ? EXIT_FAILED : EXIT_DONE;
}

int cmd_devices(int argc, char **argv)
{
    static const struct option options[] = {{"help", 0, 0, 'h'}, {"json", 0, 0, 'j'}, {0}};
    struct rote_device_info *d;
    size_t count;
    int c, json = 0, code = EXIT_DONE;
    opterr = 0;
    while ((c = getopt_long(argc, argv, ":", options, NULL)) != -1) {
        if (c == 'h') {
            fputs(usage, stdout);
            return EXIT_DONE;
        }
        if (c != 'j')
            return cli_unknown_flag("devices", argv[optind - 1], options);
        json = 1;
    }
    if (optind < argc)
        return cli_usage("devices", "unexpected argument '%s'", argv[optind]);
    enum rote_status st = rote_device_list(&d, &count);
    if (st)
        return cli_fail("devices", st);
    if (json) {
        code = print_json(d, count);
    } else {
        printf("%-3s %-50s %-10s %5s %9s %9s  %s\n", "#", "id", "type", "units", "memory", "largest", "driver");
        for (size_t i = 0; i < count; i++)
            printf("%-3zu %-50s %-10s %5u %5llu MiB %5llu MiB  %s%s\n", i, d[i].id, d[i].type, d[i].compute_units,
                   (unsigned long long)(d[i].memory_bytes >> 20),
                   (unsigned long long)(d[i].max_allocation_bytes >> 20), d[i].driver,
                   d[i].duplicate ? "  (listed before under another platform)" : "");
    }
    rote_free(d);
    return code;
}
