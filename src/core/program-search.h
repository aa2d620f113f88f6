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
#include "io/program-identity.h"

/* What a start would execute: found, or not. Filled from zeroes. */
typedef struct ProgramSearch {
        char **candidates;
        char *path;               /* NULL: none can be executed */
        ProgramIdentity identity; /* of it, or of the first one that cannot be */
        int error;                /* positive: of the first that is there and cannot be; else 0 */
        char *advice;             /* ... and why, in words */
} ProgramSearch;

void program_search_done(ProgramSearch *search);

/* name: the first word of a command, filled in. That nothing is found is no error. */
int program_search(ProgramSearch *search,
                   const Supervisor *supervisor,
                   const SidecarSpec *spec,
                   const char *name);

/* The same along another PATH; NULL: none. */
int program_search_along(ProgramSearch *search,
                         const SidecarSpec *spec,
                         const char *name,
                         const char *path);

/* The places alone, best first. */
int program_list_places(char ***ret,
                        const Supervisor *supervisor,
                        const SidecarSpec *spec,
                        const char *name);

typedef struct ProgramFault {
        bool is_missing; /* from every place */
        int error;       /* positive errno */
        char *text;      /* for people; NULL: there was no memory for it */
        char **tried;    /* every place */
} ProgramFault;

void program_fault_done(ProgramFault *fault);

/*
 * A search, as what runs of the sidecar says, that has to find one. what: "program", as *ret_fault
 * is to call it. -ECANCELED: none can be executed, and *ret_fault, the caller's, says why.
 */
int program_require(ProgramSearch *search,
                    const Sidecar *sidecar,
                    const char *what,
                    const char *name,
                    ProgramFault *ret_fault);
