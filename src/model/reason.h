/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Reason
 *
 * Why a sidecar is as it is, in one sentence for people: the same for bus, log and terminal. The
 * machine's word for it is lifecycle_reason_code().
 */

#include "model/lifecycle.h"
#include "model/manifest.h"

/*
 * A new string, "" where there is nothing to say, NULL where memory is out. detail is what only
 * others know, or NULL. With REASON_DEPENDENCY (waiting, or Failed) it is the name of the
 * dependency, with REASON_MODE the name of the mode in force; of a start that failed it says why
 * (who holds the port, which places were tried), in place of the errno; with REASON_PORT_IN_USE of
 * one that was started, who answers in its place; of an end it goes on after it (its last words,
 * what the last health check got).
 */
char *reason_text(const SidecarSpec *spec, const Lifecycle *l, const char *detail);
