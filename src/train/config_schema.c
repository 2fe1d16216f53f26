/* The one list of a configuration's keys: names, types, places, bounds, and defaults. */
#include "train/config_schema.h"

#include <string.h>

#include "model/spec_yaml.h"

#define OPT CYAML_FLAG_OPTIONAL
#define INT(s, m) CYAML_FIELD_INT(#m, OPT, struct s, m)
#define REAL(s, m) CYAML_FIELD_FLOAT(#m, OPT, struct s, m)
#define BOOL(s, m) CYAML_FIELD_BOOL(#m, OPT, struct s, m)
#define TEXT(s, m) CYAML_FIELD_STRING_PTR(#m, OPT | CYAML_FLAG_POINTER_NULL_STR, struct s, m, 0, CYAML_UNLIMITED)
#define ENUM(s, m, strings) CYAML_FIELD_ENUM(#m, OPT | CYAML_FLAG_STRICT, struct s, m, strings, COUNT_OF(strings))
#define MAP(m, fields) CYAML_FIELD_MAPPING(#m, OPT, struct config, m, fields)

#define PAIR_DATA(name, text) {text, CONFIG_DATA_##name},
#define PAIR_LAYOUT(name, text) {text, CONFIG_LAYOUT_##name},
#define PAIR_OPTIMIZER(name, text) {text, CONFIG_OPTIMIZER_##name},
#define PAIR_LR(name, text) {text, CONFIG_LR_##name},
#define PAIR_HEAD(name, text) {text, CONFIG_HEAD_##name},
#define PAIR_LOSS(name, text) {text, CONFIG_LOSS_##name},
#define PAIR_LAMBDA(name, text) {text, CONFIG_LAMBDA_##name},
#define PAIR_RECOMPUTE(name, text) {text, CONFIG_RECOMPUTE_##name},
#define PAIR_STOP(name, text) {text, CONFIG_STOP_##name},
#define PAIR_TEST(name, text) {text, CONFIG_TEST_##name},
static const cyaml_strval_t data_kinds[] = {CONFIG_DATA_KINDS(PAIR_DATA)};
static const cyaml_strval_t layouts[] = {CONFIG_LAYOUTS(PAIR_LAYOUT)};
static const cyaml_strval_t optimizers[] = {CONFIG_OPTIMIZERS(PAIR_OPTIMIZER)};
static const cyaml_strval_t lr_schedules[] = {CONFIG_LR_SCHEDULES(PAIR_LR)};
static const cyaml_strval_t head_kinds[] = {CONFIG_HEAD_KINDS(PAIR_HEAD)};
static const cyaml_strval_t head_losses[] = {CONFIG_HEAD_LOSSES(PAIR_LOSS)};
static const cyaml_strval_t lambda_schedules[] = {CONFIG_LAMBDA_SCHEDULES(PAIR_LAMBDA)};
static const cyaml_strval_t recomputes[] = {CONFIG_RECOMPUTES(PAIR_RECOMPUTE)};
static const cyaml_strval_t stops[] = {CONFIG_STOPS(PAIR_STOP)};
static const cyaml_strval_t tests[] = {CONFIG_TESTS(PAIR_TEST)};

static const cyaml_schema_field_t data_fields[] = {
    ENUM(config_data, kind, data_kinds), TEXT(config_data, path),         TEXT(config_data, train_images),
    TEXT(config_data, train_labels),     TEXT(config_data, test_images),  TEXT(config_data, test_labels),
    ENUM(config_data, layout, layouts),  INT(config_data, subset),        REAL(config_data, label_noise),
    REAL(config_data, canaries),         INT(config_data, validation),    INT(config_data, folds),
    INT(config_data, fold),
    INT(config_data, classes),           INT(config_data, channels),      INT(config_data, height),
    INT(config_data, width),             INT(config_data, train_count),   INT(config_data, test_count),
    CYAML_FIELD_END,
};

static const cyaml_schema_field_t seeds_fields[] = {
    INT(config_seeds, init),    INT(config_seeds, order),  INT(config_seeds, augment),
    INT(config_seeds, dropout), INT(config_seeds, labels), INT(config_seeds, noise),
    INT(config_seeds, folds),
    CYAML_FIELD_END,
};

static const cyaml_schema_field_t optimizer_fields[] = {
    ENUM(config_optimizer, kind, optimizers), REAL(config_optimizer, momentum), BOOL(config_optimizer, nesterov),
    REAL(config_optimizer, decay),            REAL(config_optimizer, beta1),    REAL(config_optimizer, beta2),
    REAL(config_optimizer, eps),              CYAML_FIELD_END,
};

