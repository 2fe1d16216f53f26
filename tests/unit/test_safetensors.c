/* Checkpoint files: round trip, every bit, every length, errors, failing memory. */
#include <dirent.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "train/safetensors.h"
#include "unit.h"

static char folder[64], path[96];
static const float a[6] = {1, -2, 3.5f, 0, 1e-30f, 7};
static const int64_t b[3] = {1, -9007199254740993, 3};
static const unsigned char c[5] = {1, 2, 3, 4, 5};
static const uint32_t u[3] = {7, 8, 9};
static const int32_t v[1] = {-4};
static const double d[2] = {0.1, -2e300};

static enum rote_status write_one(void)
{
    enum rote_status st = ROTE_OK;
    struct st_file *f = NULL;
    TRY(st_new(&f));
    TRY(st_add(f, "a", ST_F32, 2, (int64_t[]){2, 3}, a));
    TRY(st_add(f, "c", ST_U8, 1, (int64_t[]){5}, c));
    TRY(st_add(f, "b", ST_I64, 1, (int64_t[]){3}, b));
    TRY(st_meta(f, "step", "12"));
    TRY(st_write(f, path));
out:
    st_free(f);
    return st;
}

static void put(const char *bytes, size_t n)
{
    ck_assert_int_eq(base_write_file_atomic(path, bytes, n), ROTE_OK);
}

static void refused(const char *part)
{
    struct st_file *f = NULL;
    enum rote_status st = st_read(path, &f);
    ck_assert_msg(st != ROTE_OK, "a damaged file was read");
    ck_assert_msg(strstr(rote_error_detail(), part) != NULL, "'%s' is not in: %s", part, rote_error_detail());
    ck_assert_ptr_null(f);
}

static void holds(const struct st_file *f, const char *name, enum st_type type, const void *data,
                  size_t bytes)
{
    const struct st_tensor *t = st_find(f, name);
    ck_assert_msg(t && t->type == type && t->bytes == bytes, "tensor %s", name);
    ck_assert_msg((uintptr_t)t->data % 8 == 0, "tensor %s is not aligned", name);
    ck_assert_msg(bytes == 0 || !memcmp(t->data, data, bytes), "values of %s", name);
}

START_TEST(what_is_written_is_read)
{
    struct st_file *f = NULL;
    ck_assert_int_eq(write_one(), ROTE_OK);
    ck_assert_msg(!st_read(path, &f), "%s", rote_error_detail());
    ck_assert_uint_eq(st_count(f), 3);
    ck_assert(st_find(f, "a")->rank == 2 && st_find(f, "a")->dim[0] == 2);
    ck_assert_int_eq(st_find(f, "a")->dim[1], 3);
    holds(f, "a", ST_F32, a, sizeof a);
    holds(f, "b", ST_I64, b, sizeof b);
    holds(f, "c", ST_U8, c, sizeof c);
    ck_assert_str_eq(st_meta_get(f, "step"), "12");
    ck_assert_ptr_null(st_meta_get(f, "stop"));
    ck_assert_ptr_null(st_find(f, "d"));
    ck_assert_ptr_null(st_at(f, 3));
    st_free(f);
}
END_TEST

static void add_every_type(struct st_file *f)
{
    ck_assert_int_eq(st_add(f, "c", ST_U8, 1, (int64_t[]){5}, c), ROTE_OK);
    ck_assert_int_eq(st_add(f, "none", ST_F32, 2, (int64_t[]){0, 4}, NULL), ROTE_OK);
    ck_assert_int_eq(st_add(f, "u", ST_U32, 1, (int64_t[]){3}, u), ROTE_OK);
    ck_assert_int_eq(st_add(f, "v", ST_I32, 0, NULL, v), ROTE_OK);
    ck_assert_int_eq(st_add(f, "c2", ST_U8, 8, (int64_t[]){1, 1, 1, 3, 1, 1, 1, 1}, c), ROTE_OK);
    ck_assert_int_eq(st_add(f, "d", ST_F64, 1, (int64_t[]){2}, d), ROTE_OK);
    ck_assert_int_eq(st_add(f, "b", ST_I64, 1, (int64_t[]){3}, b), ROTE_OK);
    ck_assert_int_eq(st_add(f, "a", ST_F32, 1, (int64_t[]){5}, a), ROTE_OK);
}

static void has_every_type(const struct st_file *f)
{
    ck_assert_uint_eq(st_count(f), 8);
    holds(f, "a", ST_F32, a, 20);
    holds(f, "b", ST_I64, b, sizeof b);
    holds(f, "c", ST_U8, c, sizeof c);
    holds(f, "c2", ST_U8, c, 3);
    holds(f, "d", ST_F64, d, sizeof d);
    holds(f, "none", ST_F32, NULL, 0);
    holds(f, "u", ST_U32, u, sizeof u);
    holds(f, "v", ST_I32, v, sizeof v);
    ck_assert_int_eq(st_find(f, "v")->rank, 0);
}

