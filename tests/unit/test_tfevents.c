/* Event files: every byte of one record, going on after a cut, what is refused, failing
 * memory. With a folder as its argument the program leaves a file for another reader there. */
#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "train/tfevents.h"
#include "unit.h"

#define VERSION_BYTES 40 /* 12 + 24 + 4: wall time, "brain.Event:2" */

static char folder[64];

/* The folder's files, in order; the caller frees the names. */
static int files(struct dirent ***out)
{
    int n = scandir(folder, out, NULL, alphasort), kept = 0;
    ck_assert_int_ge(n, 2);
    for (int i = 0; i < n; i++) {
        if ((*out)[i]->d_name[0] == '.')
            free((*out)[i]);
        else
            (*out)[kept++] = (*out)[i];
    }
    return kept;
}

static void forget(struct dirent **name, int n)
{
    for (int i = 0; i < n; i++)
        free(name[i]);
    free(name);
}

static void empty(void)
{
    struct dirent **name;
    char path[400];
    int n = files(&name);
    for (int i = 0; i < n; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, name[i]->d_name);
        ck_assert_int_eq(unlink(path), 0);
    }
    forget(name, n);
}

/* The bytes of the only file. */
static unsigned char *content(size_t *len)
{
    struct dirent **name;
    char path[400], *bytes;
    int n = files(&name);
    ck_assert_int_eq(n, 1);
    snprintf(path, sizeof path, "%s/%s", folder, name[0]->d_name);
    ck_assert_int_eq(base_read_file(path, &bytes, len), ROTE_OK);
    forget(name, n);
    return (unsigned char *)bytes;
}

/* Bit by bit, unlike the table that is tested. */
static uint32_t masked(const unsigned char *p, size_t n)
{
    uint32_t c = 0xFFFFFFFFu;
    for (size_t i = 0; i < 8 * n; i++) {
        uint32_t bit = (c ^ (uint32_t)p[i / 8] >> i % 8) & 1;
        c = (c >> 1) ^ (bit ? 0x82F63B78u : 0);
    }
    c = ~c;
    return (c >> 15 | c << 17) + 0xa282ead8u;
}

static uint64_t number(const unsigned char *p, int bytes)
{
    uint64_t v = 0;
    for (int i = 0; i < bytes; i++)
        v |= (uint64_t)p[i] << (8 * i);
    return v;
}

/* Counts the records; their lengths and sums must fit. */
static int records(const unsigned char *p, size_t len)
{
    int n = 0;
    for (size_t at = 0; at < len; n++) {
        ck_assert_uint_ge(len - at, 16);
        uint64_t size = number(p + at, 8);
        ck_assert_uint_ge(len - at - 16, size);
        ck_assert_uint_eq(number(p + at + 8, 4), masked(p + at, 8));
        ck_assert_uint_eq(number(p + at + 12 + size, 4), masked(p + at + 12, size));
        at += size + 16;
    }
    return n;
}

static struct tfevents *opened(int64_t resume)
{
    struct tfevents *t = NULL;
    ck_assert_msg(!tfevents_open(folder, resume, &t), "%s", rote_error_detail());
    return t;
}

START_TEST(checksum_is_castagnoli)
{
    /* RFC 3720, B.4: 32 bytes of zeros have the sum 8a9136aa */
    unsigned char zeros[32] = {0};
    uint32_t c = 0x8a9136aau;
    ck_assert_uint_eq(masked(zeros, sizeof zeros), (c >> 15 | c << 17) + 0xa282ead8u);
}
END_TEST

