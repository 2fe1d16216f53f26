/* Networks as lists of layers: validation's messages, shapes, YAML, the zoo. */
#include <string.h>

#include "model/spec.h"
#include "unit.h"

static void expect(enum rote_status st, enum rote_status want, const char *part)
{
    ck_assert_msg(st == want, "%s: %s", rote_status_name(st), rote_error_detail());
    ck_assert_msg(strstr(rote_error_detail(), part) != NULL, "\"%s\" is not in: %s", part, rote_error_detail());
}

static void bad_yaml(const char *text, const char *part)
{
    struct spec *s = NULL;
    expect(spec_from_yaml(text, "net.yaml", &s), ROTE_ECONFIG, part);
    ck_assert_ptr_null(s);
}

START_TEST(zoo_networks_are_valid)
{
    /* Trunk parameters: published totals less the class head. */
    static const struct {
        const char *name;
        int c, h, w;
        uint64_t parameters;
        int64_t features;
    } known[] = {
        {"cnn", 1, 28, 28, 320 + 18496 + 3136 * 128 + 128, 128},
        {"mlp", 1, 28, 28, 784 * 512 + 512 + 512 * 512 + 512, 512},
        {"vgg11", 3, 32, 32, 9225984 - 2752, 512}, /* convolutions without bias before batch norm */
        {"resnet18", 3, 32, 32, 11173962 - 5130, 512},
        {"resnet20", 3, 32, 32, 272474 - 650, 64},
        {"wrn-16-4", 3, 32, 32, 2748890 - 2570, 256},
        {"wrn-28-10", 3, 32, 32, 36479194 - 6410, 640},
    };
    static const int sizes[][3] = {{1, 28, 28}, {3, 32, 32}, {3, 1, 1}, {2, 1, 128}, {1, 5, 3}};
    size_t count;
    const char *const *names = zoo_names(&count);
    ck_assert_uint_eq(count, 8);
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < COUNT_OF(sizes); k++) {
            struct spec *s = NULL;
            ck_assert_msg(!zoo_make(names[i], sizes[k][0], sizes[k][1], sizes[k][2], &s), "%s: %s", names[i],
                          rote_error_detail());
            ck_assert_str_eq(s->layer[s->count - 1].name, "features");
            spec_free(s);
        }
    for (size_t i = 0; i < COUNT_OF(known); i++) {
        struct spec *s = NULL;
        struct spec_shape shape[200];
        uint64_t parameters;
        ck_assert_int_eq(zoo_make(known[i].name, known[i].c, known[i].h, known[i].w, &s), ROTE_OK);
        ck_assert_uint_lt(s->count, 200);
        ck_assert_int_eq(spec_shapes(s, known[i].c, known[i].h, known[i].w, shape, &parameters), ROTE_OK);
        ck_assert_msg(parameters == known[i].parameters, "%s has %llu parameters", known[i].name,
                      (unsigned long long)parameters);
        ck_assert_int_eq(shape[s->count - 1].c, known[i].features);
        ck_assert_int_eq(shape[s->count - 1].h, 1);
        spec_free(s);
    }
    struct spec *s = NULL;
    expect(zoo_make("resnet81", 3, 32, 32, &s), ROTE_ENOTFOUND, "did you mean resnet18");
    expect(zoo_make("a-transformer-of-some-kind", 3, 32, 32, &s), ROTE_ENOTFOUND, "wrn-28-10");
    expect(zoo_make("cnn", 3, 0, 32, &s), ROTE_EINVAL, "at least 1");
    ck_assert_ptr_null(s);
}
END_TEST

START_TEST(yaml_round_trip)
{
    size_t count;
    const char *const *names = zoo_names(&count);
    for (size_t i = 0; i < count; i++) {
        struct spec *a = NULL, *b = NULL;
        struct base_buf first = {0}, second = {0};
        ck_assert_int_eq(zoo_make(names[i], 3, 32, 32, &a), ROTE_OK);
        ck_assert_int_eq(spec_to_yaml(a, &first), ROTE_OK);
        ck_assert_msg(!spec_from_yaml(first.text, "", &b), "%s", rote_error_detail());
        ck_assert_str_eq(b->name, names[i]);
        ck_assert_uint_eq(a->count, b->count);
        for (size_t k = 0; k < a->count; k++) {
            ck_assert_str_eq(a->layer[k].name, b->layer[k].name);
            ck_assert_str_eq(a->layer[k].type, b->layer[k].type);
            ck_assert_str_eq(a->layer[k].from, b->layer[k].from);
            ck_assert_int_eq(spec_attr_int(&a->layer[k], "pad_w", 7), spec_attr_int(&b->layer[k], "pad_w", 7));
        }
        ck_assert_int_eq(spec_to_yaml(b, &second), ROTE_OK);
        ck_assert_str_eq(first.text, second.text);
        base_buf_free(&first);
        base_buf_free(&second);
        spec_free(a);
        spec_free(b);
    }
}
END_TEST

