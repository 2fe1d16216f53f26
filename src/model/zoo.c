/* The networks that come with Rote. Each ends at its penultimate features, in a layer
 * named `features`; the class head is a head. Attachable names are a block's: the
 * output of the second block of the first stage is block1.1. */
#include "model/spec.h"

#include <string.h>

struct zoo {
    struct spec *s;
    int h, w; /* sides after the layers so far, for the poolings */
    int channels;
};

static enum rote_status conv3(struct zoo *z, const char *name, const char *from, int filters, int stride)
{
    return spec_add(z->s, name, "conv2d", from, "filters=%d window=3 stride=%d pad=1 bias=0", filters, stride);
}

/* A 2 x 2 pooling, 1 along an axis that has no two values: 1-D data, small images. */
static enum rote_status pool2(struct zoo *z, const char *name)
{
    int wh = z->h >= 2 ? 2 : 1, ww = z->w >= 2 ? 2 : 1;
    z->h /= wh;
    z->w /= ww;
    return spec_add(z->s, name, "maxpool", "", "window_h=%d window_w=%d", wh, ww);
}

/* conv 3x3 32, pool, conv 3x3 64, pool, linear 128. */
static enum rote_status cnn(struct zoo *z)
{
    enum rote_status st = ROTE_OK;
    TRY(spec_add(z->s, "conv1", "conv2d", "input", "filters=32 window=3 pad=1"));
    TRY(spec_add(z->s, "relu1", "relu", "", "%s", ""));
    TRY(pool2(z, "pool1"));
    TRY(spec_add(z->s, "conv2", "conv2d", "", "filters=64 window=3 pad=1"));
    TRY(spec_add(z->s, "relu2", "relu", "", "%s", ""));
    TRY(pool2(z, "pool2"));
    TRY(spec_add(z->s, "linear", "linear", "", "features=128"));
    TRY(spec_add(z->s, "features", "relu", "", "%s", ""));
out:
    return st;
}

static enum rote_status mlp(struct zoo *z)
{
    enum rote_status st = ROTE_OK;
    TRY(spec_add(z->s, "linear1", "linear", "input", "features=512"));
    TRY(spec_add(z->s, "relu1", "relu", "", "%s", ""));
    TRY(spec_add(z->s, "linear2", "linear", "", "features=512"));
    TRY(spec_add(z->s, "features", "relu", "", "%s", ""));
out:
    return st;
}

/* Simonyan and Zisserman 1409.1556, configuration A with batch norm, as used on
 * 32 x 32 images: no fully connected layers between the last pooling and the head. */
static enum rote_status vgg11(struct zoo *z)
{
    static const struct {
        int filters;
        bool pool;
    } layers[] = {{64, true},   {128, true}, {256, false}, {256, true},
                  {512, false}, {512, true}, {512, false}, {512, true}};
    enum rote_status st = ROTE_OK;
    char name[SPEC_NAME_MAX];
    for (size_t i = 0; i < COUNT_OF(layers); i++) {
        snprintf(name, sizeof name, "conv%zu", i + 1);
        TRY(conv3(z, name, i ? "" : "input", layers[i].filters, 1));
        snprintf(name, sizeof name, "bn%zu", i + 1);
        TRY(spec_add(z->s, name, "batchnorm", "", "%s", ""));
        snprintf(name, sizeof name, "relu%zu", i + 1);
        TRY(spec_add(z->s, name, "relu", "", "%s", ""));
        snprintf(name, sizeof name, "pool%zu", i + 1);
        if (layers[i].pool)
            TRY(pool2(z, name));
    }
    TRY(spec_add(z->s, "features", "globalpool", "", "%s", ""));
out:
    return st;
}

/* A layer of block `block`: "block1.0.conv1". */
static enum rote_status part(struct zoo *z, const char *block, const char *what, const char *type,
                             const char *from)
{
    char name[2 * SPEC_NAME_MAX];
    snprintf(name, sizeof name, "%.40s.%.40s", block, what);
    return spec_add(z->s, name, type, from, "%s", "");
}

