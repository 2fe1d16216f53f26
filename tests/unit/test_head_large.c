/* The chunked heads' oracle against head_loss's on the same logits, and its gradients by central
 * differences of its own figures. In float64; the kernels are held to the oracle by the operator
 * suite. */
#include <math.h>
#include <string.h>

#include "op/op.h"
#include "ref/ref.h"
#include "unit.h"

#define N 3
#define D 4
#define M 6
#define K 7
#define T (M * K)
#define STEP 1e-6

struct inputs {
    double x[N * D], w[D * T], b[T], weight[N], real[M * 4];
    int32_t y[N], id[N], table[M * 8];
};

struct outputs {
    double stats[N * M * 8], softmax[N * M * 5], dw[D * T], db[T], dx[N * D];
    int32_t target[N * M];
};

static void make(struct inputs *in)
{
    for (int i = 0; i < N * D; i++)
        in->x[i] = sin(1.3 * i + 0.2);
    for (int i = 0; i < D * T; i++)
        in->w[i] = (i % T / K == 2 ? 9 : 1) * sin(2.1 * i + 0.7); /* head 2 is saturated */
    for (int i = 0; i < T; i++)
        in->b[i] = 0.3 * cos(1.9 * i);
    for (int n = 0; n < N; n++) {
        in->weight[n] = n < N - 1;
        in->y[n] = 3 + n;
        in->id[n] = 40 * n;
    }
    for (int m = 0; m < M; m++) {
        const int32_t row[8] = {m * K, K, m != 5, m, 11 * m, 22, m % 2, 0};
        memcpy(in->table + 8 * m, row, sizeof row);
        memcpy(in->real + 4 * m, (double[]){m % 2 * 0.1, 0.5 + m, m % 2, 0}, 4 * sizeof(double));
    }
}

static void init(struct call *c, const struct op_def *def, const char *words)
{
    op_call_init(c, def);
    ck_assert_int_eq(op_call_parse(c, words), ROTE_OK);
    ck_assert_msg(!op_call_infer(c), "%s", rote_error_detail());
}

static void forward(struct inputs *in, struct outputs *out)
{
    struct call c;
    init(&c, &op_head_large_fwd, "x=3x4 w=4x42 b=42 y=3 id=3 weight=3 table=6x8 real=6x4 epoch=2");
    ref_head_large_fwd(&c, (void *[]){in->x, in->w, in->b, in->y, in->id, in->weight, in->table, in->real},
                       (void *[]){out->stats, out->softmax, out->target});
}

static void backward(struct inputs *in, struct outputs *out, bool sends)
{
    struct call c;
    const char *words = "x=3x4 w=4x42 b=42 target=3x6 table=6x8 real=6x4 stats=3x6x8 softmax=3x6x5 lambda_scale=0.5";
    void *ports[] = {in->x, in->w, in->b, out->target, in->table, in->real, out->stats, out->softmax};
    init(&c, sends ? &op_head_large_bwd : &op_head_large_bwd_probe, words);
    if (sends)
        ref_head_large_bwd(&c, ports, (void *[]){out->dw, out->db, out->dx});
    else
        ref_head_large_bwd_probe(&c, ports, (void *[]){out->dw, out->db});
}

/* What the heads' own weights descend, and (the regularisers scaled) the features. */
static double objective(struct inputs *in, bool own)
{
    struct outputs out;
    double sum = 0;
    forward(in, &out);
    for (int i = 0; i < N * M; i++) {
        const double *s = out.stats + 8 * i, *real = in->real + 4 * (i % M);
        double scale = real[1] * (real[2] != 0 ? 0.5 : 1);
        sum += s[7] / N * (own ? s[0] : scale * (in->table[8 * (i % M) + 3] == 5 ? s[0] : s[6]));
    }
    return sum;
}

static void compare(struct inputs *in, double *at, double got, bool own)
{
    double before = *at;
    *at = before + STEP;
    double plus = objective(in, own);
    *at = before - STEP;
    double minus = objective(in, own);
    *at = before;
    ck_assert_double_eq_tol(got, (plus - minus) / (2 * STEP), 1e-7);
}

