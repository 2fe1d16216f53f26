/* NPY: what is written is read back, NumPy's own headers are read, every
 * malformed file is told apart; data sets made of NPY files. */
#include "data/npy.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "unit_data.h"

static char folder[] = "/tmp/rote_test_npy_XXXXXX";
static char path[64];

static void put(const void *bytes, size_t len)
{
    FILE *f = fopen(path, "wb");
    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fwrite(bytes, 1, len, f), len);
    fclose(f);
}

/* A file of format `major`.0 with this header text and `data` bytes counting up. */
static void put_npy(int major, const char *header, size_t data)
{
    unsigned char b[1024] = "\x93NUMPY";
    size_t n = strlen(header), start = major == 2 ? 12 : 10;
    b[6] = (unsigned char)major;
    b[8] = (unsigned char)(n & 0xff);
    b[9] = (unsigned char)(n >> 8);
    memcpy(b + start, header, n);
    for (size_t i = 0; i < data; i++)
        b[start + n + i] = (unsigned char)i;
    put(b, start + n + data);
}

static void expect_error(enum rote_status status, const char *words)
{
    struct npy a = {.rank = 77};
    ck_assert_int_eq(npy_read(path, &a), status);
    ck_assert_msg(strstr(rote_error_detail(), words), "'%s' lacks '%s'", rote_error_detail(),
                  words);
    ck_assert_msg(strstr(rote_error_detail(), path), "'%s' lacks the path", rote_error_detail());
    ck_assert_int_eq(a.rank, 77);
}

START_TEST(round_trips)
{
    static const int64_t dims[][8] = {{1}, {5}, {3, 4}, {2, 3, 4}, {1, 1, 2, 1, 1, 1, 3, 1},
                                      {0}, {2, 0}};
    static const int ranks[] = {0, 1, 2, 3, 8, 1, 2};
    unsigned char bytes[24 * 8];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (unsigned char)(i * 37 + 1);
    for (int t = ROTE_U8; t <= ROTE_F64; t++)
        for (size_t k = 0; k < COUNT_OF(ranks); k++) {
            struct npy a;
            size_t count = 1;
            for (int i = 0; i < ranks[k]; i++)
                count *= (size_t)dims[k][i];
            ck_assert_int_eq(npy_write(path, (enum rote_type)t, ranks[k], dims[k], bytes), ROTE_OK);
            ck_assert_int_eq(npy_read(path, &a), ROTE_OK);
            ck_assert_int_eq(a.type, t);
            ck_assert_int_eq(a.rank, ranks[k]);
            ck_assert_uint_eq(a.count, count);
            for (int i = 0; i < a.rank; i++)
                ck_assert_int_eq(a.dim[i], dims[k][i]);
            ck_assert_ptr_nonnull(a.data);
            ck_assert_int_eq(memcmp(a.data, bytes, count * npy_size(a.type)), 0);
            npy_free(&a);
            ck_assert_ptr_null(a.data);
        }
}
END_TEST

START_TEST(written_bytes)
{
    static const int32_t values[] = {1, -2, 3, 4, 5, 6};
    char *text;
    size_t len;
    ck_assert_int_eq(npy_write(path, ROTE_I32, 2, (int64_t[]){2, 3}, values), ROTE_OK);
    ck_assert_int_eq(base_read_file(path, &text, &len), ROTE_OK);
    ck_assert_uint_eq(len, 128 + sizeof values);
    static const char head[] = "\x93NUMPY\x01\x00\x76\x00"
                               "{'descr': '<i4', 'fortran_order': False, 'shape': (2, 3), }";
    ck_assert_int_eq(memcmp(text, head, sizeof head - 1), 0);
    ck_assert_int_eq(text[127], '\n');
    ck_assert_int_eq(memcmp(text + 128, "\1\0\0\0\xfe\xff\xff\xff", 8), 0);
    base_free(text);
}
END_TEST

START_TEST(header_forms)
{
    static const char *const headers[] = {
        "{'descr': '|u1', 'fortran_order': False, 'shape': (2, 3), }            \n",
        "{\"shape\":(2,3,),\"descr\":\"|u1\",\"fortran_order\":False}",
        "{ 'fortran_order' : False , 'shape' : ( 2 , 3 ) , 'descr' : '<u1' }\n",
    };
    for (int major = 1; major <= 2; major++)
        for (size_t i = 0; i < COUNT_OF(headers); i++) {
            struct npy a;
            put_npy(major, headers[i], 6);
            ck_assert_msg(npy_read(path, &a) == ROTE_OK, "%s", rote_error_detail());
            ck_assert_int_eq(a.type, ROTE_U8);
            ck_assert_int_eq(a.rank, 2);
            ck_assert_int_eq(a.dim[0] * 10 + a.dim[1], 23);
            ck_assert_int_eq(((uint8_t *)a.data)[5], 5);
            npy_free(&a);
        }
}
END_TEST

