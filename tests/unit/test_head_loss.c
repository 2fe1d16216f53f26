/* The fused loss's two gradients by central differences of its own figures, and the
 * formulas' limits that memorization work relies on. On the oracle, in float64; the
 * kernel is held to the oracle by the operator suite. */
#include <math.h>
#include <string.h>

#include "op/op.h"
#include "ref/ref.h"
#include "unit.h"

#define K 10
#define STEP 1e-6

struct row {
    double z[K], weight, real[4], g_head[K], g_feat[K], stats[8];
    int32_t y, id, table[8];
};

static void run(struct row *r)
{
    struct call c;
    op_call_init(&c, &op_head_loss);
    ck_assert_int_eq(op_call_parse(&c, "z=1x10 y=1 id=1 weight=1 table=1x8 real=1x4 lambda_scale=0.5"), ROTE_OK);
    ck_assert_int_eq(op_call_infer(&c), ROTE_OK);
    void *in[] = {r->z, &r->y, &r->id, &r->weight, r->table, r->real}, *out[] = {r->g_head, r->g_feat, r->stats};
    ref_head_loss(&c, in, out);
}

static struct row make(int loss, double smoothing, double spread)
{
    struct row r = {.weight = 1, .y = 3, .id = 77, .table = {0, K, loss != 5, loss, 11, 22, 0, 0},
                    .real = {smoothing, 1, 0, 0}};
    for (int j = 0; j < K; j++)
        r.z[j] = spread * sin(1.7 * j + 0.3);
    return r;
}

/* stats[0] is what g_head descends, stats[6] (or, for a class head, stats[0]) g_feat. */
START_TEST(gradients_match_differences)
{
    for (int loss = 1; loss <= 5; loss++)
        for (int s = 0; s < 3; s++) {
            struct row r = make(loss, s == 1 ? 0.2 : 0, s == 2 ? 6 : 1);
            run(&r);
            for (int j = 0; j < K; j++) {
                struct row plus = r, minus = r;
                plus.z[j] += STEP;
                minus.z[j] -= STEP;
                run(&plus);
                run(&minus);
                double own = (plus.stats[0] - minus.stats[0]) / (2 * STEP);
                double feat = loss == 5 ? own : (plus.stats[6] - minus.stats[6]) / (2 * STEP);
                ck_assert_double_eq_tol(r.g_head[j], own, 1e-8);
                ck_assert_double_eq_tol(r.g_feat[j], feat, 1e-8);
            }
        }
}
END_TEST

static double l1(int loss, double p)
{
    struct row r = make(loss, 0, 0);
    run(&r);
    int t = 0; /* the target is a hash: found by the probability it gets */
    for (int j = 0; j < K; j++) {
        struct row trial = r;
        trial.z[j] = 1;
        run(&trial);
        if (trial.stats[2] > 0.11)
            t = j;
    }
    r.z[t] = log(9 * p / (1 - p));
    run(&r);
    ck_assert_double_eq_tol(r.stats[2], p, 1e-12);
    double sum = 0;
    for (int j = 0; j < K; j++)
        sum += fabs(r.g_feat[j]);
    return sum;
}

/* The table in the method's description: reversal and entropy vanish where memorisation is
 * complete, unlikelihood and confusion do not. */
START_TEST(strengths_are_as_derived)
{
    ck_assert_double_eq_tol(l1(1, 0.01), 0.02, 0.005);
    ck_assert_double_eq_tol(l1(2, 0.01), 0.18, 0.005);
    ck_assert_double_eq_tol(l1(3, 0.01), 1.98, 0.005);
    ck_assert_double_eq_tol(l1(4, 0.01), 0.05, 0.005);
    ck_assert_double_eq_tol(l1(1, 0.999), 2.0, 0.005);
    ck_assert_double_eq_tol(l1(2, 0.999), 1.8, 0.005);
    ck_assert_double_eq_tol(l1(3, 0.999), 0.002, 0.0005);
    ck_assert_double_eq_tol(l1(4, 0.999), 0.018, 0.0005);
}
END_TEST

START_TEST(saturated_logits_stay_finite)
{
    for (int loss = 1; loss <= 5; loss++) {
        struct row r = make(loss, 0.1, 0);
        for (int j = 0; j < K; j++)
            r.z[j] = j % 2 ? 400 : -400;
        run(&r);
        for (int j = 0; j < K; j++)
            ck_assert(isfinite(r.g_head[j]) && isfinite(r.g_feat[j]));
        for (int s = 0; s < 8; s++)
            ck_assert(isfinite(r.stats[s]));
    }
}
END_TEST

/* A head without a loss, a sample without weight, and lambda_scale. */
START_TEST(what_sends_nothing)
{
    struct row r = make(0, 0, 1);
    run(&r);
    for (int j = 0; j < K; j++)
        ck_assert_double_eq(r.g_feat[j], 0);
    r = make(5, 0, 1);
    r.weight = 0;
    run(&r);
    for (int j = 0; j < K; j++)
        ck_assert(r.g_head[j] == 0 && r.g_feat[j] == 0);
    struct row full = make(2, 0, 1), half = full;
    half.real[2] = 1;
    run(&full);
    run(&half);
    for (int j = 0; j < K; j++)
        ck_assert_double_eq_tol(half.g_feat[j], 0.5 * full.g_feat[j], 1e-15);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("head_loss");
    tcase_add_test(t, gradients_match_differences);
    tcase_add_test(t, strengths_are_as_derived);
    tcase_add_test(t, saturated_logits_stay_finite);
    tcase_add_test(t, what_sends_nothing);
    return unit_run("head_loss", t, 1);
}