/* Other readers refuse gaps: the data are exactly as long as the tensors. */
START_TEST(tensors_lie_without_gaps)
{
    struct st_file *f = NULL, *again = NULL;
    char *bytes, *second;
    size_t len, len2, header;
    ck_assert_int_eq(st_new(&f), ROTE_OK);
    add_every_type(f);
    ck_assert_int_eq(st_write(f, path), ROTE_OK);
    ck_assert_int_eq(base_read_file(path, &bytes, &len), ROTE_OK);
    header = (unsigned char)bytes[0] | (size_t)(unsigned char)bytes[1] << 8;
    ck_assert_uint_eq(header % 8, 0);
    ck_assert_uint_eq(len, 8 + header + 24 + 16 + 20 + 12 + 4 + 5 + 3);
    st_free(f);
    ck_assert_msg(!st_read(path, &f), "%s", rote_error_detail());
    has_every_type(f);
    ck_assert_int_eq(st_write(f, path), ROTE_OK); /* what was read is written again: same tensors */
    ck_assert_int_eq(base_read_file(path, &second, &len2), ROTE_OK);
    ck_assert_msg(!st_read(path, &again), "%s", rote_error_detail());
    has_every_type(again);
    ck_assert_uint_eq(len, len2);
    st_free(f);
    st_free(again);
    base_free(bytes);
    base_free(second);
}
END_TEST

START_TEST(what_cannot_be_added)
{
    struct st_file *f = NULL;
    int64_t one = 1;
    ck_assert_int_eq(st_new(&f), ROTE_OK);
    ck_assert_int_eq(st_add(f, "a", ST_F32, 1, &one, a), ROTE_OK);
    ck_assert_int_eq(st_add(f, "a", ST_F32, 1, &one, a), ROTE_EINVAL);
    ck_assert_int_eq(st_add(f, "bad\xff", ST_F32, 1, &one, a), ROTE_EINVAL);
    ck_assert_int_eq(st_add(f, "__metadata__", ST_F32, 1, &one, a), ROTE_EINVAL);
    ck_assert_int_eq(st_add(f, "b", ST_F32, -1, &one, a), ROTE_EINVAL);
    ck_assert_int_eq(st_add(f, "b", ST_F32, 9, &one, a), ROTE_EINVAL);
    ck_assert_int_eq(st_add(f, "b", (enum st_type)17, 1, &one, a), ROTE_EINVAL);
    ck_assert_int_eq(st_add(f, "b", ST_F32, 1, (int64_t[]){-1}, a), ROTE_EINVAL);
    ck_assert_int_eq(st_add(f, "b", ST_F32, 2, (int64_t[]){INT64_MAX, 8}, a), ROTE_EINVAL);
    ck_assert_int_eq(st_meta(f, "k", "\xff"), ROTE_EINVAL);
    ck_assert_uint_eq(st_count(f), 1);
    st_free(f);
}
END_TEST

START_TEST(every_flipped_bit_is_found)
{
    char *bytes;
    size_t n;
    ck_assert_int_eq(write_one(), ROTE_OK);
    ck_assert_int_eq(base_read_file(path, &bytes, &n), ROTE_OK);
    for (size_t bit = 0; bit < 8 * n; bit++) {
        struct st_file *f = NULL;
        bytes[bit / 8] ^= (char)(1 << bit % 8);
        put(bytes, n);
        ck_assert_msg(st_read(path, &f) != ROTE_OK, "bit %zu of byte %zu", bit % 8, bit / 8);
        bytes[bit / 8] ^= (char)(1 << bit % 8);
    }
    base_free(bytes);
}
END_TEST

START_TEST(every_length_is_found)
{
    char *bytes;
    size_t n;
    ck_assert_int_eq(write_one(), ROTE_OK);
    ck_assert_int_eq(base_read_file(path, &bytes, &n), ROTE_OK);
    for (size_t len = 0; len < n; len++) {
        put(bytes, len);
        refused(path);
    }
    base_free(bytes);
}
END_TEST

static void file_with(const char *header, size_t data)
{
    char bytes[1024] = {0};
    size_t n = strlen(header);
    bytes[0] = (char)(n & 255);
    bytes[1] = (char)(n >> 8);
    memcpy(bytes + 8, header, n);
    put(bytes, 8 + n + data);
}

