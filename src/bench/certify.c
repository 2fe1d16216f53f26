/* A case of a certification, run in this process. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "bench/certificate.h"
#include "bench/gradient.h"
#include "rote/certify.h"

#define SEED 17
#define GRADIENT_ERROR 2e-4  /* of a backward operator in float32, relative to the derivative or their rms */
#define TRAINING_STEPS 16

static const char *const words_of[ROTE_CASE_VERDICTS] = {"right", "untaken",  "waived", "flaky",  "wrong",
                                                          "unsteady", "failed", "crashed", "hung"};

const char *rote_case_word(enum rote_case_verdict v)
{
    return words_of[v];
}

enum rote_case_verdict rote_case_verdict_of(const char *word)
{
    for (int i = 0; i < ROTE_CASE_VERDICTS; i++)
        if (!strcmp(word, words_of[i]))
            return (enum rote_case_verdict)i;
    return ROTE_CASE_FAILED;
}

int rote_case_bad(enum rote_case_verdict v)
{
    return v >= ROTE_CASE_WRONG;
}

/* --- operators ------------------------------------------------------------------------ */

static void worse(struct rote_case_result *out, const struct op_case_result *r, const char *rule)
{
    if (r->unsteady && out->verdict != ROTE_CASE_WRONG) {
        out->verdict = ROTE_CASE_UNSTEADY;
        snprintf(out->why, sizeof out->why, "a second run on the same data gave other bits%s%s",
                 rule ? ", in place " : "", rule ? rule : "");
    }
    if (r->error > 1 && out->verdict != ROTE_CASE_WRONG) {
        out->verdict = ROTE_CASE_WRONG;
        snprintf(out->why, sizeof out->why, "%.160s%s%s", r->where, rule ? ", in place " : "", rule ? rule : "");
    }
    out->error = fmax(out->error, r->error);
    out->ulp = fmax(out->ulp, r->ulp);
}

static enum rote_status run_operator(struct rote_device *dev, const struct op_def *def, const char *variant,
                                     const char *words, struct rote_case_result *out)
{
    enum rote_status st = ROTE_OK;
    struct op_case k;
    struct op_case_result r;
    void *want[CALL_MAX_PORTS] = {NULL};
    TRY(op_case_new(def, words, SEED, &k));
    TRY(op_case_reference(&k, want));
    TRY(op_case_check(dev, &k, variant, want, &r));
    out->verdict = r.ran ? ROTE_CASE_RIGHT : ROTE_CASE_UNTAKEN;
    if (!r.ran)
        snprintf(out->why, sizeof out->why, "%s", r.where);
    worse(out, &r, NULL);
    for (int i = 0; r.ran && i < op_case_places(def); i++) {
        TRY(op_case_check_in_place(dev, &k, variant, i, want, &r));
        worse(out, &r, def->in_place[i] ? def->in_place[i] : "all");
    }
out:
    op_outputs_free(want);
    op_case_free(&k);
    return st;
}

static enum rote_status run_gradient(struct rote_device *dev, const struct op_def *def, const char *words,
                                     struct rote_case_result *out)
{
    enum rote_status st = ROTE_OK;
    struct op_case k;
    double error;
    int compared;
    TRY(op_case_new(def, words, SEED + 6, &k));
    TRY(bench_gradient(dev, &k, &error, &compared));
    out->error = error / GRADIENT_ERROR;
    out->ulp = error / 1.1920929e-7;
    out->verdict = out->error <= 1 ? ROTE_CASE_RIGHT : ROTE_CASE_WRONG;
    if (out->verdict == ROTE_CASE_WRONG)
        snprintf(out->why, sizeof out->why, "a derivative is off by %.3g of itself or of their rms", error);
out:
    op_case_free(&k);
    return st;
}

/* --- training ------------------------------------------------------------------------- */

/* A network that has a thin, a 3x3, a strided, a depthwise and a 1x1 convolution, norms, a
 * residual, both poolings and heads of each kind. */
static const char *const layers[][4] = {
    {"conv1", "conv2d", "", "filters=16 window=3 pad=1 bias=0"},
    {"bn1", "batchnorm", "", ""},
    {"relu1", "relu", "", ""},
    {"conv2", "conv2d", "", "filters=16 window=3 pad=1 bias=0"},
    {"bn2", "batchnorm", "", ""},
    {"sum", "add", "bn2 relu1", ""},
    {"relu2", "relu", "", ""},
    {"pool", "maxpool", "", "window=2"},
    {"depthwise", "conv2d", "", "filters=16 window=3 pad=1 groups=16"},
    {"conv3", "conv2d", "", "filters=32 window=1 stride=2"},
    {"relu3", "relu", "", ""},
    {"global", "globalpool", "", ""},
    {"features", "linear", "", "features=24"},
};
static const char *const training[] = {
    "data={kind: synthetic, channels: 3, height: 12, width: 12, train_count: 256, test_count: 16}",
    "batch=16",
    "optimizer.kind=sgd",
    "lr.schedule=constant",
    "control.enabled=false",
    "heads=[{name: class, kind: class}, {name: pushes, lambda: 0.5}, {name: each, per_class: true, n: 3, at: pool}]",
};

