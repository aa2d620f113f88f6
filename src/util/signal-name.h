/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Signal names
 *
 * "SIGTERM" and back, as manifests, logs and sentences write them.
 */

/* Borrowed until the next call. */
const char *signal_to_name(int signal);

/* -EINVAL where there is no such signal. */
int signal_from_name(const char *name);
