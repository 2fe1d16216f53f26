/* rote op: one operator, or its gradients, on NPY arrays. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "op_arrays.h"
#include "rote.h"

static const char usage[] =
    "usage: rote op NAME --<input> FILE.npy ... [--<attribute> VALUE ...] [flags]\n"
    "       rote op --list [NAME] [--json]\n\n"
    "Runs one operator and writes each output to DIR/<output>.npy. With --d<output> FILE\n"
    "(an upstream gradient) it also runs the backward operators and writes d<input>.npy.\n"
    "An input of which only the shape matters takes a shape, 4x3x8x8, in the same layout.\n\n"
    "  --layout nhwc|nchw|native  of the files; filters are KCRS and linear weights\n"
    "                             [out, in] with nchw, RSCK and HWCK otherwise\n"
    "  --variant V                this variant of the operator\n"
    "  --device D                 index, part of the name, cpu or gpu\n"
    "  --out DIR                  where the outputs go, made if missing; default the current folder\n"
    "  --json                     what was written, as JSON\n"
    "  --help\n";

#define MAX_WORDS 32

struct bound {
    char name[40];
    struct rote_array array; /* in the operator's layout; data NULL: only a shape */
    rote_tensor *tensor;
};

struct job {
    const char *op, *variant, *device, *out;
    enum op_layout layout;
    int json, n_pairs, n_bound, written;
    const char *key[MAX_WORDS], *value[MAX_WORDS];
    struct bound bound[MAX_WORDS];
    rote_device *dev;
    char error[400];
};

static struct bound *find_bound(struct job *j, const char *name)
{
    for (int i = 0; i < j->n_bound; i++)
        if (!strcmp(j->bound[i].name, name))
            return &j->bound[i];
    return NULL;
}

/* The port of the operator, or for "dy" the output y that it is the gradient of. */
static int find_port(const struct job *j, const char *key, struct rote_port *port)
{
    struct rote_port p;
    for (int i = 0; !rote_op_port_of(j->op, i, &p); i++)
        if (!strcmp(p.name, key) && !p.output) {
            *port = p;
            return 1;
        }
    for (int i = 0; key[0] == 'd' && !rote_op_port_of(j->op, i, &p); i++)
        if (p.output && !strcmp(p.name, key + 1)) {
            *port = p;
            return 2;
        }
    return 0;
}

static enum rote_status shape_from_text(const char *text, struct rote_array *a)
{
    const char *p = text;
    for (a->rank = 0; a->rank < 8;) {
        char *end;
        long long v = strtoll(p, &end, 10);
        if (end == p || v < 1)
            return ROTE_EINVAL;
        a->dim[a->rank++] = v;
        if (!*end)
            return ROTE_OK;
        if (*end != 'x')
            return ROTE_EINVAL;
        p = end + 1;
    }
    return ROTE_EINVAL;
}

static enum rote_status load(struct job *j, const char *key, const struct rote_port *port, const char *value)
{
    struct bound *b = &j->bound[j->n_bound];
    struct rote_array file = {0};
    struct bound *x = find_bound(j, "x");
    size_t n = strlen(value);
    int text = port->shape_only && (n < 4 || strcmp(value + n - 4, ".npy"));
    enum rote_status st;
    if (j->n_bound == MAX_WORDS)
        return ROTE_EINVAL;
    if (text) {
        file.type = port->type;
        st = shape_from_text(value, &file);
        if (st)
            snprintf(j->error, sizeof j->error, "--%s %s: expected a shape such as 4x3x8x8, or a .npy file", key, value);
        int64_t elements = 1;
        for (int i = 0; i < file.rank; i++)
            elements *= file.dim[i];
        if (!st && !(file.data = calloc((size_t)elements, rote_type_size(file.type))))
            st = ROTE_ENOMEM;
    } else {
        st = rote_array_read(value, &file);
    }
    if (!st)
        st = op_from_file(&file, port, j->layout, x ? x->array.dim[0] : 0, x ? x->array.dim[1] : 0, &b->array,
                          j->error, sizeof j->error);
    if (text)
        free(file.data);
    else
        rote_array_free(&file);
    if (st)
        return st;
    snprintf(b->name, sizeof b->name, "%s", key);
    j->n_bound++;
    return ROTE_OK;
}

static size_t shape_words(const struct bound *b, char *out, size_t cap)
{
    size_t at = (size_t)snprintf(out, cap, "%s=", b->name);
    for (int i = 0; i < b->array.rank; i++)
        at += (size_t)snprintf(out + at, cap - at, "%s%lld", i ? "x" : "", (long long)b->array.dim[i]);
    return at + (size_t)snprintf(out + at, cap - at, " ");
}

/* Inputs from files, x first (a linear layer's weights need its sides); attributes as
 * words. */
