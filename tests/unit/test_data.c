/* Data sets: every kind loaded from files made here, and every error. */

#include <dirent.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>
#include "unit_data.h"

enum { RECORD = 3073, IMAGE = 3072 };

static char folder[] = "/tmp/rote_test_data_XXXXXX";
static char path[512];

static const char *at(const char *name)
{
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static void empty_folder(void)
{
    DIR *dir = opendir(folder);
    for (struct dirent *e; dir && (e = readdir(dir));)
        if (e->d_name[0] != '.')
            unlink(at(e->d_name));
    if (dir)
        closedir(dir);
}

static void put(const char *name, const void *bytes, size_t len)
{
    FILE *f = fopen(at(name), "wb");
    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fwrite(bytes, 1, len, f), len);
    fclose(f);
}

static void put_gz(const char *name, const void *bytes, size_t len)
{
    gzFile f = gzopen(at(name), "wb");
    ck_assert_ptr_nonnull(f);
    ck_assert_int_eq(gzwrite(f, bytes, (unsigned)len), (int)len);
    ck_assert_int_eq(gzclose(f), Z_OK);
}

/* Makes the file `from` end at byte `len`, or `-len` bytes earlier. */
static void cut(const char *name, long len)
{
    char *text;
    size_t n;
    ck_assert_int_eq(base_read_file(at(name), &text, &n), ROTE_OK);
    put(name, text, len < 0 ? n - (size_t)-len : (size_t)len);
    base_free(text);
}

/* An IDX file: pixel i of the file is i * 7 % 256, label i is i % 3. */
static size_t idx_bytes(unsigned char *b, bool images, int count, int h, int w)
{
    static const unsigned char magic[] = {0, 0, 8};
    int dim[] = {count, h, w}, rank = images ? 3 : 1, n = images ? count * h * w : count;
    memcpy(b, magic, 3);
    b[3] = (unsigned char)rank;
    memset(b + 4, 0, 12);
    for (int i = 0; i < rank; i++)
        b[7 + 4 * i] = (unsigned char)dim[i];
    for (int i = 0; i < n; i++)
        b[4 + 4 * rank + i] = (unsigned char)(images ? i * 7 : i % 3);
    return (size_t)(4 + 4 * rank + n);
}

static void put_idx_set(bool gz)
{
    unsigned char b[1024];
    void (*write)(const char *, const void *, size_t) = gz ? put_gz : put;
    const char *end = gz ? ".gz" : "";
    char name[64];
    empty_folder();
    for (int i = 0; i < 4; i++) {
        snprintf(name, sizeof name, "%s-%s%s", i < 2 ? "train" : "t10k",
                 i % 2 ? "labels-idx1-ubyte" : "images-idx3-ubyte", end);
        write(name, b, idx_bytes(b, i % 2 == 0, i < 2 ? 6 : 4, 5, 4));
    }
}

START_TEST(idx)
{
    for (int gz = 0; gz < 2; gz++)
        for (int kind = DATA_FASHION_MNIST; kind <= DATA_IDX; kind++) {
            const struct data_options o = {.kind = (enum data_kind)kind, .path = folder};
            put_idx_set(gz);
            struct data_set *d = load(&o);
            ck_assert_str_eq(d->name, kind == DATA_IDX ? "idx" : "fashion-mnist");
            ck_assert_int_eq(d->classes, kind == DATA_IDX ? 3 : 10);
            ck_assert_int_eq(d->channels * 10000 + d->height * 100 + d->width, 10504);
            ck_assert_int_eq(d->train.count * 10 + d->test.count, 64);
            ck_assert_ptr_null(d->train.values);
            double sum = 0, squares = 0;
            for (int i = 0; i < 120; i++) {
                double x = i * 7 % 256 / 255.0;
                ck_assert_int_eq(d->train.images[i], i * 7 % 256);
                sum += x;
                squares += x * x;
            }
            for (int i = 0; i < 6; i++)
                ck_assert_int_eq(d->train.labels[i], i % 3);
            double mean = sum / 120;
            ck_assert_double_eq_tol(d->mean[0], mean, 1e-6);
            ck_assert_double_eq_tol(d->std[0], sqrt(squares / 120 - mean * mean), 1e-6);
            fail_each_allocation(&o);
            data_free(d);
        }
}
END_TEST

