/* What unit tests share: running a case, and loading data sets that must fail. */
#ifndef UNIT_H
#define UNIT_H

#include <check.h>
#include <string.h>

/* Runs the case; 0 when all passed. `fork` false for tests that use OpenCL, which does not
 * survive a fork, or that leave files for each other. */
static inline int unit_run(const char *name, TCase *t, int fork)
{
    Suite *s = suite_create(name);
    suite_add_tcase(s, t);
    tcase_set_timeout(t, 0);
    SRunner *r = srunner_create(s);
    srunner_set_fork_status(r, fork ? CK_FORK_GETENV : CK_NOFORK);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}

#endif
