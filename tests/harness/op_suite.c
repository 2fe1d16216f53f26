/* Every operator x case x variant of the registry against the float64 oracle, on
 * one device; then every gradient by finite differences. ROTE_TEST_DEVICE selects
 * the device, ROTE_TEST_SMALL=n leaves out cases above n operations; ROTE_TEST_VARIANT=words runs that
 * variant alone, "default" all without the settings of their tunables, "kernels" of these all but `host`. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "bench/gradient.h"
#include "op/case.h"

#define GRADIENT_TOLERANCE 1e-5

static struct rote_device *dev;
static double most_work;

static size_t variants_of(const struct op_def *def, const char *name[OP_CASE_VARIANTS])
{
    const char *only = getenv("ROTE_TEST_VARIANT");
    bool kernels = only && !strcmp(only, "kernels"), defaults = kernels || (only && !strcmp(only, "default"));
    if (only && *only && !defaults) {
        name[0] = only;
        return 1;
    }
    return op_case_variants(def, !defaults, name) - kernels; /* `host` is the last */
}

struct tally {
    int ran, left_out, in_place;
    double worst;
};

/* Every rule of def->in_place, and all together. */
static void check_in_place(const struct op_case *k, const char *words, const char *variant,
                           void *const want[CALL_MAX_PORTS], struct tally *tally)
{
    const struct op_def *def = op_def_of(&k->call);
    for (int i = 0; i < op_case_places(def); i++) {
        struct op_case_result r;
        enum rote_status st = op_case_check_in_place(dev, k, variant, i, want, &r);
        const char *rule = def->in_place[i] ? def->in_place[i] : "all";
        ck_assert_msg(!st, "%s/%s %s, in place %s: %s", def->sig.name, variant, words, rule, rote_error_detail());
        ck_assert_msg(r.error <= 1, "%s/%s %s, in place %s: %.3g times the tolerance: %s", def->sig.name, variant,
                      words, rule, r.error, r.where);
        tally->in_place += r.ran;
    }
}

static void check_case(const struct op_def *def, const char *words, const char *const *variant, size_t variants,
                       struct tally *tally)
{
    struct op_case k;
    void *want[CALL_MAX_PORTS] = {0};
    enum rote_status st = op_case_new(def, words, 17, &k);
    ck_assert_msg(!st, "%s %s: %s", def->sig.name, words, rote_error_detail());
    if (def->check)
        ck_assert_msg(!def->check(&k.call, (const void *const *)k.in), "%s %s: %s", def->sig.name, words,
                      rote_error_detail());
    if (op_case_work(&k.call) <= most_work) {
        st = op_case_reference(&k, want);
        ck_assert_msg(!st, "%s %s: %s", def->sig.name, words, rote_error_detail());
        for (size_t v = 0; v < variants; v++) {
            struct op_case_result r;
            st = op_case_check(dev, &k, variant[v], want, &r);
            ck_assert_msg(!st, "%s/%s %s: %s", def->sig.name, variant[v], words, rote_error_detail());
            ck_assert_msg(r.error <= 1, "%s/%s %s: %.3g times the tolerance: %s", def->sig.name, variant[v], words,
                          r.error, r.where);
            ck_assert_msg(!r.unsteady, "%s/%s %s: a second run gives other bits", def->sig.name, variant[v], words);
            tally[v].ran += r.ran;
            tally[v].left_out += !r.ran;
            if (r.error > tally[v].worst)
                tally[v].worst = r.error;
            check_in_place(&k, words, variant[v], want, &tally[v]);
        }
    }
    op_outputs_free(want);
    op_case_free(&k);
}

START_TEST(operator_matches_reference)
{
    size_t count;
    const struct op_def *def = op_list(&count)[_i];
    const char *variant[OP_CASE_VARIANTS];
    size_t variants = variants_of(def, variant);
    struct tally tally[OP_CASE_VARIANTS] = {{0}};
    const char *only = getenv("ROTE_TEST_OP");
    if (only && *only && strcmp(only, def->sig.name))
        return;
    ck_assert_msg(def->cases && def->cases[0], "%s has no cases", def->sig.name);
    for (const char *const *words = def->cases; *words; words++)
        check_case(def, *words, variant, variants, tally);
    for (size_t v = 0; v < variants; v++) {
        printf("  %-24s %-46s %3d cases, %d in place, %d not taken, worst %.3f of tolerance\n", def->sig.name,
               variant[v], tally[v].ran, tally[v].in_place, tally[v].left_out, tally[v].worst);
        ck_assert_msg(tally[v].ran > 0 || most_work < 1e9 || getenv("ROTE_TEST_CLASS"), "%s/%s: no case was executed",
                      def->sig.name, variant[v]);
        ck_assert_msg(strcmp(variant[v], "tile") || tally[v].left_out == 0, "%s/tile leaves cases to others",
                      def->sig.name);
    }
    fflush(stdout);
}
END_TEST

START_TEST(gradient_matches_differences)
{
    size_t count;
    const struct op_def *def = op_list(&count)[_i];
    double worst = 0;
    int compared = 0;
    if (!def->grads)
        return;
    for (const char *const *words = def->cases; *words; words++) {
        struct op_case k;
        double error;
        int n;
        enum rote_status st = op_case_new(def, *words, 23, &k);
        ck_assert_msg(!st, "%s %s: %s", def->sig.name, *words, rote_error_detail());
        if (op_case_work(&k.call) <= 2e5) {
            st = bench_gradient(NULL, &k, &error, &n);
            ck_assert_msg(!st, "%s %s: %s", def->sig.name, *words, rote_error_detail());
            ck_assert_msg(error <= GRADIENT_TOLERANCE, "%s %s: relative error %.3g", def->sig.name, *words, error);
            worst = error > worst ? error : worst;
            compared += n;
        }
        op_case_free(&k);
    }
    bool passes_only = true;
    for (const char *const *g = def->grads; *g; g++)
        passes_only = passes_only && strchr(*g, '=');
    ck_assert_msg(compared > 0 || passes_only, "%s: no derivative was compared", def->sig.name);
    printf("  %-24s gradient   %4d derivatives, worst relative error %.2g\n", def->sig.name, compared, worst);
    fflush(stdout);
}
END_TEST

static void warn(void *user, const char *message)
{
    (void)user;
    fprintf(stderr, "warning: %s\n", message);
}

int main(void)
{
    size_t count;
    const char *small = getenv("ROTE_TEST_SMALL");
    most_work = small ? atof(small) : 1e12;
    rote_set_warning_handler(warn, NULL);
    if (rt_open(getenv("ROTE_TEST_DEVICE"), &dev)) {
        fprintf(stderr, "%s\n", rote_error_detail());
        return 1;
    }
    printf("device %s, driver %s\n", rt_facts_of(dev)->id, rt_facts_of(dev)->driver);
    op_list(&count);
    Suite *suite = suite_create("operators");
    TCase *forward = tcase_create("reference"), *gradient = tcase_create("gradient");
    tcase_set_timeout(forward, 0);
    tcase_set_timeout(gradient, 0);
    tcase_add_loop_test(forward, operator_matches_reference, 0, (int)count);
    tcase_add_loop_test(gradient, gradient_matches_differences, 0, (int)count);
    suite_add_tcase(suite, forward);
    if (!getenv("ROTE_TEST_SMALL") && !getenv("ROTE_TEST_GRADIENTS"))
        suite_add_tcase(suite, gradient);
    SRunner *runner = srunner_create(suite);
    srunner_set_fork_status(runner, CK_NOFORK); /* OpenCL does not survive a fork */
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    rt_close(dev);
    return failed ? 1 : 0;
}