START_TEST(idx_names)
{
    struct data_options o = {.kind = DATA_IDX, .path = folder, .train_images = "mine.gz"};
    char absolute[256];
    put_idx_set(false);
    expect_load_error(&o, ROTE_ENOTFOUND, "/mine.gz nor ");
    ck_assert_ptr_nonnull(strstr(rote_error_detail(), "/mine exists; give the folder"));
    snprintf(absolute, sizeof absolute, "%s/mine", folder);
    ck_assert_int_eq(rename(at("train-images-idx3-ubyte"), absolute), 0);
    data_free(load(&o));
    o.train_images = absolute;
    data_free(load(&o));
    o.train_images = NULL;
    expect_load_error(&o, ROTE_ENOTFOUND, "/train-images-idx3-ubyte nor ");
    ck_assert_ptr_nonnull(strstr(rote_error_detail(), "/train-images-idx3-ubyte.gz exists"));
    o.kind = DATA_FASHION_MNIST;
    expect_load_error(&o, ROTE_ENOTFOUND, "install the package dataset-fashion-mnist or give");
    ck_assert_ptr_nonnull(strstr(rote_error_detail(), "data.path"));
    o.train_images = ".";
    expect_load_error(&o, ROTE_EIO, "while reading");
}
END_TEST

START_TEST(idx_wrong_bytes)
{
    static const char images[] = "train-images-idx3-ubyte", labels[] = "train-labels-idx1-ubyte";
    static const struct {
        const char *bytes, *words;
        size_t len;
    } magics[] = {
        {"\0\0\x08\x01\0\0\0\1", "0x00000801, expected 0x00000803: it is probably an IDX file", 8},
        {"\x03\x08\0\0\0\0\0\1", "little-endian", 8},
        {"\0\0\x0d\x03\0\0\0\1", "IDX file of floats", 8},
        {"\x93NUMPY\1\0", "an NPY file", 8},
        {"<html>", "a web page", 6},
        {"PK\3\4", "a ZIP", 4},
        {"what", "no format known here", 4},
        {"", "truncated: expected 16 bytes, found 0", 0},
        {"\0\0", "truncated: expected 16 bytes, found 2", 2},
        {"\0\0\x08\x03\0\0\0\1", "truncated: expected 16 bytes, found 8", 8},
        {"\0\0\x08\x03\0\0\0\0\0\0\0\1\0\0\0\1", "dimension 0 is 0", 16},
        {"\0\0\x08\x03\xff\xff\xff\xff\xff\xff\xff\xff\0\0\0\1", "overflow", 16},
        {"\0\0\x08\x03\0\0\0\1\xff\xff\xff\xff\0\0\0\1", "expected 4294967311 bytes, found 16", 16},
    };
    const struct data_options o = {.kind = DATA_IDX, .path = folder};
    unsigned char b[1024];
    size_t n;
    put_idx_set(false);
    for (size_t i = 0; i < COUNT_OF(magics); i++) {
        put(images, magics[i].bytes, magics[i].len);
        expect_load_error(&o, ROTE_EFORMAT, magics[i].words);
    }
    n = idx_bytes(b, true, 6, 5, 4);
    put(images, b, n - 1);
    expect_load_error(&o, ROTE_EFORMAT, "truncated: expected 136 bytes, found 135");
    put(images, b, n + 1);
    expect_load_error(&o, ROTE_EFORMAT, "trailing garbage: expected 136 bytes, found 137");
    put(images, b, n);
    put(labels, b, idx_bytes(b, false, 5, 0, 0));
    expect_load_error(&o, ROTE_EFORMAT, "train-images-idx3-ubyte holds 6 images, but ");
    ck_assert_ptr_nonnull(strstr(rote_error_detail(), "train-labels-idx1-ubyte holds 5 labels"));
    put(labels, b, idx_bytes(b, true, 6, 5, 4));
    expect_load_error(&o, ROTE_EFORMAT, "an IDX file of images");
    put_idx_set(false);
    put("t10k-images-idx3-ubyte", b, idx_bytes(b, true, 4, 4, 5));
    expect_load_error(&o, ROTE_EFORMAT, "4 x 5 with 1 channels, but the training images are 5 x 4");
    put_idx_set(false);
    const struct data_options two = {.kind = DATA_IDX, .path = folder, .classes = 2};
    expect_load_error(&two, ROTE_EFORMAT, "sample 2 has label 2, out of range: 2 classes have labels");
}
END_TEST

