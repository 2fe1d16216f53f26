/* Inside src/study: a study as one JSON object, and the page around it. */
#ifndef REPORT_H
#define REPORT_H

#include "rote/report.h"
#include "study/study.h"

/* report_cells.c: everything that one cell shows; with its curves where `curves`. */
enum rote_status report_cell(struct rote_study *s, int cell, bool curves, json_t **out);

/* report_network.c: which heads a configuration has, where in the network they are, what a regulariser reaches. */
enum rote_status report_heads(const struct config *c, json_t *out);

/* report_runs.c */
/* What runs of a cell cost: those of the comparison (tuning false), or the tuning's; cell -1: of all. */
enum rote_status report_cost(struct rote_study *s, int cell, bool tuning, json_t **out);
/* Every run that the database has, once. */
enum rote_status report_runs(struct rote_study *s, json_t *out);

/* report_verdict.c: the primary comparisons, each with its verdict, side effects and alternatives. */
enum rote_status report_primary(struct rote_study *s, json_t *out);

/* report_page.c: the page around all of it */
enum rote_status report_page(const json_t *report, char **html);

#endif
