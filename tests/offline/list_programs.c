/* list_programs FOLDER: the programs that every operator's variants ask for on the first device, for all cases of
 * its table, as ROTE_RECORD has them: in FOLDER/OPERATOR.VARIANT, with no program where the variant takes no case.
 * Nothing is built; tools/offline.sh compiles them. */
#include <stdio.h>
#include <stdlib.h>

#include "op/case.h"

static enum rote_status list_variant(const struct op_def *def, const char *variant, const char *path)
{
    enum rote_status st = ROTE_OK;
    struct rote_device *dev = NULL;
    setenv("ROTE_RECORD", path, 1);
    TRY(rt_open(NULL, &dev));
    rt_collect(dev, true);
    for (const char *const *words = def->cases; *words; words++) {
        struct op_inst *inst = NULL;
        struct call c;
        op_call_init(&c, def);
        TRY(op_call_parse(&c, *words));
        TRY(op_call_infer(&c));
        st = op_inst_new(dev, &c, variant, &inst);
        op_inst_free(inst);
        if (st && st != ROTE_EUNSUPPORTED)
            goto out;
        st = ROTE_OK;
    }
out:
    if (dev)
        rt_close(dev);
    return st;
}

int main(int argc, char **argv)
{
    size_t count;
    const struct op_def *const *def = op_list(&count);
    if (argc != 2) {
        fputs("usage: list_programs FOLDER\n", stderr);
        return 2;
    }
    for (size_t i = 0; i < count; i++) {
        const char *variant[OP_CASE_VARIANTS];
        size_t variants = op_case_variants(def[i], false, variant);
        for (size_t v = 0; v + 1 < variants; v++) { /* the last is host */
            char path[4096];
            snprintf(path, sizeof path, "%s/%s.%s", argv[1], def[i]->sig.name, variant[v]);
            if (list_variant(def[i], variant[v], path)) {
                fprintf(stderr, "%s/%s: %s\n", def[i]->sig.name, variant[v], rote_error_detail());
                return 1;
            }
        }
    }
    return 0;
}