static enum rote_status part_conv(struct zoo *z, const char *block, const char *what, const char *from,
                                  int filters, int stride, int window)
{
    char name[2 * SPEC_NAME_MAX];
    snprintf(name, sizeof name, "%.40s.%.40s", block, what);
    return spec_add(z->s, name, "conv2d", from, "filters=%d window=%d stride=%d pad=%d bias=0", filters, window,
                    stride, window / 2);
}

/* He et al. 1512.03385: conv bn relu conv bn, plus the input (through a 1x1
 * convolution where its shape differs), relu. */
static enum rote_status basic_block(struct zoo *z, const char *block, const char *from, int filters, int stride)
{
    enum rote_status st = ROTE_OK;
    char both[2 * SPEC_NAME_MAX + 8];
    bool project = stride != 1 || filters != z->channels;
    TRY(part_conv(z, block, "conv1", from, filters, stride, 3));
    TRY(part(z, block, "bn1", "batchnorm", ""));
    TRY(part(z, block, "relu1", "relu", ""));
    TRY(part_conv(z, block, "conv2", "", filters, 1, 3));
    TRY(part(z, block, "bn2", "batchnorm", ""));
    snprintf(both, sizeof both, "%.40s.bn2 %.40s", block, from);
    if (project) {
        TRY(part_conv(z, block, "shortcut", from, filters, stride, 1));
        TRY(part(z, block, "shortcut_bn", "batchnorm", ""));
        snprintf(both, sizeof both, "%.40s.bn2 %.40s.shortcut_bn", block, block);
    }
    TRY(part(z, block, "add", "add", both));
    TRY(spec_add(z->s, block, "relu", "", "%s", ""));
    z->channels = filters;
out:
    return st;
}

/* Zagoruyko and Komodakis 1605.07146: bn relu conv bn relu conv, plus the input; a
 * 1x1 shortcut starts after the first relu. */
static enum rote_status wide_block(struct zoo *z, const char *block, const char *from, int filters, int stride)
{
    enum rote_status st = ROTE_OK;
    char relu1[SPEC_NAME_MAX + 8], both[2 * SPEC_NAME_MAX + 16];
    bool project = stride != 1 || filters != z->channels;
    snprintf(relu1, sizeof relu1, "%.40s.relu1", block);
    TRY(part(z, block, "bn1", "batchnorm", from));
    TRY(part(z, block, "relu1", "relu", ""));
    TRY(part_conv(z, block, "conv1", "", filters, stride, 3));
    TRY(part(z, block, "bn2", "batchnorm", ""));
    TRY(part(z, block, "relu2", "relu", ""));
    TRY(part_conv(z, block, "conv2", "", filters, 1, 3));
    snprintf(both, sizeof both, "%.40s.conv2 %.40s", block, from);
    if (project) {
        TRY(part_conv(z, block, "shortcut", relu1, filters, stride, 1));
        snprintf(both, sizeof both, "%.40s.conv2 %.40s.shortcut", block, block);
    }
    TRY(spec_add(z->s, block, "add", both, "%s", ""));
    z->channels = filters;
out:
    return st;
}

typedef enum rote_status (*block_fn)(struct zoo *, const char *, const char *, int, int);

/* `stages` groups of `blocks` blocks, width doubling and side halving between them. */
static enum rote_status stages(struct zoo *z, block_fn block, const char *from, int n_stages, int blocks, int width)
{
    enum rote_status st = ROTE_OK;
    char before[SPEC_NAME_MAX], name[SPEC_NAME_MAX];
    snprintf(before, sizeof before, "%s", from);
    for (int s = 0; s < n_stages; s++)
        for (int b = 0; b < blocks; b++) {
            snprintf(name, sizeof name, "block%d.%d", s + 1, b);
            TRY(block(z, name, before, width << s, s && !b ? 2 : 1));
            memcpy(before, name, sizeof before);
        }
out:
    return st;
}

static enum rote_status resnet(struct zoo *z, int n_stages, int blocks, int width)
{
    enum rote_status st = ROTE_OK;
    TRY(conv3(z, "stem", "input", width, 1));
    TRY(part(z, "stem", "bn", "batchnorm", ""));
    TRY(part(z, "stem", "relu", "relu", ""));
    z->channels = width;
    TRY(stages(z, basic_block, "stem.relu", n_stages, blocks, width));
    TRY(spec_add(z->s, "features", "globalpool", "", "%s", ""));
out:
    return st;
}

