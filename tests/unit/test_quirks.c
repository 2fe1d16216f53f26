/* Which driver versions a row of quirks.def means. */
#include "rt/rt_internal.h"
#include "unit.h"

START_TEST(by_number)
{
    ck_assert(rt_driver_between("22.3.6", "", "22.10"));
    ck_assert(!rt_driver_between("22.10", "", "22.3.6"));
    ck_assert(rt_driver_between("22.10.1", "22.3.6", "23"));
    ck_assert(!rt_driver_between("9.99", "10", ""));
    ck_assert(rt_driver_between("2024.18.10.0.08_160000", "2024.18.9", "2024.18.10.0.8"));
    ck_assert(rt_driver_between("OpenCL 3581.0 (HSA1.1,LC)", "3580.9", "3581.0"));
}
END_TEST

START_TEST(open_ends)
{
    ck_assert(rt_driver_between("3.1", "", ""));
    ck_assert(rt_driver_between("", "", ""));
    ck_assert(rt_driver_between("3.1", "3.0", ""));
    ck_assert(!rt_driver_between("3.1", "3.2", ""));
    ck_assert(rt_driver_between("3.1", "", "3.2"));
    ck_assert(!rt_driver_between("3.1", "", "3.0"));
    ck_assert_msg(!rt_driver_between("unknown", "1", ""), "no version is below any");
}
END_TEST

START_TEST(ends_are_included)
{
    ck_assert(rt_driver_between("22.3.6", "22.3.6", "22.3.6"));
    ck_assert(!rt_driver_between("22.3.5", "22.3.6", "22.3.6"));
    ck_assert(!rt_driver_between("22.3.7", "22.3.6", "22.3.6"));
    ck_assert_msg(rt_driver_between("3.1+debian12", "3.1", "3.1"), "a packager's number ends a range");
    ck_assert(rt_driver_between("22.3.6", "22.3", "22.3"));
    ck_assert(rt_driver_between("22.3", "22.3.0", "22.3.0"));
    ck_assert(!rt_driver_between("22.3", "22.3.1", ""));
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("quirks");
    tcase_add_test(t, by_number);
    tcase_add_test(t, open_ends);
    tcase_add_test(t, ends_are_included);
    return unit_run("quirks", t, 1);
}
