/* The public API misused: every call answers with a status, none crashes. And used: a run
 * on arrays through the API alone, steps interrupted by the caller. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "rote/bench.h"
#include "rote/op.h"
#include "rote/run.h"
#include "unit.h"

static rote_device *dev;

START_TEST(null_arguments)
{
    rote_op *op;
    rote_run *run;
    rote_tensor *t;
    rote_data *data;
    rote_bench *bench;
    rote_peaks *peaks;
    struct rote_port port;
    struct rote_array array;
    char *text;
    size_t count;
    ck_assert_int_eq(rote_device_list(NULL, &count), ROTE_EINVAL);
    ck_assert_int_eq(rote_device_open(NULL, NULL), ROTE_EINVAL);
    ck_assert_int_eq(rote_device_info_get(NULL, NULL), ROTE_EINVAL);
    ck_assert_int_eq(rote_trace_start(NULL), ROTE_EINVAL);
    ck_assert_int_eq(rote_device_finish(NULL), ROTE_EINVAL);
    ck_assert_int_eq(rote_tensor_new(NULL, 4, &t), ROTE_EINVAL);
    ck_assert_int_eq(rote_tensor_read(NULL, &port, 1), ROTE_EINVAL);
    ck_assert_int_eq(rote_op_new(dev, NULL, "", NULL, &op), ROTE_EINVAL);
    ck_assert_int_eq(rote_op_new(NULL, "relu_fwd", "", NULL, &op), ROTE_EINVAL);
    ck_assert_int_eq(rote_op_port(NULL, 0, &port), ROTE_EINVAL);
    ck_assert_int_eq(rote_op_run(NULL), ROTE_EINVAL);
    ck_assert_int_eq(rote_op_bind(NULL, "x", NULL), ROTE_EINVAL);
    ck_assert_int_eq(rote_op_set(NULL, "lr=1"), ROTE_EINVAL);
    ck_assert_ptr_null(rote_op_gradient(NULL, 0));
    ck_assert_int_eq(rote_config_new(NULL), ROTE_EINVAL);
    ck_assert_int_eq(rote_config_set(NULL, "batch=1"), ROTE_EINVAL);
    ck_assert_int_eq(rote_config_yaml(NULL, &text), ROTE_EINVAL);
    ck_assert_int_eq(rote_run_new(dev, NULL, NULL, &run), ROTE_EINVAL);
    ck_assert_int_eq(rote_run_train(NULL, NULL, NULL), ROTE_EINVAL);
    ck_assert_int_eq(rote_run_open(dev, NULL, NULL, &run), ROTE_EINVAL);
    ck_assert_int_eq(rote_run_open_shifted(dev, NULL, NULL, &run), ROTE_EINVAL);
    ck_assert_int_eq(rote_run_shifts(NULL, NULL, NULL), ROTE_EINVAL);
    ck_assert_int_eq(rote_data_from_arrays(NULL, NULL, NULL, NULL, 0, 0, &data), ROTE_EINVAL);
    ck_assert_int_eq(rote_array_read(NULL, &array), ROTE_EINVAL);
    ck_assert(strstr(rote_error_detail(), "rote_array_read") != NULL);
    ck_assert_int_eq(rote_bench_new(dev, NULL, "ops", NULL, NULL, NULL, &bench), ROTE_EINVAL);
    ck_assert_int_eq(rote_bench_json(NULL, &text), ROTE_EINVAL);
    ck_assert_int_eq(rote_peaks_new(NULL, &peaks), ROTE_EINVAL);
    ck_assert_int_eq(rote_peaks_measure(NULL), ROTE_EINVAL);
    ck_assert(rote_peaks_flops(NULL) == 0 && !rote_bench_complete(NULL));
    rote_bench_free(NULL);
    rote_peaks_free(NULL);
    rote_device_free(NULL);
    rote_op_free(NULL);
    rote_tensor_free(NULL);
    rote_run_free(NULL);
    rote_config_free(NULL);
    rote_data_free(NULL);
    rote_array_free(NULL);
    rote_free(NULL);
}
END_TEST

START_TEST(an_operator_by_hand)
{
    float x[6] = {-1, 2, -3, 4, -5, 6}, y[6];
    rote_op *op;
    rote_tensor *a, *b, *small;
    ck_assert_int_eq(rote_op_new(dev, "relu_fwd", "x=1x2x3x1", NULL, &op), ROTE_OK);
    ck_assert_int_eq(rote_tensor_new(dev, sizeof x, &a), ROTE_OK);
    ck_assert_int_eq(rote_tensor_new(dev, sizeof x, &b), ROTE_OK);
    ck_assert_int_eq(rote_tensor_new(dev, 4, &small), ROTE_OK);
    ck_assert_int_eq(rote_op_run(op), ROTE_EINVAL); /* nothing is bound */
    ck_assert_int_eq(rote_op_bind(op, "x", small), ROTE_EINVAL);
    ck_assert_int_eq(rote_op_bind(op, "z", a), ROTE_ENOTFOUND);
    ck_assert_int_eq(rote_tensor_write(small, x, sizeof x), ROTE_EINVAL);
    ck_assert_int_eq(rote_tensor_write(a, x, sizeof x), ROTE_OK);
    ck_assert_int_eq(rote_op_bind(op, "x", a), ROTE_OK);
    ck_assert_int_eq(rote_op_bind(op, "y", b), ROTE_OK);
    ck_assert_int_eq(rote_op_run(op), ROTE_OK);
    ck_assert_int_eq(rote_tensor_read(b, y, sizeof y), ROTE_OK);
    for (int i = 0; i < 6; i++)
        ck_assert_float_eq(y[i], x[i] > 0 ? x[i] : 0);
    rote_op_free(op);
    rote_tensor_free(a);
    rote_tensor_free(b);
    rote_tensor_free(small);
}
END_TEST