START_TEST(attributes)
{
    struct spec *s = NULL;
    int in[2];
    ck_assert_int_eq(spec_from_yaml("layers:\n"
                                    "- {name: a, type: conv2d, filters: 6, window: 3, window_w: 5, pad: 1, bias: false}\n"
                                    "- {name: n, type: batchnorm, eps: 1e-3}\n"
                                    "- name: b\n"
                                    "  type: conv2d\n"
                                    "  from: input\n"
                                    "  filters: 6\n"
                                    "  window_h: 3\n"
                                    "  window_w: 5\n"
                                    "  pad: 1\n"
                                    "- {name: sum, type: add, from: n b}\n"
                                    "- {name: p, type: avgpool, window: 2}\n",
                                    "net.yaml", &s),
                     ROTE_OK);
    ck_assert_str_eq(s->name, "network");
    const struct spec_layer *a = &s->layer[0];
    ck_assert_int_eq(spec_attr_int(a, "window_h", 0), 3);
    ck_assert_int_eq(spec_attr_int(a, "window_w", 0), 5);
    ck_assert_int_eq(spec_attr_int(a, "stride_w", 1), 1);
    ck_assert_int_eq(spec_attr_int(a, "bias", 1), 0);
    ck_assert_int_eq(s->layer[2].line, 4);
    ck_assert(spec_attr_float(&s->layer[1], "eps", 0) == 1e-3);
    ck_assert_int_eq(spec_find(s, "sum"), 3);
    ck_assert_int_eq(spec_find(s, "su"), -1);
    ck_assert_int_eq(spec_inputs(s, 3, in), 2);
    ck_assert_int_eq(in[0], 1);
    ck_assert_int_eq(in[1], 2);
    ck_assert_int_eq(spec_inputs(s, 2, in), 1);
    ck_assert_int_eq(in[0], -1);
    struct spec_shape shape[5];
    uint64_t parameters;
    ck_assert_int_eq(spec_shapes(s, 2, 9, 8, shape, &parameters), ROTE_OK);
    ck_assert_uint_eq(parameters, 180 + 12 + 186);
    ck_assert_int_eq(shape[4].h, 4);
    ck_assert_int_eq(shape[4].w, 3);
    spec_free(s);
}
END_TEST

START_TEST(errors_name_line_layer_and_key)
{
    bad_yaml("layers:\n- {name: a, type: conv, filters: 3}\n", "net.yaml: line 2: layer a: there is no layer type");
    bad_yaml("layers:\n- {name: a, type: maxpol, window: 3}\n", "did you mean maxpool");
    bad_yaml("layers:\n- name: a\n  type: relu\n  filtres: 3\n", "line 4: unknown key layers[].filtres; did you mean filters");
    bad_yaml("layers:\n- {name: a, type: linear, features: 2, filters: 3}\n", "linear has no filters; did you mean features");
    bad_yaml("layers:\n- {name: a, type: relu, filters: 3}\n", "it takes no attributes");
    bad_yaml("layers:\n- {name: a, type: conv2d, window: 3}\n", "line 2: layer a: conv2d needs filters");
    bad_yaml("layers:\n- {name: a, type: conv2d, filters: 3, window_h: 3}\n", "conv2d needs window");
    bad_yaml("layers:\n- {name: a, type: conv2d, filters: 3.5, window: 3}\n", "filters must be an integer, not \"3.5\"");
    bad_yaml("layers:\n- {name: a, type: conv2d, filters: , window: 3}\n", "filters must be a number");
    bad_yaml("layers:\n- {name: a, type: conv2d, filters: 0, window: 3}\n", "filters = 0 must be from 1");
    bad_yaml("layers:\n- {name: a, type: dropout, p: 1}\n", "p = 1 must be from 0");
    bad_yaml("layers:\n- {name: a, type: dropout, p: nan}\n", "p = nan must be from 0");
    bad_yaml("layers:\n- {name: a, type: relu}\n- {name: a, type: relu}\n", "line 3: layer a: another layer has this name");
    bad_yaml("layers:\n- {name: a b, type: relu}\n", "letters, digits");
    bad_yaml("layers:\n- {name: input, type: relu}\n", "the network's input");
    bad_yaml("layers:\n- {type: relu}\n", "line 2: layer 1 has no name");
    bad_yaml("layers:\n- {name: a}\n", "layer a has no type");
    bad_yaml("layers:\n- {name: stem, type: relu}\n- {name: b, type: relu, from: stme}\n", "did you mean stem?");
    bad_yaml("layers:\n- {name: a, type: relu, from: b}\n- {name: b, type: relu}\n", "its input b must come before it");
    bad_yaml("layers:\n- {name: a, type: add}\n", "add takes 2 inputs");
    bad_yaml("layers:\n- {name: a, type: relu, from: input input}\n", "relu takes 1 input");
    bad_yaml("layers:\n- {name: a, type: add, from: input input input}\n", "at most 2 inputs");
    bad_yaml("layers: []\n", "has no layers");
    bad_yaml("", "has no layers");
    bad_yaml("layers: 3\n", "line 1: layers must be a list");
    bad_yaml("lairs: []\n", "did you mean layers?");
    bad_yaml("- a\n", "line 1: the document must be keys with values");
    struct spec *s = NULL;
    expect(spec_load("/nonexistent/net.yaml", &s), ROTE_ENOTFOUND, "/nonexistent/net.yaml");
}
END_TEST