/* Losses of the class head, step by step; the learning rate is `lr` times 1 + nudge * 2^-23. */
static enum rote_status train_losses(struct rote_device *dev, const char *variant, int nudge,
                                     double loss[TRAINING_STEPS])
{
    enum rote_status st = ROTE_OK;
    struct config c = {0};
    rote_config *public = NULL;
    struct rote_run *t = NULL;
    char words[64];
    TRY(rote_config_new(&public));
    for (size_t i = 0; i < COUNT_OF(layers); i++)
        TRY(rote_config_add_layer(public, layers[i][0], layers[i][1], layers[i][2], layers[i][3]));
    for (size_t i = 0; i < COUNT_OF(training); i++)
        TRY(rote_config_set(public, training[i]));
    snprintf(words, sizeof words, "lr.base=%.10g", 0.05 * (1 + nudge * 1.1920929e-7));
    TRY(rote_config_set(public, words));
    if (variant) {
        snprintf(words, sizeof words, "variant=%s", variant);
        TRY(rote_config_set(public, words));
    }
    TRY(config_copy(&public->c, &c));
    TRY(train_new(dev, &c, NULL, &t));
    for (int i = 0; i < TRAINING_STEPS; i++) {
        struct rote_figures f;
        memset(t->net.sums, 0, sizeof t->net.sums);
        TRY(train_enqueue(t, 1));
        TRY(rt_finish(dev));
        TRY(train_take_sums(&t->net));
        train_figures_of(t->net.sums, &f);
        loss[i] = f.loss;
    }
out:
    train_free(t);
    config_free(&c);
    rote_config_free(public);
    return st;
}

static void curve(struct rote_case_result *out, const double loss[TRAINING_STEPS])
{
    size_t at = strlen(out->curves);
    for (int i = 0; i < TRAINING_STEPS && at < sizeof out->curves; i++)
        at += (size_t)snprintf(out->curves + at, sizeof out->curves - at, "%s%.9g", i ? " " : at ? " | " : "", loss[i]);
}

/* The reference is the same training by `host`: float64 between float32 tensors. What rounding can do is seen from
 * references whose learning rate is a few units in the last place off: at each step the loss may be
 * ENVELOPE times as far from the reference as the farthest of them so far, and FLOOR of itself. */
#define NUDGES 3
#define ENVELOPE 16
#define FLOOR 4e-6
static enum rote_status run_training(struct rote_device *dev, struct rote_case_result *out)
{
    enum rote_status st = ROTE_OK;
    static const int nudge[NUDGES] = {4, -4, 8};
    double got[TRAINING_STEPS], want[TRAINING_STEPS], other[TRAINING_STEPS], spread[TRAINING_STEPS] = {0};
    TRY(train_losses(dev, NULL, 0, got));
    TRY(train_losses(dev, "host", 0, want));
    for (int n = 0; n < NUDGES; n++) {
        TRY(train_losses(dev, "host", nudge[n], other));
        for (int i = 0; i < TRAINING_STEPS; i++)
            spread[i] = fmax(fmax(spread[i], i ? spread[i - 1] : 0), fabs(other[i] - want[i]));
    }
    out->verdict = ROTE_CASE_RIGHT;
    for (int i = 0; i < TRAINING_STEPS; i++) {
        double off = fabs(got[i] - want[i]), error = off / (ENVELOPE * spread[i] + FLOOR * fabs(want[i]));
        if (!(error <= out->error)) {
            out->error = isnan(error) ? INFINITY : error;
            out->ulp = off / (1.1920929e-7 * fabs(want[i]));
            snprintf(out->why, sizeof out->why, "step %d: loss %.9g, reference %.9g, envelope %.3g", i + 1, got[i],
                     want[i], ENVELOPE * spread[i] + FLOOR * fabs(want[i]));
        }
    }
    if (out->error > 1)
        out->verdict = ROTE_CASE_WRONG;
    else
        *out->why = 0;
    curve(out, got);
    curve(out, want);
out:
    return st;
}

/* --- rates ---------------------------------------------------------------------------- */

#define RATE_ROUNDS 3
#define LAUNCHES 200

static enum rote_status run_peak(struct rote_device *dev, bool bandwidth, struct rote_case_result *out)
{
    enum rote_status st = ROTE_OK;
    rote_peaks *p = NULL;
    TRY(rote_peaks_new(dev, &p));
    for (int i = 0; i < RATE_ROUNDS; i++)
        TRY(rote_peaks_measure(p));
    out->value = 1e-9 * (bandwidth ? rote_peaks_bandwidth(p) : rote_peaks_flops(p));
    snprintf(out->unit, sizeof out->unit, "%s", bandwidth ? "GB/s" : "GFLOP/s");
out:
    rote_peaks_free(p);
    return st;
}

