/* Trains a small network with a class head and a random-label head on NPY arrays.
 *   cc train_arrays.c $(pkg-config --cflags --libs rote) -o train_arrays
 *   ./train_arrays train_x.npy train_y.npy test_x.npy test_y.npy */
#include <rote/run.h>
#include <stdio.h>

static const char *const layers[][3] = {
    {"conv1", "conv2d", "filters=16 window=3 pad=1"}, {"norm1", "batchnorm", ""}, {"relu1", "relu", ""},
    {"pool1", "maxpool", "window=2"},                 {"conv2", "conv2d", "filters=32 window=3 pad=1"},
    {"relu2", "relu", ""},                            {"features", "globalpool", ""},
};

static const char *const settings[] = {
    "epochs=4", "batch=32", "lr.base=0.1", "rla_subset=0",
    "heads=[{name: class, kind: class}, {name: random, n: 4, lambda: 0.5, loss: confusion}]",
};

static enum rote_status configure(rote_config *c)
{
    enum rote_status st = ROTE_OK;
    for (size_t i = 0; !st && i < sizeof layers / sizeof *layers; i++)
        st = rote_config_add_layer(c, layers[i][0], layers[i][1], i ? "" : "input", layers[i][2]);
    for (size_t i = 0; !st && i < sizeof settings / sizeof *settings; i++)
        st = rote_config_set(c, settings[i]);
    return st;
}

static int show(void *user, const struct rote_progress *p)
{
    (void)user;
    printf("step %lld of %lld, loss %.4f\n", (long long)p->step, (long long)p->steps, p->loss);
    return 1;
}

int main(int argc, char **argv)
{
    struct rote_array array[4] = {{0}};
    struct rote_report report;
    struct rote_head_report head;
    rote_config *config = NULL;
    rote_data *data = NULL;
    rote_device *device = NULL;
    rote_run *run = NULL;
    enum rote_status st = argc == 5 ? ROTE_OK : ROTE_EINVAL;
    for (int i = 0; !st && i < 4; i++)
        st = rote_array_read(argv[i + 1], &array[i]);
    if (!st)
        st = rote_data_from_arrays(&array[0], &array[1], &array[2], &array[3], 0, 0, &data);
    if (!st)
        st = rote_config_new(&config);
    if (!st)
        st = configure(config);
    if (!st)
        st = rote_device_open(NULL, &device);
    if (!st)
        st = rote_run_new(device, config, data, &run);
    if (!st)
        st = rote_run_train(run, show, NULL);
    if (!st)
        st = rote_run_report(run, &report);
    if (!st)
        st = rote_run_head_report(run, 1, &head);
    if (!st)
        printf("test accuracy %.4f, random-label accuracy %.4f, held out %.4f\n", report.test_accuracy,
               head.clean.accuracy, head.held_out.accuracy);
    else
        fprintf(stderr, "%s: %s\n", rote_status_name(st), rote_error_detail());
    rote_run_free(run);
    rote_device_free(device);
    rote_config_free(config);
    rote_data_free(data);
    for (int i = 0; i < 4; i++)
        rote_array_free(&array[i]);
    return st != ROTE_OK;
}
