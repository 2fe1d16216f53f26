/* The registry and operator instances: which variant runs a call, and its run. */
#include "op/op.h"

#include <assert.h>
#include <string.h>

#include "op/selftest.h"
#include "rt/rt_tuning.h"

static const struct op_def *const registry[] = {
#define OP(name) &op_##name,
#include "ref/ops.def"
#undef OP
};

const struct op_def *const *op_list(size_t *count)
{
    *count = COUNT_OF(registry);
    return registry;
}

const struct op_def *op_find(const char *name)
{
    for (size_t i = 0; i < COUNT_OF(registry); i++)
        if (!strcmp(registry[i]->sig.name, name))
            return registry[i];
    return NULL;
}

const struct op_def *op_def_of(const struct call *c)
{
    return op_find(c->sig->name);
}

uint64_t op_bytes(const struct call_shape *s)
{
    return (uint64_t)call_elements(s) * (uint64_t)call_dtype_size(s->dtype);
}

size_t op_group_1d(const struct op_inst *inst)
{
    const size_t want = 64;
    uint64_t most = rt_facts_of(inst->dev)->max_work_group;
    if (inst->kernel[0] && rt_kernel_max_group(inst->kernel[0]) < most)
        most = rt_kernel_max_group(inst->kernel[0]);
    return want < most ? want : (size_t)most;
}

int op_vec(const struct op_inst *inst, int64_t channels)
{
    const struct rt_facts *f = rt_facts_of(inst->dev);
    int vec = !f->long_items || f->native_float < 8 ? 4 : f->native_float < 16 ? 8 : 16;
    while (vec > 4 && vec / 2 >= channels)
        vec /= 2;
    return vec;
}

void op_vec_options(const struct op_inst *inst, int64_t channels, char out[16])
{
    snprintf(out, 16, "-DVEC=%d", op_vec(inst, channels));
}

const char *op_cache_option(const struct op_inst *inst)
{
    const struct rt_facts *f = rt_facts_of(inst->dev);
    return f->long_items && f->cache_hints ? " -DCACHE_HINTS" : "";
}

/* Less is still in the last-level cache when the next operator reads it; measured with 32 MiB of one. */
#define STREAM_BYTES (4 << 20)

bool op_streams(const struct op_inst *inst, int64_t bytes, int64_t row, int vec)
{
    return *op_cache_option(inst) && (inst->streams || bytes >= STREAM_BYTES) && row % vec == 0;
}

static void release_kernels(struct op_inst *inst)
{
    for (int i = 0; i < OP_MAX_KERNELS; i++) {
        rt_kernel_free(inst->kernel[i]);
        inst->kernel[i] = NULL;
    }
    base_free(inst->extra);
    inst->extra = NULL;
    inst->workspace_bytes = 0;
}

int64_t op_tuned(const struct op_inst *inst, const char *tunable, int64_t initial)
{
    const struct op_tunable *t = inst->variant->tunables;
    for (int i = 0; t && t[i].name; i++)
        if (!strcmp(t[i].name, tunable))
            return inst->tuned[i] ? inst->tuned[i] : initial;
    return initial;
}

void op_settle(struct op_inst *inst, const char *tunable, int64_t value)
{
    const struct op_tunable *t = inst->variant->tunables;
    for (int i = 0; t && t[i].name; i++)
        if (!strcmp(t[i].name, tunable) && !inst->tuned[i])
            inst->tuned[i] = (int)value;
}

void op_inst_words(const struct op_inst *inst, char out[OP_VARIANT_WORDS])
{
    const struct op_tunable *t = inst->variant->tunables;
    int at = snprintf(out, OP_VARIANT_WORDS, "%s", inst->variant->name);
    char mark = ':';
    for (int i = 0; t && t[i].name && at < OP_VARIANT_WORDS; i++) {
        if (!inst->tuned[i])
            continue;
        at += snprintf(out + at, (size_t)(OP_VARIANT_WORDS - at), "%c%s=%d", mark, t[i].name, inst->tuned[i]);
        mark = ',';
    }
}