START_TEST(a_scalar_byte_by_byte)
{
    static const unsigned char event[] = {
        0x09, 0, 0, 0, 0, 0, 0, 0xf8, 0x3f,            /* wall_time = 1.5 */
        0x10, 0xac, 0x02,                              /* step = 300 */
        0x2a, 0x0c, 0x0a, 0x0a,                        /* summary, value */
        0x0a, 0x03, 'a', '/', 'b', 0x15, 0, 0, 0, 0xbf /* tag, simple_value = -0.5 */
    };
    int64_t bytes;
    size_t len;
    struct tfevents *t = opened(-1);
    ck_assert_int_eq(tfevents_flush(t, &bytes), ROTE_OK);
    ck_assert_int_eq(bytes, VERSION_BYTES);
    ck_assert_int_eq(tfevents_scalar(t, "a/b", 300, 1.5, -0.5f), ROTE_OK);
    ck_assert_int_eq(tfevents_flush(t, &bytes), ROTE_OK);
    unsigned char *p = content(&len);
    ck_assert_int_eq(bytes, (int64_t)len);
    ck_assert_int_eq(records(p, len), 2);
    ck_assert(!memcmp(p + 12 + 9, "\x1a\x0d" "brain.Event:2", 15));
    ck_assert_uint_eq(number(p + VERSION_BYTES, 8), sizeof event);
    ck_assert(!memcmp(p + VERSION_BYTES + 12, event, sizeof event));
    free(p);
    ck_assert_int_eq(tfevents_close(t), ROTE_OK);
    ck_assert_int_eq(tfevents_close(NULL), ROTE_OK);
    empty();
}
END_TEST

START_TEST(going_on_after_a_cut)
{
    int64_t kept, all;
    size_t len, len2;
    struct tfevents *t = opened(-1);
    ck_assert_int_eq(tfevents_scalar(t, "loss", 1, 1, 2), ROTE_OK);
    ck_assert_int_eq(tfevents_flush(t, &kept), ROTE_OK);
    ck_assert_int_eq(tfevents_scalar(t, "loss", 2, 2, 3), ROTE_OK);
    ck_assert_int_eq(tfevents_close(t), ROTE_OK);
    unsigned char *whole = content(&len);
    t = opened(kept);
    ck_assert_int_eq(tfevents_scalar(t, "loss", 2, 2, 3), ROTE_OK);
    ck_assert_int_eq(tfevents_flush(t, &all), ROTE_OK);
    ck_assert_int_eq(tfevents_close(t), ROTE_OK);
    unsigned char *again = content(&len2);
    ck_assert(len == len2 && all == (int64_t)len && !memcmp(whole, again, len));
    ck_assert_int_eq(records(again, len2), 3);
    free(whole);
    free(again);
    empty();
}
END_TEST

START_TEST(a_new_file_leaves_the_others)
{
    struct dirent **name;
    char path[400];
    struct tfevents *t = NULL;
    size_t len;
    for (int i = 0; i < 3; i++) { /* within a second, for all we know */
        t = opened(-1);
        for (int k = 0; k < i; k++)
            ck_assert_int_eq(tfevents_scalar(t, "x", k, 0, 0), ROTE_OK);
        ck_assert_int_eq(tfevents_close(t), ROTE_OK);
    }
    int n = files(&name);
    ck_assert_int_eq(n, 3);
    for (int i = 0; i < n; i++) {
        char *bytes;
        ck_assert_uint_eq(strlen(name[i]->d_name), strlen("events.out.tfevents.1234567890.rote"));
        snprintf(path, sizeof path, "%s/%s", folder, name[i]->d_name);
        ck_assert_int_eq(base_read_file(path, &bytes, &len), ROTE_OK);
        ck_assert_int_eq(records((unsigned char *)bytes, len), i + 1);
        base_free(bytes);
    }
    forget(name, n);
    snprintf(path, sizeof path, "%s/events.out.tfevents.9999999999.other", folder);
    ck_assert_int_eq(base_write_file_atomic(path, "theirs", 6), ROTE_OK);
    t = opened(VERSION_BYTES); /* the newest of ours, not what another program wrote */
    ck_assert_int_eq(tfevents_close(t), ROTE_OK);
    char *bytes;
    ck_assert_int_eq(base_read_file(path, &bytes, &len), ROTE_OK);
    ck_assert_str_eq(bytes, "theirs");
    base_free(bytes);
    empty();
}
END_TEST

