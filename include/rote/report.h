/* Reports: what a study or a run shows, as one page that needs nothing else.
 *
 *   rote_study_open("study.yaml", NULL, &s); rote_study_report(s, &html);
 *
 * The page is a complete HTML document in UTF-8; what it needs (styles, scripts, Chart.js) is in it, and it asks for
 * nothing over a network. The same runs give the same bytes. docs/report.md tells what it shows.
 * *html is the caller's (rote_free). */
#ifndef ROTE_REPORT_H
#define ROTE_REPORT_H

#include "rote/study.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Of what the database has so far; sections without any runs behind them are left out, and the page says so. */
ROTE_API enum rote_status rote_study_report(rote_study *study, char **html);
/* Of one run, from its folder's config.yaml, log.csv, summary.json, ledger.npy and canaries.npy. A run that is not at
 * its end is shown as far as it is. ROTE_ENOTFOUND: it is not a run's folder; ROTE_EFORMAT: a file is malformed. */
ROTE_API enum rote_status rote_run_folder_report(const char *folder, char **html);

#ifdef __cplusplus
}
#endif
#endif
