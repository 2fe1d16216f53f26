/* What a run's folder tells, as lines "epoch,part,head,figure,value": what a study keeps of it. */
#include <jansson.h>
#include <string.h>

#include "study/study.h"
#include "train/train.h"

static bool is_kept(const struct study_plan *plan, const char *figure)
{
    bool kept = !plan || !plan->figures_count;
    for (unsigned i = 0; !kept && i < plan->figures_count; i++)
        kept = !strcmp(plan->figures[i], figure);
    return kept;
}

/* The epochs' lines of log.csv, without their steps. */
static enum rote_status read_log(const char *folder, int64_t epochs, const struct study_plan *plan, long long *last,
                                 struct base_buf *out)
{
    enum rote_status st = ROTE_OK;
    char *path = NULL, *text = NULL;
    TRY(base_sprintf(&path, "%s/log.csv", folder));
    TRY(base_read_file(path, &text, NULL));
    TRY(base_buf_printf(out, "%s", ""));
    for (const char *line = text; *line; line += strcspn(line, "\n") + (strchr(line, '\n') != NULL)) {
        const char *comma = strchr(line, ',');
        char part[32] = "", figure[64] = "";
        long long epoch;
        if (!comma || sscanf(comma + 1, "%lld,%31[^,],%*[^,],%63[^,]", &epoch, part, figure) != 3 || epoch > epochs ||
            !strcmp(part, "train") || !strcmp(part, "control_train"))
            continue;
        *last = epoch;
        if (strcmp(part, "network") && !is_kept(plan, figure))
            continue;
        TRY(base_buf_printf(out, "%.*s\n", (int)strcspn(comma + 1, "\n"), comma + 1));
    }
out:
    base_free(path);
    base_free(text);
    return st;
}

/* canaries.MEASURE.auroc, .auprc, and .tpr_RATE along the ROC curve. */
static enum rote_status add_canaries(const char *folder, long long epoch, struct base_buf *out)
{
    enum rote_status st = ROTE_OK;
    struct train_roc roc[ROTE_CANARY_MEASURES];
    int64_t planted;
    TRY(train_folder_canaries(folder, roc, &planted));
    if (!planted)
        goto out;
    TRY(base_buf_printf(out, "%lld,canaries,all,planted,%lld\n", epoch, (long long)planted));
    for (int m = 0; m < ROTE_CANARY_MEASURES; m++) {
        const struct rote_canary_measure *c = &roc[m].measure;
        TRY(base_buf_printf(out, "%lld,canaries,%s,auroc,%.9g\n%lld,canaries,%s,auprc,%.9g\n", epoch, c->name, c->auroc,
                            epoch, c->name, c->auprc));
        for (int k = 0; k < TRAIN_ROC_POINTS; k++)
            TRY(base_buf_printf(out, "%lld,canaries,%s,tpr_%g,%.9g\n", epoch, c->name, train_roc_rates[k],
                                roc[m].tpr[k]));
    }
out:
    return st;
}

/* The name of a summary's first class head; NULL: it has none. */
static const char *class_head(const json_t *summary)
{
    const json_t *heads = json_object_get(summary, "heads");
    for (size_t i = 0; i < json_array_size(heads); i++) {
        const json_t *h = json_array_get(heads, i);
        const char *kind = json_string_value(json_object_get(h, "kind"));
        if (kind && !strcmp(kind, "class"))
            return json_string_value(json_object_get(h, "name"));
    }
    return NULL;
}

/* test.HEAD.ece, validation.HEAD.ece; shifted.all.accuracy, shifted.KIND.severity1 and so on. */
static enum rote_status add_summary(const char *folder, long long epoch, struct base_buf *out)
{
    enum rote_status st = ROTE_OK;
    char *path = NULL, key[32];
    const char *kind;
    json_t *summary = NULL, *values, *value;
    size_t i;
    TRY(base_sprintf(&path, "%s/summary.json", folder));
    summary = json_load_file(path, 0, NULL);
    const char *head = class_head(summary), *parts[] = {"test", "validation"};
    for (i = 0; i < COUNT_OF(parts) && head; i++) {
        snprintf(key, sizeof key, "%s_ece", parts[i]);
        value = json_object_get(summary, key);
        if (json_is_number(value))
            TRY(base_buf_printf(out, "%lld,%s,%s,ece,%.9g\n", epoch, parts[i], head, json_number_value(value)));
    }
    value = json_object_get(summary, "shifted_accuracy");
    if (json_is_number(value))
        TRY(base_buf_printf(out, "%lld,shifted,all,accuracy,%.9g\n", epoch, json_number_value(value)));
    json_object_foreach(json_object_get(summary, "shifted"), kind, values)
        json_array_foreach(values, i, value)
            TRY(base_buf_printf(out, "%lld,shifted,%s,severity%zu,%.9g\n", epoch, kind, i + 1,
                                json_number_value(value)));
out:
    json_decref(summary);
    base_free(path);
    return st;
}

enum rote_status study_read_figures(const char *folder, int64_t epochs, bool complete, const struct study_plan *plan,
                                    struct base_buf *out)
{
    enum rote_status st = ROTE_OK;
    long long last = 0;
    TRY(read_log(folder, epochs, plan, &last, out));
    if (complete) {
        TRY(add_canaries(folder, last, out));
        TRY(add_summary(folder, last, out));
    }
out:
    return st;
}
