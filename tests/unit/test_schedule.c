/* Learning rates and the regularisers' factor at the points that their formulas fix. */
#include <math.h>

#include "train/train_internal.h"
#include "unit.h"

static struct config c;

static void setup(void)
{
    ck_assert_int_eq(config_defaults(&c), ROTE_OK);
    c.epochs = 10;
    c.lr.base = 0.4;
}

static void teardown(void)
{
    config_free(&c);
}

START_TEST(constant_and_warm_up)
{
    c.lr.schedule = CONFIG_LR_CONSTANT;
    ck_assert_double_eq(schedule_lr(&c, 0, 100), 0.4);
    ck_assert_double_eq(schedule_lr(&c, 999, 100), 0.4);
    c.lr.warmup_epochs = 0.5;
    ck_assert_double_eq_tol(schedule_lr(&c, 0, 100), 0.4 / 50, 1e-15);
    ck_assert_double_eq_tol(schedule_lr(&c, 24, 100), 0.2, 1e-15);
    ck_assert_double_eq_tol(schedule_lr(&c, 49, 100), 0.4, 1e-15);
    ck_assert_double_eq(schedule_lr(&c, 50, 100), 0.4);
}
END_TEST

START_TEST(steps)
{
    ck_assert_int_eq(config_set(&c, "lr.step_epochs=[3, 6]"), ROTE_OK);
    c.lr.schedule = CONFIG_LR_STEP;
    c.lr.gamma = 0.5;
    ck_assert_double_eq(schedule_lr(&c, 299, 100), 0.4);
    ck_assert_double_eq(schedule_lr(&c, 300, 100), 0.2);
    ck_assert_double_eq(schedule_lr(&c, 600, 100), 0.1);
}
END_TEST

START_TEST(cosine)
{
    c.lr.schedule = CONFIG_LR_COSINE;
    c.lr.final = 0.1;
    ck_assert_double_eq_tol(schedule_lr(&c, 0, 100), 0.4, 1e-15);
    ck_assert_double_eq_tol(schedule_lr(&c, 500, 100), 0.25, 1e-15);
    ck_assert_double_eq_tol(schedule_lr(&c, 1000, 100), 0.1, 1e-15);
    c.lr.warmup_epochs = 2;
    ck_assert_double_eq_tol(schedule_lr(&c, 199, 100), 0.4, 1e-15);
    ck_assert_double_eq_tol(schedule_lr(&c, 600, 100), 0.25, 1e-15);
}
END_TEST

START_TEST(ganin)
{
    ck_assert_double_eq(schedule_lambda(&c, 0, 100), 0);
    ck_assert_double_eq_tol(schedule_lambda(&c, 100, 100), tanh(0.5), 1e-12);
    ck_assert_double_eq_tol(schedule_lambda(&c, 1000, 100), tanh(5), 1e-12);
}
END_TEST

/* The integral by a finer sum, and the method's own examples: .847, .933, .584, .242. */
START_TEST(null_accuracy)
{
    ck_assert_double_eq_tol(train_null_accuracy(2, 256, 500), 0.84715, 1e-4);
    ck_assert_double_eq_tol(train_null_accuracy(10, 256, 500), 0.93264, 1e-4);
    ck_assert_double_eq_tol(train_null_accuracy(2, 256, 6000), 0.58360, 1e-4);
    ck_assert_double_eq_tol(train_null_accuracy(10, 256, 6000), 0.24245, 1e-4);
    ck_assert_double_eq_tol(train_null_accuracy(100, 256, 4000), 0.54321, 1e-4);
    ck_assert_double_eq_tol(train_null_accuracy(10, 1, 1e9), 0.1, 1e-3);
    ck_assert_double_eq(train_null_accuracy(10, 256, 256), 1);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("schedule");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, constant_and_warm_up);
    tcase_add_test(t, steps);
    tcase_add_test(t, cosine);
    tcase_add_test(t, ganin);
    tcase_add_test(t, null_accuracy);
    return unit_run("schedule", t, 1);
}