START_TEST(malformed_headers)
{
    static const struct {
        const char *header, *words;
    } cases[] = {
        {"", "'{'"},
        {"garbage", "'{'"},
        {"{'descr", "end of a quoted string"},
        {"{5: 3}", "a quoted string"},
        {"{'descr' '|u1'}", "':'"},
        {"{'descr': '|u1' 'shape': (1,)}", "',' or '}'"},
        {"{'descr': '|u1', 'fortran_order': Maybe, 'shape': (1,)}", "True or False"},
        {"{'descr': '|u1', 'fortran_order': True, 'shape': (1,)}", "Fortran order"},
        {"{'descr': '|u1', 'fortran_order': False, 'shape': 1}", "'('"},
        {"{'descr': '|u1', 'fortran_order': False, 'shape': (1)}", "','"},
        {"{'descr': '|u1', 'fortran_order': False, 'shape': (1 2)}", "','"},
        {"{'descr': '|u1', 'fortran_order': False, 'shape': (-1,)}", "a dimension"},
        {"{'descr': '|u1', 'fortran_order': False, 'shape': (1, ", "a dimension"},
        {"{'descr': '|u1', 'fortran_order': False, 'shape': (1,)", "',' or '}'"},
        {"{'descr': '|u1', 'fortran_order': False, 'shape': (1,)} x", "nothing more"},
        {"{'descr': '|u1', 'fortran_order': False, 'shape': (1,1,1,1,1,1,1,1,1)}",
         "more than 8"},
        {"{'descr': '|u1', 'fortran_order': False, 'shape': (9223372036854775808,)}",
         "dimension 0 overflows"},
        {"{'descr': '<f8', 'fortran_order': False, 'shape': (9223372036854775807,)}",
         "size overflows"},
        {"{'descr': '|u1', 'fortran_order': False, 'shape': (4294967296, 4294967296)}",
         "size overflows"},
        {"{'descr': '>f4', 'fortran_order': False, 'shape': (1,)}", "not little endian"},
        {"{'descr': '=i8', 'fortran_order': False, 'shape': (1,)}", "not little endian"},
        {"{'descr': '<f2', 'fortran_order': False, 'shape': (1,)}", "accepted are uint8, int32"},
        {"{'descr': '|O', 'fortran_order': False, 'shape': (1,)}", "'|O' is not supported"},
        {"{'descr': '', 'fortran_order': False, 'shape': (1,)}", "not supported"},
        {"{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,)}", "several fields"},
        {"{'descr': '|u1', 'fortran_order': False}", "lacks 'shape'"},
        {"{'fortran_order': False, 'shape': (1,)}", "lacks 'descr'"},
        {"{'descr': '|u1', 'shape': (1,)}", "lacks 'fortran_order'"},
        {"{'colour': 'red'}", "unknown key 'colour'"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        put_npy(1 + (int)(i % 2), cases[i].header, 1);
        expect_error(ROTE_EFORMAT, cases[i].words);
    }
}
END_TEST

START_TEST(wrong_files)
{
    static const char header[] = "{'descr': '<i4', 'fortran_order': False, 'shape': (3,)}";
    unlink(path);
    expect_error(ROTE_ENOTFOUND, "No such file");
    put("", 0);
    expect_error(ROTE_EFORMAT, "not an NPY file");
    put("PK\3\4 and more", 14);
    expect_error(ROTE_EFORMAT, "NPZ archive");
    put("\x93NUMPY\x01\x00", 8);
    expect_error(ROTE_EFORMAT, "truncated");
    put("\x93NUMPY\x01\x00\xff\x00{", 11);
    expect_error(ROTE_EFORMAT, "expected a header of 265 bytes, found 11");
    put("\x93NUMPY\x02\x00\xff\xff\xff\xff{", 13);
    expect_error(ROTE_EFORMAT, "expected a header of 4294967307 bytes, found 13");
    put_npy(3, header, 12);
    expect_error(ROTE_EFORMAT, "NPY format 3.0");
    put_npy(1, header, 11);
    expect_error(ROTE_EFORMAT, "truncated: expected 77 bytes, found 76");
    put_npy(1, header, 13);
    expect_error(ROTE_EFORMAT, "trailing garbage: expected 77 bytes, found 78");
    unlink(path);
}
END_TEST

START_TEST(wrong_writes)
{
    float x = 1;
    ck_assert_int_eq(npy_write(path, ROTE_F32, 9, (int64_t[9]){0}, &x), ROTE_EINVAL);
    ck_assert_int_eq(npy_write(path, ROTE_F32, 1, (int64_t[]){-1}, &x), ROTE_EINVAL);
    ck_assert_int_eq(npy_write(path, ROTE_F32, 2, (int64_t[]){INT64_MAX, 4}, &x), ROTE_EINVAL);
    ck_assert_int_eq(npy_write("/nowhere/at/all.npy", ROTE_F32, 0, NULL, &x), ROTE_EIO);
    ck_assert(!base_file_exists(path));
}
END_TEST

START_TEST(failing_memory)
{
    static const double values[] = {1, 2, 3};
    enum rote_status st;
    struct npy a;
    long n = 1;
    do {
        base_alloc_fail_at(n);
        st = npy_write(path, ROTE_F64, 1, (int64_t[]){3}, values);
        base_alloc_fail_at(0);
        ck_assert(st == ROTE_OK || st == ROTE_ENOMEM);
        ck_assert_int_lt(++n, 50);
    } while (st);
    ck_assert_int_gt(n, 3);
    n = 1;
    do {
        base_alloc_fail_at(n);
        st = npy_read(path, &a);
        base_alloc_fail_at(0);
        ck_assert(st == ROTE_OK || st == ROTE_ENOMEM);
        ck_assert_int_lt(++n, 50);
    } while (st);
    ck_assert_int_gt(n, 2);
    npy_free(&a);
    unlink(path);
}
END_TEST

static const char *const set_names[] = {"train_images.npy", "train_labels.npy", "test_images.npy",
                                         "test_labels.npy"};

static const char *in_folder(const char *name)
{
    static char buffer[256];
    snprintf(buffer, sizeof buffer, "%s/%s", folder, name);
    return buffer;
}

static void put_array(const char *name, enum rote_type type, int rank, const int64_t *dim,
                    const void *data)
{
    ck_assert_int_eq(npy_write(in_folder(name), type, rank, dim, data), ROTE_OK);
}

static const int32_t labels32[] = {0, 4, 1};
static unsigned char bytes[3 * 2 * 4 * 5];
static float floats[3 * 2 * 4 * 5];

/* Three training and two test samples of `rank` dimensions. */
static void put_set(enum rote_type type, int rank, int64_t a, int64_t b, int64_t c)
{
    const void *data = type == ROTE_U8 ? (const void *)bytes : floats;
    for (size_t i = 0; i < COUNT_OF(bytes); i++)
        floats[i] = (float)(bytes[i] = (unsigned char)(i + 1)) / 2;
    put_array("train_images.npy", type, rank, (int64_t[]){3, a, b, c}, data);
    put_array("test_images.npy", type, rank, (int64_t[]){2, a, b, c}, data);
    put_array("train_labels.npy", ROTE_I32, 1, (int64_t[]){3}, labels32);
    put_array("test_labels.npy", ROTE_I32, 1, (int64_t[]){2}, labels32);
}

START_TEST(npy_shapes)
{
    static const struct {
        int rank, a, b, c, channels, height, width;
        bool nchw;
    } cases[] = {
        {2, 40, 0, 0, 40, 1, 1, false}, {2, 12, 0, 0, 12, 1, 1, true},
        {3, 5, 4, 0, 1, 5, 4, false},   {4, 4, 5, 2, 2, 4, 5, false},
        {4, 2, 4, 5, 2, 4, 5, true},
    };
    for (size_t k = 0; k < 2 * COUNT_OF(cases); k++) {
        size_t i = k / 2;
        bool real = k % 2;
        const struct data_options o = {.kind = DATA_NPY, .path = folder, .nchw = cases[i].nchw};
        put_set(real ? ROTE_F32 : ROTE_U8, cases[i].rank, cases[i].a, cases[i].b, cases[i].c);
        struct data_set *d = load(&o);
        int c = d->channels, pixels = d->height * d->width;
        ck_assert_int_eq(c, cases[i].channels);
        ck_assert_int_eq(d->height, cases[i].height);
        ck_assert_int_eq(d->width, cases[i].width);
        ck_assert_int_eq(d->classes, 5);
        ck_assert_int_eq(d->train.count * 10 + d->test.count, 32);
        ck_assert(real ? !d->train.images : !d->train.values);
        bool turned = cases[i].nchw && cases[i].rank == 4;
        double sum = 0;
        for (int n = 0; n < 3 * pixels; n++)
            for (int j = 0; j < c; j++) {
                int from = turned ? (n / pixels * c + j) * pixels + n % pixels : n * c + j;
                double v = real ? d->train.values[n * c + j] : d->train.images[n * c + j];
                ck_assert_double_eq(v, real ? floats[from] : bytes[from]);
                sum += j == 0 ? v / (real ? 1 : 255) : 0;
            }
        ck_assert_double_eq_tol(d->mean[0], c > 16 ? 0 : sum / (3 * pixels), 1e-5);
        ck_assert(c > 16 ? d->std[0] == 1 : d->std[0] != 1);
        fail_each_allocation(&o);
        data_free(d);
    }
}
END_TEST

START_TEST(npy_labels)
{
    struct data_options o = {.kind = DATA_NPY, .path = folder, .classes = 7};
    put_set(ROTE_U8, 2, 4, 0, 0);
    put_array("train_labels.npy", ROTE_I64, 1, (int64_t[]){3}, (int64_t[]){6, 0, 2});
    put_array("test_labels.npy", ROTE_U8, 1, (int64_t[]){2}, "\1\5");
    struct data_set *d = load(&o);
    ck_assert_int_eq(d->classes, 7);
    ck_assert_int_eq(d->train.labels[0] * 100 + d->train.labels[2] * 10 + d->test.labels[1], 625);
    data_free(d);
    o.classes = 6;
    expect_load_error(&o, ROTE_EFORMAT, "sample 0 has label 6, out of range: 6 classes have");
    o.classes = 0;
    put_array("train_labels.npy", ROTE_I64, 1, (int64_t[]){3}, (int64_t[]){6, -1, 2});
    expect_load_error(&o, ROTE_EFORMAT, "sample 1 has label -1, out of range: labels go from 0");
    put_array("train_labels.npy", ROTE_I64, 1, (int64_t[]){3}, (int64_t[]){6, 0, INT64_C(1) << 32});
    expect_load_error(&o, ROTE_EFORMAT, "sample 2 has label 4294967296");
    put_array("train_labels.npy", ROTE_I32, 1, (int64_t[]){2}, labels32);
    expect_load_error(&o, ROTE_EFORMAT, "train_images.npy holds 3 images, but ");
    put_array("train_labels.npy", ROTE_F32, 1, (int64_t[]){3}, floats);
    expect_load_error(&o, ROTE_EFORMAT, "labels of float32; accepted are int64, int32 and uint8");
    put_array("train_labels.npy", ROTE_I32, 2, (int64_t[]){3, 1}, labels32);
    expect_load_error(&o, ROTE_EFORMAT, "labels of 2 dimensions");
}
END_TEST

START_TEST(npy_errors)
{
    const struct data_options o = {.kind = DATA_NPY, .path = folder};
    static double doubles[8];
    put_set(ROTE_U8, 2, 4, 0, 0);
    put_array("train_images.npy", ROTE_F64, 2, (int64_t[]){2, 4}, doubles);
    expect_load_error(&o, ROTE_EFORMAT, "images of float64; accepted are uint8 and float32");
    put_array("train_images.npy", ROTE_U8, 1, (int64_t[]){3}, bytes);
    expect_load_error(&o, ROTE_EFORMAT, "images of 1 dimensions; accepted are [N,F]");
    put_array("train_images.npy", ROTE_U8, 2, (int64_t[]){3, 0}, bytes);
    expect_load_error(&o, ROTE_EFORMAT, "dimension 1 is 0");
    put_array("train_images.npy", ROTE_F32, 2, (int64_t[]){3, 4}, floats);
    expect_load_error(&o, ROTE_EFORMAT, "images of uint8, but the training images are float32");
    put_array("test_images.npy", ROTE_F32, 2, (int64_t[]){2, 5}, floats);
    expect_load_error(&o, ROTE_EFORMAT, "with 5 channels, but the training images are 1 x 1 with");
    put_set(ROTE_F32, 2, 4, 0, 0);
    floats[6] = NAN;
    put_array("test_images.npy", ROTE_F32, 2, (int64_t[]){2, 4}, floats);
    expect_load_error(&o, ROTE_EFORMAT, "test images: sample 1 has a value that is not finite");
    unlink(in_folder("test_labels.npy"));
    expect_load_error(&o, ROTE_ENOTFOUND, "test_labels.npy does not exist");
    put_set(ROTE_F32, 2, 4, 0, 0);
    ck_assert_int_eq(truncate(in_folder("train_images.npy"), 175), 0);
    expect_load_error(&o, ROTE_EFORMAT, "truncated: expected 176 bytes, found 175");
}
END_TEST

int main(void)
{
    if (!mkdtemp(folder))
        return 1;
    snprintf(path, sizeof path, "%s/a.npy", folder);
    TCase *t = tcase_create("npy");
    tcase_add_test(t, round_trips);
    tcase_add_test(t, written_bytes);
    tcase_add_test(t, header_forms);
    tcase_add_test(t, malformed_headers);
    tcase_add_test(t, wrong_files);
    tcase_add_test(t, wrong_writes);
    tcase_add_test(t, failing_memory);
    tcase_add_test(t, npy_shapes);
    tcase_add_test(t, npy_labels);
    tcase_add_test(t, npy_errors);
    int failed = unit_run("npy", t, 1);
    unlink(path);
    for (size_t i = 0; i < COUNT_OF(set_names); i++)
        unlink(in_folder(set_names[i]));
    rmdir(folder);
    return failed != 0;
}