START_TEST(what_is_refused)
{
    struct tfevents *t = NULL;
    char tag[400], none[100];
    size_t len;
    ck_assert_int_eq(tfevents_open(folder, 0, &t), ROTE_ENOTFOUND);
    snprintf(none, sizeof none, "%s/none", folder);
    ck_assert_int_eq(tfevents_open(none, -1, &t), ROTE_EIO);
    ck_assert_int_eq(tfevents_open(none, 0, &t), ROTE_ENOTFOUND);
    t = opened(-1);
    memset(tag, 't', sizeof tag);
    tag[300] = 0;
    ck_assert_int_eq(tfevents_scalar(t, tag, INT64_MAX, 1e9, 1), ROTE_OK);
    tag[300] = 't';
    tag[301] = 0;
    ck_assert_int_eq(tfevents_scalar(t, tag, 1, 1, 1), ROTE_EINVAL);
    ck_assert_int_eq(tfevents_close(t), ROTE_OK);
    unsigned char *p = content(&len);
    ck_assert_int_eq(records(p, len), 2);
    free(p);
    t = NULL;
    ck_assert_int_eq(tfevents_open(folder, (int64_t)len + 1, &t), ROTE_EFORMAT);
    ck_assert_ptr_null(t);
    p = content(&len);
    ck_assert_int_eq(records(p, len), 2); /* as it was */
    free(p);
    empty();
}
END_TEST

START_TEST(memory_that_fails)
{
    for (int resume = 0; resume < 2; resume++) {
        for (long n = 1;; n++) {
            struct tfevents *t = NULL;
            base_alloc_fail_at(n);
            enum rote_status st = tfevents_open(folder, resume ? VERSION_BYTES : -1, &t);
            base_alloc_fail_at(0);
            tfevents_close(t);
            if (!st)
                break;
            ck_assert_int_eq(st, ROTE_ENOMEM);
            ck_assert_ptr_null(t);
        }
    }
    size_t len;
    free(content(&len)); /* no file of a failed open */
    ck_assert_uint_eq(len, VERSION_BYTES);
    empty();
}
END_TEST

static enum rote_status write_example(const char *where)
{
    enum rote_status st = ROTE_OK;
    struct tfevents *t = NULL;
    int64_t kept;
    TRY(tfevents_open(where, -1, &t));
    TRY(tfevents_scalar(t, "train/loss", 0, 1.7e9, 2.302585f));
    TRY(tfevents_scalar(t, "train/loss", 300, 1.7e9 + 1, -0.25f));
    TRY(tfevents_flush(t, &kept));
    TRY(tfevents_scalar(t, "lost", 301, 1.7e9 + 2, 1));
    tfevents_close(t);
    t = NULL;
    TRY(tfevents_open(where, kept, &t));
    TRY(tfevents_scalar(t, "lr", (int64_t)1 << 40, 1.7e9 + 3, 1e-30f));
out:
    return tfevents_close(t) ? ROTE_EIO : st;
}

int main(int argc, char **argv)
{
    if (argc > 1)
        return write_example(argv[1]) != ROTE_OK;
    snprintf(folder, sizeof folder, "/tmp/rote-ev-XXXXXX");
    if (!mkdtemp(folder))
        return 1;
    TCase *t = tcase_create("tfevents");
    tcase_add_test(t, checksum_is_castagnoli);
    tcase_add_test(t, a_scalar_byte_by_byte);
    tcase_add_test(t, going_on_after_a_cut);
    tcase_add_test(t, a_new_file_leaves_the_others);
    tcase_add_test(t, what_is_refused);
    tcase_add_test(t, memory_that_fails);
    int failed = unit_run("tfevents", t, 0);
    rmdir(folder);
    return failed;
}
