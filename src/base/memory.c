/* Host memory that tests can make fail, checked sizes, growing strings. */
#include "base/base.h"

#include <stdlib.h>
#include <string.h>

static _Thread_local long fail_countdown;

void base_alloc_fail_at(long n)
{
    fail_countdown = n;
}

static bool injected_failure(void)
{
    return fail_countdown > 0 && --fail_countdown == 0;
}

bool base_mul(uint64_t a, uint64_t b, uint64_t *out)
{
    return !__builtin_mul_overflow(a, b, out);
}

bool base_add(uint64_t a, uint64_t b, uint64_t *out)
{
    return !__builtin_add_overflow(a, b, out);
}

enum rote_status base_alloc(void *out_pointer, size_t count, size_t size)
{
    void *p = injected_failure() ? NULL : calloc(count ? count : 1, size ? size : 1);
    if (!p)
        return base_error(ROTE_ENOMEM, "cannot allocate %zu x %zu bytes of host memory", count, size);
    memcpy(out_pointer, &p, sizeof p);
    return ROTE_OK;
}

enum rote_status base_grow(void *inout_pointer, size_t count, size_t size)
{
    void *old, *p = NULL;
    uint64_t bytes;
    memcpy(&old, inout_pointer, sizeof old);
    if (base_mul(count, size, &bytes) && bytes <= SIZE_MAX && !injected_failure())
        p = realloc(old, bytes ? (size_t)bytes : 1);
    if (!p)
        return base_error(ROTE_ENOMEM, "cannot grow to %zu x %zu bytes of host memory", count, size);
    memcpy(inout_pointer, &p, sizeof p);
    return ROTE_OK;
}

enum rote_status base_strdup(char **out, const char *s)
{
    size_t n = strlen(s) + 1;
    char *p = NULL;
    enum rote_status st = base_alloc(&p, n, 1);
    if (st)
        return st;
    memcpy(p, s, n);
    *out = p;
    return ROTE_OK;
}

enum rote_status base_sprintf(char **out, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    char *p = NULL;
    enum rote_status st = base_alloc(&p, (size_t)n + 1, 1);
    if (st)
        return st;
    va_start(ap, fmt);
    vsnprintf(p, (size_t)n + 1, fmt, ap);
    va_end(ap);
    *out = p;
    return ROTE_OK;
}

void base_free(void *p)
{
    free(p);
}

enum rote_status base_buf_add(struct base_buf *b, const void *bytes, size_t len)
{
    if (b->len + len + 1 > b->cap) {
        size_t cap = b->cap ? b->cap : 256;
        while (cap < b->len + len + 1)
            cap *= 2;
        enum rote_status st = base_grow(&b->text, cap, 1);
        if (st)
            return st;
        b->cap = cap;
    }
    if (len)
        memcpy(b->text + b->len, bytes, len);
    b->len += len;
    b->text[b->len] = 0;
    return ROTE_OK;
}

enum rote_status base_buf_printf(struct base_buf *b, const char *fmt, ...)
{
    char small[512], *text = small;
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(small, sizeof small, fmt, ap);
    va_end(ap);
    if (n >= (int)sizeof small) {
        enum rote_status st = base_alloc(&text, (size_t)n + 1, 1);
        if (st)
            return st;
        va_start(ap, fmt);
        vsnprintf(text, (size_t)n + 1, fmt, ap);
        va_end(ap);
    }
    enum rote_status st = base_buf_add(b, text, (size_t)n);
    if (text != small)
        base_free(text);
    return st;
}

void base_buf_free(struct base_buf *b)
{
    base_free(b->text);
    *b = (struct base_buf){0};
}

static size_t edit_distance(const char *a, const char *b)
{
    size_t row[65], n = strlen(b);
    if (n > 64 || strlen(a) > 64)
        return SIZE_MAX;
    for (size_t j = 0; j <= n; j++)
        row[j] = j;
    for (size_t i = 1; a[i - 1]; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= n; j++) {
            size_t best = diagonal + (a[i - 1] != b[j - 1]);
            diagonal = row[j];
            if (row[j] + 1 < best)
                best = row[j] + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            row[j] = best;
        }
    }
    return row[n];
}

const char *base_nearest(const char *word, const char *const *names, size_t count)
{
    const char *best = NULL;
    size_t best_distance = strlen(word) / 2 + 2;
    for (size_t i = 0; i < count; i++) {
        size_t d = edit_distance(word, names[i]);
        if (d < best_distance) {
            best_distance = d;
            best = names[i];
        }
    }
    return best;
}
