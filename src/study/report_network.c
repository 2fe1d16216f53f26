/* Where heads are in the network, and which of its layers a regulariser's gradient reaches. */
#include <string.h>

#include "study/report.h"

/* The network for the data's shape, where the configuration tells it, else for one that most networks take. */
static void network(const struct config *c, struct spec **out)
{
    const struct config_data *d = &c->data;
    bool gray = d->kind == CONFIG_DATA_FASHION_MNIST || d->kind == CONFIG_DATA_IDX;
    *out = NULL;
    if (d->kind == CONFIG_DATA_SYNTHETIC) {
        if (config_spec(c, d->channels, d->height, d->width, out))
            *out = NULL;
    } else if (config_spec(c, gray ? 1 : 3, gray ? 28 : 32, gray ? 28 : 32, out)) {
        *out = NULL; /* a series, say: heads then keep their order */
    }
}

static bool has_parameters(const struct spec_layer *l)
{
    return !strcmp(l->type, "conv2d") || !strcmp(l->type, "linear") || !strcmp(l->type, "batchnorm");
}

/* The layers with parameters on ways from the input to `layer`. */
static enum rote_status reached(const struct spec *s, int layer, int *count, int *all)
{
    enum rote_status st = ROTE_OK;
    bool *on = NULL;
    *count = *all = 0;
    TRY(base_alloc(&on, s->count, sizeof *on));
    if (layer >= 0)
        on[layer] = true;
    for (int i = (int)s->count - 1; i >= 0; i--) {
        int in[2], n = spec_inputs(s, (size_t)i, in);
        *all += has_parameters(&s->layer[i]);
        if (!on[i])
            continue;
        *count += has_parameters(&s->layer[i]);
        for (int k = 0; k < n; k++)
            if (in[k] >= 0)
                on[in[k]] = true;
    }
out:
    base_free(on);
    return st;
}

enum rote_status report_heads(const struct config *c, json_t *out)
{
#define TEXT(name, text) text,
    static const char *const losses[] = {CONFIG_HEAD_LOSSES(TEXT)};
    static const char *const schedules[] = {CONFIG_LAMBDA_SCHEDULES(TEXT)};
#undef TEXT
    enum rote_status st = ROTE_OK;
    struct spec *s = NULL;
    network(c, &s);
    for (unsigned i = 0; i < c->heads_count; i++) {
        const struct config_head *h = &c->heads[i];
        const char *at = h->at ? h->at : "features";
        int depth = s ? spec_find(s, at) : -1, count = 0, all = 0;
        if (s)
            TRY(reached(s, depth, &count, &all));
        bool random = h->kind == CONFIG_HEAD_RANDOM;
        json_array_append_new(out, json_pack("{s:o s:b s:b s:o s:i s:i s:f s:s s:s s:b s:i s:i}", "name",
                                             study_json_text(h->name), "random", random, "given", h->labels != NULL, "at",
                                             study_json_text(at), "depth", depth, "n",
                                             h->n ? h->n : random && !h->labels ? 10 : 0, "lambda", h->lambda, "loss",
                                             losses[h->loss], "schedule", schedules[h->schedule], "per_class",
                                             h->per_class, "reaches", count, "layers", all));
    }
out:
    spec_free(s);
    return st;
}
