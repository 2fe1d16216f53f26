/* A configuration and models of the zoo in its place, for commands that go through several. */
#include "rote.h"

#include <stdio.h>

int cli_models_flag(struct cli_models *m, int flag, const char *value)
{
    if (flag == 's' && m->n_set < CLI_MOST)
        m->set[m->n_set++] = value;
    else if (flag == 'm' && m->n_models < CLI_MOST)
        m->model[m->n_models++] = value;
    else
        return 0;
    return 1;
}

int cli_models_count(const struct cli_models *m)
{
    return m->n_models ? m->n_models : 1;
}

enum rote_status cli_models_config(const struct cli_models *m, int index, rote_config **out)
{
    rote_config *c = NULL;
    char model[256];
    enum rote_status st = rote_config_new(&c);
    if (!st && m->config)
        st = rote_config_load(c, m->config);
    for (int i = 0; !st && i < m->n_set; i++)
        st = rote_config_set(c, m->set[i]);
    if (!st && m->n_models) {
        snprintf(model, sizeof model, "model=%s", m->model[index]);
        st = rote_config_set(c, model);
    }
    if (st)
        rote_config_free(c);
    else
        *out = c;
    return st;
}

enum rote_status cli_models_device(const struct cli_models *m, char **selector)
{
    rote_config *c = NULL;
    enum rote_status st = cli_models_config(m, 0, &c);
    if (!st)
        st = rote_config_device(c, selector);
    rote_config_free(c);
    return st;
}
