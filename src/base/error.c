/* Status texts, this thread's error detail, warnings. */
#include "base/base.h"

#include <string.h>

static _Thread_local char detail[1024];
static rote_warning_fn warning_fn;
static void *warning_user;

const char *rote_status_name(enum rote_status status)
{
    switch (status) {
#define NAME(name, text) \
    case name:           \
        return #name;
        ROTE_STATUS_LIST(NAME)
#undef NAME
    }
    return "ROTE_?";
}

const char *rote_status_text(enum rote_status status)
{
    switch (status) {
#define TEXT(name, text) \
    case name:           \
        return text;
        ROTE_STATUS_LIST(TEXT)
#undef TEXT
    }
    return "unknown status";
}

const char *rote_error_detail(void)
{
    return detail;
}

const char *rote_version(void)
{
    return ROTE_VERSION;
}

void rote_set_warning_handler(rote_warning_fn fn, void *user)
{
    warning_fn = fn;
    warning_user = user;
}

enum rote_status base_error(enum rote_status status, const char *fmt, ...)
{
    char text[sizeof detail]; /* arguments may point into detail itself */
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    memcpy(detail, text, sizeof detail);
    return status;
}

enum rote_status base_null_argument(const char *call)
{
    return base_error(ROTE_EINVAL, "%s: an argument is NULL that must not be", call);
}

void base_error_prefix(const char *fmt, ...)
{
    char text[sizeof detail], old[sizeof detail];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    memcpy(old, detail, sizeof old);
    size_t n = strlen(text);
    memcpy(detail, text, n + 1);
    if (n + 3 < sizeof detail)
        snprintf(detail + n, sizeof detail - n, ": %.*s", (int)(sizeof detail - n - 3), old);
}

void base_warn(const char *fmt, ...)
{
    char text[1024];
    if (!warning_fn)
        return;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    warning_fn(warning_user, text);
}
