/* A network as a list of layers with names: what the zoo makes, what a YAML file
 * says, what src/model builds a graph from. It ends at its features; heads are
 * attached to layers by name, and are no part of it.
 *
 * Layer types and their attributes (! required, default in brackets):
 *   conv2d      filters! window! stride [1] pad [0] dilation [1] groups [1] bias [1]
 *   batchnorm   eps [1e-5] momentum [0.1]
 *   relu, gelu, globalpool
 *   add         the sum of its two inputs
 *   maxpool, avgpool   window! stride [window] pad [0]
 *   dropout     p!
 *   linear      features! bias [1]; flattens its input in the order C, H, W
 * window, stride, pad and dilation also as _h and _w alone: "window_h=1 window_w=3". */
#ifndef SPEC_H
#define SPEC_H

#include "base/base.h"

#define SPEC_NAME_MAX 48

struct spec_layer {
    char *name;  /* letters, digits, _ - . */
    char *type;
    char *from;  /* names, blank separated; NULL or "": the layer before; "input" */
    char *attrs; /* "filters=32 window=3 pad=1"; "" for none */
    int line;    /* in the YAML it was read from, 0: none */
};

struct spec {
    char *name;
    struct spec_layer *layer;
    size_t count;
};

enum rote_status spec_new(const char *name, struct spec **out);
enum rote_status spec_add(struct spec *s, const char *name, const char *type, const char *from,
                          const char *attrs_fmt, ...) __attribute__((format(printf, 5, 6)));
void spec_free(struct spec *s);

/* The layer's position, or -1. */
int spec_find(const struct spec *s, const char *name);
/* Positions of a layer's inputs, -1 for the network's input; returns how many (0, after
 * setting the error detail, if one is no earlier layer). */
int spec_inputs(const struct spec *s, size_t layer, int in[2]);

/* An attribute's value, of a valid spec. window_h is window where only that is given. */
int64_t spec_attr_int(const struct spec_layer *l, const char *key, int64_t missing);
double spec_attr_float(const struct spec_layer *l, const char *key, double missing);

/* Names, types, inputs, attributes; errors name layer, key, line, the nearest valid. */
enum rote_status spec_validate(const struct spec *s);

struct spec_shape {
    int64_t c, h, w;
};
/* The shape after each layer (out has spec->count), of a valid spec; an error where a
 * window does not fit. *parameters, if not NULL, is their number without heads. */
enum rote_status spec_shapes(const struct spec *s, int64_t channels, int64_t height, int64_t width,
                             struct spec_shape *out, uint64_t *parameters);

/* Dropout on the last layer: it becomes <name>.in, and the dropout takes its name, so
 * that heads attached there see it. */
enum rote_status spec_add_dropout(struct spec *s, double p);

/* "name: ...", "layers: [{name: conv1, type: conv2d, from: input, filters: 32}, ...]".
 * Reading validates; `what` starts error messages. */
enum rote_status spec_to_yaml(const struct spec *s, struct base_buf *out);
enum rote_status spec_from_yaml(const char *text, const char *what, struct spec **out);
enum rote_status spec_load(const char *path, struct spec **out);

/* The zoo. Networks adapt to their input: a pooling window is 1 where a side is 1. */
const char *const *zoo_names(size_t *count);
enum rote_status zoo_make(const char *name, int channels, int height, int width, struct spec **out);

#endif