static enum rote_status gather_words(struct job *j, char *words, size_t cap)
{
    struct rote_port port;
    size_t at = 0;
    enum rote_status st;
    for (int pass = 0; pass < 2; pass++)
        for (int i = 0; i < j->n_pairs; i++)
            if (find_port(j, j->key[i], &port) && (!strcmp(j->key[i], "x") == !pass)) {
                if ((st = load(j, j->key[i], &port, j->value[i])))
                    return st;
            }
    for (int i = 0; i < j->n_bound; i++)
        if (find_port(j, j->bound[i].name, &port) == 1)
            at += shape_words(&j->bound[i], words + at, cap - at);
    for (int i = 0; i < j->n_pairs; i++)
        if (!find_port(j, j->key[i], &port))
            at += (size_t)snprintf(words + at, cap - at, "%s=%s ", j->key[i], j->value[i]);
    return ROTE_OK;
}

static enum rote_status tensor_of(struct job *j, const struct rote_port *p, struct bound **out)
{
    struct bound *b = find_bound(j, p->name);
    enum rote_status st = ROTE_OK;
    if (!b) {
        if (j->n_bound == MAX_WORDS)
            return ROTE_EINVAL;
        b = &j->bound[j->n_bound++];
        snprintf(b->name, sizeof b->name, "%s", p->name);
        b->array = (struct rote_array){.type = p->type, .rank = p->rank};
        memcpy(b->array.dim, p->dim, sizeof b->array.dim);
        b->array.data = calloc(1, p->bytes);
        if (!b->array.data)
            return ROTE_ENOMEM;
    }
    if (!b->tensor) {
        st = rote_tensor_new(j->dev, p->bytes, &b->tensor);
        if (!st)
            st = rote_tensor_write(b->tensor, b->array.data, p->bytes);
    }
    *out = b;
    return st;
}

static enum rote_status save(struct job *j, const struct rote_port *p, struct bound *b)
{
    struct rote_array file = {0};
    char path[1024];
    enum rote_status st = rote_tensor_read(b->tensor, b->array.data, p->bytes);
    if (!st)
        st = op_to_file(&b->array, p, j->layout, &file);
    snprintf(path, sizeof path, "%s/%s.npy", j->out, p->name);
    if (!st)
        st = rote_array_write(path, &file);
    if (!st) {
        printf(j->json ? "%s\n  {\"output\": \"%s\", \"file\": \"%s\", \"shape\": [" : "%s%s -> %s  ",
               j->json ? (j->written ? "," : "") : "", p->name, path);
        for (int i = 0; i < file.rank; i++)
            printf("%s%lld", i ? j->json ? ", " : "x" : "", (long long)file.dim[i]);
        printf(j->json ? "]}" : "\n");
        j->written++;
    }
    free(file.data);
    return st;
}

static enum rote_status run(struct job *j, rote_op *op)
{
    struct rote_port p;
    struct bound *b;
    const char *ports[MAX_WORDS];
    const void *data[MAX_WORDS];
    for (int i = 0; i < j->n_bound; i++) {
        ports[i] = j->bound[i].name;
        data[i] = j->bound[i].array.data;
    }
    enum rote_status st = rote_op_check(op, ports, data, j->n_bound);
    for (int i = 0; !st && !rote_op_port(op, i, &p); i++) {
        if (!p.present || p.shape_only)
            continue;
        st = tensor_of(j, &p, &b);
        if (!st)
            st = rote_op_bind(op, p.name, b->tensor);
    }
    if (!st)
        st = rote_op_run(op);
    for (int i = 0; !st && !rote_op_port(op, i, &p); i++)
        if (p.output && !(st = tensor_of(j, &p, &b)))
            st = save(j, &p, b);
    return st;
}

/* "dx=dy": the gradient of x is the one given for y. */
static enum rote_status pass_on(struct job *j, const char *rule)
{
    char to[40], from[40];
    struct rote_port p = {0};
    if (sscanf(rule, "%39[^=]=%39s", to, from) != 2 || !find_bound(j, from))
        return ROTE_EINVAL;
    struct bound *given = find_bound(j, from), *b;
    if (!find_port(j, from, &p))
        return ROTE_EINVAL;
    p.name = to;
    p.rank = given->array.rank;
    memcpy(p.dim, given->array.dim, sizeof p.dim);
    p.bytes = rote_type_size(given->array.type);
    for (int i = 0; i < p.rank; i++)
        p.bytes *= (uint64_t)p.dim[i];
    enum rote_status st = tensor_of(j, &p, &b);
    if (!st)
        st = rote_tensor_write(b->tensor, given->array.data, p.bytes);
    return st ? st : save(j, &p, b);
}

