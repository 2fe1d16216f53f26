/* Run configurations: defaults, round trip, messages with lines, assignments. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "train/config.h"
#include "unit.h"

static struct config c;

static void setup(void)
{
    ck_assert_msg(!config_defaults(&c), "%s", rote_error_detail());
}

static void teardown(void)
{
    config_free(&c);
}

static void expect(enum rote_status st, const char *part)
{
    ck_assert_msg(st == ROTE_ECONFIG, "%s: %s", rote_status_name(st), rote_error_detail());
    ck_assert_msg(strstr(rote_error_detail(), part) != NULL, "\"%s\" is not in: %s", part, rote_error_detail());
}

static void good(const char *text)
{
    ck_assert_msg(!config_load_text(&c, text, "run.yaml"), "%s", rote_error_detail());
}

static void bad(const char *text, const char *part)
{
    struct base_buf before = {0}, after = {0};
    ck_assert_int_eq(config_to_yaml(&c, &before), ROTE_OK);
    expect(config_load_text(&c, text, "run.yaml"), part);
    ck_assert_int_eq(config_to_yaml(&c, &after), ROTE_OK);
    ck_assert_str_eq(before.text, after.text);
    base_buf_free(&before);
    base_buf_free(&after);
}

static void set(const char *assignment)
{
    ck_assert_msg(!config_set(&c, assignment), "%s", rote_error_detail());
}

/* Over the defaults, what config_assignments gives makes the same configuration, `device` and `out` aside. */
static void few_assignments(void)
{
    struct base_buf few = {0}, first = {0}, second = {0};
    struct config d, bare = c;
    bare.device = bare.out = NULL;
    ck_assert_int_eq(config_assignments(&c, &few), ROTE_OK);
    ck_assert_int_eq(config_defaults(&d), ROTE_OK);
    for (char *line = few.text ? strtok(few.text, "\n") : NULL; line; line = strtok(NULL, "\n"))
        ck_assert_msg(!config_set(&d, line), "%s: %s", line, rote_error_detail());
    ck_assert_int_eq(config_to_yaml(&bare, &first), ROTE_OK);
    ck_assert_int_eq(config_to_yaml(&d, &second), ROTE_OK);
    ck_assert_str_eq(first.text, second.text);
    config_free(&d);
    base_buf_free(&few);
    base_buf_free(&first);
    base_buf_free(&second);
}

static void round_trip(void)
{
    struct base_buf first = {0}, second = {0};
    struct config d;
    ck_assert_int_eq(config_to_yaml(&c, &first), ROTE_OK);
    ck_assert_int_eq(config_defaults(&d), ROTE_OK);
    ck_assert_msg(!config_load_text(&d, first.text, "again"), "%s", rote_error_detail());
    ck_assert_int_eq(config_to_yaml(&d, &second), ROTE_OK);
    ck_assert_str_eq(first.text, second.text);
    ck_assert(c.optimizer.decay == d.optimizer.decay && c.lr.base == d.lr.base && c.seed == d.seed);
    ck_assert_uint_eq(c.heads_count, d.heads_count);
    for (unsigned i = 0; i < c.heads_count; i++) {
        ck_assert_str_eq(c.heads[i].name, d.heads[i].name);
        ck_assert(c.heads[i].lambda == d.heads[i].lambda && c.heads[i].seed == d.heads[i].seed);
    }
    config_free(&d);
    base_buf_free(&first);
    base_buf_free(&second);
    few_assignments();
}

START_TEST(defaults_are_valid)
{
    ck_assert_msg(!config_validate(&c), "%s", rote_error_detail());
    ck_assert_ptr_null(c.model);
    ck_assert_int_eq(c.batch, 128);
    ck_assert(c.optimizer.decay == 5e-4 && c.optimizer.nesterov);
    ck_assert_uint_eq(c.heads_count, 2);
    ck_assert_int_eq(c.heads[0].kind, CONFIG_HEAD_CLASS);
    ck_assert_int_eq(config_head_labels(&c.heads[0], 7), 7);
    ck_assert_int_eq(config_head_labels(&c.heads[1], 7), 10);
    ck_assert_str_eq(c.heads[1].at, "features");
    ck_assert_int_eq(config_head_seed(&c, &c.heads[1]), 1);
    set("seeds.labels=5");
    ck_assert_int_eq(config_head_seed(&c, &c.heads[1]), 5);
    set("heads[1].seed=0");
    ck_assert_int_eq(config_head_seed(&c, &c.heads[1]), 0);
    ck_assert_int_eq(config_seed(&c, c.seeds.order), 1);
    round_trip();
}
END_TEST