/* Of a kernel with next to no work: many enqueued and waited for once, or each waited for. */
static enum rote_status run_launch(struct rote_device *dev, bool waits, struct rote_case_result *out)
{
    enum rote_status st = ROTE_OK;
    struct op_case k;
    struct op_bound b = {.inst = NULL};
    double least = INFINITY;
    TRY(op_case_new(op_find("relu_fwd"), "x=1x1x1x64", SEED, &k));
    TRY(op_bound_new(dev, &k.call, NULL, &b));
    TRY(op_memory_load(&b.memory, &k));
    for (int round = 0; round <= RATE_ROUNDS; round++) { /* the first warms up */
        double began = base_now();
        for (int i = 0; i < LAUNCHES; i++) {
            TRY(op_inst_run(b.inst));
            if (waits)
                TRY(rt_finish(dev));
        }
        TRY(rt_finish(dev));
        if (round)
            least = fmin(least, base_now() - began);
    }
    out->value = 1e6 * least / LAUNCHES;
    snprintf(out->unit, sizeof out->unit, "us");
out:
    op_bound_free(&b);
    op_case_free(&k);
    return st;
}

static enum rote_status run_rate(struct rote_device *dev, const char *name, struct rote_case_result *out)
{
    size_t i = 0;
    while (i < CERTIFY_RATES && strcmp(name, certify_rates[i]))
        i++;
    if (i == CERTIFY_RATES)
        return base_error(ROTE_ENOTFOUND, "there is no rate '%s'", name);
    out->verdict = ROTE_CASE_RIGHT;
    return i < 2 ? run_peak(dev, i == 0, out) : run_launch(dev, i == 3, out);
}

/* --- one case ------------------------------------------------------------------------- */

/* "OPERATOR/VARIANT/WORDS" into its fields. */
static enum rote_status split(char *id, char **op, char **what, char **words)
{
    *op = id;
    *what = strchr(id, '/');
    if (!*what)
        return base_error(ROTE_EINVAL, "'%s' is not OPERATOR/VARIANT/WORDS", id);
    *(*what)++ = 0;
    *words = strchr(*what, '/');
    if (*words)
        *(*words)++ = 0;
    return ROTE_OK;
}

enum rote_status rote_certify_case(rote_device *device, const char *id, struct rote_case_result *out)
{
    enum rote_status st = ROTE_OK;
    char *copy = NULL, *op = NULL, *what = NULL, *words = NULL;
    double began = base_now();
    if (!device || !id || !out)
        return base_null_argument("rote_certify_case");
    *out = (struct rote_case_result){.verdict = ROTE_CASE_FAILED};
    TRY(base_strdup(&copy, id));
    TRY(split(copy, &op, &what, &words));
    const struct op_def *def = op_find(op);
    if (!def && strcmp(op, "training") && strcmp(op, "rate"))
        FAIL(ROTE_ENOTFOUND, "'%s': there is no operator '%s'", id, op);
    if (def && !words)
        FAIL(ROTE_EINVAL, "'%s' is not OPERATOR/VARIANT/WORDS", id);
    enum rote_status of_case = !def ? !strcmp(op, "rate") ? run_rate(device, what, out) : run_training(device, out)
                               : !strcmp(what, "gradient") ? run_gradient(device, def, words, out)
                                                           : run_operator(device, def, what, words, out);
    if (of_case) {
        out->verdict = ROTE_CASE_FAILED;
        snprintf(out->why, sizeof out->why, "%s", rote_error_detail());
    }
    out->seconds = base_now() - began;
out:
    base_free(copy);
    return st;
}

/* --- over a pipe ---------------------------------------------------------------------- */

/* Fields are parted by tabs; `why` is one line. */
void rote_case_line(const struct rote_case_result *r, char *line, int cap)
{
    struct rote_case_result c = *r;
    for (char *p = c.why; *p; p++)
        if (*p == '\n' || *p == '\r' || *p == '\t')
            *p = ' ';
    snprintf(line, (size_t)cap, "%s\t%.9g\t%.9g\t%.9g\t%s\t%.6g\t%s\t%s", rote_case_word(c.verdict), c.error, c.ulp,
             c.value, c.unit, c.seconds, c.curves, c.why);
}

enum rote_status rote_case_parse(const char *line, struct rote_case_result *out)
{
    const char *field[8];
    int n = 0;
    char word[16];
    *out = (struct rote_case_result){.verdict = ROTE_CASE_FAILED};
    for (const char *p = line; n < 8; p = strchr(p, '\t') + 1) {
        field[n++] = p;
        if (!strchr(p, '\t'))
            break;
    }
    if (n != 8)
        return base_error(ROTE_EFORMAT, "no result of a case: '%.60s'", line);
    snprintf(word, sizeof word, "%.*s", (int)strcspn(field[0], "\t"), field[0]);
    out->verdict = rote_case_verdict_of(word);
    out->error = strtod(field[1], NULL);
    out->ulp = strtod(field[2], NULL);
    out->value = strtod(field[3], NULL);
    snprintf(out->unit, sizeof out->unit, "%.*s", (int)strcspn(field[4], "\t"), field[4]);
    out->seconds = strtod(field[5], NULL);
    snprintf(out->curves, sizeof out->curves, "%.*s", (int)strcspn(field[6], "\t"), field[6]);
    snprintf(out->why, sizeof out->why, "%s", field[7]);
    return ROTE_OK;
}
