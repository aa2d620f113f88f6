/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Passed
 *
 * What a client hands over for a sidecar, judged by the sidecar's manifest: values for the names
 * in "passEnv", and arguments behind the command. The manifest is the list of what is allowed;
 * what it does not name is refused.
 */

#include "model/manifest.h"

/* Of all that one call hands over: entries, and bytes of them together. */
#define PASSED_MAX 256u
#define PASSED_BYTES_MAX (64u * 1024u)

bool passed_is_too_much(char *const *texts);

/* Whether the name is one that a variable can have: ^[A-Za-z_][A-Za-z0-9_]*$ */
bool passed_is_name(const char *name, size_t n_bytes);

/* 1: the value is one that the manifest allows; 0: it is not. -ENOMEM. */
int passed_check_value(const PassedVariable *variable, const char *value);

/*
 * -EACCES: the manifest does not allow these arguments, and *ret_message says which, and by what
 * rule; it is the caller's to free.
 */
int passed_check_arguments(const SidecarSpec *spec, char *const *arguments, char **ret_message);