static int stop_soon(void *user, const struct rote_progress *p)
{
    ck_assert(p->step <= p->steps && p->epoch <= p->epochs);
    return --*(int *)user > 0;
}

START_TEST(a_run_on_arrays)
{
    float images[64 * 5];
    int32_t labels[64];
    for (int i = 0; i < 64; i++) {
        labels[i] = i % 2;
        for (int k = 0; k < 5; k++)
            images[5 * i + k] = (float)sin(i * 5 + k) + (i % 2 ? 1.5f : -1.5f);
    }
    struct rote_array x = {ROTE_F32, 2, {64, 5}, images}, y = {ROTE_I32, 1, {64}, labels}, w;
    struct rote_report report;
    struct rote_head_report head;
    rote_config *c;
    rote_data *data;
    rote_run *run;
    int calls = 2;
    ck_assert_int_eq(rote_data_from_arrays(&x, &y, NULL, NULL, 0, 0, &data), ROTE_OK);
    ck_assert_int_eq(rote_config_new(&c), ROTE_OK);
    ck_assert_int_eq(rote_config_add_layer(c, "hidden", "linear", "input", "features=8"), ROTE_OK);
    ck_assert_int_eq(rote_config_add_layer(c, "features", "relu", "", ""), ROTE_OK);
    ck_assert_int_eq(rote_config_add_layer(c, "features", "relu", "", ""), ROTE_ECONFIG); /* the name is taken */
    ck_assert_int_eq(rote_config_set(c, "batch=16"), ROTE_OK);
    ck_assert_int_eq(rote_config_set(c, "epochs=20"), ROTE_OK);
    ck_assert_msg(!rote_run_new(dev, c, data, &run), "%s", rote_error_detail());
    rote_config_free(c);
    rote_data_free(data);
    ck_assert_int_eq(rote_run_report(run, &report), ROTE_EINVAL); /* nothing was evaluated */
    ck_assert_int_eq(rote_run_train(run, stop_soon, &calls), ROTE_EINTERRUPTED);
    ck_assert_int_eq(rote_run_train(run, NULL, NULL), ROTE_OK); /* goes on */
    ck_assert_int_eq(rote_run_report(run, &report), ROTE_OK);
    ck_assert(report.step == 80 && report.n_heads == 2 && isnan(report.test_accuracy));
    ck_assert(report.predicted_bytes == report.peak_bytes);
    ck_assert_int_eq(rote_run_head_report(run, 0, &head), ROTE_OK);
    ck_assert(head.clean.accuracy > 0.9 && head.held_out.samples == 0 && isnan(head.held_out.accuracy));
    ck_assert_int_eq(rote_run_head_report(run, 2, &head), ROTE_EINVAL);
    ck_assert_int_eq(rote_run_parameter(run, "hidden.weight", &w), ROTE_OK);
    ck_assert(w.rank == 2 && w.dim[0] == 8 && w.dim[1] == 5);
    rote_array_free(&w);
    ck_assert_int_eq(rote_run_parameter(run, "hiden.weight", &w), ROTE_ENOTFOUND);
    ck_assert_ptr_null(rote_run_folder(run));
    rote_run_free(run);
}
END_TEST

