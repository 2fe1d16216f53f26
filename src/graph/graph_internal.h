/* Between the files of src/graph. */
#ifndef GRAPH_INTERNAL_H
#define GRAPH_INTERNAL_H

#include "graph/graph.h"

/* graph_add with a call whose attributes are set already. */
enum rote_status graph_add_call(struct graph *g, const char *name, const struct call *c, const int *in, int *first_out);

#endif
