/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Check
 *
 * For the verbs that read a manifest themselves: nothing is begun with one that is wrong.
 */

/* Says on standard error what is wrong with a file, as "check" does; 0: nothing. */
int check_file(char *file);
