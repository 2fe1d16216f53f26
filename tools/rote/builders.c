/* Programs built by several processes: one worker a processor, each given the next call. */
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

#include "worker.h"

#define MOST_WORKERS 64
#define BUILD_SECONDS 300.0 /* after that a compiler is taken to hang */

struct pool {
    struct worker worker[MOST_WORKERS];
    double since[MOST_WORKERS]; /* when its call was given; 0: idle */
    int workers, busy;
    size_t next, done;
};

static void drop(struct pool *p, int i)
{
    p->busy -= p->since[i] > 0;
    p->since[i] = 0;
    worker_kill(&p->worker[i]);
}

static void give(struct pool *p, int i, const char *const *calls, size_t end)
{
    char line[4000];
    if (p->next == end || !p->worker[i].pid)
        return;
    snprintf(line, sizeof line, "build %s", calls[p->next++]);
    if (worker_send(&p->worker[i], line)) {
        drop(p, i);
        return;
    }
    p->since[i] = worker_clock();
    p->busy++;
}

static void wait_for_any(struct pool *p)
{
    struct pollfd fd[MOST_WORKERS];
    nfds_t n = 0;
    for (int i = 0; i < p->workers; i++)
        if (p->since[i] > 0)
            fd[n++] = (struct pollfd){.fd = p->worker[i].out, .events = POLLIN};
    poll(fd, n, 1000);
}

static void draw(const struct builders *b, size_t done, size_t count)
{
    if (!b->quiet && isatty(STDERR_FILENO)) {
        fprintf(stderr, "\r\033[K");
        if (done < count)
            fprintf(stderr, "compiling kernels: %zu of %zu", done, count);
        fflush(stderr);
    }
}

/* Up to `end`, by workers that run; a call whose worker dies or fails is left to this process,
 * which then tells why. */
static void build_until(struct pool *p, const struct builders *b, const char *const *calls, size_t end, size_t count)
{
    for (int i = 0; i < p->workers; i++)
        give(p, i, calls, end);
    while (p->busy > 0) {
        draw(b, p->done, count);
        wait_for_any(p);
        for (int i = 0; i < p->workers; i++) {
            char line[1024];
            if (p->since[i] == 0)
                continue;
            enum worker_answer a = worker_receive(&p->worker[i], 0, line, sizeof line);
            if (a == WORKER_SILENT && worker_clock() - p->since[i] < BUILD_SECONDS)
                continue;
            p->done++;
            if (a != WORKER_ANSWERED) {
                drop(p, i);
                continue;
            }
            p->since[i] = 0;
            p->busy--;
            give(p, i, calls, end);
        }
    }
}

static void build(void *user, rote_device *device, const char *const *calls, size_t first, size_t count)
{
    struct builders *b = user;
    struct rote_device_info info;
    struct pool p = {.workers = 0};
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    int wanted = cores < 1 ? 1 : cores > MOST_WORKERS ? MOST_WORKERS : (int)cores;
    if (rote_device_info_get(device, &info))
        return;
    while (p.workers < wanted && (size_t)p.workers < first && !worker_start(&p.worker[p.workers], info.id))
        p.workers++;
    build_until(&p, b, calls, first, count);
    p.next = first; /* also where every worker was lost */
    build_until(&p, b, calls, count, count);
    draw(b, count, count);
    for (int i = 0; i < p.workers; i++)
        worker_kill(&p.worker[i]);
}

void cli_build_in_workers(rote_device *device, struct builders *b)
{
    rote_device_set_builder(device, build, b);
}
