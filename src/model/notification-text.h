/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * NotificationText
 *
 * The words by which the desktop is told of failures. What a sidecar or its manifest wrote is
 * quoted in them, so nothing of it drives whoever shows them: no control character, none that turns
 * the direction of writing, no markup.
 */

#include <stdbool.h>
#include <stddef.h>

/* Titles; new strings, NULL where memory is out. */
char *notification_summary(const char *app, const char *sidecar);
char *notification_summary_of_more(const char *app, size_t n_sidecars);

/* What is below; has_markup: "<" and "&" are not taken as they are. New strings, as above. */
char *notification_body(const char *reason, bool has_markup);
char *notification_body_of_more(char *const *sidecars, bool has_markup);
