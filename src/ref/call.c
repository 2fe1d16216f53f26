/* Look-ups in a call's signature. */
#include "ref/call.h"

#include <assert.h>
#include <string.h>

static int attr_index(const struct call *c, const char *name)
{
    for (int i = 0; i < c->sig->n_attr; i++)
        if (!strcmp(c->sig->attr[i].name, name))
            return i;
    assert(!"an operator has no attribute of this name");
    return 0;
}

int64_t call_int(const struct call *c, const char *name)
{
    return c->attr[attr_index(c, name)].i;
}

double call_float(const struct call *c, const char *name)
{
    return c->attr[attr_index(c, name)].f;
}

static int port_index(const struct call_port *port, int n, const char *name)
{
    for (int i = 0; i < n; i++)
        if (!strcmp(port[i].name, name))
            return i;
    return -1;
}

int call_in(const struct call *c, const char *name)
{
    return port_index(c->sig->in, c->sig->n_in, name);
}

int call_out(const struct call *c, const char *name)
{
    return port_index(c->sig->out, c->sig->n_out, name);
}

int64_t call_elements(const struct call_shape *s)
{
    int64_t n = 1;
    for (int i = 0; i < s->rank; i++)
        n *= s->dim[i];
    return n;
}

int call_dtype_size(enum call_dtype t)
{
    return t == CALL_U8 ? 1 : 4;
}
