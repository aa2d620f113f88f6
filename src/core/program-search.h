/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * ProgramSearch
 *
 * From the name of a program to the file that is to be run, or to what keeps it from being run, in
 * words: contract S3 and S4.
 */

#include <stdbool.h>

#include "core/sidecar.h"

typedef struct ProgramFault {
        bool is_missing; /* from every place */
        int error;       /* positive errno */
        char *text;      /* for people; NULL: there was no memory for it */
        char **tried;    /* every place */
} ProgramFault;

void program_fault_done(ProgramFault *fault);

/*
 * The first that can be executed, as what runs of the sidecar says. what: "program", as *ret_fault
 * is to call it. -ECANCELED: none can, and *ret_fault, the caller's, says why.
 */
int program_search(char **ret,
                   const Sidecar *sidecar,
                   const char *what,
                   const char *name,
                   ProgramFault *ret_fault);
