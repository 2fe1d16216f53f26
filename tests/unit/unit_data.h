/* Data sets in tests: loaded, refused, and loaded while memory fails. */
#ifndef UNIT_DATA_H
#define UNIT_DATA_H

#include "data/data.h"
#include "unit.h"

static inline void expect_load_error(const struct data_options *o, enum rote_status status, const char *words)
{
    struct data_set *d = NULL;
    enum rote_status st = data_load(o, &d);
    ck_assert_msg(st == status, "%s: %s instead of %s, looking for '%s'", rote_error_detail(), rote_status_name(st),
                  rote_status_name(status), words);
    ck_assert_msg(strstr(rote_error_detail(), words), "'%s' lacks '%s'", rote_error_detail(), words);
    ck_assert_ptr_null(d);
}

static inline struct data_set *load(const struct data_options *o)
{
    struct data_set *d = NULL;
    ck_assert_msg(data_load(o, &d) == ROTE_OK, "%s", rote_error_detail());
    return d;
}

/* Every allocation fails once; nothing may be kept (the sanitizer watches). */
static inline void fail_each_allocation(const struct data_options *o)
{
    struct data_set *d = NULL;
    enum rote_status st;
    long n = 0;
    do {
        base_alloc_fail_at(++n);
        st = data_load(o, &d);
        base_alloc_fail_at(0);
        ck_assert_msg(st == ROTE_OK || st == ROTE_ENOMEM, "%s", rote_error_detail());
        ck_assert((st == ROTE_OK) == (d != NULL));
        ck_assert_int_lt(n, 100);
    } while (st);
    ck_assert_int_gt(n, 4);
    data_free(d);
}

#endif
