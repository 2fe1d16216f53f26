/* Between the files of src/model. */
#ifndef MODEL_INTERNAL_H
#define MODEL_INTERNAL_H

#include "model/model.h"

/* A graph under construction. */
struct build {
    struct model *m;
    struct model_plan *p;
    struct graph *g;
    int *layer_out; /* each layer's output tensor */
    const struct model_plan_options *o;
};

/* The parameter of that name, made on first use; its tensor in this graph. *fresh tells
 * that it was made, and its values are to be declared with model_add_value. */
enum rote_status build_param(struct build *b, const struct model_param *wanted, int *tensor, bool *fresh);
enum rote_status model_add_value(struct model *m, const struct model_value *v);
/* How a layer is computed: not by itself but within a later one (`away`), or as the relu at the
 * end of layer `first` with, unless FUSED_NO_RESIDUAL, the output of layer `residual` (-1: the
 * network's input) added before. */
#define FUSED_NO_RESIDUAL (-2)
struct fused {
    bool away;
    int first, residual;
};
/* spec->count of them; layer `kept` (NULL: none) stays apart as if it had a head. */
void fuse_layers(const struct model *m, const char *kept, struct fused *f);

/* All layers, from tensor x; fills layer_out (-1 for layers that are away). */
enum rote_status build_layers(struct build *b, int x);
/* The layer's output averaged over pixels, kept: plan->features. */
enum rote_status build_features(struct build *b, const char *layer);
/* Group `index`'s forward and loss; for training its own gradients and, when it sends,
 * the features and their gradient (else -1). */
enum rote_status build_group(struct build *b, int index, int *features, int *features_grad);
/* The tables of heads, written to the device. */
enum rote_status model_make_tables(struct model *m, struct model_plan *p);

#endif
