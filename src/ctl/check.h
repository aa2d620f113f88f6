/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Check
 *
 * For the verbs that have to know about manifests: sidecard reads them, we need no JSON parser.
 */

/* The sidecard that goes with us, in a new string; it need not be there. */
int check_find_program(char **ret);

/* All that `sidecard --check --preflight` has to say of files, which is in core/preflight.h. */
int check_preflight(char **ret, char *const *files);

/* Says on standard error what is wrong with a file, as "check" does; 0: nothing. */
int check_file(char *file);