START_TEST(gzip_damage)
{
    static const char images[] = "train-images-idx3-ubyte.gz";
    const struct data_options o = {.kind = DATA_IDX, .path = folder};
    unsigned char b[1024], twice[1100];
    put_idx_set(true);
    cut(images, -4);
    expect_load_error(&o, ROTE_EFORMAT, "checksum is cut off");
    cut(images, 60);
    expect_load_error(&o, ROTE_EFORMAT, "before the gzip data break off");
    ck_assert_ptr_nonnull(strstr(rote_error_detail(), "truncated: expected 136 bytes, found"));
    put_idx_set(true);
    char *text;
    size_t n;
    ck_assert_int_eq(base_read_file(at(images), &text, &n), ROTE_OK);
    text[n - 6] ^= 1;
    put(images, text, n);
    expect_load_error(&o, ROTE_EFORMAT, "damaged gzip data");
    text[n - 6] ^= 1;
    put_gz(images, memcpy(twice, text, n), n);
    expect_load_error(&o, ROTE_EFORMAT, "a gzip file");
    base_free(text);
    put_gz(images, b, idx_bytes(b, true, 6, 5, 4) + 3);
    expect_load_error(&o, ROTE_EFORMAT, "trailing garbage: expected 136 bytes, found 139");
}
END_TEST

static int warnings;

static void count_warning(void *user, const char *message)
{
    (void)user;
    ck_assert_ptr_nonnull(strstr(message, "2 records where the published file has"));
    warnings++;
}

/* Byte p of record i's image is (i + p / 1024 * 50 + p % 1024) % 256. */
static size_t cifar_bytes(unsigned char *b, int count, int label_bytes, int first)
{
    unsigned char *p = b;
    for (int i = 0; i < count; i++) {
        if (label_bytes == 2)
            *p++ = 19;
        *p++ = (unsigned char)(first + i);
        for (int k = 0; k < IMAGE; k++)
            *p++ = (unsigned char)(i + k / 1024 * 50 + k % 1024);
    }
    return (size_t)(p - b);
}

static void put_cifar_set(bool hundred, bool gz)
{
    unsigned char b[2 * (RECORD + 1)];
    char name[64];
    size_t n;
    empty_folder();
    for (int i = 0; i < (hundred ? 1 : 5); i++) {
        snprintf(name, sizeof name, "data_batch_%d.bin%s", i + 1, gz ? ".gz" : "");
        n = cifar_bytes(b, 2, hundred ? 2 : 1, 2 * i);
        (gz ? put_gz : put)(hundred ? "train.bin" : name, b, n);
    }
    n = cifar_bytes(b, 2, hundred ? 2 : 1, 8);
    put(hundred ? "test.bin" : "test_batch.bin", b, n);
}

START_TEST(cifar)
{
    rote_set_warning_handler(count_warning, NULL);
    for (int i = 0; i < 3; i++) {
        bool hundred = i == 2;
        const struct data_options o = {.kind = hundred ? DATA_CIFAR100 : DATA_CIFAR10,
                                       .path = folder};
        put_cifar_set(hundred, i == 1);
        warnings = 0;
        struct data_set *d = load(&o);
        ck_assert_int_eq(warnings, hundred ? 2 : 6);
        ck_assert_int_eq(d->classes, hundred ? 100 : 10);
        ck_assert_int_eq(d->channels * 10000 + d->height * 100 + d->width, 33232);
        ck_assert_int_eq(d->train.count, hundred ? 2 : 10);
        ck_assert_int_eq(d->test.count, 2);
        ck_assert_int_eq(d->test.labels[1], 9);
        for (int n = 0; n < d->train.count; n++) {
            ck_assert_int_eq(d->train.labels[n], n);
            for (int k = 0; k < IMAGE; k++)
                ck_assert_int_eq(d->train.images[n * IMAGE + k],
                                 (n % 2 + k % 3 * 50 + k / 3) % 256);
        }
        for (int c = 0; c < 3; c++)
            ck_assert_double_eq_tol(d->mean[c], 0.5, 1e-6);
        fail_each_allocation(&o);
        data_free(d);
    }
    rote_set_warning_handler(NULL, NULL);
}
END_TEST