/* "items=4,block=512" of inst->variant. */
static enum rote_status set_tunables(struct op_inst *inst, const char *words)
{
    const struct op_tunable *t = inst->variant->tunables;
    const char *op = inst->def->sig.name, *variant = inst->variant->name, *known[OP_MAX_TUNABLES];
    size_t n = 0;
    memset(inst->tuned, 0, sizeof inst->tuned);
    while (t && t[n].name)
        known[n] = t[n].name, n++;
    while (words && *words) {
        char name[32];
        int value, used = 0;
        size_t i = 0;
        if (sscanf(words, "%31[a-z_]=%d%n", name, &value, &used) != 2 || value < 1 || (words[used] && words[used] != ','))
            return base_error(ROTE_EINVAL, "%s: variant %s: '%s' is not NAME=NUMBER,... with numbers above 0", op,
                              variant, words);
        while (i < n && strcmp(known[i], name))
            i++;
        if (i == n) {
            const char *near = n ? base_nearest(name, known, n) : NULL;
            return base_error(ROTE_ENOTFOUND, "%s: variant %s has no tunable '%s'%s%s", op, variant, name,
                              near ? "; nearest: " : "", near ? near : "");
        }
        inst->tuned[i] = value;
        words += used + (words[used] == ',');
    }
    return ROTE_OK;
}

static enum rote_status try_variant(struct op_inst *inst, const struct op_variant *v, const char *tunables)
{
    inst->variant = v;
    enum rote_status st = set_tunables(inst, tunables);
    if (!st)
        st = v->prepare(inst);
    if (st)
        release_kernels(inst);
    return st;
}

static bool takes(const struct op_variant *v, const struct op_inst *inst)
{
    return !v->accepts || v->accepts(rt_facts_of(inst->dev), &inst->call);
}

void op_inst_kernels_hash(const struct op_inst *inst, char out[RT_HASH])
{
    struct base_sha256 s;
    char hex[65];
    base_sha256_init(&s);
    for (int i = 0; i < OP_MAX_KERNELS; i++)
        if (inst->kernel[i])
            base_sha256_add(&s, rt_kernel_source_hash(inst->kernel[i]), RT_HASH);
    base_sha256_hex(&s, hex);
    snprintf(out, RT_HASH, "%.*s", RT_HASH - 1, hex);
}

static const struct op_variant *variant_named(const struct op_def *def, const char *words)
{
    size_t n = strcspn(words, ":");
    for (const struct op_variant *const *v = def->variants; *v; v++)
        if (strlen((*v)->name) == n && !strncmp((*v)->name, words, n))
            return *v;
    return NULL;
}

/* As the tuning file says, if it says so of this call and still means these kernels. */
static bool choose_tuned(struct op_inst *inst)
{
    struct base_buf call = {0};
    const struct rt_tuning_line *line = NULL;
    char why[400] = "", kernels[RT_HASH];
    if (rt_tuning_any(inst->dev) && !op_call_words(&inst->call, &call))
        line = rt_tuning_choice(inst->dev, call.text);
    base_buf_free(&call);
    if (!line)
        return false;
    const struct op_variant *v = variant_named(inst->def, line->variant);
    const char *colon = strchr(line->variant, ':');
    if (!v)
        snprintf(why, sizeof why, "%s has no variant '%s'", inst->def->sig.name, line->variant);
    else if (!takes(v, inst))
        snprintf(why, sizeof why, "variant %s does not take these shapes", line->variant);
    else if (try_variant(inst, v, colon ? colon + 1 : NULL))
        snprintf(why, sizeof why, "%s", rote_error_detail());
    if (*why)
        goto out;
    op_inst_kernels_hash(inst, kernels);
    bool right = true;
    if (strcmp(kernels, line->kernels))
        snprintf(why, sizeof why, "the kernels of %s have changed since", line->variant);
    else if (op_selftest(inst, &right) || !right)
        snprintf(why, sizeof why, "%s fails its self-test on this driver", line->variant);
    else
        return true;
    release_kernels(inst);
out:
    rt_tuning_complain(inst->dev, line, why);
    return false;
}

