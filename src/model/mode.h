/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Mode
 *
 * A mode is which sidecars an app wants (contract M1 to M4), and no more: what it takes to get
 * from one to another is model/plan.
 */

#include <stdbool.h>

#include "model/manifest.h"

/*
 * Whether it is on the list of a mode. Those of them with autoStart a mode starts, the others it
 * lets run (contract M3); what they depend on runs with them, on the list or not: see
 * dependency_close().
 */
bool mode_wants(const ModeSpec *mode, const char *sidecar);

/*
 * The names that are to be up once a mode is in force, while those in `up` are (NULL: none): what
 * is on its list and has autoStart or is up already, and all that these depend on, in the order of
 * dependency_close(). Names that the manifest does not have are left out.
 */
int mode_wanted_up(char ***ret, const Manifest *manifest, const ModeSpec *mode, char *const *up);

/*
 * NULL: it will do as a mode's server: http or https, a host, nobody's name or password. Else what
 * is wrong and what to do, to follow a word for the URL: "has no host: ...". The URL itself is not
 * for messages, since there may be a password in it.
 */
const char *mode_check_server_url(const char *url);