START_TEST(cifar_errors)
{
    struct data_options o = {.kind = DATA_CIFAR10, .path = folder};
    unsigned char b[2 * (RECORD + 1)];
    put_cifar_set(false, false);
    cut("data_batch_3.bin", -1);
    expect_load_error(&o, ROTE_EFORMAT, "data_batch_3.bin: truncated");
    ck_assert_ptr_nonnull(strstr(rote_error_detail(), "so 3073 or 6146 bytes, found 6145"));
    put("data_batch_3.bin", "", 0);
    expect_load_error(&o, ROTE_EFORMAT, "so 0 or 3073 bytes, found 0");
    put("data_batch_3.bin", b, cifar_bytes(b, 2, 2, 0));
    expect_load_error(&o, ROTE_EFORMAT, "probably a file of CIFAR-100");
    put("data_batch_3.bin", b, cifar_bytes(b, 2, 1, 9));
    expect_load_error(&o, ROTE_EFORMAT, "sample 1 has label 10, out of range: 10 classes");
    unlink(at("data_batch_3.bin"));
    expect_load_error(&o, ROTE_ENOTFOUND, "data_batch_3.bin.gz exists; give the folder of CIFAR's");
    o.train_images = "data_batch_2.bin";
    data_free(load(&o));
    o.test_labels = "labels";
    expect_load_error(&o, ROTE_EINVAL, "labels in the image files");
    put_cifar_set(false, true);
    cut("data_batch_1.bin.gz", -4);
    o = (struct data_options){.kind = DATA_CIFAR10, .path = folder};
    expect_load_error(&o, ROTE_EFORMAT, "before the gzip data break off");
}
END_TEST

/* Samples of the test split nearest to the mean training image of their class. */
static int nearest_mean(const struct data_set *d)
{
    enum { PIXELS = 28 * 28 };
    static double mean[10][PIXELS];
    int right = 0;
    for (int i = 0; i < d->train.count; i++)
        for (int p = 0; p < PIXELS; p++)
            mean[d->train.labels[i]][p] += d->train.images[i * PIXELS + p] / 200.0;
    for (int i = 0; i < d->test.count; i++) {
        int best = 0;
        double least = INFINITY;
        for (int k = 0; k < 10; k++) {
            double distance = 0;
            for (int p = 0; p < PIXELS; p++) {
                double x = d->test.images[i * PIXELS + p] - mean[k][p];
                distance += x * x;
            }
            if (distance < least) {
                least = distance;
                best = k;
            }
        }
        right += best == d->test.labels[i];
    }
    return right;
}

START_TEST(synthetic)
{
    struct data_options o = {.kind = DATA_SYNTHETIC, .seed = 7};
    struct data_set *a = load(&o), *b = load(&o);
    ck_assert_int_eq(a->channels * 10000 + a->height * 100 + a->width, 12828);
    ck_assert_int_eq(a->classes, 10);
    ck_assert_int_eq(a->train.count, 2000);
    ck_assert_int_eq(a->test.count, 500);
    ck_assert_int_eq(memcmp(a->train.images, b->train.images, 2000 * 784), 0);
    ck_assert_int_eq(memcmp(a->test.images, b->test.images, 500 * 784), 0);
    ck_assert_int_ne(memcmp(a->train.images, a->test.images, 500 * 784), 0);
    ck_assert_int_gt(nearest_mean(a), 450);
    ck_assert(a->mean[0] > 0.4f && a->mean[0] < 0.6f && a->std[0] > 0.15f && a->std[0] < 0.4f);
    data_free(b);
    o.seed = 8;
    b = load(&o);
    ck_assert_int_ne(memcmp(a->train.images, b->train.images, 784), 0);
    data_free(a);
    data_free(b);
    o = (struct data_options){.kind = DATA_SYNTHETIC, .classes = 3, .channels = 20, .height = 1,
                              .width = 3, .train_count = 4, .test_count = 2};
    a = load(&o);
    ck_assert_int_eq(a->channels * 10000 + a->height * 100 + a->width, 200103);
    ck_assert_int_eq(a->train.labels[3] * 100 + a->test.labels[1] * 10 + a->classes, 13);
    data_free(a);
    fail_each_allocation(&o);
    o.height = -1;
    expect_load_error(&o, ROTE_EINVAL, "cannot be negative");
    o.height = o.width = o.channels = o.train_count = INT32_MAX;
    expect_load_error(&o, ROTE_EFORMAT, "overflows");
}
END_TEST