/* By name: that variant or an error. Otherwise the first that prepares; one that
 * fails to build is passed over with a warning. */
static enum rote_status choose(struct op_inst *inst, const char *words)
{
    const struct op_variant *const *v = inst->def->variants;
    const char *known[16], *tunables = words ? strchr(words, ':') : NULL;
    char name[OP_VARIANT_WORDS] = "";
    size_t n = 0;
    if (words)
        snprintf(name, sizeof name, "%.*s", (int)(tunables ? tunables - words : (long)strlen(words)), words);
    bool named = *name;
    for (; *v && n < COUNT_OF(known) - 1; v++) {
        known[n++] = (*v)->name;
        if (named && strcmp(name, (*v)->name))
            continue;
        if (!takes(*v, inst)) {
            if (named)
                return base_error(ROTE_EUNSUPPORTED, "%s: variant %s does not take these shapes on this device",
                                  inst->def->sig.name, name);
            continue;
        }
        enum rote_status st = try_variant(inst, *v, tunables ? tunables + 1 : NULL);
        bool right = true;
        if (!st && !named)
            st = op_selftest(inst, &right);
        if ((!st && right) || named)
            return st;
        release_kernels(inst);
        if (st && !rt_collecting(inst->dev)) /* it will be tried again */
            base_warn("%s: variant %s is passed over: %s", inst->def->sig.name, (*v)->name, rote_error_detail());
    }
    if (!named || !strcmp(name, "host"))
        return try_variant(inst, &op_variant_host, tunables ? tunables + 1 : NULL);
    known[n++] = "host";
    const char *near = base_nearest(name, known, n);
    return base_error(ROTE_ENOTFOUND, "%s has no variant '%s'; nearest: %s", inst->def->sig.name, name,
                      near ? near : known[0]);
}

static enum rote_status make(struct rote_device *dev, const struct call *c, const char *variant, bool tuned,
                             struct op_inst **out)
{
    enum rote_status st = ROTE_OK;
    struct op_inst *inst = NULL;
    TRY(base_alloc(&inst, 1, sizeof *inst));
    inst->dev = dev;
    inst->def = op_def_of(c);
    inst->call = *c;
    if (!tuned || !choose_tuned(inst))
        TRY(choose(inst, variant));
    *out = inst;
    inst = NULL;
out:
    op_inst_free(inst);
    return st;
}

enum rote_status op_inst_new(struct rote_device *dev, const struct call *c, const char *variant, struct op_inst **out)
{
    return make(dev, c, variant, !variant || !*variant, out);
}

enum rote_status op_inst_new_untuned(struct rote_device *dev, const struct call *c, struct op_inst **out)
{
    return make(dev, c, NULL, false, out);
}

enum rote_status op_inst_run(struct op_inst *inst)
{
    return inst->variant->enqueue(inst);
}

void op_inst_free(struct op_inst *inst)
{
    if (!inst)
        return;
    release_kernels(inst);
    base_free(inst);
}

static union call_value *runtime_value(struct op_inst *inst, const char *attr)
{
    const struct call_signature *s = &inst->def->sig;
    for (int i = 0; i < s->n_attr; i++)
        if (s->attr[i].runtime && !strcmp(s->attr[i].name, attr))
            return &inst->call.attr[i];
    return NULL;
}

void op_inst_set_int(struct op_inst *inst, const char *attr, int64_t v)
{
    union call_value *p = runtime_value(inst, attr);
    if (p)
        p->i = v;
}

void op_inst_set_float(struct op_inst *inst, const char *attr, double v)
{
    union call_value *p = runtime_value(inst, attr);
    if (p)
        p->f = v;
}
