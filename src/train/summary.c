/* The figures of a run in one object: summary.json, `rote eval --json`. */
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "train/train_internal.h"

static void set_number(json_t *o, const char *key, double v)
{
    json_object_set_new(o, key, isfinite(v) ? json_real(v) : json_null());
}

static json_t *head_json(const struct rote_head_report *h)
{
    json_t *o = json_object();
    json_object_set_new(o, "name", json_string(h->name));
    json_object_set_new(o, "at", json_string(h->at));
    json_object_set_new(o, "kind", json_string(h->random ? "random" : "class"));
    json_object_set_new(o, "per_class", json_boolean(h->per_class));
    json_object_set_new(o, "n", json_integer(h->n));
    set_number(o, "lambda", h->lambda);
    set_number(o, "train_accuracy", h->clean.accuracy);
    set_number(o, "train_loss", h->clean.loss);
    set_number(o, "stream_accuracy", h->stream.accuracy);
    set_number(o, "held_out_accuracy", h->held_out.accuracy);
    set_number(o, "held_out_loss", h->held_out.loss);
    set_number(o, "validation_accuracy", h->validation.accuracy);
    set_number(o, "validation_loss", h->validation.loss);
    if (!h->random)
        return o;
    set_number(o, "chance", 1.0 / h->n);
    set_number(o, "chance_corrected", h->chance_corrected);
    set_number(o, "null_accuracy", h->null_accuracy);
    if (h->control.samples > 0) {
        set_number(o, "control_accuracy", h->control.accuracy);
        set_number(o, "accuracy_minus_control", h->clean.accuracy - h->control.accuracy);
    }
    return o;
}

static enum rote_status add_canaries(const struct rote_run *t, json_t *o)
{
    enum rote_status st = ROTE_OK;
    struct rote_canary_measure m[ROTE_CANARY_MEASURES];
    int64_t planted;
    TRY(ledger_canaries(t, m, &planted));
    if (!planted)
        goto out;
    json_t *measures = json_object();
    for (int i = 0; i < ROTE_CANARY_MEASURES; i++) {
        json_t *one = json_object();
        set_number(one, "auroc", m[i].auroc);
        set_number(one, "auprc", m[i].auprc);
        json_object_set_new(measures, m[i].name, one);
    }
    json_object_set_new(o, "canaries", json_pack("{s:I s:o}", "planted", (json_int_t)planted, "measures", measures));
out:
    return st;
}

static enum rote_status add_shifts(const struct rote_run *t, json_t *o)
{
    struct rote_shift shift[ROTE_SHIFT_KINDS];
    double mean;
    enum rote_status st = train_shifts(t, shift, &mean);
    if (st || isnan(mean))
        return st;
    json_t *kinds = json_object();
    for (int i = 0; i < ROTE_SHIFT_KINDS; i++) {
        json_t *accuracies = json_array();
        for (int s = 0; s < ROTE_SHIFT_SEVERITIES; s++)
            json_array_append_new(accuracies, json_real(shift[i].accuracy[s]));
        json_object_set_new(kinds, shift[i].name, accuracies);
    }
    json_object_set_new(o, "shifted", kinds);
    set_number(o, "shifted_accuracy", mean);
    return ROTE_OK;
}

enum rote_status train_report_json(const struct rote_run *t, struct base_buf *out)
{
    enum rote_status st = ROTE_OK;
    struct rote_report r;
    json_t *o = NULL, *heads = NULL;
    char *text = NULL;
    TRY(train_report(t, &r));
    o = json_object();
    heads = json_array();
    json_object_set_new(o, "rote", json_string(rote_version()));
    json_object_set_new(o, "device", json_string(rt_facts_of(t->dev)->id));
    json_object_set_new(o, "network", json_string(t->net.m->spec->name));
    json_object_set_new(o, "parameters", json_integer(model_trained(t->net.m)));
    json_object_set_new(o, "step", json_integer(r.step));
    json_object_set_new(o, "epochs", json_integer(r.epoch));
    set_number(o, "test_accuracy", r.test_accuracy);
    set_number(o, "test_loss", r.test_loss);
    set_number(o, "validation_accuracy", r.validation_accuracy);
    set_number(o, "validation_loss", r.validation_loss);
    set_number(o, "test_ece", r.test_ece);
    set_number(o, "validation_ece", r.validation_ece);
    json_object_set_new(o, "stopped_early", r.stopped_early ? json_pack("{s:I s:s}", "epoch", (json_int_t)r.epoch,
                                                                        "reason", r.stopped_early) : json_null());
    set_number(o, "seconds", r.seconds);
    set_number(o, "seconds_to_first_step", r.first_step_seconds > 0 ? r.first_step_seconds : NAN);
    set_number(o, "images_per_second", r.images_per_second);
    set_number(o, "training_seconds", r.training_seconds);
    set_number(o, "instrument_seconds", r.instrument_seconds);
    set_number(o, "instrument_share", r.instrument_seconds / r.training_seconds);
    json_object_set_new(o, "predicted_peak_bytes", json_integer((json_int_t)r.predicted_bytes));
    json_object_set_new(o, "peak_bytes", json_integer((json_int_t)r.peak_bytes));
    for (int i = 0; i < r.n_heads; i++) {
        struct rote_head_report h;
        TRY(train_head_report(t, i, &h));
        json_array_append_new(heads, head_json(&h));
    }
    json_object_set(o, "heads", heads);
    TRY(add_shifts(t, o));
    if (t->canary && r.epoch > 0)
        TRY(add_canaries(t, o));
    text = json_dumps(o, JSON_INDENT(2) | JSON_REAL_PRECISION(9));
    if (!text)
        FAIL(ROTE_ENOMEM, "no memory for the summary");
    TRY(base_buf_printf(out, "%s\n", text));
out:
    free(text);
    json_decref(heads);
    json_decref(o);
    return st;
}

enum rote_status summary_write(struct rote_run *t)
{
    enum rote_status st = ROTE_OK;
    struct base_buf text = {0};
    char *path = NULL;
    TRY(train_report_json(t, &text));
    TRY(base_sprintf(&path, "%s/summary.json", t->folder));
    TRY(ledger_write(t));
    TRY(base_write_file_atomic(path, text.text, text.len)); /* last: where it is, all is */
out:
    base_buf_free(&text);
    base_free(path);
    return st;
}
