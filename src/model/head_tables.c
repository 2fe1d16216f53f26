/* The heads as the kernels see them, and their sums. */
#include <string.h>

#include "model/model_internal.h"

#define TABLE_BYTES (8 * sizeof(int32_t))
#define REAL_BYTES (4 * sizeof(float))
#define SUM_BYTES (MODEL_STATS * sizeof(float))

uint64_t model_plan_table_bytes(const struct model_plan *p, const struct model *m)
{
    (void)p;
    return (uint64_t)m->n_heads * (TABLE_BYTES + REAL_BYTES + SUM_BYTES);
}

static enum rote_status make_table(struct model *m, struct model_plan *p, int index, int senders)
{
    enum rote_status st = ROTE_OK;
    const struct model_group *g = &m->group[index];
    int32_t table[MODEL_MAX_HEADS][8] = {{0}};
    float real[MODEL_MAX_HEADS][4] = {{0}};
    size_t n = (size_t)g->n_heads;
    for (int k = 0; k < g->n_heads; k++) {
        const struct model_head *h = &m->head[g->head[k]];
        uint64_t key = model_head_key(h);
        bool own = h->kind == HEAD_CLASS, drawn = !own && !h->own_labels;
        int32_t row[8] = {g->first_column[k], h->n, drawn ? (int32_t)h->kind : 0, own ? LOSS_OWN : (int32_t)h->loss,
                          (int32_t)(uint32_t)key, (int32_t)(uint32_t)(key >> 32), h->redraw, 0};
        memcpy(table[k], row, sizeof row);
        real[k][0] = (float)h->smoothing;
        real[k][1] = own ? 1.0f : (float)(h->lambda / (senders ? senders : 1));
        real[k][2] = h->scheduled ? 1.0f : 0.0f;
    }
    TRY(rt_mem_new(m->dev, n * TABLE_BYTES, "a table of heads", &p->table_mem[index]));
    TRY(rt_write(p->table_mem[index], 0, table, n * TABLE_BYTES));
    TRY(rt_mem_new(m->dev, n * REAL_BYTES, "a table of heads", &p->real_mem[index]));
    TRY(rt_write(p->real_mem[index], 0, real, n * REAL_BYTES));
    TRY(rt_mem_new(m->dev, n * SUM_BYTES, "the heads' sums", &p->acc_mem[index]));
    TRY(rt_fill(p->acc_mem[index], 0));
    graph_set_mem(p->g, p->table[index], p->table_mem[index]);
    graph_set_mem(p->g, p->real[index], p->real_mem[index]);
    graph_set_mem(p->g, p->acc[index], p->acc_mem[index]);
out:
    return st;
}

enum rote_status model_make_tables(struct model *m, struct model_plan *p)
{
    enum rote_status st = ROTE_OK;
    int senders = 0;
    for (int i = 0; i < m->n_heads; i++)
        senders += m->head[i].kind != HEAD_CLASS && m->head[i].lambda != 0 && m->head[i].loss != LOSS_NONE;
    for (int i = 0; i < m->n_groups; i++)
        TRY(make_table(m, p, i, senders));
out:
    return st;
}

static enum rote_status move_sums(struct model *m, struct model_plan *p, float *sums, bool write)
{
    enum rote_status st = ROTE_OK;
    for (int i = 0; i < m->n_groups; i++) {
        const struct model_group *g = &m->group[i];
        float part[MODEL_MAX_HEADS][MODEL_STATS];
        for (int k = 0; k < g->n_heads && write; k++)
            memcpy(part[k], sums + g->head[k] * MODEL_STATS, SUM_BYTES);
        if (write) {
            TRY(rt_write(p->acc_mem[i], 0, part, (uint64_t)g->n_heads * SUM_BYTES));
            continue;
        }
        TRY(rt_read(p->acc_mem[i], 0, part, (uint64_t)g->n_heads * SUM_BYTES));
        for (int k = 0; k < g->n_heads; k++)
            memcpy(sums + g->head[k] * MODEL_STATS, part[k], SUM_BYTES);
    }
out:
    return st;
}

enum rote_status model_plan_read_sums(struct model *m, struct model_plan *p, float *sums)
{
    return move_sums(m, p, sums, false);
}

enum rote_status model_plan_write_sums(struct model *m, struct model_plan *p, const float *sums)
{
    return move_sums(m, p, (float *)sums, true);
}

enum rote_status model_plan_take_sums(struct model *m, struct model_plan *p, double *sums)
{
    enum rote_status st = ROTE_OK;
    float now[MODEL_MAX_HEADS * MODEL_STATS];
    TRY(move_sums(m, p, now, false));
    for (int i = 0; i < m->n_groups; i++)
        TRY(rt_fill(p->acc_mem[i], 0));
    for (int i = 0; i < m->n_heads * MODEL_STATS; i++)
        sums[i] = now[i];
out:
    return st;
}