START_TEST(everything_survives_a_round_trip)
{
    good("model: wrn-16-4\n"
         "data:\n  kind: npy\n  train_images: \"a b: \\\"c\\\" #1.npy\"\n  train_labels: /x/y.npy\n"
         "  test_images: 'it''s'\n  test_labels: no\n  layout: nchw\n  subset: 500\n"
         "  label_noise: 0.1\n  canaries: 0.02\n"
         "batch: 256\nepochs: 200\nseed: 9007199254740991\nseeds: {init: 3, noise: 0}\ndevice: Pas de dev\xc3\xaf\x63\x65\n"
         "optimizer: {kind: adamw, decay: 0.30000000000000004, beta2: 0.95, eps: 1e-300, nesterov: Off}\n"
         "lr: {schedule: step, base: 0.5, step_epochs: [60, 120, 160], gamma: 0.2, warmup_epochs: 1}\n"
         "augment: {crop: 4, flip: on, cutout: 16, cutout_p: 0.5}\n"
         "label_smoothing: 0.1\ndropout: 0.25\nema: 0.999\ncheckpoint_every: 20\nlog_every: 1\nrla_subset: 0\n"
         "heads:\n- {name: class, kind: class}\n"
         "- name: early\n  at: block1.0\n  n: 100\n  lambda: 1e4\n  loss: confusion\n  schedule: ganin\n  redraw: yes\n"
         "- {name: pc, per_class: true, n: 2, seed: 12}\n"
         "control: {enabled: true, every: 5}\nout: runs/a\n");
    ck_assert_msg(!config_validate(&c), "%s", rote_error_detail());
    ck_assert_str_eq(c.data.train_images, "a b: \"c\" #1.npy");
    ck_assert_str_eq(c.data.test_labels, "no");
    ck_assert_int_eq(c.seed, 9007199254740991);
    ck_assert(!c.optimizer.nesterov && c.augment.flip && c.heads[1].redraw && c.heads[2].per_class);
    ck_assert_int_eq(c.optimizer.kind, CONFIG_OPTIMIZER_ADAMW);
    ck_assert_int_eq(c.lr.step_epochs[2], 160);
    ck_assert(c.heads[1].lambda == 1e4);
    ck_assert_int_eq(c.heads[1].loss, CONFIG_LOSS_CONFUSION);
    ck_assert_int_eq(c.heads[2].seed, 12);
    ck_assert_int_eq(c.heads[1].seed, -1);
    round_trip();
    good("");
    good("# only a comment\n");
    round_trip();
    good("device: \"null\"\nout: '~'\n");
    ck_assert_str_eq(c.device, "null");
    ck_assert_str_eq(c.out, "~");
    round_trip();
    set("out=\"a\\N b\"");
    ck_assert_str_eq(c.out, "a\xc2\x85 b");
    round_trip();
}
END_TEST

