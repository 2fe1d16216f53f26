#include "progress.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define BAR 28

static volatile sig_atomic_t stop;

static void on_signal(int number)
{
    struct sigaction again = {.sa_handler = SIG_DFL};
    sigaction(number, &again, NULL);
    stop = 1;
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

void progress_start(struct progress *p, int quiet)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    *p = (struct progress){.terminal = isatty(STDERR_FILENO), .quiet = quiet};
    stop = 0;
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

static void duration(double seconds, char out[32])
{
    long s = (long)(seconds + 0.5);
    if (s >= 3600)
        snprintf(out, 32, "%ldh%02ldm", s / 3600, s / 60 % 60);
    else
        snprintf(out, 32, "%ldm%02lds", s / 60, s % 60);
}

static void draw(const struct rote_progress *r)
{
    char bar[BAR + 1], left[32] = "", spent[32];
    int full = r->steps ? (int)(BAR * r->step / r->steps) : 0, epoch = r->epoch + 1 > r->epochs ? r->epochs : r->epoch + 1;
    for (int i = 0; i < BAR; i++)
        bar[i] = i < full ? '#' : '.';
    bar[BAR] = 0;
    duration(r->seconds, spent);
    if (r->remaining >= 0)
        duration(r->remaining, left);
    fprintf(stderr, "\r\033[K[%s] %3.0f%%  ", bar, r->steps ? 100.0 * (double)r->step / (double)r->steps : 0.0);
    if (r->epochs)
        fprintf(stderr, "epoch %d/%d  ", epoch, r->epochs);
    if (!strcmp(r->doing, "training") && r->loss == r->loss)
        fprintf(stderr, "loss %.4f  accuracy %.2f%%  ", r->loss, 100 * r->accuracy);
    else
        fprintf(stderr, "%s  ", r->doing);
    fprintf(stderr, "%s%s%s", spent, *left ? ", left " : "", left);
    fflush(stderr);
}

int progress_show(void *user, const struct rote_progress *r)
{
    struct progress *p = user;
    if (p->terminal && !p->quiet && (now() - p->last > 0.1 || strcmp(r->doing, "training"))) {
        draw(r);
        p->last = now();
    }
    return !stop;
}

int progress_stopped(void)
{
    return stop;
}

void progress_end(struct progress *p)
{
    if (p->terminal && !p->quiet && p->last > 0)
        fputs("\r\033[K", stderr);
}
