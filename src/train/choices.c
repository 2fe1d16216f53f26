/* What a run's plans chose to run by, in one number: variants and tunables decide bits, and a
 * tuning file may have changed them since a checkpoint. */
#include <string.h>

#include "train/train_internal.h"

enum rote_status train_choices_digest(const struct rote_run *t, char out[65])
{
    enum rote_status st = ROTE_OK;
    struct base_sha256 s;
    struct base_buf words = {0};
    const struct graph *g;
    double per_step;
    base_sha256_init(&s);
    for (int i = 0; (g = train_graph(t, i, &per_step)); i++)
        for (int k = 0; k < g->n_nodes; k++) {
            char variant[OP_VARIANT_WORDS];
            if (!strncmp(g->node[k].name, MODEL_SHIFT_NODES, strlen(MODEL_SHIFT_NODES)))
                continue; /* an evaluation may add them to what was trained */
            words.len = 0;
            op_inst_words(g->node[k].inst, variant);
            TRY(op_call_words(&g->node[k].call, &words));
            TRY(base_buf_printf(&words, " | %s\n", variant));
            base_sha256_add(&s, words.text, words.len);
        }
    base_sha256_hex(&s, out);
out:
    base_buf_free(&words);
    return st;
}