START_TEST(errors_have_line_key_and_the_nearest)
{
    bad("batch: 3\noptimizer:\n  momentm: 0.9\n", "run.yaml: line 3: unknown key optimizer.momentm; did you mean momentum?");
    bad("batch: 3\n\nepoch: 2\n", "line 3: unknown key epoch; did you mean epochs?");
    bad("zzzzzzzzzz: 2\n", "valid are model, network, layers");
    bad("heads:\n- name: a\n- name: b\n  lamda: 2\n", "line 4: unknown key heads[].lamda; did you mean lambda?");
    bad("batch: 3\nbatch: 4\n", "line 2: batch is given twice");
    bad("batch: many\n", "line 1: batch must be an integer, not \"many\"");
    bad("batch: 3.5\n", "batch must be an integer, not \"3.5\"");
    bad("batch: 010\n", "batch must be an integer, not \"010\"");
    bad("batch:\n", "batch must be an integer, not \"\"");
    bad("batch: 3000000000\n", "batch: 3000000000 is out of range");
    bad("seed: 99999999999999999999\n", "out of range");
    bad("batch: 0\n", "line 1: batch = 0 must be at least 1");
    bad("batch: [1]\n", "batch must be a single value, not a list");
    bad("batch: {a: 1}\n", "batch must be a single value, not a mapping");
    bad("lr:\n  base: fast\n", "line 2: lr.base must be a number, not \"fast\"");
    bad("lr: {base: nan}\n", "out of range");
    bad("lr: {base: .inf}\n", "must be a number");
    bad("lr: {base: 1e999}\n", "out of range");
    bad("lr: {base: -1}\n", "lr.base = -1 must be at least 0");
    bad("lr: {step_epochs: [3, x]}\n", "lr.step_epochs[] must be an integer");
    bad("lr: {step_epochs: 3}\n", "must be a list");
    bad("optimizer: {momentum: 1}\n", "at least 0 and below 1");
    bad("optimizer: {kind: agd}\n", "optimizer.kind cannot be \"agd\"; did you mean sgd?");
    bad("optimizer: {kind: 0}\n", "optimizer.kind cannot be \"0\"");
    bad("optimizer: {nesterov: flase}\n", "optimizer.nesterov must be true or false, not \"flase\"");
    bad("optimizer: 3\n", "line 1: optimizer must be keys with values");
    bad("heads: class\n", "heads must be a list");
    bad("heads: [class]\n", "heads[] must be keys with values");
    bad("layers:\n- {name: a, kind: relu}\n", "line 2: unknown key layers[].kind");
    bad("a: [1\nb: 2\n", "not YAML");
    bad("batch: 3\n  epochs: 4\n", "line 2: not YAML");
    bad("batch: 3\n---\nbatch: 4\n", "only one YAML document");
    bad("batch: *other\n", "not YAML");
    bad("[1, 2]: 3\n", "a key must be a word");
    bad("just words\n", "the document must be keys with values");
    bad("x: &a {y: *a}\n", "unknown key x");
    bad("batch: 3\nmodel: resnet81\n", "run.yaml: line 2: model: there is no \"resnet81\"; the nearest is resnet18");
    bad("seed: 9007199254740993\n", "line 1: seed = 9.00719925474099e+15 must be");
}
END_TEST

START_TEST(anchors_and_aliases_work)
{
    good("heads:\n- {name: class, kind: class}\n- &r {name: a, n: 5}\n- *r\n");
    ck_assert_uint_eq(c.heads_count, 3);
    ck_assert_str_eq(c.heads[2].name, "a");
    ck_assert_int_eq(c.heads[2].n, 5);
}
END_TEST

START_TEST(lists_replace_and_mappings_merge)
{
    good("heads:\n- {name: only, kind: class}\noptimizer: {momentum: 0.5}\n");
    ck_assert_uint_eq(c.heads_count, 1);
    ck_assert(c.optimizer.momentum == 0.5 && c.optimizer.decay == 5e-4);
    good("lr: {step_epochs: [1, 2]}");
    good("lr: {step_epochs: []}");
    ck_assert_uint_eq(c.lr.step_epochs_count, 0);
    good("device: gpu");
    good("device: null");
    ck_assert_ptr_null(c.device);
}
END_TEST

START_TEST(assignments_of_each_kind)
{
    set("optimizer.momentum=0.95");
    ck_assert(c.optimizer.momentum == 0.95);
    set("batch=17");
    ck_assert_int_eq(c.batch, 17);
    set("optimizer.kind=adamw");
    ck_assert_int_eq(c.optimizer.kind, CONFIG_OPTIMIZER_ADAMW);
    set("optimizer.nesterov=off");
    ck_assert(!c.optimizer.nesterov);
    set("device=Some, device (x)");
    ck_assert_str_eq(c.device, "Some, device (x)");
    set("device=\"a: b\"");
    ck_assert_str_eq(c.device, "a: b");
    set("device=");
    ck_assert_ptr_null(c.device);
    set("heads[1].lambda=10");
    ck_assert(c.heads[1].lambda == 10);
    ck_assert_str_eq(c.heads[1].name, "random");
    set("heads[2].name=deep");
    ck_assert_uint_eq(c.heads_count, 3);
    ck_assert_str_eq(c.heads[2].at, "features");
    ck_assert_int_eq(c.heads[2].kind, CONFIG_HEAD_RANDOM);
    set("heads[2]={at: conv1, per_class: true}");
    ck_assert_str_eq(c.heads[2].name, "deep");
    ck_assert_str_eq(c.heads[2].at, "conv1");
    set("lr.step_epochs=[60, 120]");
    set("lr.step_epochs[1]=130");
    set("lr.step_epochs[2]=160");
    ck_assert_uint_eq(c.lr.step_epochs_count, 3);
    ck_assert_int_eq(c.lr.step_epochs[1], 130);
    set("augment={crop: 2, flip: true}");
    ck_assert(c.augment.crop == 2 && c.augment.flip && c.augment.cutout_p == 1);
    set("heads=[{name: class, kind: class}]");
    ck_assert_uint_eq(c.heads_count, 1);
    set("layers=[{name: features, type: relu}]");
    set("layers[1]={name: b, type: linear, features: 4}");
    ck_assert_uint_eq(c.layers_count, 2);
    set("model=mlp");
    ck_assert_uint_eq(c.layers_count, 0);
    round_trip();
}
END_TEST

