/* A static graph of operators: built once, differentiated by port names, planned
 * into one arena, run without allocating. */
#ifndef GRAPH_H
#define GRAPH_H

#include "op/op.h"

enum graph_kind {
    GRAPH_ACTIVATION, /* lives in the arena, between its first and last use */
    GRAPH_EXTERNAL,   /* memory given by graph_set_mem: data, states, tables */
    GRAPH_PARAM,      /* external, and wants a gradient */
};

struct graph_tensor {
    char name[72];
    struct call_shape shape;
    enum graph_kind kind;
    int storage;       /* the tensor whose memory this is: itself, or what it reshapes */
    int grad;          /* its gradient's tensor after graph_backward, or -1 */
    bool needs_grad;
    int first, last;   /* nodes between which the storage must be kept */
    uint64_t offset;   /* in the arena */
    bool keep;         /* until the end of a run: outputs that are read */
    struct rt_mem *mem;
    bool own_mem;      /* a view made by graph_bind */
};

struct graph_node {
    char name[72];
    struct call call;
    int in[CALL_MAX_PORTS], out[CALL_MAX_PORTS]; /* tensors; -1 absent */
    char variant[OP_VARIANT_WORDS]; /* wanted; "" the first that takes it */
    struct op_inst *inst;
    uint64_t workspace_offset;
    struct rt_mem *workspace;
};

struct graph {
    struct rote_device *dev;
    struct graph_tensor *tensor;
    int n_tensors, cap_tensors;
    struct graph_node *node;
    int n_nodes, cap_nodes;
    uint64_t arena_bytes; /* after graph_plan */
};

enum rote_status graph_new(struct rote_device *dev, struct graph **out);
void graph_free(struct graph *g);

enum rote_status graph_tensor_add(struct graph *g, enum graph_kind kind, const char *name,
                                  const struct call_shape *shape, int *out);
/* The same memory under another shape of as many elements. */
enum rote_status graph_reshape(struct graph *g, int tensor, int rank, const int64_t *dim, int *out);

/* Appends an operator. `in` has a tensor (or -1) for each input port, in order;
 * attrs are words "stride_h=2 pad_h=1". Outputs become activations named
 * <node>.<port>, but an in-place output is its input. first_out may be NULL. */
enum rote_status graph_add(struct graph *g, const char *node, const char *op, const int *in, int *first_out,
                           const char *attrs_fmt, ...) __attribute__((format(printf, 6, 7)));
int graph_output(const struct graph *g, const char *node, const char *port); /* -1: none */

/* Adds the backward operators of all nodes so far, from gradients of some tensors
 * given by seeds: tensor seed[i]'s gradient is (a part of) tensor seed_grad[i].
 * Afterwards a parameter that was reached has tensor[param].grad >= 0. */
enum rote_status graph_backward(struct graph *g, const int *seed, const int *seed_grad, int n_seeds);

/* After graph_backward: outputs of the first n_forward nodes that the reverse pass reads, and that
 * their operators give again (op_def.again) from what is kept anyway, are computed a second time
 * right before their first reader there, instead of being kept. Changes no bit of any result. */
enum rote_status graph_recompute(struct graph *g, int n_forward);
/* Of the first n_forward nodes, after graph_recompute: a bias and its relu become part of the product before
 * (op_def.with_bias), if nothing else reads that. Changes no bit of any result. */
enum rote_status graph_join_bias(struct graph *g, int *n_forward);
/* Moves the last node to place `at`; what it reads must be there by then. */
void graph_move_last(struct graph *g, int at);

/* Makes `tensor`, so far an activation, live in caller's memory. */
void graph_make_external(struct graph *g, int tensor);
void graph_set_mem(struct graph *g, int tensor, struct rt_mem *mem);

/* Chooses variants, then places activations and workspaces: arena_bytes. */
enum rote_status graph_plan(struct graph *g);
/* Of graphs that were planned while their device collected: tells its builder the calls whose
 * programs are missing. */
void graph_tell_builder(const struct graph *const *g, int count);
/* Makes the views; `block` are the arena's parts, each of facts.max_alloc rounded
 * down to the alignment but the last: graph_arena_new makes them. */
struct graph_arena {
    struct rt_mem *block[64];
    int n_blocks;
    uint64_t block_bytes;
};
uint64_t graph_block_bytes(const struct rote_device *dev);
enum rote_status graph_arena_new(struct rote_device *dev, uint64_t bytes, struct graph_arena *out);
void graph_arena_free(struct graph_arena *a);
enum rote_status graph_bind(struct graph *g, struct graph_arena *a);

enum rote_status graph_run(struct graph *g, int first_node, int end_node);
void graph_set_int(struct graph *g, const char *attr, int64_t v);
void graph_set_float(struct graph *g, const char *attr, double v);

/* What lies in the arena while node *node runs, where that is most; largest first. *live is the
 * caller's; names are the graph's. After graph_plan. */
struct graph_live {
    const char *name;
    uint64_t bytes;
    int first, last; /* nodes that it is kept for */
    bool workspace;
};
enum rote_status graph_peak(const struct graph *g, int *node, struct graph_live **live, size_t *n);

#endif