START_TEST(files_from_elsewhere)
{
    struct st_file *f = NULL;
    file_with("{\"t\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", 8);
    ck_assert_msg(!st_read(path, &f), "%s", rote_error_detail());
    st_free(f);
    file_with("{\"t\":{\"dtype\":\"F16\",\"shape\":[2],\"data_offsets\":[0,4]}}", 4);
    refused("F16");
    file_with("{\"t\":{\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[0,8]}}", 8);
    refused("another size");
    file_with("{\"t\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", 4);
    refused("truncated");
    file_with("{\"t\":{\"dtype\":\"F32\",\"shape\":[-2],\"data_offsets\":[0,8]}}", 8);
    refused("shape");
    file_with("{\"t\":{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[0,16]},"
              "\"u\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[8,16]}}", 16);
    refused("overlap");
    file_with("{\"t\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},"
              "\"t\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", 8);
    refused("JSON");
    file_with("{\"t\":{\"dtype\":\"F32\",\"shape\":[4611686018427387904,4],\"data_offsets\":[0,8]}}", 8);
    refused("another size");
    file_with("{\"t\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", 16);
    refused("need 8 bytes, 16");
    file_with("{\"t\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[\"0\",8]}}", 8);
    refused("offsets");
    file_with("{\"t\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[-8,0]}}", 8);
    refused("there: it is damaged");
    file_with("{\"t\":{\"dtype\":\"F32\",\"shape\":[1,1,1,1,1,1,1,1,1],\"data_offsets\":[0,4]}}", 4);
    refused("shape");
    file_with("{\"t\":7}", 0);
    refused("type");
    file_with("{\"__metadata__\":[]}", 0);
    refused("__metadata__");
    file_with("{\"__metadata__\":{\"k\":1}}", 0);
    refused("metadata k");
    file_with("[1, 2]", 8);
    refused("JSON");
    put("\xff\xff\xff\xff\xff\xff\xff\xff", 8);
    refused("no safetensors file");
}
END_TEST

/* Packed tightly behind a header of any length, and after an empty tensor. */
START_TEST(tensors_that_are_not_aligned)
{
    struct st_file *f = NULL;
    char header[200];
    for (int pad = 0; pad < 8; pad++) {
        snprintf(header, sizeof header,
                 "{\"y\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},"
                 "\"e\":{\"dtype\":\"F64\",\"shape\":[0],\"data_offsets\":[0,0]},"
                 "\"z\":{\"dtype\":\"I64\",\"shape\":[2],\"data_offsets\":[4,20]}}%*s", pad, "");
        file_with(header, 20);
        ck_assert_msg(!st_read(path, &f), "%s", rote_error_detail());
        holds(f, "y", ST_F32, (float[]){0}, 4);
        holds(f, "z", ST_I64, (int64_t[]){0, 0}, 16);
        holds(f, "e", ST_F64, NULL, 0);
        st_free(f);
    }
}
END_TEST

START_TEST(memory_that_fails)
{
    for (long n = 1;; n++) {
        base_alloc_fail_at(n);
        enum rote_status st = write_one();
        base_alloc_fail_at(0);
        if (!st)
            break;
        ck_assert_int_eq(st, ROTE_ENOMEM);
    }
    for (long n = 1;; n++) {
        struct st_file *f = NULL;
        base_alloc_fail_at(n);
        enum rote_status st = st_read(path, &f);
        base_alloc_fail_at(0);
        st_free(f);
        if (!st)
            break;
        ck_assert_int_eq(st, ROTE_ENOMEM);
    }
}
END_TEST

START_TEST(nothing_is_left_behind)
{
    char saved[96];
    memcpy(saved, path, sizeof saved);
    snprintf(path, sizeof path, "%.60s/none/x.safetensors", folder);
    ck_assert_int_eq(write_one(), ROTE_EIO);
    snprintf(path, sizeof path, "%.60s/taken", folder); /* fails as late as in the rename */
    ck_assert_int_eq(base_make_dirs(path), ROTE_OK);
    ck_assert_int_eq(write_one(), ROTE_EIO);
    ck_assert_int_eq(rmdir(path), 0);
    memcpy(path, saved, sizeof path);
    struct rlimit old, small = {.rlim_cur = 100};
    ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &old), 0);
    small.rlim_max = old.rlim_max;
    signal(SIGXFSZ, SIG_IGN);
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &small), 0); /* and as on a full disk */
    enum rote_status st = write_one();
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &old), 0);
    ck_assert_int_eq(st, ROTE_EIO);
    ck_assert_int_eq(write_one(), ROTE_OK);
    DIR *d = opendir(folder);
    int files = 0;
    for (struct dirent *e; (e = readdir(d));)
        files += e->d_name[0] != '.';
    closedir(d);
    ck_assert_int_eq(files, 1);
}
END_TEST

int main(void)
{
    snprintf(folder, sizeof folder, "/tmp/rote-st-XXXXXX");
    if (!mkdtemp(folder))
        return 1;
    snprintf(path, sizeof path, "%.60s/x.safetensors", folder);
    TCase *t = tcase_create("safetensors");
    tcase_add_test(t, what_is_written_is_read);
    tcase_add_test(t, tensors_lie_without_gaps);
    tcase_add_test(t, what_cannot_be_added);
    tcase_add_test(t, tensors_that_are_not_aligned);
    tcase_add_test(t, every_flipped_bit_is_found);
    tcase_add_test(t, every_length_is_found);
    tcase_add_test(t, files_from_elsewhere);
    tcase_add_test(t, memory_that_fails);
    tcase_add_test(t, nothing_is_left_behind);
    int failed = unit_run("safetensors", t, 0);
    unlink(path);
    rmdir(folder);
    return failed ? 1 : 0;
}