static int stop_after(void *user, const struct rote_progress *p)
{
    ck_assert(p->step <= p->steps && p->epochs == 0);
    *(int *)user = (int)p->step;
    return p->step < 2;
}

/* A stop leaves the rows that were measured; a pattern that no row has is an error. */
START_TEST(a_benchmark_stopped)
{
    const struct rote_bench_options twice = {2, NULL, 1}, none = {2, "no such row", 1}, bad = {0, NULL, 0};
    rote_config *c;
    rote_bench *b;
    rote_peaks *peaks;
    char *text;
    int rows;
    ck_assert_int_eq(rote_config_new(&c), ROTE_OK);
    ck_assert_int_eq(rote_config_set(c, "model=mlp"), ROTE_OK);
    ck_assert_int_eq(rote_config_set(c, "batch=8"), ROTE_OK);
    ck_assert_int_eq(rote_config_set(c, "data={kind: synthetic, train_count: 16, height: 4, width: 4}"), ROTE_OK);
    ck_assert_int_eq(rote_bench_new(dev, c, "ops", &bad, NULL, NULL, &b), ROTE_EINVAL);
    ck_assert_int_eq(rote_bench_new(dev, c, "nothing", NULL, NULL, NULL, &b), ROTE_ENOTFOUND);
    ck_assert_msg(!rote_bench_new(dev, c, "ops", &twice, stop_after, &rows, &b), "%s", rote_error_detail());
    ck_assert(rows == 2 && !rote_bench_complete(b));
    ck_assert_int_eq(rote_bench_json(b, &text), ROTE_OK);
    int found = 0;
    for (const char *at = text; (at = strstr(at, "\"words\"")) != NULL; at++)
        found++;
    ck_assert_int_eq(found, 2);
    rote_free(text);
    rote_bench_free(b);
    ck_assert_int_eq(rote_bench_new(dev, c, "ops", &none, NULL, NULL, &b), ROTE_ENOTFOUND);
    ck_assert_int_eq(rote_bench_new(dev, c, "train", &twice, NULL, NULL, &b), ROTE_OK);
    ck_assert(rote_bench_complete(b));
    ck_assert_int_eq(rote_bench_text(b, &text), ROTE_OK);
    rote_free(text);
    ck_assert_int_eq(rote_bench_html(b, &text), ROTE_OK);
    rote_free(text);
    rote_bench_free(b);
    rote_config_free(c);
    ck_assert_int_eq(rote_peaks_new(dev, &peaks), ROTE_OK);
    ck_assert(rote_peaks_flops(peaks) == 0);
    ck_assert_int_eq(rote_peaks_measure(peaks), ROTE_OK);
    ck_assert(rote_peaks_flops(peaks) > 1e6 && rote_peaks_bandwidth(peaks) > 1e6);
    rote_peaks_free(peaks);
}
END_TEST

int main(void)
{
    if (rote_device_open(getenv("ROTE_TEST_DEVICE"), &dev)) {
        fprintf(stderr, "%s\n", rote_error_detail());
        return 1;
    }
    TCase *t = tcase_create("api");
    tcase_add_test(t, null_arguments);
    tcase_add_test(t, an_operator_by_hand);
    tcase_add_test(t, a_run_on_arrays);
    tcase_add_test(t, a_benchmark_stopped);
    int failed = unit_run("api", t, 0);
    /* Everything was freed: live memory is what it was. */
    failed += rote_device_live_bytes(dev) != 0;
    rote_device_free(dev);
    return failed ? 1 : 0;
}