START_TEST(bad_assignments)
{
    expect(config_set(&c, "optimizer.momentm=0.95"), "optimizer.momentm=0.95: unknown key optimizer.momentm; did you mean momentum?");
    expect(config_set(&c, "batch"), "KEY=VALUE");
    expect(config_set(&c, "=3"), "KEY=VALUE");
    expect(config_set(&c, ""), "KEY=VALUE");
    expect(config_set(&c, "batch=x"), "batch must be an integer");
    expect(config_set(&c, "batch.x=3"), "batch must be a single value");
    expect(config_set(&c, "batch=3\nepochs: 3"), "one line");
    expect(config_set(&c, "heads.name=x"), "heads must be a list");
    expect(config_set(&c, "heads[3].name=x"), "heads has 2 entries; heads[2] would add one");
    expect(config_set(&c, "heads[].name=x"), "an index is written [0]");
    expect(config_set(&c, "heads[-1].name=x"), "an index is written [0]");
    expect(config_set(&c, "heads[0]name=x"), "joined by dots");
    expect(config_set(&c, "lr.=x"), "joined by dots");
    expect(config_set(&c, "lr base=x"), "joined by dots");
    expect(config_set(&c, ".lr=x"), "is not a key");
    expect(config_set(&c, "batch[0]=3"), "batch must be a single value");
    expect(config_set(&c, "device=a: b"), "quote it");
    expect(config_set(&c, "heads[99999999999999999999].n=3"), "has 2 entries");
    expect(config_set(&c, "lr.base=-3"), "lr.base=-3: lr.base = -3 must be at least 0");
    ck_assert_uint_eq(c.heads_count, 2);
    ck_assert_msg(!config_validate(&c), "%s", rote_error_detail());
}
END_TEST

static void invalid(const char *text, const char *part)
{
    config_free(&c);
    setup();
    good(text);
    expect(config_validate(&c), part);
}

START_TEST(what_must_fit_together)
{
    invalid("model: cnn\nnetwork: x.yaml", "only one of model, network and layers");
    invalid("optimizer: {momentum: 0}", "nesterov needs a momentum");
    invalid("lr: {schedule: step}", "lr.step_epochs is empty");
    invalid("lr: {step_epochs: [3, 3]}", "must rise");
    invalid("lr: {base: 0.1, final: 0.2}", "is above lr.base");
    invalid("lr: {warmup_epochs: 10}", "leaves nothing of 10 epochs");
    invalid("data: {kind: npy}", "data.kind npy needs");
    invalid("data: {kind: idx}", "data.kind idx needs");
    invalid("data: {kind: cifar10}", "need data.path");
    invalid("heads: [{name: r}]", "has no class head");
    invalid("heads: [{kind: class}]", "heads[0] has no name");
    invalid("heads: [{name: a/b, kind: class}]", "letters, digits");
    invalid("heads: [{name: a, kind: class}, {name: a}]", "both named a");
    invalid("heads: [{name: a, kind: class, lambda: 1}]", "lambda is for random heads");
    invalid("heads: [{name: a, kind: class, per_class: true}]", "per_class is for random heads");
    invalid("heads: [{name: a, kind: class, n: 1}]", "at least 2");
    invalid("heads: [{name: a, kind: class, at: null}]", "must name a layer");
    config_free(&c);
    setup();
    c.lr.base = NAN;
    expect(config_validate(&c), "lr.base = nan must be at least 0");
    c.lr.base = 0.1;
    c.heads[1].n = -5;
    expect(config_validate(&c), "heads[].n = -5");
}
END_TEST

