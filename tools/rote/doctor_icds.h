/* The loader of this process and the .icd files that it reads. */
#ifndef DOCTOR_ICDS_H
#define DOCTOR_ICDS_H

#include <dirent.h>

#include "doctor.h"

#define PATH 1024
#define MOST_ICDS 64

struct loader {
    char path[PATH], folder[PATH];  /* folder: the one that is compiled into it */
    int vendor_path, filenames;     /* reads OPENCL_VENDOR_PATH, OCL_ICD_FILENAMES */
};

struct icd {
    char path[PATH], library[PATH]; /* path empty: the library is named by a variable */
};

struct icds {
    struct loader loader;
    const char *variable;           /* that chose the folder, or NULL */
    char folder[PATH];              /* empty: one file, or one library, is named instead */
    int count;
    struct icd icd[MOST_ICDS];
};

/* Fills s, all zeros before; adds what it finds to the report. */
void doctor_read_icds(struct doctor *d, struct icds *s);
/* A whole file with a zero after it, to be freed; *len its length. NULL: not to be read. */
char *doctor_read_file(const char *path, size_t *len);
/* For scandir: names that end in .icd. */
int doctor_icd_entry(const struct dirent *e);

#endif
