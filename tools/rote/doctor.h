/* What the parts of rote doctor share: the report, what a part tells the next, and probes. */
#ifndef DOCTOR_H
#define DOCTOR_H

#include <stddef.h>
#include <stdint.h>

#include "worker.h"

enum mark { MARK_OK, MARK_NOTE, MARK_FAULT, MARKS };

struct finding {
    enum mark mark;
    const char *check; /* which part found it, one word */
    char text[1024], mend[2048]; /* mend: commands, one a line; empty: there is none */
};

/* Makers of graphics hardware, by PCI number. */
enum maker { MAKER_AMD, MAKER_INTEL, MAKER_NVIDIA, MAKERS };
struct package {
    const char *debian, *ubuntu, *fedora, *arch; /* NULL: not known; ubuntu NULL: as Debian's */
};
struct maker_facts {
    uint32_t pci;
    const char *name, *word; /* word: in a device's vendor */
    struct package package;
    const char *rusticl; /* what RUSTICL_ENABLE takes for it, or NULL */
};
extern const struct maker_facts makers[MAKERS];
extern const struct package package_pocl;

#define MOST_FINDINGS 256
struct doctor {
    int json;
    double seconds;      /* that a driver may take for anything */
    int loads;           /* 0: a driver ends or holds up every process that asks for platforms */
    int looked;          /* platforms were listed, so that what follows is known */
    int hardware[MAKERS]; /* graphics cards */
    int served[MAKERS];  /* GPU devices that OpenCL offers */
    int count, of[MARKS];
    struct finding finding[MOST_FINDINGS];
};

/* Adds a finding, and prints it at once unless the report is JSON. mend may be NULL. */
void doctor_add(struct doctor *d, enum mark mark, const char *check, const char *mend, const char *fmt, ...)
    __attribute__((format(printf, 5, 6)));

/* The parts, in this order. */
void doctor_scan_hardware(struct doctor *d);
void doctor_drivers(struct doctor *d);
void doctor_platforms(struct doctor *d);
void doctor_hardware(struct doctor *d);
void doctor_access(struct doctor *d);
void doctor_folders(struct doctor *d);

/* The command that installs a package on this system. */
const char *doctor_install(const struct package *p, char *out, size_t cap);
/* The value that RUSTICL_ENABLE needs for this machine's hardware. */
const char *doctor_rusticl(const struct doctor *d);
/* A path as a shell takes it. */
const char *doctor_quote(const char *path, char *out, size_t cap);
/* CL_... by name. */
const char *doctor_cl_error(int code, char *out, size_t cap);

/* A question to a driver, asked in a process of its own, which may crash or hang. */
struct probe {
    struct worker worker;
    double seconds, end;
    int done, hung;
};
#define PROBE_LINE 2048
#define PROBE_FIELDS 12
/* 0, or -1 with errno */
int probe_start(struct probe *p, double seconds, const char *what, const char *subject, const char *how);
/* The next line, cut into fields; gives their number, 0 at the end. */
int probe_next(struct probe *p, char line[PROBE_LINE], char *field[PROBE_FIELDS]);
/* Ends it. 1: it answered in full; 0: why not, as "crashes (Aborted)". */
int probe_end(struct probe *p, char *why, size_t cap);
/* The other side: rote doctor --probe WHAT [SUBJECT [HOW]]. */
int doctor_probe(int argc, char **argv);

#endif
