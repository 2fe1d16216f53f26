/* Processes of this program that do what may take a core for long, crash or hang: build kernels,
 * try variants. They are spawned, never forked: OpenCL does not survive a fork. A worker reads
 * lines from its standard input and answers each with one line; it ends with its input. */
#ifndef WORKER_H
#define WORKER_H

#include <sys/types.h>

#include "rote/programs.h"

struct worker {
    pid_t pid; /* 0: none */
    int in, out;
    char text[4096]; /* what was read and not yet given */
    size_t len;
};

/* device: a selector. Returns 0, or -1 with errno. */
int worker_start(struct worker *w, const char *device);
/* The same with the program's arguments, argv[0] "rote", in place of `rote worker`'s. */
int worker_start_as(struct worker *w, char *const argv[]);
int worker_send(struct worker *w, const char *line);
enum worker_answer { WORKER_ANSWERED, WORKER_SILENT, WORKER_GONE };
/* Waits up to `seconds` (0: only looks) for a line. */
enum worker_answer worker_receive(struct worker *w, double seconds, char *line, size_t cap);
/* Ends it at once, and gives how it ended, as waitpid does. Without effect where there is none. */
int worker_kill(struct worker *w);
double worker_clock(void);

/* What a process of its own says of the device that this selector means, which it opens, or with `all` of every one
 * in the list; *out is the caller's (free). The count, or 0: `why` (its driver may
 * have ended the process). Warnings go to standard error. */
int worker_devices(const char *device, int all, double seconds, struct rote_device_info **out, char *why, size_t cap);

/* Missing programs of this device are built by as many workers as there are processors; b tells
 * whether a line on a terminal shows how far they are, and must live as long as the device. */
struct builders {
    int quiet;
};
void cli_build_in_workers(rote_device *device, struct builders *b);

#endif
