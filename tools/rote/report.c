/* A run's figures as a table. */
#include <math.h>
#include <stdio.h>

#include "rote.h"

static void percent(double v, double samples)
{
    if (samples > 0 && isfinite(v))
        printf(" %8.2f%%", 100 * v);
    else
        printf(" %9s", "-");
}

static void heads(const rote_run *run, int n)
{
    struct rote_head_report h;
    printf("\n%-20s %-20s %5s %9s %9s %9s %9s %9s\n", "random head", "at", "n", "raw", "corrected", "held-out", "control",
           "chance");
    for (int i = 0; i < n; i++) {
        if (rote_run_head_report(run, i, &h) || !h.random)
            continue;
        printf("%-20s %-20s %5d", h.name, h.at, h.n);
        percent(h.clean.accuracy, h.clean.samples);
        percent(h.chance_corrected, h.clean.samples);
        percent(h.held_out.accuracy, h.held_out.samples);
        percent(h.control.accuracy, h.control.samples);
        percent(1.0 / h.n, 1);
        printf("\n");
    }
}

static enum rote_status canaries(const rote_run *run)
{
    struct rote_canary_measure m[ROTE_CANARY_MEASURES];
    int64_t planted;
    enum rote_status st = rote_run_canaries(run, m, &planted);
    if (st || !planted)
        return st;
    char title[48];
    snprintf(title, sizeof title, "%lld canaries, found by", (long long)planted);
    printf("\n%-41s %5s %9s %9s\n", title, "", "AUROC", "AUPRC");
    for (int i = 0; i < ROTE_CANARY_MEASURES; i++)
        printf("%-41s %5s %9.3f %9.3f\n", m[i].name, "", m[i].auroc, m[i].auprc);
    return ROTE_OK;
}

static enum rote_status shifts(const rote_run *run)
{
    struct rote_shift s[ROTE_SHIFT_KINDS];
    double mean;
    enum rote_status st = rote_run_shifts(run, s, &mean);
    if (st || isnan(mean))
        return st;
    char title[48];
    snprintf(title, sizeof title, "shifted test samples: %.2f%%", 100 * mean);
    printf("\n%-41s severity:", title);
    for (int i = 0; i < ROTE_SHIFT_SEVERITIES; i++)
        printf(i ? " %9d" : " %6d", i + 1);
    for (int k = 0; k < ROTE_SHIFT_KINDS; k++) {
        printf("\n%-47s", s[k].name);
        for (int i = 0; i < ROTE_SHIFT_SEVERITIES; i++)
            percent(s[k].accuracy[i], 1);
    }
    printf("\n");
    return ROTE_OK;
}

enum rote_status cli_print_report(const rote_run *run)
{
    struct rote_report r;
    struct rote_head_report h;
    int random = 0, validation;
    enum rote_status st = rote_run_report(run, &r);
    if (st)
        return st;
    validation = isfinite(r.validation_loss);
    printf("epoch %lld of %lld, %.0f s", (long long)r.epoch, (long long)r.epochs, r.seconds);
    if (r.stopped_early)
        printf(", stopped early (%s)", r.stopped_early);
    if (r.images_per_second > 0)
        printf(", %.0f images/s", r.images_per_second);
    if (isfinite(r.test_ece))
        printf(", calibration error %.4f", r.test_ece);
    if (r.first_step_seconds > 0)
        printf("; first step after %.1f s", r.first_step_seconds);
    printf("; device memory %.1f MiB, predicted %.1f\n\n", (double)r.peak_bytes / 1048576, (double)r.predicted_bytes / 1048576);
    printf("%-20s %-20s %5s %9s", "class head", "at", "n", "train");
    if (validation)
        printf(" %10s %9s", "validation", "loss");
    printf(" %9s %9s\n", "test", "test loss");
    for (int i = 0; i < r.n_heads; i++) {
        if ((st = rote_run_head_report(run, i, &h)))
            return st;
        random += h.random;
        if (h.random)
            continue;
        printf("%-20s %-20s %5d", h.name, h.at, h.n);
        percent(h.clean.accuracy, h.clean.samples);
        if (validation) {
            printf(" ");
            percent(h.validation.accuracy, h.validation.samples);
            printf(" %9.4f", h.validation.loss);
        }
        percent(h.held_out.accuracy, h.held_out.samples);
        if (h.held_out.samples > 0)
            printf(" %9.4f", h.held_out.loss);
        printf("\n");
    }
    if (random)
        heads(run, r.n_heads);
    if ((st = shifts(run)) || (st = canaries(run)))
        return st;
    if (r.training_seconds > 0)
        printf("\ninstrument: %.1f s, %.1f%% of the training steps' %.1f s\n", r.instrument_seconds,
               100 * r.instrument_seconds / r.training_seconds, r.training_seconds);
    return ROTE_OK;
}