static enum rote_status wide_resnet(struct zoo *z, int depth, int widen)
{
    enum rote_status st = ROTE_OK;
    TRY(conv3(z, "stem", "input", 16, 1));
    z->channels = 16;
    TRY(stages(z, wide_block, "stem", 3, (depth - 4) / 6, 16 * widen));
    TRY(part(z, "last", "bn", "batchnorm", ""));
    TRY(part(z, "last", "relu", "relu", ""));
    TRY(spec_add(z->s, "features", "globalpool", "", "%s", ""));
out:
    return st;
}

/* Residual blocks of dilated convolutions along W, as in Bai et al. 1803.01271 but
 * centred: a series is classified as a whole, so nothing needs to be causal. */
static enum rote_status tcn(struct zoo *z)
{
    enum rote_status st = ROTE_OK;
    char name[SPEC_NAME_MAX], block[SPEC_NAME_MAX], before[SPEC_NAME_MAX] = "stem", both[2 * SPEC_NAME_MAX];
    TRY(spec_add(z->s, "stem", "conv2d", "input", "filters=32 window=1"));
    for (int b = 0; b < 4; b++) {
        snprintf(block, sizeof block, "block%d", b + 1);
        for (int c = 1; c <= 2; c++) {
            snprintf(name, sizeof name, "block%d.conv%d", b + 1, c);
            TRY(spec_add(z->s, name, "conv2d", c == 1 ? before : "",
                         "filters=32 window_h=1 window_w=3 pad_w=%d dilation_w=%d bias=0", 1 << b, 1 << b));
            TRY(part(z, block, c == 1 ? "bn1" : "bn2", "batchnorm", ""));
            if (c == 1)
                TRY(part(z, block, "relu1", "relu", ""));
        }
        snprintf(both, sizeof both, "block%d.bn2 %.40s", b + 1, before);
        TRY(part(z, block, "add", "add", both));
        TRY(spec_add(z->s, block, "relu", "", "%s", ""));
        memcpy(before, block, sizeof before);
    }
    TRY(spec_add(z->s, "features", "globalpool", "", "%s", ""));
out:
    return st;
}

static enum rote_status resnet18(struct zoo *z)
{
    return resnet(z, 4, 2, 64);
}

static enum rote_status resnet20(struct zoo *z)
{
    return resnet(z, 3, 3, 16);
}

static enum rote_status wrn_16_4(struct zoo *z)
{
    return wide_resnet(z, 16, 4);
}

static enum rote_status wrn_28_10(struct zoo *z)
{
    return wide_resnet(z, 28, 10);
}

/* The same order as `makers`. */
static const char *const names[] = {"cnn", "mlp", "tcn", "vgg11", "resnet18", "resnet20", "wrn-16-4", "wrn-28-10"};
static enum rote_status (*const makers[])(struct zoo *) = {cnn,      mlp,      tcn,      vgg11,
                                                           resnet18, resnet20, wrn_16_4, wrn_28_10};

const char *const *zoo_names(size_t *count)
{
    *count = COUNT_OF(names);
    return names;
}

enum rote_status zoo_make(const char *name, int channels, int height, int width, struct spec **out)
{
    struct zoo z = {.h = height, .w = width, .channels = channels};
    enum rote_status st = ROTE_OK;
    struct spec_shape *shape = NULL;
    size_t i = 0;
    while (i < COUNT_OF(names) && strcmp(names[i], name))
        i++;
    if (i == COUNT_OF(names)) {
        const char *near = base_nearest(name, names, COUNT_OF(names));
        FAIL(ROTE_ENOTFOUND, "there is no model \"%s\"; %s%s", name, near ? "did you mean " : "the models are ",
             near ? near : "cnn, mlp, tcn, vgg11, resnet18, resnet20, wrn-16-4 and wrn-28-10");
    }
    TRY(spec_new(name, &z.s));
    TRY(makers[i](&z));
    TRY(spec_validate(z.s));
    TRY(base_alloc(&shape, z.s->count, sizeof *shape));
    TRY(spec_shapes(z.s, channels, height, width, shape, NULL));
    *out = z.s;
    z.s = NULL;
out:
    base_free(shape);
    spec_free(z.s);
    return st;
}
