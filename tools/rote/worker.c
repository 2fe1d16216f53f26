#include "worker.h"
#include "progress.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

double worker_clock(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Both ends close in processes spawned later, which would keep a dead worker's pipe open. */
static int make_pipe(int fd[2])
{
    if (pipe(fd))
        return -1;
    for (int i = 0; i < 2; i++)
        fcntl(fd[i], F_SETFD, FD_CLOEXEC);
    return 0;
}

static int spawn(struct worker *w, char *const argv[], int to[2], int from[2])
{
    posix_spawn_file_actions_t actions;
    int e = posix_spawn_file_actions_init(&actions);
    if (e)
        return e;
    e = posix_spawn_file_actions_adddup2(&actions, to[0], STDIN_FILENO);
    if (!e)
        e = posix_spawn_file_actions_adddup2(&actions, from[1], STDOUT_FILENO);
    if (!e) /* a driver's last words say nothing to the user */
        e = posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    if (!e)
        e = posix_spawn(&w->pid, "/proc/self/exe", &actions, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    return e;
}

int worker_start(struct worker *w, const char *device)
{
    char *argv[] = {"rote", "worker", "--device", (char *)(device ? device : ""), NULL};
    return worker_start_as(w, argv);
}

int worker_start_as(struct worker *w, char *const argv[])
{
    int to[2] = {-1, -1}, from[2] = {-1, -1}, e = 0;
    signal(SIGPIPE, SIG_IGN); /* writing to a worker that died is an error, not the end */
    *w = (struct worker){.in = -1, .out = -1};
    if (make_pipe(to) || make_pipe(from))
        e = errno;
    if (!e)
        e = spawn(w, argv, to, from);
    if (to[0] >= 0)
        close(to[0]);
    if (from[1] >= 0)
        close(from[1]);
    w->in = to[1];
    w->out = from[0];
    if (!e)
        return 0;
    w->pid = 0;
    if (w->in >= 0)
        close(w->in);
    if (w->out >= 0)
        close(w->out);
    errno = e;
    return -1;
}

int worker_send(struct worker *w, const char *line)
{
    char text[4096];
    int n = snprintf(text, sizeof text, "%s\n", line);
    if (n < 0 || (size_t)n >= sizeof text) {
        errno = EMSGSIZE;
        return -1;
    }
    return write(w->in, text, (size_t)n) == n ? 0 : -1; /* below a pipe's capacity: in one piece */
}

enum worker_answer worker_receive(struct worker *w, double seconds, char *line, size_t cap)
{
    double end = worker_clock() + seconds;
    for (;;) {
        char *newline = memchr(w->text, '\n', w->len);
        if (newline) {
            size_t n = (size_t)(newline - w->text);
            snprintf(line, cap, "%.*s", (int)n, w->text);
            memmove(w->text, newline + 1, w->len -= n + 1);
            return WORKER_ANSWERED;
        }
        double left = end - worker_clock();
        struct pollfd p = {.fd = w->out, .events = POLLIN};
        int ready = poll(&p, 1, left > 0 ? (int)(left * 1000) + 1 : 0);
        if (ready < 0 && errno != EINTR)
            return WORKER_GONE;
        if (ready < 0)
            return WORKER_SILENT; /* a signal: the caller may want to stop */
        if (ready == 0)
            return WORKER_SILENT;
        ssize_t n = read(w->out, w->text + w->len, sizeof w->text - w->len);
        if (n <= 0)
            return WORKER_GONE;
        w->len += (size_t)n;
    }
}

static int from_hex(const char *hex, void *out, size_t bytes)
{
    unsigned v;
    for (size_t i = 0; i < bytes; i++, hex += 2) {
        if (sscanf(hex, "%2x", &v) != 1)
            return -1;
        ((unsigned char *)out)[i] = (unsigned char)v;
    }
    return 0;
}

int worker_devices(const char *device, int all, double seconds, struct rote_device_info **out, char *why, size_t cap)
{
    char *argv[] = {"rote", "worker", all ? "--list" : "--info", "--device", (char *)(device ? device : ""), NULL};
    char line[sizeof(struct rote_device_info) * 2 + 64];
    struct worker w;
    enum worker_answer a;
    int count = 0;
    _Static_assert(sizeof line <= sizeof w.text, "a line must fit");
    double end = worker_clock() + seconds, left;
    *out = NULL;
    if (worker_start_as(&w, argv)) {
        snprintf(why, cap, "cannot start a process: %s", strerror(errno));
        return 0;
    }
    for (;;) {
        do {
            left = end - worker_clock();
            a = worker_receive(&w, left > 0 ? left : 0, line, sizeof line);
        } while (a == WORKER_SILENT && left > 0 && !progress_stopped()); /* other signals cut the waiting short */
        if (a == WORKER_ANSWERED && !strncmp(line, "warning ", 8)) {
            fprintf(stderr, "rote: warning: %s\n", line + 8);
            continue;
        }
        if (a != WORKER_ANSWERED || strncmp(line, "device ", 7))
            break;
        struct rote_device_info *grown = realloc(*out, (size_t)(count + 1) * sizeof **out);
        if (!grown || (*out = grown, from_hex(line + 7, &grown[count], sizeof *grown))) {
            snprintf(line, sizeof line, "cannot read what a process of its own said of the devices");
            break;
        }
        count++;
    }
    if (a == WORKER_ANSWERED && !strcmp(line, "end") && count) {
        worker_kill(&w);
        return count;
    }
    if (a == WORKER_ANSWERED)
        snprintf(why, cap, "%s", !strncmp(line, "failed ", 7) ? line + 7 : line);
    else if (progress_stopped())
        snprintf(why, cap, "stopped");
    else if (a == WORKER_SILENT)
        snprintf(why, cap, "the driver does not answer within %.0f s; rote doctor looks closer", seconds);
    else
        snprintf(why, cap, "the driver ended the process that %s; rote doctor looks closer",
                 all ? "listed the devices" : "opened the device");
    worker_kill(&w);
    free(*out);
    *out = NULL;
    return 0;
}

int worker_kill(struct worker *w)
{
    int status = 0;
    if (!w->pid)
        return 0;
    close(w->in);
    close(w->out);
    kill(w->pid, SIGKILL);
    while (waitpid(w->pid, &status, 0) < 0 && errno == EINTR)
        ;
    *w = (struct worker){.in = -1, .out = -1};
    return status;
}