START_TEST(attributes_given_in_c_are_checked)
{
    struct spec *s = NULL;
    ck_assert_int_eq(spec_new("n", &s), ROTE_OK);
    ck_assert_int_eq(spec_add(s, "a", "conv2d", "input", "filters=%d window=3 filters=4", 3), ROTE_OK);
    expect(spec_validate(s), ROTE_ECONFIG, "layer a: filters is given twice");
    spec_free(s);
    ck_assert_int_eq(spec_new("n", &s), ROTE_OK);
    ck_assert_int_eq(spec_add(s, "a", "conv2d", NULL, "filters window=3"), ROTE_OK);
    expect(spec_validate(s), ROTE_ECONFIG, "layer a: filters must be an integer");
    spec_free(s);
    spec_free(NULL);
}
END_TEST

static void bad_shape(const char *layers, const char *part)
{
    struct spec *s = NULL;
    struct spec_shape shape[8];
    char text[400];
    snprintf(text, sizeof text, "layers:\n%s", layers);
    ck_assert_msg(!spec_from_yaml(text, "", &s), "%s", rote_error_detail());
    expect(spec_shapes(s, 3, 5, 6, shape, NULL), ROTE_ECONFIG, part);
    spec_free(s);
}

START_TEST(shapes_that_do_not_fit)
{
    bad_shape("- {name: a, type: conv2d, filters: 3, window: 7}\n", "layer a: its window covers 7 of height");
    bad_shape("- {name: a, type: conv2d, filters: 3, window: 3, dilation_w: 3}\n", "covers 7 of width");
    bad_shape("- {name: a, type: conv2d, filters: 4, window: 1, groups: 2}\n", "2 groups do not divide its 3 channels");
    bad_shape("- {name: a, type: maxpool, window: 2, pad: 2}\n", "more than half");
    bad_shape("- {name: a, type: conv2d, filters: 4, window: 1}\n- {name: s, type: add, from: a input}\n",
              "layer s: its inputs are 4x5x6 and 3x5x6");
}
END_TEST

START_TEST(dropout_takes_the_last_name)
{
    struct spec *s = NULL;
    ck_assert_int_eq(zoo_make("cnn", 1, 28, 28, &s), ROTE_OK);
    size_t count = s->count;
    ck_assert_int_eq(spec_add_dropout(s, 0.3), ROTE_OK);
    ck_assert_uint_eq(s->count, count + 1);
    ck_assert_int_eq(spec_validate(s), ROTE_OK);
    ck_assert_str_eq(s->layer[count].name, "features");
    ck_assert_str_eq(s->layer[count].type, "dropout");
    ck_assert(spec_attr_float(&s->layer[count], "p", 0) == 0.3);
    ck_assert_str_eq(s->layer[count - 1].name, "features.in");
    spec_free(s);
}
END_TEST

START_TEST(every_allocation_may_fail)
{
    enum rote_status st = ROTE_ENOMEM;
    long n = 0;
    while (st) {
        struct spec *s = NULL, *t = NULL;
        struct base_buf text = {0};
        base_alloc_fail_at(++n);
        st = zoo_make("cnn", 1, 28, 28, &s);
        if (!st)
            st = spec_to_yaml(s, &text);
        if (!st)
            st = spec_from_yaml(text.text, "", &t);
        if (!st)
            st = spec_add_dropout(t, 0.5);
        base_alloc_fail_at(0);
        ck_assert_msg(st == ROTE_OK || st == ROTE_ENOMEM, "%ld: %s", n, rote_error_detail());
        spec_free(s);
        spec_free(t);
        base_buf_free(&text);
    }
    ck_assert_int_gt(n, 50);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("spec");
    tcase_add_test(t, zoo_networks_are_valid);
    tcase_add_test(t, yaml_round_trip);
    tcase_add_test(t, attributes);
    tcase_add_test(t, errors_name_line_layer_and_key);
    tcase_add_test(t, attributes_given_in_c_are_checked);
    tcase_add_test(t, shapes_that_do_not_fit);
    tcase_add_test(t, dropout_takes_the_last_name);
    tcase_add_test(t, every_allocation_may_fail);
    return unit_run("spec", t, 1);
}
