/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Verbs
 *
 * What sidecarctl can do: one table for parsing, running and help. Each verb is in a file of its
 * name, or in the one that it shares its way of working with.
 */

#include "ctl/arguments.h"

/* NULL: there is none of that name. */
const Verb *verbs_find(const char *name);

/* Answers the exit status. */
int verbs_print_help(void);

/* Each as Verb.run. */
int verb_check(const Arguments *arguments);
int verb_daemon(const Arguments *arguments);
int verb_events(const Arguments *arguments);
int verb_hold(const Arguments *arguments);
int verb_kill(const Arguments *arguments);
int verb_list(const Arguments *arguments);
int verb_logs(const Arguments *arguments);
int verb_mode(const Arguments *arguments);
int verb_restart(const Arguments *arguments);
int verb_run(const Arguments *arguments);
int verb_start(const Arguments *arguments);
int verb_status(const Arguments *arguments);
int verb_stop(const Arguments *arguments);
int verb_version(const Arguments *arguments);
int verb_wait(const Arguments *arguments);
int verb_why(const Arguments *arguments);