START_TEST(options)
{
    struct data_options o = {.kind = (enum data_kind)99};
    expect_load_error(&o, ROTE_EINVAL, "kind 99");
    o = (struct data_options){.kind = DATA_SYNTHETIC, .classes = -1};
    expect_load_error(&o, ROTE_EINVAL, "-1 classes");
    o = (struct data_options){.kind = DATA_CIFAR10};
    expect_load_error(&o, ROTE_ENOTFOUND, "cifar-10-batches-bin/data_batch_1.bin");
    o = (struct data_options){.kind = DATA_SYNTHETIC};
    struct data_set *d = load(&o);
    ck_assert_int_eq(data_take(&d->train, 100), ROTE_OK);
    ck_assert_int_eq(d->train.count, 100);
    ck_assert_int_eq(data_take(&d->train, 101), ROTE_EINVAL);
    ck_assert_int_eq(data_take(&d->train, 0), ROTE_EINVAL);
    ck_assert_ptr_nonnull(strstr(rote_error_detail(), "give 1 to 100"));
    data_free(d);
    data_free(NULL);
}
END_TEST

START_TEST(hold_out)
{
    struct data_options o = {.kind = DATA_SYNTHETIC};
    struct data_set *d = load(&o), *whole = load(&o), *copy = NULL;
    size_t pixels = (size_t)d->height * (size_t)d->width, left = (size_t)d->train.count - 300;
    ck_assert_int_eq(data_hold_out(d, d->train.count), ROTE_EINVAL);
    ck_assert_ptr_nonnull(strstr(rote_error_detail(), "give 1 to 1999"));
    ck_assert_int_eq(data_hold_out(d, 300), ROTE_OK);
    ck_assert_int_eq(data_copy(d, &copy), ROTE_OK);
    ck_assert(copy->train.count == (int64_t)left && copy->validation.count == 300);
    ck_assert_mem_eq(copy->train.images, whole->train.images, left * pixels);
    ck_assert_mem_eq(copy->validation.images, whole->train.images + left * pixels, 300 * pixels);
    ck_assert_mem_eq(copy->validation.labels, whole->train.labels + left, 300 * sizeof(int32_t));
    double sum = 0;
    for (size_t i = 0; i < left * pixels; i++)
        sum += whole->train.images[i] / 255.0;
    ck_assert_double_eq_tol(d->mean[0], sum / (double)(left * pixels), 1e-6);
    ck_assert(d->mean[0] != whole->mean[0]);
    data_free(d);
    data_free(whole);
    data_free(copy);
}
END_TEST

int main(void)
{
    if (!mkdtemp(folder))
        return 1;
    TCase *t = tcase_create("data");
    tcase_add_test(t, idx);
    tcase_add_test(t, idx_names);
    tcase_add_test(t, idx_wrong_bytes);
    tcase_add_test(t, gzip_damage);
    tcase_add_test(t, cifar);
    tcase_add_test(t, cifar_errors);
    tcase_add_test(t, synthetic);
    tcase_add_test(t, options);
    tcase_add_test(t, hold_out);
    int failed = unit_run("data", t, 1);
    empty_folder();
    rmdir(folder);
    return failed != 0;
}