START_TEST(networks)
{
    struct spec *s = NULL;
    ck_assert_int_eq(config_spec(&c, 1, 28, 28, &s), ROTE_OK);
    ck_assert_str_eq(s->name, "cnn");
    spec_free(s);
    s = NULL;
    set("heads[1].at=block1.1");
    expect(config_spec(&c, 1, 28, 28, &s), "heads[1] (random): at: network cnn has no layer block1.1");
    set("model=resnet18");
    set("dropout=0.5");
    ck_assert_msg(!config_spec(&c, 1, 28, 28, &s), "%s", rote_error_detail());
    ck_assert_str_eq(s->layer[s->count - 1].type, "dropout");
    spec_free(s);
    s = NULL;

    char path[] = "/tmp/test_config_XXXXXX";
    int fd = mkstemp(path);
    ck_assert_int_ge(fd, 0);
    static const char net[] = "name: two\nlayers:\n- {name: a, type: conv2d, filters: 4, window: 3, stride_w: 2}\n"
                              "- {name: features, type: globalpool}\n";
    ck_assert_int_eq(write(fd, net, sizeof net - 1), (int)sizeof net - 1);
    close(fd);
    char assignment[64];
    snprintf(assignment, sizeof assignment, "network=%s", path);
    set(assignment);
    set("heads[1].at=a");
    set("dropout=0");
    ck_assert_ptr_null(c.model);
    ck_assert_msg(!config_spec(&c, 1, 28, 28, &s), "%s", rote_error_detail());
    ck_assert_str_eq(s->name, "two");
    spec_free(s);
    s = NULL;
    ck_assert_int_eq(config_inline_network(&c), ROTE_OK);
    unlink(path);
    ck_assert_uint_eq(c.layers_count, 2);
    ck_assert_ptr_null(c.network);
    round_trip();
    ck_assert_int_eq(config_validate(&c), ROTE_OK);
    ck_assert_int_eq(config_spec(&c, 1, 28, 28, &s), ROTE_OK);
    ck_assert_int_eq(spec_attr_int(&s->layer[0], "stride_w", 1), 2);
    spec_free(s);
    s = NULL;
    expect(config_spec(&c, 1, 2, 28, &s), "its window covers 3 of height");
    ck_assert_ptr_null(s);
}
END_TEST

START_TEST(files)
{
    char path[] = "/tmp/test_config_XXXXXX";
    int fd = mkstemp(path);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, "batch: 3\nepoch: 2\n", 18), 18);
    expect(config_load(&c, path), ": line 2: unknown key epoch");
    ck_assert(!strncmp(rote_error_detail(), path, strlen(path)));
    ck_assert_int_eq(write(fd, "\0", 1), 1);
    ck_assert_int_eq(config_load(&c, path), ROTE_EFORMAT);
    close(fd);
    unlink(path);
    ck_assert_int_ne(config_load(&c, path), ROTE_OK);
    ck_assert_int_eq(c.batch, 128);
}
END_TEST

START_TEST(every_allocation_may_fail)
{
    enum rote_status st = ROTE_ENOMEM;
    long n = 0;
    while (st) {
        struct config d = {0};
        struct base_buf text = {0};
        struct spec *s = NULL;
        base_alloc_fail_at(++n);
        st = config_defaults(&d);
        if (!st)
            st = config_load_text(&d, "device: x\nheads: [{name: c, kind: class}, {name: r, at: conv1}]\n", "run.yaml");
        if (!st)
            st = config_set(&d, "heads[2].name=deep");
        if (!st)
            st = config_set(&d, "layers=[{name: features, type: relu}, {name: conv1, type: relu}]");
        if (!st)
            st = config_to_yaml(&d, &text);
        if (!st)
            st = config_assignments(&d, &text);
        if (!st)
            st = config_spec(&d, 1, 28, 28, &s);
        base_alloc_fail_at(0);
        ck_assert_msg(st == ROTE_OK || st == ROTE_ENOMEM, "%ld: %s", n, rote_error_detail());
        spec_free(s);
        config_free(&d);
        base_buf_free(&text);
    }
    ck_assert_int_gt(n, 50);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("config");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, defaults_are_valid);
    tcase_add_test(t, everything_survives_a_round_trip);
    tcase_add_test(t, errors_have_line_key_and_the_nearest);
    tcase_add_test(t, anchors_and_aliases_work);
    tcase_add_test(t, lists_replace_and_mappings_merge);
    tcase_add_test(t, assignments_of_each_kind);
    tcase_add_test(t, bad_assignments);
    tcase_add_test(t, what_must_fit_together);
    tcase_add_test(t, networks);
    tcase_add_test(t, files);
    tcase_add_test(t, every_allocation_may_fail);
    return unit_run("config", t, 1);
}