static const struct cyaml_schema_value epoch_entry = {CYAML_VALUE_INT(CYAML_FLAG_DEFAULT, int)};

static const cyaml_schema_field_t lr_fields[] = {
    ENUM(config_lr, schedule, lr_schedules),
    REAL(config_lr, base),
    REAL(config_lr, warmup_epochs),
    CYAML_FIELD_SEQUENCE("step_epochs", OPT | CYAML_FLAG_POINTER, struct config_lr, step_epochs, &epoch_entry, 0,
                         CYAML_UNLIMITED),
    REAL(config_lr, gamma),
    REAL(config_lr, final),
    CYAML_FIELD_END,
};

static const cyaml_schema_field_t augment_fields[] = {
    INT(config_augment, crop),      BOOL(config_augment, flip), INT(config_augment, cutout),
    REAL(config_augment, cutout_p), CYAML_FIELD_END,
};

static const cyaml_schema_field_t head_fields[] = {
    TEXT(config_head, name),
    ENUM(config_head, kind, head_kinds),
    BOOL(config_head, per_class),
    TEXT(config_head, at),
    INT(config_head, n),
    REAL(config_head, lambda),
    ENUM(config_head, loss, head_losses),
    ENUM(config_head, schedule, lambda_schedules),
    BOOL(config_head, redraw),
    INT(config_head, seed),
    TEXT(config_head, labels),
    CYAML_FIELD_END,
};
static const struct cyaml_schema_value head_entry = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct config_head, head_fields)};

static const cyaml_schema_field_t memory_fields[] = {
    TEXT(config_memory, limit), ENUM(config_memory, recompute, recomputes), CYAML_FIELD_END};

static const cyaml_schema_field_t control_fields[] = {
    BOOL(config_control, enabled), INT(config_control, every), CYAML_FIELD_END};

const struct cyaml_schema_field config_fields[] = {
    TEXT(config, model),
    TEXT(config, network),
    CYAML_FIELD_SEQUENCE("layers", OPT | CYAML_FLAG_POINTER, struct config, layers, &spec_entry_schema, 0,
                         CYAML_UNLIMITED),
    MAP(data, data_fields),
    INT(config, batch),
    INT(config, micro_batch),
    MAP(memory, memory_fields),
    INT(config, epochs),
    INT(config, seed),
    MAP(seeds, seeds_fields),
    TEXT(config, device),
    TEXT(config, variant),
    MAP(optimizer, optimizer_fields),
    MAP(lr, lr_fields),
    MAP(augment, augment_fields),
    REAL(config, label_smoothing),
    REAL(config, dropout),
    CYAML_FIELD_SEQUENCE("heads", OPT | CYAML_FLAG_POINTER, struct config, heads, &head_entry, 0, CYAML_UNLIMITED),
    REAL(config, ema),
    TEXT(config, init),
    BOOL(config, frozen),
    INT(config, checkpoint_every),
    INT(config, log_every),
    INT(config, rla_subset),
    ENUM(config, test, tests),
    ENUM(config, early_stop, stops),
    INT(config, early_stop_patience),
    INT(config, predictions_every),
    BOOL(config, ledger_csv),
    BOOL(config, shifted),
    MAP(control, control_fields),
    TEXT(config, out),
    CYAML_FIELD_END,
};

#define COUNT_MAX 2147483647.0
#define SEED_MAX 9007199254740991.0 /* 2^53 - 1: exact wherever a number is a double */
#define REAL_MAX 1e30

