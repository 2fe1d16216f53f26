/* Gradients by central differences of the oracles: in float64 the step can be small. Backward
 * operators are found as the graph finds them, by port names. */
#include <math.h>
#include <string.h>

#include "bench/gradient.h"

#define SAMPLES 12
#define STEP 1e-6

static int64_t elements(const struct call_shape *s)
{
    return call_elements(s);
}

/* sum over y of dy·y for output `port`, dy a fixed pattern */
static double weight(int64_t e)
{
    return sin(1.0 + 0.7 * (double)(e % 1009));
}

static enum rote_status loss(const struct op_case *k, int port, double *out)
{
    enum rote_status st = ROTE_OK;
    void *y[CALL_MAX_PORTS] = {0};
    TRY(op_case_reference(k, y));
    const double *v = y[port];
    double sum = 0;
    for (int64_t e = 0; e < elements(&k->call.out[port]); e++)
        sum += weight(e) * v[e];
    *out = sum;
out:
    op_outputs_free(y);
    return st;
}

static enum rote_status difference(const struct op_case *k, int port, int in, int64_t e, double *out)
{
    enum rote_status st = ROTE_OK;
    double *x = (double *)k->wide[in] + e, saved = *x, plus, minus;
    *x = saved + STEP;
    TRY(loss(k, port, &plus));
    *x = saved - STEP;
    TRY(loss(k, port, &minus));
    *out = (plus - minus) / (2 * STEP);
out:
    *x = saved;
    return st;
}

/* Binds the backward call's ports: forward inputs and outputs by name, d<output>. */
static enum rote_status bind(const struct op_case *k, void *const y[CALL_MAX_PORTS], double *dy, int port,
                             struct call *b, void *in[CALL_MAX_PORTS])
{
    const struct call *c = &k->call;
    for (int i = 0; i < c->sig->n_attr; i++)
        for (int j = 0; j < b->sig->n_attr; j++)
            if (!strcmp(c->sig->attr[i].name, b->sig->attr[j].name))
                b->attr[j] = c->attr[i];
    for (int i = 0; i < b->sig->n_in; i++) {
        const char *name = b->sig->in[i].name;
        int fwd_in = call_in(c, name), fwd_out = call_out(c, name);
        if (fwd_in >= 0) {
            b->in[i] = c->in[fwd_in];
            b->in_present[i] = c->in_present[fwd_in];
            in[i] = k->wide[fwd_in];
        } else if (fwd_out >= 0) {
            b->in[i] = c->out[fwd_out];
            b->in_present[i] = true;
            in[i] = y[fwd_out];
        } else if (name[0] == 'd' && !strcmp(name + 1, c->sig->out[port].name)) {
            b->in[i] = c->out[port];
            b->in_present[i] = true;
            in[i] = dy;
        } else if (!(b->sig->in[i].flags & PORT_OPTIONAL)) {
            return base_error(ROTE_EINVAL, "%s: port %s belongs to no port of %s", b->sig->name, name, c->sig->name);
        }
    }
    return op_call_infer(b);
}

static enum rote_status compare(const struct op_case *k, int port, const struct call *b,
                                void *const dx[CALL_MAX_PORTS], double *error, int *compared)
{
    enum rote_status st = ROTE_OK;
    for (int i = 0; i < b->sig->n_out; i++) {
        int in = call_in(&k->call, b->sig->out[i].name + 1);
        if (b->sig->out[i].name[0] != 'd' || in < 0)
            return base_error(ROTE_EINVAL, "%s: output %s is no gradient of an input of %s", b->sig->name,
                              b->sig->out[i].name, k->call.sig->name);
        const double *g = dx[i];
        int64_t n = elements(&b->out[i]);
        double square = 0;
        for (int64_t e = 0; e < n; e++)
            square += g[e] * g[e];
        double rms = sqrt(square / (double)n);
        for (int s = 0; s < SAMPLES; s++) {
            int64_t e = (int64_t)(((uint64_t)s * 2654435761u + 7) % (uint64_t)n);
            double d = 0;
            TRY(difference(k, port, in, e, &d));
            double scale = fmax(fmax(fabs(d), rms), 1e-3);
            *error = fmax(*error, fabs(d - g[e]) / scale);
            ++*compared;
        }
    }
out:
    return st;
}

/* The backward call on a device, from the oracle's arrays. */
static enum rote_status run_on_device(struct rote_device *dev, const struct call *b, void *const wide[CALL_MAX_PORTS],
                                      void *dx[CALL_MAX_PORTS])
{
    enum rote_status st = ROTE_OK;
    struct op_case k = {.call = *b};
    struct op_bound d = {.inst = NULL};
    for (int i = 0; i < b->sig->n_in; i++) {
        int64_t n = elements(&b->in[i]);
        if (!wide[i] || (b->sig->in[i].flags & PORT_SHAPE_ONLY))
            continue;
        TRY(base_alloc(&k.in[i], (size_t)op_bytes(&b->in[i]), 1));
        if (b->in[i].dtype != CALL_F32)
            memcpy(k.in[i], wide[i], (size_t)op_bytes(&b->in[i]));
        for (int64_t e = 0; b->in[i].dtype == CALL_F32 && e < n; e++)
            ((float *)k.in[i])[e] = (float)((const double *)wide[i])[e];
    }
    TRY(op_bound_new(dev, b, NULL, &d));
    TRY(op_memory_load(&d.memory, &k));
    TRY(op_inst_run(d.inst));
    for (int i = 0; i < b->sig->n_out; i++)
        TRY(op_memory_read(&d.memory, b, i, &dx[i]));
out:
    op_bound_free(&d);
    op_case_free(&k);
    return st;
}

static enum rote_status run_oracle(const struct call *b, void *const in[CALL_MAX_PORTS], void *dx[CALL_MAX_PORTS])
{
    enum rote_status st = ROTE_OK;
    for (int i = 0; i < b->sig->n_out; i++)
        TRY(base_alloc(&dx[i], (size_t)elements(&b->out[i]), sizeof(double)));
    op_def_of(b)->ref(b, in, dx);
out:
    return st;
}

enum rote_status bench_gradient(struct rote_device *dev, const struct op_case *k, double *error, int *compared)
{
    enum rote_status st = ROTE_OK;
    const struct op_def *def = op_def_of(&k->call);
    void *y[CALL_MAX_PORTS] = {0}, *dx[CALL_MAX_PORTS] = {0};
    double *dy = NULL;
    const int port = 0;
    *error = 0;
    *compared = 0;
    TRY(op_case_reference(k, y));
    int64_t n = elements(&k->call.out[port]);
    TRY(base_alloc(&dy, (size_t)n, sizeof *dy));
    for (int64_t e = 0; e < n; e++)
        dy[e] = weight(e);
    for (const char *const *g = def->grads; g && *g; g++) {
        struct call b;
        void *in[CALL_MAX_PORTS] = {0};
        if (strchr(*g, '='))
            continue; /* passed through unchanged: the graph's tests see to it */
        const struct op_def *backward = op_find(*g);
        if (!backward)
            FAIL(ROTE_ENOTFOUND, "%s names the backward operator %s, which is not registered", def->sig.name, *g);
        op_call_init(&b, backward);
        TRY(bind(k, y, dy, port, &b, in));
        TRY(dev ? run_on_device(dev, &b, in, dx) : run_oracle(&b, in, dx));
        TRY(compare(k, port, &b, dx, error, compared));
        op_outputs_free(dx);
    }
out:
    op_outputs_free(y);
    op_outputs_free(dx);
    base_free(dy);
    return st;
}