static enum rote_status backward(struct job *j, const rote_op *forward)
{
    enum rote_status st = ROTE_OK;
    const char *rule;
    for (int i = 0; !st && (rule = rote_op_gradient(j->op, i)); i++) {
        rote_op *op = NULL;
        if (strchr(rule, '=')) {
            st = pass_on(j, rule);
            continue;
        }
        st = rote_op_new_backward(forward, i, NULL, &op);
        if (!st)
            st = run(j, op);
        rote_op_free(op);
    }
    return st;
}

static int execute(struct job *j)
{
    char words[4096] = "";
    rote_op *op = NULL;
    struct rote_port p;
    int upstream = 0;
    for (int i = 0; i < j->n_pairs; i++)
        upstream = upstream || find_port(j, j->key[i], &p) == 2;
    enum rote_status st = rote_op_port_of(j->op, 0, &p);
    if (!st)
        st = rote_device_open(j->device, &j->dev);
    if (!st)
        st = gather_words(j, words, sizeof words);
    if (!st)
        st = rote_op_new(j->dev, j->op, words, j->variant, &op);
    if (!st && j->json)
        printf("{\"operator\": \"%s\", \"variant\": \"%s\", \"outputs\": [", j->op, rote_op_variant(op));
    else if (!st)
        printf("%s, variant %s\n", j->op, rote_op_variant(op));
    if (!st)
        st = run(j, op);
    if (!st && upstream && !rote_op_gradient(j->op, 0)) {
        snprintf(j->error, sizeof j->error, "%s has no gradient", j->op);
        st = ROTE_EINVAL;
    }
    if (!st && upstream)
        st = backward(j, op);
    if (j->json && j->written)
        printf("\n]}\n");
    int code = EXIT_DONE;
    if (st && *j->error) {
        fprintf(stderr, "rote op: %s\n", j->error);
        code = st == ROTE_ELOST ? EXIT_LOST : EXIT_FAILED;
    } else if (st) {
        code = cli_fail("op", st);
    }
    rote_op_free(op);
    for (int i = 0; i < j->n_bound; i++) {
        rote_tensor_free(j->bound[i].tensor);
        free(j->bound[i].array.data);
    }
    rote_device_free(j->dev);
    return code;
}

static int list(const char *name, int json)
{
    char *text;
    enum rote_status st = rote_op_list(name, json, &text);
    if (st)
        return cli_fail("op", st);
    fputs(text, stdout);
    rote_free(text);
    return EXIT_DONE;
}

/* Takes --key value and --key=value. */
static int flag(struct job *j, char **argv, int argc, int *i)
{
    const char *key = argv[*i] + 2, *value = strchr(key, '=');
    static char keys[MAX_WORDS][40];
    char *copy = keys[j->n_pairs];
    if (j->n_pairs == MAX_WORDS)
        return cli_usage("op", "more than %d flags", MAX_WORDS);
    snprintf(copy, sizeof keys[0], "%.*s", (int)(value ? value - key : 39), key);
    if (value)
        value++;
    else if (*i + 1 < argc)
        value = argv[++*i];
    else
        return cli_usage("op", "--%s needs a value", copy);
    if (!strcmp(copy, "variant"))
        j->variant = value;
    else if (!strcmp(copy, "device"))
        j->device = value;
    else if (!strcmp(copy, "out"))
        j->out = value;
    else if (!strcmp(copy, "layout")) {
        static const char *const names[] = {"nhwc", "nchw", "native"};
        int k = 0;
        while (k < 3 && strcmp(names[k], value))
            k++;
        if (k == 3)
            return cli_usage("op", "--layout %s: choose nhwc, nchw or native", value);
        j->layout = (enum op_layout)k;
    } else {
        j->key[j->n_pairs] = copy;
        j->value[j->n_pairs++] = value;
    }
    return -1;
}

int cmd_op(int argc, char **argv)
{
    static struct job j;
    int listing = 0;
    j = (struct job){.out = "."};
    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "--help")) {
            fputs(usage, stdout);
            return EXIT_DONE;
        }
        if (!strcmp(argv[i], "--list"))
            listing = 1;
        else if (!strcmp(argv[i], "--json"))
            j.json = 1;
        else if (!strncmp(argv[i], "--", 2)) {
            int code = flag(&j, argv, argc, &i);
            if (code >= 0)
                return code;
        } else if (!j.op) {
            j.op = argv[i];
        } else {
            return cli_usage("op", "unexpected argument '%s'", argv[i]);
        }
    }
    if (listing)
        return list(j.op, j.json);
    if (!j.op)
        return cli_usage("op", "which operator? 'rote op --list' names them");
    mkdir(j.out, 0777); /* where it cannot be made, writing tells */
    return execute(&j);
}
