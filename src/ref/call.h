/* What an operator is called with: the shapes of its ports and the values of
 * its attributes. The vocabulary that src/op (device) and src/ref (oracle)
 * share; it knows neither OpenCL nor kernels.
 *
 * Dimension letters: N batch, H W rows and columns, C input channels, K filters,
 * R S window, P Q output rows and columns, D features, T all heads' columns,
 * M heads. Activations are [H][W][N][C], filters [R][S][C/groups][K]. */
#ifndef REF_CALL_H
#define REF_CALL_H

#include <stdbool.h>
#include <stdint.h>

#define CALL_MAX_PORTS 10
#define CALL_MAX_RANK 4
#define CALL_MAX_ATTRS 16

enum call_dtype { CALL_F32, CALL_I32, CALL_U8 };

struct call_shape {
    enum call_dtype dtype;
    int rank;
    int64_t dim[CALL_MAX_RANK]; /* outermost first; dense, row-major */
};

enum call_port_flags {
    PORT_OPTIONAL = 1,   /* may be absent; then its pointer is NULL */
    PORT_SHAPE_ONLY = 2, /* only its shape is used; no memory is bound */
};

/* A port. An output with the name of an input is that input updated in place.
 * `dims` has one letter a dimension. In a backward operator a port named as a
 * port x of the forward operator is x itself; "dx" is the loss's gradient with
 * respect to x. That naming alone is what the graph differentiates by. */
struct call_port {
    const char *name;
    const char *dims;
    enum call_dtype dtype;
    unsigned flags;
    const char *text; /* one line for help */
};

enum call_attr_kind { ATTR_INT, ATTR_FLOAT, ATTR_ENUM };

/* An attribute. `choices` of ATTR_ENUM is "a|b|c", its value the index. A
 * runtime attribute may change from run to run; the others fix the plan. */
struct call_attr {
    const char *name;
    enum call_attr_kind kind;
    double initial, min, max;
    bool runtime;
    const char *choices;
    const char *text;
};

union call_value {
    int64_t i; /* ATTR_INT, ATTR_ENUM */
    double f;
};

struct call_signature {
    const char *name; /* the operator's */
    const struct call_port *in, *out;
    int n_in, n_out;
    const struct call_attr *attr;
    int n_attr;
};

struct call {
    const struct call_signature *sig;
    struct call_shape in[CALL_MAX_PORTS], out[CALL_MAX_PORTS];
    bool in_present[CALL_MAX_PORTS], out_present[CALL_MAX_PORTS];
    union call_value attr[CALL_MAX_ATTRS];
};

/* Attribute by name; the name must exist (assert). */
int64_t call_int(const struct call *c, const char *name);
double call_float(const struct call *c, const char *name);
int call_in(const struct call *c, const char *name);  /* port index by name, -1 */
int call_out(const struct call *c, const char *name); /* port index by name, -1 */

int64_t call_elements(const struct call_shape *s);
int call_dtype_size(enum call_dtype t);

#endif