START_TEST(gradients_match_differences)
{
    struct inputs in;
    struct outputs out, probe;
    make(&in);
    forward(&in, &out);
    backward(&in, &out, true);
    probe = out;
    memset(probe.dw, 0xff, sizeof probe.dw);
    memset(probe.db, 0xff, sizeof probe.db);
    backward(&in, &probe, false);
    ck_assert(!memcmp(probe.dw, out.dw, sizeof out.dw) && !memcmp(probe.db, out.db, sizeof out.db));
    for (int i = 0; i < D * T; i++)
        compare(&in, &in.w[i], out.dw[i], true);
    for (int i = 0; i < T; i++)
        compare(&in, &in.b[i], out.db[i], true);
    for (int i = 0; i < N * D; i++)
        compare(&in, &in.x[i], out.dx[i], false);
}
END_TEST

/* Same figures, and the same gradients by way of the logits'. */
START_TEST(agrees_with_head_loss)
{
    struct inputs in;
    struct outputs out;
    struct call c;
    double z[N * T], g_head[N * T], g_feat[N * T], stats[N * M * 8];
    make(&in);
    forward(&in, &out);
    backward(&in, &out, true);
    for (int i = 0; i < N * T; i++) {
        z[i] = in.b[i % T];
        for (int d = 0; d < D; d++)
            z[i] += in.x[i / T * D + d] * in.w[d * T + i % T];
    }
    init(&c, &op_head_loss, "z=3x42 y=3 id=3 weight=3 table=6x8 real=6x4 epoch=2 lambda_scale=0.5");
    ref_head_loss(&c, (void *[]){z, in.y, in.id, in.weight, in.table, in.real}, (void *[]){g_head, g_feat, stats});
    for (int i = 0; i < N * M * 8; i++)
        ck_assert_double_eq_tol(out.stats[i], stats[i], 1e-12);
    for (int i = 0; i < D * T; i++) {
        double sum = 0;
        for (int n = 0; n < N; n++)
            sum += in.x[n * D + i / T] * g_head[n * T + i % T];
        ck_assert_double_eq_tol(out.dw[i], sum, 1e-12);
    }
    for (int i = 0; i < N * D; i++) {
        double sum = 0;
        for (int k = 0; k < T; k++)
            sum += g_feat[i / D * T + k] * in.w[i % D * T + k];
        ck_assert_double_eq_tol(out.dx[i], sum, 1e-12);
    }
}
END_TEST

static void refused(const struct op_def *def, const char *words)
{
    struct call c;
    op_call_init(&c, def);
    ck_assert_int_eq(op_call_parse(&c, words), ROTE_OK);
    ck_assert_int_ne(op_call_infer(&c), ROTE_OK);
}

START_TEST(wrong_calls_are_refused)
{
    struct inputs in;
    struct outputs out;
    struct call c;
    refused(&op_head_large_fwd, "x=3x4 w=5x42 b=42 y=3 id=3 weight=3 table=6x8 real=6x4");
    refused(&op_head_large_fwd, "x=3x4 w=4x42 b=42 y=2 id=3 weight=3 table=6x8 real=6x4");
    refused(&op_head_large_bwd, "x=3x4 w=4x42 b=42 target=3x6 table=6x8 real=6x4 stats=3x6x8 softmax=3x6x8");
    make(&in);
    forward(&in, &out);
    init(&c, &op_head_large_bwd, "x=3x4 w=4x42 b=42 target=3x6 table=6x8 real=6x4 stats=3x6x8 softmax=3x6x5");
    const void *ports[] = {in.x, in.w, in.b, out.target, in.table, in.real, out.stats, out.softmax};
    ck_assert_int_eq(op_head_large_bwd.check(&c, ports), ROTE_OK);
    out.target[4] = K;
    ck_assert_int_ne(op_head_large_bwd.check(&c, ports), ROTE_OK);
    out.target[4] = 0;
    in.table[8]++; /* a column that is no head's */
    ck_assert_int_ne(op_head_large_bwd.check(&c, ports), ROTE_OK);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("head_large");
    tcase_add_test(t, gradients_match_differences);
    tcase_add_test(t, agrees_with_head_loss);
    tcase_add_test(t, wrong_calls_are_refused);
    return unit_run("head_large", t, 1);
}