static const struct schema_bound bounds[] = {
    {"data.subset", 0, COUNT_MAX, false, false},
    {"data.validation", 0, COUNT_MAX, false, false},
    {"data.label_noise", 0, 1, false, false},
    {"data.canaries", 0, 0.5, false, false},
    {"data.folds", 0, 1000, false, false},
    {"data.fold", 0, 999, false, false},
    {"data.classes", 0, 1000000, false, false},
    {"data.channels", 1, 65536, false, false},
    {"data.height", 1, 65536, false, false},
    {"data.width", 1, 65536, false, false},
    {"data.train_count", 1, COUNT_MAX, false, false},
    {"data.test_count", 1, COUNT_MAX, false, false},
    {"batch", 1, 1048576, false, false},
    {"micro_batch", 0, 1048576, false, false},
    {"epochs", 0, 1000000, false, false},
    {"seed", 0, SEED_MAX, false, false},
    {"seeds.init", -1, SEED_MAX, false, false},
    {"seeds.order", -1, SEED_MAX, false, false},
    {"seeds.augment", -1, SEED_MAX, false, false},
    {"seeds.dropout", -1, SEED_MAX, false, false},
    {"seeds.labels", -1, SEED_MAX, false, false},
    {"seeds.noise", -1, SEED_MAX, false, false},
    {"seeds.folds", -1, SEED_MAX, false, false},
    {"optimizer.momentum", 0, 1, false, true},
    {"optimizer.decay", 0, REAL_MAX, false, false},
    {"optimizer.beta1", 0, 1, false, true},
    {"optimizer.beta2", 0, 1, false, true},
    {"optimizer.eps", 0, REAL_MAX, true, false},
    {"lr.base", 0, REAL_MAX, false, false},
    {"lr.warmup_epochs", 0, REAL_MAX, false, false},
    {"lr.step_epochs[]", 1, COUNT_MAX, false, false},
    {"lr.gamma", 0, REAL_MAX, true, false},
    {"lr.final", 0, REAL_MAX, false, false},
    {"augment.crop", 0, 65536, false, false},
    {"augment.cutout", 0, 65536, false, false},
    {"augment.cutout_p", 0, 1, false, false},
    {"label_smoothing", 0, 1, false, true},
    {"dropout", 0, 0.99, false, false},
    {"heads[].n", 0, 1000000, false, false},
    {"heads[].lambda", 0, REAL_MAX, false, false},
    {"heads[].seed", -1, SEED_MAX, false, false},
    {"ema", 0, 1, false, true},
    {"checkpoint_every", 0, COUNT_MAX, false, false},
    {"log_every", 1, COUNT_MAX, false, false},
    {"rla_subset", 0, COUNT_MAX, false, false},
    {"early_stop_patience", 1, 1000000, false, false},
    {"predictions_every", 0, COUNT_MAX, false, false},
    {"control.every", 1, 1000000, false, false},
};

static enum rote_status entry_init(const char *sequence, void *entry, int line)
{
    if (!strcmp(sequence, "layers")) {
        ((struct spec_entry *)entry)->line = line;
        return ROTE_OK;
    }
    struct config_head *h = entry;
    h->kind = CONFIG_HEAD_RANDOM;
    h->seed = -1;
    h->line = line;
    return base_strdup(&h->at, "features");
}

static enum rote_status check_string(const char *path, const char *value, const char *where)
{
    size_t count;
    const char *const *names = zoo_names(&count), *near = base_nearest(value, names, count);
    if (strcmp(path, "model"))
        return ROTE_OK;
    for (size_t i = 0; i < count; i++)
        if (!strcmp(names[i], value))
            return ROTE_OK;
    return base_error(ROTE_ECONFIG, "%smodel: there is no \"%s\"; the nearest is %s", where, value, near ? near : "cnn");
}

const struct schema config_schema = {
    .fields = config_fields,
    .size = sizeof(struct config),
    .bounds = bounds,
    .n_bounds = COUNT_OF(bounds),
    .check_string = check_string,
    .entry_init = entry_init,
};

/* Defaults are YAML too: a run without any file is the small network on Fashion-MNIST
 * with one probe, a random head that sends no gradient. */
static const char defaults[] =
    "data: {kind: fashion-mnist, layout: nhwc, classes: 0, channels: 1, height: 28, width: 28,\n"
    "       train_count: 2000, test_count: 500}\n"
    "batch: 128\n"
    "micro_batch: 0\n"
    "memory: {recompute: auto}\n"
    "epochs: 10\n"
    "seed: 1\n"
    "seeds: {init: -1, order: -1, augment: -1, dropout: -1, labels: -1, noise: -1, folds: -1}\n"
    "optimizer: {kind: sgd, momentum: 0.9, nesterov: true, decay: 5e-4, beta1: 0.9, beta2: 0.999, eps: 1e-8}\n"
    "lr: {schedule: cosine, base: 0.05, warmup_epochs: 0, step_epochs: [], gamma: 0.1, final: 0}\n"
    "augment: {cutout_p: 1}\n"
    "heads:\n"
    "- {name: class, kind: class}\n"
    "- {name: random, kind: random, n: 10}\n"
    "log_every: 50\n"
    "rla_subset: 5000\n"
    "test: auto\n"
    "early_stop: none\n"
    "early_stop_patience: 5\n"
    "control: {enabled: false, every: 20}\n";

enum rote_status config_defaults(struct config *c)
{
    memset(c, 0, sizeof *c);
    enum rote_status st = schema_load(&config_schema, defaults, "defaults", c);
    if (st)
        config_free(c);
    return st;
}
